//! A recorded multipart/x-mixed-replace response: what `curl http://camera/video.mjpg > dump` leaves
//! (RFC 2046 §5.1 for the parts).
//!
//! Fed by the input; feeds [`MjpegSource`](super::MjpegSource). Parts say neither how long they are shown
//! nor, dependably, when: they are played at one rate. A part's `Content-Length` is used where it is
//! given; where not, the JPEG's own markers say where it ends.

use std::io::{self, BufRead, Read};

use frame_buffer::FrameId;

use super::scan::{MAX_JPEG_BYTES, Scanned, read_jpeg};
use super::source::{JpegStream, StreamInfo, Unit};
use crate::error::Broken;
use crate::input::Input;
use crate::rate::Rate;
use crate::{DecodeError, OpenError};

const CONTAINER: &str = "multipart";
/// Longest line of a part's header, and of the boundary.
const MAX_LINE_BYTES: u64 = 1024;
/// Most header lines of a part, and most lines passed over between two.
const MAX_LINES: usize = 64;

pub(crate) struct MultipartStream {
    input: Input,
    rate: Rate,
    /// With its leading dashes, as it stands in the body.
    boundary: Vec<u8>,
    next: u64,
}

/// Why a part could not be read.
enum PartError {
    Io(io::Error),
    CutOff,
    Broken(String),
}

impl From<io::Error> for PartError {
    fn from(e: io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::UnexpectedEof => Self::CutOff,
            _ => Self::Io(e),
        }
    }
}

impl MultipartStream {
    pub(super) fn open(mut input: Input, rate: Rate) -> Result<Self, OpenError> {
        let boundary = find_boundary(&mut input).map_err(|source| OpenError::Read {
            name: input.name().to_owned(),
            source,
        })?;
        let Some(boundary) = boundary else {
            let broken = Broken::new("no boundary line is found");
            return Err(broken.opening(input.name(), CONTAINER));
        };
        let mut stream = Self {
            input,
            rate,
            boundary,
            next: 0,
        };
        stream.rewind().map_err(|e| match e {
            DecodeError::Read { name, source } => OpenError::Read { name, source },
            other => Broken::new(other.to_string()).opening(stream.input.name(), CONTAINER),
        })?;
        Ok(stream)
    }

    /// Reads up to and including the next JPEG; `false` at the end.
    fn read_part(&mut self, jpeg: &mut Vec<u8>) -> Result<bool, PartError> {
        loop {
            if !self.skip_to_boundary()? {
                return Ok(false);
            }
            let header = self.read_header()?;
            if !header.is_jpeg {
                let length = header.length.ok_or_else(|| {
                    PartError::Broken("a part that is no JPEG has no Content-Length".to_owned())
                })?;
                let end = self.input.position().saturating_add(length);
                self.input.seek_to(end.min(self.input.len_bytes()))?;
                continue;
            }
            self.read_body(header.length, jpeg)?;
            return Ok(true);
        }
    }

    /// Passes the next boundary line; `false` at the closing one and at the end of the input.
    fn skip_to_boundary(&mut self) -> Result<bool, PartError> {
        for _ in 0..MAX_LINES {
            let Some(line) = read_line(&mut self.input)? else {
                return Ok(false);
            };
            if let Some(rest) = line.strip_prefix(self.boundary.as_slice()) {
                return Ok(rest != b"--");
            }
        }
        Err(PartError::Broken(format!(
            "no boundary within {MAX_LINES} lines after part {}",
            self.next
        )))
    }

    fn read_header(&mut self) -> Result<PartHeader, PartError> {
        let mut header = PartHeader {
            is_jpeg: true,
            length: None,
        };
        for _ in 0..MAX_LINES {
            let line = read_line(&mut self.input)?.ok_or(PartError::CutOff)?;
            if line.is_empty() {
                return Ok(header);
            }
            let line = String::from_utf8_lossy(&line).to_ascii_lowercase();
            match line.split_once(':') {
                Some(("content-type", kind)) => {
                    header.is_jpeg = kind.contains("jpeg") || kind.contains("jpg");
                }
                Some(("content-length", length)) => header.length = length.trim().parse().ok(),
                _ => {}
            }
        }
        Err(PartError::Broken(format!(
            "the header of part {} has more than {MAX_LINES} lines",
            self.next
        )))
    }

    fn read_body(&mut self, length: Option<u64>, jpeg: &mut Vec<u8>) -> Result<(), PartError> {
        if let Some(length) = length {
            if length > MAX_JPEG_BYTES as u64 {
                return Err(PartError::Broken(format!(
                    "part {} claims {length} bytes, and the limit is {MAX_JPEG_BYTES}",
                    self.next
                )));
            }
            let offset = self.input.position();
            return Ok(self.input.read_vec_at(offset, length as usize, jpeg)?);
        }
        let what = match read_jpeg(&mut self.input, jpeg)? {
            Scanned::Jpeg => return Ok(()),
            Scanned::CutOff => return Err(PartError::CutOff),
            Scanned::TooLong => "is too long",
            Scanned::Damaged => "has damaged markers",
            Scanned::NoStart => "does not start with a JPEG",
        };
        Err(PartError::Broken(format!("part {} {what}", self.next)))
    }
}

impl JpegStream for MultipartStream {
    fn name(&self) -> &str {
        self.input.name()
    }

    fn info(&self) -> StreamInfo {
        StreamInfo {
            container: CONTAINER,
            frame_rate: self.rate.fps(),
            frame_count: None,
            duration: None,
        }
    }

    fn next_jpeg(&mut self, jpeg: &mut Vec<u8>) -> Result<Option<Unit>, DecodeError> {
        let part = self.read_part(jpeg).map_err(|error| {
            let name = self.input.name().to_owned();
            match error {
                PartError::Io(source) => DecodeError::Read { name, source },
                PartError::CutOff => DecodeError::Truncated {
                    name,
                    index: FrameId(self.next),
                },
                PartError::Broken(what) => Broken(what).decoding(&name, CONTAINER),
            }
        })?;
        if !part {
            return Ok(None);
        }
        let (pts, duration) = self.rate.times(self.next);
        self.next += 1;
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

struct PartHeader {
    is_jpeg: bool,
    /// Bytes of the part's body, where it says so.
    length: Option<u64>,
}

/// The first line that starts with two dashes, from the start of the input.
fn find_boundary(input: &mut Input) -> io::Result<Option<Vec<u8>>> {
    for _ in 0..MAX_LINES {
        match read_line(input)? {
            Some(line) if line.starts_with(b"--") && line.len() > 2 => return Ok(Some(line)),
            Some(_) => {}
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// A line without its end; `None` at the end of the input. A longer line comes in pieces.
fn read_line(input: &mut Input) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = input
        .by_ref()
        .take(MAX_LINE_BYTES)
        .read_until(b'\n', &mut line)?;
    while line.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
        line.pop();
    }
    Ok((read > 0).then_some(line))
}
