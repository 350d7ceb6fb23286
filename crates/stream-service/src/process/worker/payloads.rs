//! From what travelled to what processors look at.
//!
//! Fed by the pipeline's decode threads, one decoder each; feeds its processors with pooled pictures.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use frame_buffer::{ColorRange, FramePool, Picture, PictureSize};
use frame_pipeline::{DecoderFactory, EncodedFrame, FrameContent, FrameDecoder, FrameKind};
use media_source::{H264Decoder, H264Error, JpegDecoder};

use super::units::Units;

/// Idle picture buffers kept for reuse.
const IDLE_PICTURES: usize = 8;

/// Makes decoders that share one pool.
pub(super) struct Decoders {
    pool: FramePool,
    units: Arc<Units>,
}

impl Decoders {
    /// Those of a link whose access units are `units`.
    pub(super) fn new(units: Arc<Units>) -> Self {
        Self {
            pool: FramePool::new(IDLE_PICTURES),
            units,
        }
    }
}

impl DecoderFactory for Decoders {
    fn make(&self) -> Box<dyn FrameDecoder> {
        Box::new(Decoder {
            pool: self.pool.clone(),
            jpeg: None,
            h264: None,
            units: Arc::clone(&self.units),
        })
    }
}

struct Decoder {
    pool: FramePool,
    jpeg: Option<JpegDecoder>,
    h264: Option<Stream>,
    units: Arc<Units>,
}

/// A stream of access units being decoded: the pipeline asks for its frames in presentation order.
struct Stream {
    decoder: H264Decoder,
    /// Came out with the one that was asked for.
    ready: BTreeMap<u64, Result<Picture, H264Error>>,
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
            FrameKind::H264 => self.picture_of(frame.source_id),
            FrameKind::Opaque => Ok(FrameContent::Opaque(frame.payload.clone())),
            _ => Err(
                "this worker decodes JPEG, H.264, I420 and BGR; send with --encoding jpeg"
                    .to_owned(),
            ),
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

    /// The picture shown as frame `at`, for which access units are decoded, those after its own too where it needs them.
    fn picture_of(&mut self, at: u64) -> Result<FrameContent, String> {
        let stream = match &mut self.h264 {
            Some(stream) => stream,
            none => none.insert(Stream {
                decoder: H264Decoder::new(self.pool.clone()).map_err(|e| e.to_string())?,
                ready: BTreeMap::new(),
            }),
        };
        // Of frames that were not asked for, since they could not be brought here.
        stream.ready = stream.ready.split_off(&at);
        loop {
            if let Some(picture) = stream.ready.remove(&at) {
                return picture
                    .map(FrameContent::Picture)
                    .map_err(|error| format!("the access unit cannot be decoded: {error}"));
            }
            if !stream.decoder.awaits(at) && !self.units.holds(at) {
                return Err("its access unit is not here: it came in realtime mode, or the decoder was made anew".to_owned());
            }
            let unit = self.units.take();
            let unit = unit.ok_or("the link ended before the picture was complete")?;
            for decoded in stream.decoder.decode(&unit) {
                let at = decoded.presentation_index;
                stream.ready.insert(at, decoded.picture);
            }
        }
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
