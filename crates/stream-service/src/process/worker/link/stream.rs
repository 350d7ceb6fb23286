//! Processed frames as one stream of H.264: each refers to those before it, so that one encoder takes them in frame order.
//!
//! Fed with results by the pipeline's thread that hands them out; pipelines of such links make I420 of their pictures.

use bytes::Bytes;
use frame_buffer::{Picture, PictureSize, Plane};
use frame_pipeline::{EncoderFactory, FrameResult, PictureEncoder};
use jpeg_optimizer::Renderer;
use media_source::H264Encoder;

use crate::process::protocol::{LinkQuery, PictureEncoding, ProcessMode};

/// Frames from keyframe to keyframe: what a player can go to.
const GROUP_FRAMES: u32 = 60;
/// A sequence parameter set (H.264 §7.4.1), which only keyframes bring.
const SPS: u8 = 7;

/// The encoder of one link.
pub(in crate::process::worker) struct PictureStream {
    encoder: H264Encoder,
    /// The first picture that the sender will keep.
    first_kept: u64,
    /// Since the last keyframe.
    frames: u32,
}

impl PictureStream {
    /// Where `query` asks for one.
    pub(in crate::process::worker) fn of(query: &LinkQuery) -> Option<Self> {
        let quality = query.pictures?;
        (query.picture_encoding == PictureEncoding::H264).then(|| Self {
            encoder: H264Encoder::new(quality),
            first_kept: match query.mode {
                ProcessMode::EveryFrame => query.answered,
                ProcessMode::Realtime => 0,
            },
            frames: 0,
        })
    }

    /// Puts an access unit in place of the result's planes, or the reason why there is none.
    pub(super) fn encode(&mut self, result: &mut FrameResult) {
        let Some(mut picture) = result.picture.take() else {
            return;
        };
        let size = H264Encoder::even(PictureSize {
            width: picture.width,
            height: picture.height,
        });
        // What the sender has of frames before it is from another encoder.
        let is_first = result.index >= self.first_kept;
        let keyframe = is_first || self.frames >= GROUP_FRAMES;
        match self.encoder.encode_i420(size, &picture.payload, keyframe) {
            Ok(unit) => {
                if is_first {
                    self.first_kept = u64::MAX;
                }
                self.frames = if unit.keyframe { 1 } else { self.frames + 1 };
                picture.payload = unit.payload;
                result.picture = Some(picture);
            }
            Err(error) => result.errors.push(format!("encode: {error}")),
        }
    }
}

/// Whether decoding can begin at an access unit of such a stream.
pub(super) fn is_keyframe(unit: &[u8]) -> bool {
    matches!(unit, [0, 0, 0, 1, header, ..] if header & 0x1f == SPS)
}

/// Makes I420 of processed frames: full range, sides made even by repeating the last column or row.
pub(in crate::process::worker) struct Planes;

impl EncoderFactory for Planes {
    fn make(&self) -> Box<dyn PictureEncoder> {
        Box::new(PlanesEncoder {
            renderer: Renderer::new(),
        })
    }
}

struct PlanesEncoder {
    renderer: Renderer,
}

impl PictureEncoder for PlanesEncoder {
    fn encode(&mut self, picture: &Picture) -> Result<Bytes, String> {
        let full_range = self.renderer.render(picture, picture.size());
        let picture = full_range.map_err(|error| error.to_string())?;
        let even = H264Encoder::even(picture.size());
        let (width, height) = (even.width as usize, even.height as usize);
        let mut bytes = Vec::with_capacity(width * height * 3 / 2);
        let luma = picture.y_even().chunks(picture.y_stride());
        for row in luma.take(height) {
            bytes.extend_from_slice(&row[..width.min(row.len())]);
        }
        for plane in [Plane::U, Plane::V] {
            for row in picture.plane(plane).rows() {
                bytes.extend_from_slice(row);
            }
        }
        Ok(bytes.into())
    }
}
