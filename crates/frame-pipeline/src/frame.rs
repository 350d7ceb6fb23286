//! Frames on their way in: as they arrived, and as processors see them.
//!
//! Fed by whoever receives frames; feeds the decoder, then the processors.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use frame_buffer::{Picture, PictureError, PictureSize};

/// How a frame's payload is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FrameKind {
    /// A JPEG file.
    Jpeg,
    /// Planes Y, U and V one after the other, rows without padding, 8 bits, 4:2:0; chroma planes
    /// have `(side + 1) / 2` samples a side. Video range.
    I420,
    /// Rows of three bytes a pixel (blue, green, red), without padding, from the top.
    Bgr,
    /// One H.264 access unit, Annex B. Frames of this kind all go to the same decoder, in order.
    H264,
    /// Bytes that only the processors can read.
    Opaque,
}

/// A frame as it came in, not yet decoded.
#[derive(Debug, Clone)]
pub struct EncodedFrame {
    /// Place in the stream, without gaps; results come back in this order.
    pub index: u64,
    /// The sender's own number, carried through.
    pub source_id: u64,
    /// Presentation time since the start of the stream.
    pub pts: Duration,
    /// What the payload is.
    pub kind: FrameKind,
    /// Pixels per row, as announced.
    pub width: u32,
    /// Rows, as announced.
    pub height: u32,
    /// The encoded bytes.
    pub payload: Bytes,
    /// When it arrived; carried through, never read.
    pub received_at: SystemTime,
    /// Why the frame could not be brought here, if so: it is not processed, and this is its
    /// result's error.
    pub failed: Option<String>,
}

impl EncodedFrame {
    /// Bytes that the frame is expected to take until it is processed: its payload, and the
    /// announced picture as I420 if it will be decoded.
    pub(crate) fn expected_bytes(&self, decoded: bool) -> u64 {
        let payload = self.payload.len() as u64;
        if !decoded || self.kind == FrameKind::Opaque || self.failed.is_some() {
            return payload;
        }
        let luma = u64::from(self.width).saturating_mul(u64::from(self.height));
        payload.saturating_add(luma.saturating_add(luma / 2))
    }
}

/// What a decoder made of a payload.
#[derive(Debug, Clone)]
pub enum FrameContent {
    /// An I420 picture.
    Picture(Picture),
    /// Rows of three bytes a pixel (blue, green, red; 0–255), without padding, from the top.
    Bgr {
        /// Pixels per row.
        width: u32,
        /// Rows.
        height: u32,
        /// `width * height * 3` bytes.
        bytes: Bytes,
    },
    /// The payload itself.
    Opaque(Bytes),
}

impl FrameContent {
    /// Bytes of memory that the content holds.
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Picture(picture) => picture.size_bytes(),
            Self::Bgr { bytes, .. } | Self::Opaque(bytes) => bytes.len(),
        }
    }

    /// Whether a BGR frame has the bytes that its size says.
    ///
    /// # Errors
    /// [`ContentError`] when it has more or fewer, or no pixels.
    pub fn check(&self) -> Result<(), ContentError> {
        let Self::Bgr {
            width,
            height,
            bytes,
        } = self
        else {
            return Ok(());
        };
        check_bgr(*width, *height, bytes.len())
    }

    /// Pixels per row and rows; `None` for opaque bytes.
    pub fn dimensions(&self) -> Option<(u32, u32)> {
        match self {
            Self::Picture(picture) => Some((picture.size().width, picture.size().height)),
            Self::Bgr { width, height, .. } => Some((*width, *height)),
            Self::Opaque(_) => None,
        }
    }
}

pub(crate) fn check_bgr(width: u32, height: u32, got_bytes: usize) -> Result<(), ContentError> {
    let needed = u64::from(width) * u64::from(height);
    let needed_bytes = needed.saturating_mul(3);
    if needed_bytes > 0 && needed_bytes == got_bytes as u64 {
        return Ok(());
    }
    Err(ContentError::BgrLength {
        width,
        height,
        got_bytes,
        needed_bytes,
    })
}

/// What is wrong with a frame's pixels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// A BGR frame's bytes are not as many as its size says, or it has no pixels.
    #[error("a BGR frame of {width}x{height} has {needed_bytes} bytes, not {got_bytes}")]
    BgrLength {
        /// Pixels per row.
        width: u32,
        /// Rows.
        height: u32,
        /// Bytes that are there.
        got_bytes: usize,
        /// Bytes that the size says.
        needed_bytes: u64,
    },
    /// An I420 payload's bytes are not as many as its size says.
    #[error("an I420 frame of {size} has {needed_bytes} bytes, not {got_bytes}")]
    I420Length {
        /// The announced size.
        size: PictureSize,
        /// Bytes that are there.
        got_bytes: usize,
        /// Bytes that the size says.
        needed_bytes: usize,
    },
    /// The picture cannot be made.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The decoder does not know this kind of payload.
    #[error("{kind:?} is not raw pixels: give the pipeline a decoder for it")]
    NotRaw {
        /// What the payload is.
        kind: FrameKind,
    },
}

/// A frame as processors see it.
#[derive(Debug, Clone)]
pub struct DecodedFrame {
    /// Place in the stream.
    pub index: u64,
    /// The sender's own number.
    pub source_id: u64,
    /// Presentation time since the start of the stream.
    pub pts: Duration,
    /// Pixels per row: the content's, or as announced for opaque bytes.
    pub width: u32,
    /// Rows, likewise.
    pub height: u32,
    /// The pixels, or the payload where no processor needs pixels.
    pub content: FrameContent,
    /// Bytes of the payload as it came in.
    pub payload_bytes: usize,
    /// The picture of the frame before it, where a processor asked for it and that frame had one.
    /// Of a BGR frame, its conversion to I420 in full range.
    pub previous: Option<Picture>,
}
