//! From what travelled to what processors look at.
//!
//! Fed by the pipeline's decode threads, one decoder each; feeds its processors with pooled pictures.

use bytes::Bytes;
use frame_buffer::{ColorRange, FramePool, PictureSize};
use frame_pipeline::{DecoderFactory, EncodedFrame, FrameContent, FrameDecoder, FrameKind};
use media_source::JpegDecoder;

/// Idle picture buffers kept for reuse.
const IDLE_PICTURES: usize = 8;

/// Makes decoders that share one pool.
pub(super) struct Decoders {
    pool: FramePool,
}

impl Default for Decoders {
    fn default() -> Self {
        Self {
            pool: FramePool::new(IDLE_PICTURES),
        }
    }
}

impl DecoderFactory for Decoders {
    fn make(&self) -> Box<dyn FrameDecoder> {
        Box::new(Decoder {
            pool: self.pool.clone(),
            jpeg: None,
        })
    }
}

struct Decoder {
    pool: FramePool,
    jpeg: Option<JpegDecoder>,
}

impl FrameDecoder for Decoder {
    fn decode(&mut self, frame: &EncodedFrame) -> Result<FrameContent, String> {
        match frame.kind {
            FrameKind::Jpeg => self.jpeg(&frame.payload),
            FrameKind::I420 => self.planes(frame),
            FrameKind::Bgr => Ok(FrameContent::Bgr {
                width: frame.width,
                height: frame.height,
                bytes: frame.payload.clone(),
            }),
            FrameKind::Opaque => Ok(FrameContent::Opaque(frame.payload.clone())),
            _ => {
                Err("this worker decodes JPEG, I420 and BGR; send with --encoding jpeg".to_owned())
            }
        }
    }
}

impl Decoder {
    fn jpeg(&mut self, jpeg: &Bytes) -> Result<FrameContent, String> {
        let decoder = match &mut self.jpeg {
            Some(decoder) => decoder,
            none => none.insert(JpegDecoder::new(self.pool.clone()).map_err(|e| e.to_string())?),
        };
        let picture = decoder.decode(jpeg);
        picture
            .map(FrameContent::Picture)
            .map_err(|error| format!("the JPEG cannot be decoded: {error}"))
    }

    /// Raw planes: full range, as JPEG's are, so that processors find the same values whichever way a frame came.
    fn planes(&self, frame: &EncodedFrame) -> Result<FrameContent, String> {
        let size = PictureSize::new(frame.width, frame.height).map_err(|e| e.to_string())?;
        let (width, height) = (frame.width as usize, frame.height as usize);
        let (luma, chroma) = (width * height, width.div_ceil(2) * height.div_ceil(2));
        let payload = &frame.payload[..];
        if payload.len() != luma + 2 * chroma {
            let bytes = payload.len();
            return Err(format!(
                "{bytes} bytes are no I420 picture of {width}x{height}"
            ));
        }
        let (y, rest) = payload.split_at(luma);
        let (u, v) = rest.split_at(chroma);
        let mut picture = self.pool.take(size).map_err(|e| e.to_string())?;
        picture.set_range(ColorRange::Full);
        let strides = [width, width.div_ceil(2), width.div_ceil(2)];
        picture
            .copy_planes([y, u, v], strides)
            .map_err(|e| e.to_string())?;
        Ok(FrameContent::Picture(picture.freeze()))
    }
}
