//! JPEG to pooled I420 pictures in full range.
//!
//! Fed by the worker and by sources of Motion JPEG with one JPEG at a time. The header is read first, and nothing is
//! allocated for what it says beyond the limits.

mod header;
mod planes;

use frame_buffer::{FramePool, Picture, PictureError, PictureSize};
pub use header::{ChromaSampling, JpegHeader};
#[cfg(feature = "turbo")]
pub(crate) use planes::Chroma;
pub(crate) use planes::{copy_luma, write_grey_chroma, write_rgb};

use crate::codec::Decompressor;

/// Largest picture: 8192x4096. A JPEG of a few bytes can declare 65535x65535.
pub const MAX_DECODE_PIXELS: usize = 8192 * 4096;
/// Most memory that one JPEG may cost, its picture included: 8192x4096 in 4:2:0 and what it is decoded through.
pub const MAX_DECODE_BYTES: usize = 128 << 20;
/// Most scans: encoders write about ten, and each one costs a pass over the picture.
pub const MAX_DECODE_SCANS: usize = 64;

/// What a decoder takes. Default: [`MAX_DECODE_PIXELS`], [`MAX_DECODE_BYTES`], [`MAX_DECODE_SCANS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Pixels that a JPEG may declare.
    pub max_pixels: usize,
    /// Bytes that decoding may take, the picture included.
    pub max_bytes: usize,
    /// Scans that it may have.
    pub max_scans: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            max_pixels: MAX_DECODE_PIXELS,
            max_bytes: MAX_DECODE_BYTES,
            max_scans: MAX_DECODE_SCANS,
        }
    }
}

/// Why a JPEG was not decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JpegError {
    /// It does not begin as one.
    #[error("not a JPEG: it does not begin with FF D8")]
    NotJpeg,
    /// It ends too early.
    #[error("the JPEG ends after {len_bytes} bytes, within {within}")]
    Truncated {
        /// Its length.
        len_bytes: usize,
        /// What was being read.
        within: &'static str,
    },
    /// Its header contradicts itself, or the standard.
    #[error("a damaged JPEG: {0}")]
    Header(&'static str),
    /// Its data are broken; the library's words.
    #[error("{0}")]
    Damaged(String),
    /// Nothing was allocated for it.
    #[error("a JPEG of {width}x{height} is beyond the limit of {max_pixels} pixels")]
    TooLarge {
        /// Declared width.
        width: usize,
        /// Declared height.
        height: usize,
        /// The limit.
        max_pixels: usize,
    },
    /// Nothing was allocated for it.
    #[error(
        "decoding a JPEG of {width}x{height} would take {needed_bytes} bytes, and the limit is {max_bytes}: send it \
         smaller, in 4:2:0, or not progressive"
    )]
    TooMuchMemory {
        /// Declared width.
        width: usize,
        /// Declared height.
        height: usize,
        /// What it would take.
        needed_bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// Nothing was allocated for it.
    #[error("the JPEG has more than {max_scans} scans")]
    TooManyScans {
        /// The limit.
        max_scans: usize,
    },
    /// A kind of JPEG that is left out: lossless, arithmetic, 12 bits, CMYK.
    #[error("{0} JPEG is not decoded here")]
    Unsupported(&'static str),
    /// The picture cannot be had, for one because memory is short.
    #[error(transparent)]
    Picture(#[from] PictureError),
}

/// A part of the sides at which a JPEG is decoded: less work than decoding it whole and scaling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DecodeScale {
    /// As it is.
    #[default]
    Whole,
    /// Half of the sides, rounded up.
    Half,
    /// A quarter.
    Quarter,
    /// An eighth.
    Eighth,
}

impl DecodeScale {
    /// The smallest scale at which neither side falls below `wanted`'s, or [`Whole`](Self::Whole).
    pub fn at_least(wanted: PictureSize, size: PictureSize) -> Self {
        [Self::Eighth, Self::Quarter, Self::Half]
            .into_iter()
            .find(|scale| {
                let scaled = scale.apply(size);
                scaled.width >= wanted.width && scaled.height >= wanted.height
            })
            .unwrap_or_default()
    }

    /// 1, 2, 4 or 8.
    pub const fn divisor(self) -> u32 {
        match self {
            Self::Whole => 1,
            Self::Half => 2,
            Self::Quarter => 4,
            Self::Eighth => 8,
        }
    }

    /// The size that a picture has at this scale.
    pub fn apply(self, size: PictureSize) -> PictureSize {
        PictureSize {
            width: size.width.div_ceil(self.divisor()),
            height: size.height.div_ceil(self.divisor()),
        }
    }
}

/// Decodes one JPEG after another to I420 in full range, reusing its memory.
pub struct JpegDecoder {
    library: Decompressor,
    pool: FramePool,
    limits: DecodeLimits,
}

impl JpegDecoder {
    /// A decoder whose pictures come from `pool`, within the usual limits.
    ///
    /// # Errors
    /// [`JpegError::Damaged`] when the library has no memory for a decoder.
    pub fn new(pool: FramePool) -> Result<Self, JpegError> {
        Self::with_limits(pool, DecodeLimits::default())
    }

    /// A decoder within other limits.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_limits(pool: FramePool, limits: DecodeLimits) -> Result<Self, JpegError> {
        Ok(Self {
            library: Decompressor::new(limits.max_scans)?,
            pool,
            limits,
        })
    }

    /// What a JPEG declares, if it can be decoded here. Reads the header alone; of one with several scans all markers.
    ///
    /// # Errors
    /// [`JpegError`].
    pub fn header(&self, jpeg: &[u8]) -> Result<JpegHeader, JpegError> {
        let header = JpegHeader::read(jpeg, self.limits)?;
        header.size.check()?;
        Ok(header)
    }

    /// Decodes a JPEG whole.
    ///
    /// # Errors
    /// [`JpegError`]; the decoder stays usable.
    pub fn decode(&mut self, jpeg: &[u8]) -> Result<Picture, JpegError> {
        self.decode_scaled(jpeg, DecodeScale::Whole)
    }

    /// Decodes a JPEG at a part of its size.
    ///
    /// # Errors
    /// [`JpegError`]; the decoder stays usable.
    pub fn decode_scaled(&mut self, jpeg: &[u8], scale: DecodeScale) -> Result<Picture, JpegError> {
        let header = self.header(jpeg)?;
        if !header.is_complete {
            return Err(JpegError::Truncated {
                len_bytes: jpeg.len(),
                within: "its last scan",
            });
        }
        let picture_bytes = picture_bytes(scale.apply(header.size));
        let needed_bytes = picture_bytes
            + Decompressor::scratch_bytes(&header, scale)
            + header.coefficient_bytes();
        if needed_bytes > self.limits.max_bytes {
            return Err(JpegError::TooMuchMemory {
                width: header.size.width as usize,
                height: header.size.height as usize,
                needed_bytes,
                max_bytes: self.limits.max_bytes,
            });
        }
        self.library.decode(jpeg, &header, scale, &self.pool)
    }
}

/// Of an I420 picture, without what pads its rows.
fn picture_bytes(size: PictureSize) -> usize {
    let [width, height] = [size.width as usize, size.height as usize];
    width * height + 2 * width.div_ceil(2) * height.div_ceil(2)
}
