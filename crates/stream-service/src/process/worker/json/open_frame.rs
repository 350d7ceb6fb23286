//! One frame of which chunks are missing.
//!
//! Fed by `intake` with its chunks in any order; gives the payload when all are there. It holds what came and no more,
//! whatever a chunk says of how many there will be.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::fault::Fault;
use super::limits::{CHUNK_OVERHEAD_BYTES, MAX_CHUNKS, MAX_FRAME_BYTES};
use super::message::{Chunk, decode_base64};
use super::meta::FrameMeta;

/// What became of a chunk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    New,
    /// It was there already, the same.
    Again,
}

/// A frame's chunks so far.
#[derive(Debug)]
pub(super) struct OpenFrame {
    frame_id: u64,
    /// By its first chunk's word.
    total: u64,
    chunks: BTreeMap<u32, Box<[u8]>>,
    payload_bytes: usize,
    meta: FrameMeta,
}

impl OpenFrame {
    /// The frame that `chunk` begins, without it.
    pub(super) fn new(chunk: &Chunk) -> Self {
        Self {
            frame_id: chunk.frame_id,
            total: chunk.total,
            chunks: BTreeMap::new(),
            payload_bytes: 0,
            meta: FrameMeta::default(),
        }
    }

    pub(super) fn frame_id(&self) -> u64 {
        self.frame_id
    }

    pub(super) fn meta(&self) -> &FrameMeta {
        &self.meta
    }

    /// What it is charged for.
    pub(super) fn held_bytes(&self) -> usize {
        self.payload_bytes + self.chunks.len() * CHUNK_OVERHEAD_BYTES
    }

    pub(super) fn is_whole(&self) -> bool {
        self.chunks.len() as u64 == self.total
    }

    /// What is missing, as the error that it is.
    pub(super) fn incomplete(&self) -> Fault {
        Fault::Incomplete {
            have: self.chunks.len(),
            total: u32::try_from(self.total).unwrap_or(u32::MAX),
        }
    }

    /// Adds a chunk; `None` where more than `room_bytes` would be held for it.
    ///
    /// # Errors
    /// [`Fault`]: the chunk is wrong in itself or contradicts another; the frame is lost.
    pub(super) fn add(&mut self, chunk: &Chunk, room_bytes: usize) -> Result<Option<Added>, Fault> {
        let index = self.check(chunk)?;
        let data = decode_base64(&chunk.data).map_err(|why| Fault::BadBase64 { index, why })?;
        self.meta.absorb(&chunk.meta)?;
        if let Some(known) = self.chunks.get(&index) {
            if known[..] == data[..] {
                return Ok(Some(Added::Again));
            }
            let other = "two chunks of the same index have other bytes";
            return Err(Fault::Contradiction(other));
        }
        if self.payload_bytes + data.len() > MAX_FRAME_BYTES {
            return Err(Fault::FrameTooLarge);
        }
        if data.len() + CHUNK_OVERHEAD_BYTES > room_bytes {
            return Ok(None);
        }
        self.payload_bytes += data.len();
        self.chunks.insert(index, data.into_boxed_slice());
        Ok(Some(Added::New))
    }

    fn check(&self, chunk: &Chunk) -> Result<u32, Fault> {
        let (index, total) = (chunk.index, chunk.total);
        if !(1..=u64::from(MAX_CHUNKS)).contains(&total) {
            return Err(Fault::BadTotal { total });
        }
        if total != self.total {
            let other = "its chunks say different total_chunks";
            return Err(Fault::Contradiction(other));
        }
        u32::try_from(index)
            .ok()
            .filter(|_| index < total)
            .ok_or(Fault::BadChunkIndex { index, total })
    }

    /// Its bytes in order.
    pub(super) fn into_payload(self) -> Bytes {
        let mut payload = Vec::with_capacity(self.payload_bytes);
        for chunk in self.chunks.into_values() {
            payload.extend_from_slice(&chunk);
        }
        payload.into()
    }
}
