//! Where each byte of the virtual file comes from.

use bytes::Bytes;
use std::ops::Range;

/// The virtual file: what stood before the media data, the new index, then the rest without the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    parts: [Part; 4],
    size_bytes: u64,
}

/// A stretch of the virtual file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    at: Range<u64>,
    from: From,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    Here(Bytes),
    /// At this place in the source, and on.
    Source(u64),
}

/// A stretch of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Here(Bytes),
    /// These bytes of the source.
    Source(Range<u64>),
}

impl Layout {
    /// `moov` is where the index stands in the source of `size_bytes`, `moved` the one that takes the place
    /// before `media_at`.
    pub(super) fn new(size_bytes: u64, media_at: u64, moov: &Range<u64>, moved: Bytes) -> Self {
        let mut end = 0;
        let mut part = |len: u64, from| {
            let at = end..end + len;
            end = at.end;
            Part { at, from }
        };
        let parts = [
            part(media_at, From::Source(0)),
            part(moved.len() as u64, From::Here(moved)),
            part(moov.start - media_at, From::Source(media_at)),
            part(size_bytes - moov.end, From::Source(moov.end)),
        ];
        Self {
            parts,
            size_bytes: end,
        }
    }

    /// The virtual file's size in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// How many bytes of index are kept in memory.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let held = |part: &Part| match &part.from {
            From::Here(bytes) => bytes.len(),
            From::Source(_) => 0,
        };
        self.parts.iter().map(held).sum()
    }

    /// Where the bytes of `range` come from, in order; what lies past the end is left out.
    #[must_use]
    pub fn pieces(&self, range: &Range<u64>) -> Vec<Piece> {
        let piece = |part: &Part| {
            let start = range.start.max(part.at.start);
            let end = range.end.min(part.at.end);
            if start >= end {
                return None;
            }
            let within = start - part.at.start..end - part.at.start;
            Some(match &part.from {
                From::Here(bytes) => {
                    Piece::Here(bytes.slice(within.start as usize..within.end as usize))
                }
                From::Source(from) => Piece::Source(from + within.start..from + within.end),
            })
        };
        self.parts.iter().filter_map(piece).collect()
    }
}
