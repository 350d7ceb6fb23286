//! JPEGs one behind another without any wrapping: what `ffmpeg -f mjpeg` writes. One JPEG is a video of one
//! frame.
//!
//! Fed by the input; feeds [`MjpegSource`](super::MjpegSource).

use std::io::BufRead;

use frame_buffer::FrameId;

use super::scan::{MAX_JPEG_BYTES, Scanned, read_jpeg};
use super::source::{JpegStream, StreamInfo, Unit};
use crate::DecodeError;
use crate::input::Input;
use crate::rate::Rate;

const CONTAINER: &str = "JPEG";
/// Bytes between two JPEGs that are passed over; recorders pad to sectors.
const MAX_PADDING_BYTES: usize = 64 * 1024;

pub(crate) struct ConcatStream {
    input: Input,
    rate: Rate,
    next: u64,
    /// A photo with further pictures of its own behind it (previews, gain maps), which are not frames.
    photo: bool,
}

impl ConcatStream {
    pub(super) fn new(input: Input, rate: Rate) -> Self {
        Self {
            input,
            rate,
            next: 0,
            photo: false,
        }
    }

    /// Passes over what is no 0xFF; `false` when the input ends.
    fn skip_padding(&mut self, passed: &mut usize) -> std::io::Result<bool> {
        loop {
            let bytes = self.input.fill_buf()?;
            if bytes.is_empty() {
                return Ok(false);
            }
            let start = bytes.iter().position(|b| *b == 0xff);
            let step = start.unwrap_or(bytes.len());
            self.input.consume(step);
            *passed += step;
            if start.is_some() || *passed > MAX_PADDING_BYTES {
                return Ok(start.is_some());
            }
        }
    }

    /// Reads the next JPEG; `None` when there is none, whatever else follows.
    fn read(&mut self, jpeg: &mut Vec<u8>) -> std::io::Result<Option<Scanned>> {
        if self.photo && self.next > 0 {
            return Ok(None);
        }
        let mut passed = 0;
        while passed <= MAX_PADDING_BYTES && self.skip_padding(&mut passed)? {
            match read_jpeg(&mut self.input, jpeg)? {
                Scanned::NoStart => passed += 2,
                // Cut off before even its second byte: no JPEG.
                Scanned::CutOff if jpeg.len() < 2 => return Ok(None),
                other => return Ok(Some(other)),
            }
        }
        Ok(None)
    }
}

impl JpegStream for ConcatStream {
    fn name(&self) -> &str {
        self.input.name()
    }

    fn info(&self) -> StreamInfo {
        StreamInfo {
            container: CONTAINER,
            frame_rate: self.rate.fps(),
            frame_count: self.photo.then_some(1),
            duration: self.photo.then(|| self.rate.start(1)),
        }
    }

    fn next_jpeg(&mut self, jpeg: &mut Vec<u8>) -> Result<Option<Unit>, DecodeError> {
        let scanned = self.read(jpeg).map_err(|source| DecodeError::Read {
            name: self.input.name().to_owned(),
            source,
        })?;
        let broken = |what: String| DecodeError::Malformed {
            name: self.input.name().to_owned(),
            container: CONTAINER,
            what,
        };
        let index = self.next;
        match scanned {
            None => return Ok(None),
            Some(Scanned::Jpeg) => {}
            Some(Scanned::CutOff) => {
                return Err(DecodeError::Truncated {
                    name: self.input.name().to_owned(),
                    index: FrameId(index),
                });
            }
            Some(Scanned::TooLong) => {
                return Err(broken(format!(
                    "JPEG {index} is longer than {MAX_JPEG_BYTES} bytes"
                )));
            }
            Some(Scanned::Damaged | Scanned::NoStart) => {
                return Err(broken(format!("the markers of JPEG {index} are damaged")));
            }
        }
        if index == 0 {
            self.photo = is_multi_picture(jpeg);
        }
        self.next += 1;
        let (pts, duration) = self.rate.times(index);
        Ok(Some(Unit {
            pts,
            duration,
            repeat: false,
        }))
    }

    fn rewind(&mut self) -> Result<(), DecodeError> {
        self.next = 0;
        self.input.seek_to(0).map_err(|source| DecodeError::Read {
            name: self.input.name().to_owned(),
            source,
        })
    }
}

/// Whether an APP2 segment with a multi-picture index (CIPA DC-007) is in the header.
fn is_multi_picture(jpeg: &[u8]) -> bool {
    const APP2: u8 = 0xe2;
    let mut rest = jpeg.get(2..).unwrap_or_default();
    while let [0xff, kind, high, low, ..] = rest {
        let length = usize::from(*high) << 8 | usize::from(*low);
        if *kind == 0xda {
            return false;
        }
        if *kind == APP2 && rest.get(4..8) == Some(b"MPF\0") {
            return true;
        }
        rest = rest.get(2 + length..).unwrap_or_default();
    }
    false
}
