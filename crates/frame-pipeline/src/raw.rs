//! The decoder of frames that are pixels already.
//!
//! Fed with I420 and BGR payloads; a decoder for compressed frames can hand those two on to it.

use frame_buffer::{ColorRange, FramePool, Picture, PictureSize, Plane};

use crate::{ContentError, DecoderFactory, EncodedFrame, FrameContent, FrameDecoder, FrameKind};

/// Pictures that idle between frames: one per worker of a small machine.
const POOLED_PICTURES: usize = 4;

/// Makes pictures of I420 payloads and takes BGR payloads as they are. Other kinds are errors.
#[derive(Debug, Clone)]
pub struct RawDecoder {
    pool: FramePool,
}

impl Default for RawDecoder {
    fn default() -> Self {
        Self::new(FramePool::new(POOLED_PICTURES))
    }
}

impl RawDecoder {
    /// One whose pictures come from `pool`.
    pub fn new(pool: FramePool) -> Self {
        Self { pool }
    }

    /// The frame's pixels; opaque bytes stay as they are.
    ///
    /// # Errors
    /// [`ContentError`] when the payload is not as long as the announced size says, or not raw.
    pub fn content(&self, frame: &EncodedFrame) -> Result<FrameContent, ContentError> {
        let content = match frame.kind {
            FrameKind::I420 => FrameContent::Picture(self.picture(frame)?),
            FrameKind::Bgr => FrameContent::Bgr {
                width: frame.width,
                height: frame.height,
                bytes: frame.payload.clone(),
            },
            FrameKind::Opaque => FrameContent::Opaque(frame.payload.clone()),
            kind => return Err(ContentError::NotRaw { kind }),
        };
        content.check()?;
        Ok(content)
    }

    fn picture(&self, frame: &EncodedFrame) -> Result<Picture, ContentError> {
        let size = PictureSize::new(frame.width, frame.height)?;
        picture(&self.pool, size, ColorRange::Limited, &frame.payload)
    }
}

/// The picture whose planes Y, U, V are `payload`, one after the other, without padding.
pub(crate) fn picture(
    pool: &FramePool,
    size: PictureSize,
    range: ColorRange,
    payload: &[u8],
) -> Result<Picture, ContentError> {
    let strides = Plane::ALL.map(|plane| size.plane_dimensions(plane).0 as usize);
    let [luma, chroma, _] = Plane::ALL.map(|plane| {
        let (width, height) = size.plane_dimensions(plane);
        width as usize * height as usize
    });
    let needed_bytes = luma + 2 * chroma;
    if payload.len() != needed_bytes {
        return Err(ContentError::I420Length {
            size,
            got_bytes: payload.len(),
            needed_bytes,
        });
    }
    let (y, rest) = payload.split_at(luma);
    let (u, v) = rest.split_at(chroma);
    let mut picture = pool.take(size)?;
    picture.set_range(range);
    picture.copy_planes([y, u, v], strides)?;
    Ok(picture.freeze())
}

impl FrameDecoder for RawDecoder {
    fn decode(&mut self, frame: &EncodedFrame) -> Result<FrameContent, String> {
        self.content(frame).map_err(|error| error.to_string())
    }
}

impl DecoderFactory for RawDecoder {
    fn make(&self) -> Box<dyn FrameDecoder> {
        Box::new(self.clone())
    }
}
