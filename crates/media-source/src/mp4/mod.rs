//! MP4 and QuickTime files (ISO/IEC 14496-12), whole or fragmented, `moov` first or last.
//!
//! Fed by the bytes of [`crate::open_reader`]; feeds the H.264 and MJPEG sources with samples.

mod boxes;
mod demux;
mod fragments;
mod samples;
mod scan;
mod starts;
mod timeline;
mod track;

pub(crate) use boxes::printable;
pub(crate) use demux::Demuxer;
pub(crate) use starts::Place;

use frame_buffer::FramePool;

use crate::input::Input;
use crate::{AccessUnits, FrameSource, OpenError, h264, mjpeg};
use demux::Fragments;
use scan::{Loaded, ScanError, TopLevel};
use timeline::Timeline;
use track::{Codec, Found, Track};

const CONTAINER: &str = "MP4";

/// Opens the video track of an MP4.
pub(crate) fn open(input: Input, pool: FramePool) -> Result<Box<dyn FrameSource>, OpenError> {
    Ok(match open_video(input)? {
        Video::H264(track) => Box::new(h264::open(track, pool)?),
        Video::Mjpeg(demuxer) => Box::new(mjpeg::open_mp4(demuxer, pool)?),
    })
}

/// Opens the video track of an MP4, which must be H.264, to be read as it is coded.
pub(crate) fn open_access_units(input: Input) -> Result<AccessUnits, OpenError> {
    match open_video(input)? {
        Video::H264(track) => h264::open_access_units(track),
        Video::Mjpeg(demuxer) => Err(OpenError::NoAccessUnits {
            name: demuxer.name().to_owned(),
            reason: "it is Motion JPEG in MP4".to_owned(),
        }),
    }
}

/// A track that can be decoded.
enum Video {
    H264(h264::Track),
    Mjpeg(Demuxer),
}

fn open_video(mut input: Input) -> Result<Video, OpenError> {
    let moov = load_moov(&mut input)?;
    let found = track::read_moov(&moov.bytes, input.len_bytes())
        .map_err(|broken| broken.opening(input.name(), CONTAINER))?;
    let track = match found {
        Found::Video(track) => *track,
        Found::NoVideo(others) => return Err(no_video(&input, &others)),
    };
    let next = moov.next;
    drop(moov);
    let codec = track.codec.clone();
    let entry_size = track.entry_size;
    match codec {
        Codec::H264(configs) => {
            let demuxer = demuxer(input, track, next)?;
            Ok(Video::H264(h264::Track {
                demuxer,
                configs,
                entry_size,
            }))
        }
        Codec::Mjpeg => Ok(Video::Mjpeg(demuxer(input, track, next)?)),
        Codec::Unsupported(codec) => {
            Err(crate::sniff::unsupported(input.name(), CONTAINER, &codec))
        }
    }
}

fn load_moov(input: &mut Input) -> Result<Loaded, OpenError> {
    let loaded = TopLevel::from(0).next(input, *b"moov");
    let name = input.name();
    match loaded {
        Ok(Some(loaded)) => Ok(loaded),
        Ok(None) => Err(OpenError::Malformed {
            name: name.to_owned(),
            container: CONTAINER.to_owned(),
            what: "it has no moov box, the table of its frames; that is written last, so the file was \
                   probably cut off"
                .to_owned(),
        }),
        Err(error) => Err(scan_error(name, error)),
    }
}

/// The demuxer, with at least one sample known.
fn demuxer(input: Input, track: Track, after_moov: u64) -> Result<Demuxer, OpenError> {
    let name = input.name().to_owned();
    let timeline = Timeline::new(track.timescale, track.edit_start_ticks);
    let fragments = track.fragments.map(|reader| Fragments {
        top_level: TopLevel::from(after_moov),
        reader,
    });
    let mut demuxer = Demuxer::new(input, track.samples, timeline, fragments);
    while demuxer.slot_count() == 0 {
        let more = demuxer.extend().map_err(|e| opening(&name, e))?;
        if !more {
            return Err(OpenError::Malformed {
                name,
                container: CONTAINER.to_owned(),
                what: "its video track has no frames".to_owned(),
            });
        }
    }
    Ok(demuxer)
}

fn scan_error(name: &str, error: ScanError) -> OpenError {
    let name = name.to_owned();
    match error {
        ScanError::Io(source) => OpenError::Read { name, source },
        ScanError::Broken(broken) => broken.opening(&name, CONTAINER),
        ScanError::TooLarge { what, value, limit } => OpenError::TooLarge {
            name,
            what,
            value,
            limit,
        },
    }
}

/// An error of the demuxer while the file is still being opened.
pub(crate) fn opening(name: &str, error: crate::DecodeError) -> OpenError {
    match error {
        crate::DecodeError::Read { name, source } => OpenError::Read { name, source },
        other => OpenError::Malformed {
            name: name.to_owned(),
            container: CONTAINER.to_owned(),
            what: other.to_string(),
        },
    }
}

fn no_video(input: &Input, others: &[String]) -> OpenError {
    OpenError::NoVideoTrack {
        name: input.name().to_owned(),
        container: CONTAINER.to_owned(),
        found: match others {
            [] => "no tracks at all".to_owned(),
            some => some.join(", "),
        },
    }
}
