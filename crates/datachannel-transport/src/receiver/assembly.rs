//! One attempt of one frame while its pieces arrive, in any order, some twice.
//!
//! Fed with chunks whose bounds the decoder has checked; yields the whole payload. In order it only
//! appends; memory is touched as far as bytes have come, however long the frame claims to be.

use crate::limits::MAX_RUNS_PER_FRAME;
use crate::wire::{Chunk, ChunkMeta, FrameErrorCode};

#[derive(Debug)]
pub(super) struct Assembly {
    meta: Option<ChunkMeta>,
    bytes: Vec<u8>,
    frame_bytes: u32,
    /// Bytes held from the front on without a gap.
    head: u32,
    /// Bytes held beyond `head`: sorted, apart from each other.
    islands: Vec<Run>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    start: u32,
    end: u32,
}

/// What a piece brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    New,
    Duplicate,
}

impl Assembly {
    /// Reserves the frame's length; `None` when there is no memory for it.
    pub(super) fn new(frame_bytes: u32) -> Option<Self> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(frame_bytes as usize).ok()?;
        Some(Self {
            meta: None,
            bytes,
            frame_bytes,
            head: 0,
            islands: Vec::new(),
        })
    }

    /// Adds a piece. A piece that contradicts what is held is a conflict, not an update.
    pub(super) fn add(&mut self, chunk: &Chunk<'_>) -> Result<Piece, FrameErrorCode> {
        if chunk.frame_bytes != self.frame_bytes {
            return Err(FrameErrorCode::Conflict);
        }
        let first = self.meta.is_none() && chunk.meta.is_some();
        if chunk.meta.is_some() && !first && self.meta != chunk.meta {
            return Err(FrameErrorCode::Conflict);
        }
        let added = self.add_bytes(chunk.offset, chunk.payload)?;
        if first {
            self.meta = chunk.meta;
            return Ok(Piece::New);
        }
        Ok(added)
    }

    fn add_bytes(&mut self, start: u32, payload: &[u8]) -> Result<Piece, FrameErrorCode> {
        let end = start + payload.len() as u32;
        if start == self.head && self.islands.is_empty() {
            self.bytes.extend_from_slice(payload);
            self.head = end;
            return Ok(if payload.is_empty() {
                Piece::Duplicate
            } else {
                Piece::New
            });
        }
        let piece = Run { start, end };
        if self
            .runs()
            .any(|held| self.contradicts(held, start, payload))
        {
            return Err(FrameErrorCode::Conflict);
        }
        if self
            .runs()
            .any(|held| held.start <= start && end <= held.end)
        {
            return Ok(Piece::Duplicate);
        }
        self.merge(piece)?;
        if self.bytes.len() < end as usize {
            self.bytes.resize(end as usize, 0);
        }
        self.bytes[start as usize..end as usize].copy_from_slice(payload);
        Ok(Piece::New)
    }

    fn runs(&self) -> impl Iterator<Item = Run> {
        std::iter::once(Run {
            start: 0,
            end: self.head,
        })
        .chain(self.islands.iter().copied())
    }

    /// Whether `payload` at `start` differs from the held run where both overlap.
    fn contradicts(&self, held: Run, start: u32, payload: &[u8]) -> bool {
        let from = held.start.max(start) as usize;
        let to = held.end.min(start + payload.len() as u32) as usize;
        from < to && self.bytes[from..to] != payload[from - start as usize..to - start as usize]
    }

    /// Books a run as held: joins the islands it touches, then the head if that is touched.
    fn merge(&mut self, piece: Run) -> Result<(), FrameErrorCode> {
        let mut joined = piece;
        let touches = |held: &Run| held.start <= piece.end && piece.start <= held.end;
        let apart = self.islands.iter().filter(|held| !touches(held)).count();
        if apart >= MAX_RUNS_PER_FRAME {
            return Err(FrameErrorCode::TooFragmented);
        }
        for held in self.islands.iter().filter(|held| touches(held)) {
            joined.start = joined.start.min(held.start);
            joined.end = joined.end.max(held.end);
        }
        self.islands.retain(|held| !touches(held));
        if joined.start <= self.head {
            self.head = self.head.max(joined.end);
        } else {
            let at = self
                .islands
                .partition_point(|held| held.start < joined.start);
            self.islands.insert(at, joined);
        }
        Ok(())
    }

    pub(super) fn is_whole(&self) -> bool {
        self.meta.is_some() && self.head == self.frame_bytes
    }

    /// What is held from the front on without a gap.
    pub(super) fn head(&self) -> &[u8] {
        self.bytes.get(..self.head as usize).unwrap_or_default()
    }

    /// The frame's description and payload, once it is whole.
    pub(super) fn into_whole(self) -> Option<(ChunkMeta, Vec<u8>)> {
        let whole = self.is_whole();
        self.meta.filter(|_| whole).map(|meta| (meta, self.bytes))
    }
}
