//! H.264 in MP4 to frames.
//!
//! Fed by the MP4 demuxer with access units in decode order; hands out frames in presentation order, or the access
//! units themselves, and decodes them again where they arrive. Encodes pictures too, for whoever sends them on.

mod access_units;
mod avcc;
mod decoder;
mod encoder;
mod source;
mod sps;
mod unit_decoder;

pub use access_units::{
    AccessUnit, AccessUnits, END_OF_SEQUENCE, MAX_GROUP_BYTES, MAX_GROUP_UNITS, MAX_REORDERED_UNITS,
};
pub(crate) use avcc::AvcConfig;
pub use encoder::{H264EncodeError, H264Encoder, H264Unit};
pub use unit_decoder::{DecodedUnit, H264Decoder, H264Error};

use frame_buffer::{ColorRange, FramePool, Picture, PictureError, PictureSize};

use crate::mp4::{Demuxer, opening};
use crate::{OpenError, VideoInfo, sniff};
use decoder::Decoded;
use source::H264Source;
use sps::Sps;

const CONTAINER: &str = "MP4";

/// A track of H.264, not looked into yet.
pub(crate) struct Track {
    pub(crate) demuxer: Demuxer,
    /// One configuration per sample description.
    pub(crate) configs: Vec<AvcConfig>,
    /// Size in the sample entry.
    pub(crate) entry_size: (u16, u16),
}

/// Opens a track to be decoded.
pub(crate) fn open(mut track: Track, pool: FramePool) -> Result<H264Source, OpenError> {
    let (info, range) = inspect(&mut track)?;
    H264Source::new(track.demuxer, track.configs, info, range, pool)
}

/// Opens a track to be sent as it is.
pub(crate) fn open_access_units(mut track: Track) -> Result<AccessUnits, OpenError> {
    let (info, _) = inspect(&mut track)?;
    AccessUnits::new(track, info)
}

/// What the parameter sets say, and whether it can be decoded here.
fn inspect(track: &mut Track) -> Result<(VideoInfo, ColorRange), OpenError> {
    let Track {
        demuxer,
        configs,
        entry_size,
    } = track;
    let sps = first_sps(demuxer, configs)?;
    if let Some(obstacle) = sps.and_then(|sps| sps.obstacle()) {
        let profile = sps.map_or_else(String::new, |sps| sps.profile_name());
        let codec = format!("H.264 {profile} ({obstacle})");
        return Err(sniff::unsupported(demuxer.name(), CONTAINER, &codec));
    }
    let size = match sps {
        Some(sps) => (sps.width, sps.height),
        None => (u32::from(entry_size.0), u32::from(entry_size.1)),
    };
    let size = PictureSize::new(size.0, size.1).map_err(|e| OpenError::Malformed {
        name: demuxer.name().to_owned(),
        container: CONTAINER.to_owned(),
        what: e.to_string(),
    })?;
    let codec = match sps {
        Some(sps) => format!("H.264 {}", sps.profile_name()),
        None => "H.264".to_owned(),
    };
    let info = video_info(demuxer, size, codec);
    Ok((info, sps.map_or(ColorRange::Limited, |sps| sps.range())))
}

/// The one copy: from the decoder's memory into a pooled picture.
fn to_picture(
    pool: &FramePool,
    range: ColorRange,
    decoded: &Decoded<'_>,
) -> Result<Picture, PictureError> {
    let size = PictureSize {
        width: decoded.width,
        height: decoded.height,
    };
    let mut picture = pool.take(size)?;
    picture.copy_planes(decoded.planes, decoded.strides)?;
    picture.set_range(range);
    Ok(picture.freeze())
}

/// How many places a picture is shown before or after it is decoded.
fn reorder_span(index: u64, presentation_index: u64) -> u64 {
    index.abs_diff(presentation_index)
}

/// The sequence parameter set of the description, or that in the first sample.
fn first_sps(demuxer: &mut Demuxer, configs: &[AvcConfig]) -> Result<Option<Sps>, OpenError> {
    let Some(config) = configs.get(demuxer.description(0)).or(configs.first()) else {
        return Ok(None);
    };
    if let Some(sps) = config.sps().and_then(Sps::parse) {
        return Ok(Some(sps));
    }
    let mut sample = Vec::new();
    let name = demuxer.name().to_owned();
    demuxer
        .read(0, &mut sample)
        .map_err(|e| opening(&name, e))?;
    let mut nal_units = config.nal_units(&sample).flatten();
    Ok(nal_units.find(|nal| avcc::is_sps(nal)).and_then(Sps::parse))
}

fn video_info(demuxer: &Demuxer, size: PictureSize, codec: String) -> VideoInfo {
    let duration = demuxer.known_duration();
    let frames = demuxer.slot_count();
    let whole = !demuxer.is_open_ended();
    VideoInfo {
        size,
        frame_rate: demuxer.mean_rate(),
        frame_count: whole.then_some(frames as u64),
        duration: whole.then_some(duration),
        codec,
        container: CONTAINER.to_owned(),
    }
}
