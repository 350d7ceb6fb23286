//! I420 to JPEG, from any number of threads.
//!
//! Fed with full-range pictures; its JPEGs go to the cache. 4:2:0 in, 4:2:0 out; the library that does it is
//! [`codec`](crate::codec)'s choice.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use frame_buffer::Picture;

use crate::buffers::BufferPool;
use crate::codec::Compressor;
use crate::{EncodeError, Quality};

/// Idle compressors kept: as many as encode at once on the machines this is made for. A
/// compressor is a few kB, its output buffer mostly untouched pages.
const MAX_IDLE: usize = 8;
/// Output buffers above this are not kept: 3840x2160 needs 25 MB.
const MAX_IDLE_OUTPUT_BYTES: usize = 32 << 20;

/// Encodes pictures, from any number of threads at once, with pooled compressors and buffers.
#[derive(Debug, Default)]
pub struct JpegEncoder {
    idle: Mutex<Vec<Compressor>>,
    buffers: BufferPool,
}

impl JpegEncoder {
    /// An encoder; its compressors are made when they are needed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Encodes a picture as baseline 4:2:0 JPEG. The samples are taken for full range
    /// ([`frame_buffer::ColorRange::Full`]), which JPEG means; [`crate::Renderer`] makes it.
    ///
    /// # Errors
    /// [`EncodeError::Codec`] when the library refuses, as it does when memory runs out.
    pub fn encode(&self, picture: &Picture, quality: Quality) -> Result<Bytes, EncodeError> {
        let failed = |reason: String| EncodeError::Codec {
            size: picture.size(),
            quality,
            reason,
        };
        let mut compressor = self.take().map_err(failed)?;
        // A copy of the exact length: a tenth of the bytes read, and the cache's bound is true.
        let jpeg = compressor.encode(picture, quality).map_err(failed)?;
        let jpeg = self.buffers.copy(jpeg);
        self.give_back(compressor);
        Ok(jpeg)
    }

    fn take(&self) -> Result<Compressor, String> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        idle.map_or_else(Compressor::new, Ok)
    }

    /// One that failed is not given back: its state is the library's secret.
    fn give_back(&self, compressor: Compressor) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE && compressor.held_bytes() <= MAX_IDLE_OUTPUT_BYTES {
            idle.push(compressor);
        }
    }
}
