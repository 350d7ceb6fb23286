//! Finds the boxes at the top level of a file without reading the media between them.
//!
//! Fed by the input; feeds the track reader (`moov`) and the fragment reader (each `moof` in turn). Only
//! these two are ever loaded, so memory is bounded by their limits whatever the size of the file.

use std::io;

use super::boxes::{BoxHeader, FourCc, printable};
use crate::error::Broken;
use crate::input::Input;

/// Largest `moov`: tables of some four million samples. A day of video at 30 fps has 2.6 million.
pub(super) const MAX_MOOV_BYTES: u64 = 64 << 20;
/// Largest `moof`: a fragment of some seconds has a few kB.
const MAX_MOOF_BYTES: u64 = 4 << 20;
/// Boxes passed over on the way to the next `moov` or `moof`; far beyond any real file, it keeps a
/// gigabyte of empty boxes from being walked one by one.
const MAX_BOXES_SKIPPED: usize = 65_536;

/// Why the scan stopped.
pub(super) enum ScanError {
    Io(io::Error),
    Broken(Broken),
    TooLarge {
        what: &'static str,
        value: u64,
        limit: u64,
    },
}

impl From<io::Error> for ScanError {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

impl From<Broken> for ScanError {
    fn from(e: Broken) -> Self {
        Self::Broken(e)
    }
}

/// A box loaded whole, header included.
pub(super) struct Loaded {
    pub(super) bytes: Vec<u8>,
    pub(super) offset: u64,
    /// Where the box after it starts.
    pub(super) next: u64,
}

/// Walks the top level from one box to the next.
pub(super) struct TopLevel {
    offset: u64,
}

impl TopLevel {
    pub(super) fn from(offset: u64) -> Self {
        Self { offset }
    }

    /// Loads the next box of a type; `None` when the file ends without one.
    pub(super) fn next(
        &mut self,
        input: &mut Input,
        wanted: FourCc,
    ) -> Result<Option<Loaded>, ScanError> {
        for _ in 0..MAX_BOXES_SKIPPED {
            let Some(header) = self.header(input)? else {
                return Ok(None);
            };
            let left = input.len_bytes() - self.offset;
            let size = header.size_bytes.unwrap_or(left);
            if header.kind == wanted {
                return self.load(input, &header, size).map(Some);
            }
            // A box that is cut off can only be the last: whatever it is, nothing follows.
            self.offset = self.offset.saturating_add(size).min(input.len_bytes());
        }
        Err(Broken::new(format!(
            "more than {MAX_BOXES_SKIPPED} boxes without a {}",
            printable(wanted)
        ))
        .into())
    }

    fn header(&self, input: &mut Input) -> Result<Option<BoxHeader>, ScanError> {
        if input.len_bytes().saturating_sub(self.offset) < 8 {
            return Ok(None);
        }
        let mut bytes = [0; BoxHeader::MAX_BYTES];
        input.seek_to(self.offset)?;
        let filled = input.read_up_to(&mut bytes)?;
        if filled < 8 {
            return Ok(None);
        }
        Ok(Some(BoxHeader::parse(&bytes[..filled])?))
    }

    fn load(
        &mut self,
        input: &mut Input,
        header: &BoxHeader,
        size: u64,
    ) -> Result<Loaded, ScanError> {
        let (what, limit) = match &header.kind {
            b"moof" => ("the size of a moof box in bytes", MAX_MOOF_BYTES),
            _ => ("the size of the moov box in bytes", MAX_MOOV_BYTES),
        };
        let left = input.len_bytes() - self.offset;
        if size > left {
            return Err(Broken::new(format!(
                "box {} at byte {} claims {size} bytes where {left} are left: the file is cut off",
                printable(header.kind),
                self.offset
            ))
            .into());
        }
        if size > limit {
            return Err(ScanError::TooLarge {
                what,
                value: size,
                limit,
            });
        }
        let mut bytes = Vec::new();
        let offset = self.offset;
        input.read_vec_at(offset, size as usize, &mut bytes)?;
        self.offset = offset + size;
        Ok(Loaded {
            bytes,
            offset,
            next: self.offset,
        })
    }
}
