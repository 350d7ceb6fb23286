//! What `exec` says to its command and hears from it.
//!
//! Each message is a length (`u32`, little endian) and that many bytes of msgpack. A frame is a map
//! `{index, source_id, pts_us, width, height, format, full_range, data}`; an answer is a map too,
//! whose entries become the frame's fields, but for `picture`: `{width, height, format, data}`, the frame as it is to be
//! shown, in full range.

use std::io::{self, Read};

use frame_buffer::{ColorRange, FramePool, Picture, PictureSize, Plane};
use serde::{Deserialize, Serialize};

use crate::frame::check_bgr;
use crate::{ContentError, DecodedFrame, Fields, FrameContent, Output, bgr, raw};

/// Longest answer in bytes.
pub(super) const MAX_ANSWER_BYTES: u32 = 16 << 20;

#[derive(Serialize)]
struct FrameMessage<'a> {
    index: u64,
    source_id: u64,
    pts_us: u64,
    width: u32,
    height: u32,
    /// `i420` (planes one after the other, rows without padding), `bgr`, `opaque`.
    format: &'static str,
    /// Whether luma is 0–255, as in JPEG, rather than 16–235.
    full_range: bool,
    #[serde(with = "serde_bytes")]
    data: &'a [u8],
}

/// What the command says of a frame.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    picture: Option<PictureAnswer>,
    #[serde(flatten)]
    fields: Fields,
}

#[derive(Deserialize)]
struct PictureAnswer {
    width: u32,
    height: u32,
    format: Format,
    #[serde(with = "serde_bytes")]
    data: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    I420,
    Bgr,
}

impl PictureAnswer {
    fn into_picture(self) -> Result<Picture, ContentError> {
        let Self {
            width,
            height,
            format,
            data,
        } = self;
        // Kept for no other: the next one may well be of another size.
        let pool = FramePool::new(0);
        match format {
            Format::I420 => {
                let size = PictureSize::new(width, height)?;
                raw::picture(&pool, size, ColorRange::Full, &data)
            }
            Format::Bgr => {
                check_bgr(width, height, data.len())?;
                Ok(bgr::to_picture(&pool, width, height, &data)?)
            }
        }
    }
}

/// A frame's message, length first.
pub(super) fn frame_message(frame: &DecodedFrame) -> Result<Vec<u8>, String> {
    let planes;
    let (format, full_range, data) = match &frame.content {
        FrameContent::Picture(picture) => {
            planes = without_padding(picture);
            ("i420", picture.range() == ColorRange::Full, &planes[..])
        }
        FrameContent::Bgr { bytes, .. } => ("bgr", true, &bytes[..]),
        FrameContent::Opaque(bytes) => ("opaque", false, &bytes[..]),
    };
    let message = FrameMessage {
        index: frame.index,
        source_id: frame.source_id,
        pts_us: u64::try_from(frame.pts.as_micros()).unwrap_or(u64::MAX),
        width: frame.width,
        height: frame.height,
        format,
        full_range,
        data,
    };
    let mut bytes = vec![0; 4];
    rmp_serde::encode::write_named(&mut bytes, &message).map_err(|error| error.to_string())?;
    let length = u32::try_from(bytes.len() - 4)
        .map_err(|_| "the frame does not fit into a message of 4 GiB".to_owned())?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

fn without_padding(picture: &Picture) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(picture.size_bytes());
    for plane in Plane::ALL {
        for row in picture.plane(plane).rows() {
            bytes.extend_from_slice(row);
        }
    }
    bytes
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    #[error("the command ended without an answer")]
    Ended,
    #[error("cannot read the command's answer: {0}")]
    Read(#[from] io::Error),
    #[error("the command's answer of {0} bytes is longer than {MAX_ANSWER_BYTES}")]
    TooLong(u32),
    #[error("the command's answer is no msgpack map of fields: {0}")]
    NotAMap(#[from] rmp_serde::decode::Error),
    #[error("the command's answer goes on for {0} bytes after its map")]
    Trailing(usize),
    #[error("the picture in the command's answer cannot be used: {0}")]
    Picture(#[from] ContentError),
}

/// Reads one answer.
pub(super) fn read_answer(from: &mut impl Read) -> Result<Output, AnswerError> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(AnswerError::Ended);
        }
        read => read?,
    }
    let length = u32::from_le_bytes(length);
    if length > MAX_ANSWER_BYTES {
        return Err(AnswerError::TooLong(length));
    }
    let mut bytes = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut bytes)?;
    if bytes.len() < length as usize {
        return Err(AnswerError::Ended);
    }
    let mut rest = &bytes[..];
    let Answer { picture, fields } = rmp_serde::from_read(&mut rest)?;
    if !rest.is_empty() {
        return Err(AnswerError::Trailing(rest.len()));
    }
    let picture = picture.map(PictureAnswer::into_picture).transpose()?;
    Ok(Output { fields, picture })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(length: u32, bytes: &[u8]) -> Result<Output, AnswerError> {
        let mut message = length.to_le_bytes().to_vec();
        message.extend_from_slice(bytes);
        read_answer(&mut &message[..])
    }

    #[test]
    fn answers_are_maps_of_a_bounded_length() {
        let map = [0x81, 0xa1, b'n', 0x07];
        assert_eq!(answered(4, &map).unwrap().fields["n"], 7);
        assert!(matches!(answered(5, &map), Err(AnswerError::Ended)));
        assert!(matches!(answered(3, &map), Err(AnswerError::NotAMap(_))));
        assert!(matches!(answered(1, &[0x07]), Err(AnswerError::NotAMap(_))));
        assert!(matches!(
            answered(2, &[0x80, 0x07]),
            Err(AnswerError::Trailing(1))
        ));
        assert!(matches!(
            answered(u32::MAX, &map),
            Err(AnswerError::TooLong(_))
        ));
        assert!(matches!(read_answer(&mut &[][..]), Err(AnswerError::Ended)));
        // Arrays within arrays without end: an error, not a full stack.
        let nested = [&[0x81, 0xa1, b'n'][..], &[0x91; 100_000]].concat();
        assert!(answered(nested.len() as u32, &nested).is_err());
    }
}
