//! Finds where a JPEG ends by walking its markers (ITU-T T.81 Annex B).
//!
//! Fed by the input from wherever it stands; feeds the wrappings that do not say how long a JPEG is.

use std::io::{self, BufRead};

use crate::input::Input;

/// Longest JPEG: 16 Mpx at the highest quality.
pub(super) const MAX_JPEG_BYTES: usize = 32 << 20;

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// What a scan came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    /// A whole JPEG, from SOI to EOI.
    Jpeg,
    /// The input ends within it.
    CutOff,
    /// It is longer than [`MAX_JPEG_BYTES`].
    TooLong,
    /// A marker is missing where one must be.
    Damaged,
    /// There is no SOI here; two bytes were passed over.
    NoStart,
}

/// Reads the JPEG that starts here into `jpeg`.
pub(super) fn read_jpeg(input: &mut Input, jpeg: &mut Vec<u8>) -> io::Result<Scanned> {
    jpeg.clear();
    let mut walk = Walk { input, jpeg };
    match walk.run() {
        Ok(scanned) => Ok(scanned),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(Scanned::CutOff),
        Err(e) => Err(e),
    }
}

struct Walk<'a> {
    input: &'a mut Input,
    jpeg: &'a mut Vec<u8>,
}

impl Walk<'_> {
    fn run(&mut self) -> io::Result<Scanned> {
        if (self.byte()?, self.byte()?) != (0xff, SOI) {
            return Ok(Scanned::NoStart);
        }
        let mut marker = self.marker()?;
        loop {
            match marker {
                None => return Ok(Scanned::Damaged),
                Some(EOI) => return Ok(Scanned::Jpeg),
                // Markers without a segment: TEM and RSTn.
                Some(0x01 | 0xd0..=0xd7) => marker = self.marker()?,
                Some(kind) => {
                    if !self.segment()? {
                        return Ok(Scanned::Damaged);
                    }
                    marker = match kind {
                        SOS => Some(self.entropy_coded()?),
                        _ => self.marker()?,
                    };
                }
            }
            if self.jpeg.len() > MAX_JPEG_BYTES {
                return Ok(Scanned::TooLong);
            }
        }
    }

    fn byte(&mut self) -> io::Result<u8> {
        let byte = *self
            .input
            .fill_buf()?
            .first()
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        self.input.consume(1);
        self.jpeg.push(byte);
        Ok(byte)
    }

    /// The next marker, which must start here; any number of 0xFF may fill up before it.
    fn marker(&mut self) -> io::Result<Option<u8>> {
        if self.byte()? != 0xff {
            return Ok(None);
        }
        loop {
            match self.byte()? {
                0xff if self.jpeg.len() <= MAX_JPEG_BYTES => {}
                kind => return Ok(Some(kind)),
            }
        }
    }

    fn segment(&mut self) -> io::Result<bool> {
        let length = usize::from(self.byte()?) << 8 | usize::from(self.byte()?);
        let Some(mut left) = length.checked_sub(2) else {
            return Ok(false);
        };
        while left > 0 {
            let bytes = self.input.fill_buf()?;
            if bytes.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let n = bytes.len().min(left);
            self.jpeg.extend_from_slice(&bytes[..n]);
            self.input.consume(n);
            left -= n;
        }
        Ok(true)
    }

    /// Passes over a scan up to the marker that ends it. A 0xFF in the data is followed by 0, restart
    /// markers belong to the data (§B.1.1.5).
    fn entropy_coded(&mut self) -> io::Result<u8> {
        loop {
            let bytes = self.input.fill_buf()?;
            if bytes.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let plain = bytes.iter().position(|b| *b == 0xff).unwrap_or(bytes.len());
            self.jpeg.extend_from_slice(&bytes[..plain]);
            let whole = plain == bytes.len();
            self.input.consume(plain);
            if self.jpeg.len() > MAX_JPEG_BYTES {
                return Ok(EOI);
            }
            if whole {
                continue;
            }
            match self.marker()? {
                None | Some(0x00 | 0xd0..=0xd7) => {}
                Some(kind) => return Ok(kind),
            }
        }
    }
}
