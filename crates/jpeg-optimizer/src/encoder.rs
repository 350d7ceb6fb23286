//! I420 to JPEG through libjpeg-turbo, planes as they lie.
//!
//! Fed with full-range pictures; its JPEGs go to the cache. 4:2:0 in, 4:2:0 out: no colour
//! conversion, no resampling, no copy of the planes.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use frame_buffer::{Picture, PictureSize};
use turbojpeg::{Compressor, OutputBuf, Subsamp, YuvPlanesImage};

use crate::{EncodeError, Quality};

/// Idle compressors kept: as many as encode at once on the machines this is made for. A
/// compressor is a few kB, its output buffer mostly untouched pages.
const MAX_IDLE: usize = 8;
/// Output buffers above this are not kept: 3840x2160 needs 25 MB.
const MAX_IDLE_OUTPUT_BYTES: usize = 32 << 20;

/// Encodes pictures, from any number of threads at once, with pooled compressors and buffers.
#[derive(Debug, Default)]
pub struct JpegEncoder {
    idle: Mutex<Vec<Worker>>,
}

/// A compressor with the buffer that it writes to.
#[derive(Debug)]
struct Worker {
    compressor: Compressor,
    /// Large enough for the worst case, so that libjpeg-turbo never reallocates; only the part
    /// that JPEGs reach is ever touched.
    output: Vec<u8>,
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
    /// [`EncodeError::Codec`] when libjpeg-turbo refuses, as it does when memory runs out.
    pub fn encode(&self, picture: &Picture, quality: Quality) -> Result<Bytes, EncodeError> {
        let failed = |error: turbojpeg::Error| EncodeError::Codec {
            size: picture.size(),
            quality,
            reason: error.to_string(),
        };
        let mut worker = self.take().map_err(failed)?;
        let jpeg = worker.encode(picture, quality).map_err(failed)?;
        self.give_back(worker);
        Ok(jpeg)
    }

    fn take(&self) -> Result<Worker, turbojpeg::Error> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match idle {
            Some(worker) => Ok(worker),
            None => Ok(Worker {
                compressor: Compressor::new()?,
                output: Vec::new(),
            }),
        }
    }

    /// A worker that failed is not given back: its state is libjpeg-turbo's secret.
    fn give_back(&self, worker: Worker) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE && worker.output.len() <= MAX_IDLE_OUTPUT_BYTES {
            idle.push(worker);
        }
    }
}

impl Worker {
    fn encode(&mut self, picture: &Picture, quality: Quality) -> Result<Bytes, turbojpeg::Error> {
        let PictureSize { width, height } = picture.size();
        let [width, height] = [width as usize, height as usize];
        let most_bytes = turbojpeg::compressed_buf_len(width, height, Subsamp::Sub2x2)?;
        if self.output.len() < most_bytes {
            self.output = vec![0; most_bytes];
        }
        let planes = YuvPlanesImage {
            y_plane: picture.y_even(),
            u_plane: picture.u(),
            v_plane: picture.v(),
            width,
            height,
            y_stride: picture.y_stride(),
            u_stride: picture.c_stride(),
            v_stride: picture.c_stride(),
            subsamp: Subsamp::Sub2x2,
        };
        self.compressor.set_quality(i32::from(quality.get()))?;
        let mut output = OutputBuf::borrowed(&mut self.output);
        self.compressor.compress_yuv_planes(&planes, &mut output)?;
        // A copy of the exact length: a tenth of the bytes read, and the cache's bound is true.
        Ok(Bytes::copy_from_slice(&output))
    }
}
