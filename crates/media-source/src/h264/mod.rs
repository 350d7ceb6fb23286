//! H.264 in MP4 to frames.
//!
//! Fed by the MP4 demuxer with access units in decode order; hands out frames in presentation order.

mod avcc;
mod decoder;
mod source;
mod sps;

pub(crate) use avcc::AvcConfig;

use frame_buffer::{ColorRange, FramePool, PictureSize};

use crate::mp4::{Demuxer, opening};
use crate::{OpenError, VideoInfo, sniff};
use source::H264Source;
use sps::Sps;

const CONTAINER: &str = "MP4";

/// Opens a track of H.264.
pub(crate) fn open(
    mut demuxer: Demuxer,
    configs: Vec<AvcConfig>,
    entry_size: (u16, u16),
    pool: FramePool,
) -> Result<H264Source, OpenError> {
    let sps = first_sps(&mut demuxer, &configs)?;
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
    let info = video_info(&demuxer, size, codec);
    let range = match sps {
        Some(sps) if sps.full_range => ColorRange::Full,
        _ => ColorRange::Limited,
    };
    H264Source::new(demuxer, configs, info, range, pool)
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
