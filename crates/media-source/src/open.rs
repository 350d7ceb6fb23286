//! From bytes to a source of frames.
//!
//! Fed by a reader (a file, a cursor, the loader's); feeds the demuxer that the first bytes ask for.

use frame_buffer::FramePool;

use crate::input::Input;
use crate::rate::Rate;
use crate::sniff::{Container, SNIFF_BYTES, sniff};
use crate::{AccessUnits, DEFAULT_FRAME_RATE, FrameSource, OpenError, ReadSeek, mjpeg, mp4};

/// Opens a video from its bytes.
///
/// `len_bytes` is the whole length; `name` is what errors call the input. The container is told by the
/// first bytes: MP4 or QuickTime (H.264, MJPEG), AVI (MJPEG), multipart/x-mixed-replace, JPEG. Content
/// without a rate of its own (the last two) plays at [`DEFAULT_FRAME_RATE`].
///
/// Reads block the calling thread, and so does decoding: give the source a thread of its own.
///
/// # Errors
/// Each names the input: see [`OpenError`].
pub fn open_reader(
    reader: Box<dyn ReadSeek>,
    len_bytes: u64,
    name: &str,
    pool: FramePool,
) -> Result<Box<dyn FrameSource>, OpenError> {
    open_reader_at(reader, len_bytes, name, DEFAULT_FRAME_RATE, pool)
}

/// As [`open_reader`], with another rate for content that has none of its own: 0.001 to 1000 frames per
/// second.
///
/// # Errors
/// As [`open_reader`], and [`OpenError::OutOfRange`] for the rate.
pub fn open_reader_at(
    reader: Box<dyn ReadSeek>,
    len_bytes: u64,
    name: &str,
    frame_rate: f64,
    pool: FramePool,
) -> Result<Box<dyn FrameSource>, OpenError> {
    let rate = checked_rate(frame_rate)?;
    let (input, container, head) = recognise(reader, len_bytes, name)?;
    match container {
        Container::Mp4 => mp4::open(input, pool),
        Container::Avi => Ok(Box::new(mjpeg::open_avi(input, pool)?)),
        Container::Multipart => Ok(Box::new(mjpeg::open_multipart(input, rate, pool)?)),
        Container::Jpeg => Ok(Box::new(mjpeg::open_jpeg(input, rate, pool)?)),
        Container::Unsupported { container, codec } => {
            Err(crate::sniff::unsupported(name, container, codec))
        }
        Container::Unknown => Err(unknown(name, &head)),
    }
}

/// Opens a video to read its own access units, without decoding them: H.264 in MP4 or QuickTime.
///
/// `len_bytes` and `name` are as for [`open_reader`], and so is what blocks.
///
/// # Errors
/// As [`open_reader`], and [`OpenError::NoAccessUnits`] for a video that can be decoded and not be sent as it is coded.
pub fn open_access_units(
    reader: Box<dyn ReadSeek>,
    len_bytes: u64,
    name: &str,
) -> Result<AccessUnits, OpenError> {
    let (input, container, head) = recognise(reader, len_bytes, name)?;
    let is = |what: &str| OpenError::NoAccessUnits {
        name: name.to_owned(),
        reason: format!("it is {what}"),
    };
    match container {
        Container::Mp4 => mp4::open_access_units(input),
        Container::Avi => Err(is("AVI")),
        Container::Multipart => Err(is("multipart JPEG")),
        Container::Jpeg => Err(is("JPEG")),
        Container::Unsupported { container, codec } => {
            Err(crate::sniff::unsupported(name, container, codec))
        }
        Container::Unknown => Err(unknown(name, &head)),
    }
}

/// The input at its first byte, its container, and the bytes that told.
fn recognise(
    reader: Box<dyn ReadSeek>,
    len_bytes: u64,
    name: &str,
) -> Result<(Input, Container, Vec<u8>), OpenError> {
    let read_error = |source| OpenError::Read {
        name: name.to_owned(),
        source,
    };
    let mut input = Input::new(reader, len_bytes, name).map_err(read_error)?;
    let mut head = vec![0; SNIFF_BYTES];
    let filled = input.read_up_to(&mut head).map_err(read_error)?;
    head.truncate(filled);
    input.seek_to(0).map_err(read_error)?;
    if head.is_empty() {
        return Err(OpenError::Empty {
            name: name.to_owned(),
        });
    }
    let container = sniff(&head);
    Ok((input, container, head))
}

fn unknown(name: &str, head: &[u8]) -> OpenError {
    OpenError::UnknownContainer {
        name: name.to_owned(),
        first_bytes: hex(&head[..head.len().min(8)]),
    }
}

pub(crate) fn checked_rate(frame_rate: f64) -> Result<Rate, OpenError> {
    Rate::from_fps(frame_rate).ok_or_else(|| OpenError::OutOfRange {
        field: "fps",
        value: frame_rate.to_string(),
        accepted: "0.001 to 1000 frames per second",
    })
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    digits.join(" ")
}
