//! Where the three planes of an I420 picture lie in one allocation.
//!
//! Fed by a [`PictureSize`]; feeds the pool (how much to allocate) and pictures (where to slice).
//! Y, U and V follow each other, each on a [`STRIDE_ALIGN_BYTES`] boundary, each row too. Luma is
//! laid out for an even number of columns and rows whatever the size, since 4:2:0 encoders read
//! the sample beside and below the last one.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Alignment of every row and plane in bytes: a cache line, and the widest SIMD register in use.
pub const STRIDE_ALIGN_BYTES: usize = 64;

/// Size of a picture in luma samples.
///
/// Each side is within [`PictureSize::MIN_SIDE`]..=[`PictureSize::MAX_SIDE`] and may be odd; the
/// chroma planes then have `(side + 1) / 2` samples. The fields are open, so a value is checked
/// again wherever memory is sized by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PictureSize {
    /// Luma samples per row.
    pub width: u32,
    /// Luma rows.
    pub height: u32,
}

impl PictureSize {
    /// Smallest side: one chroma sample.
    pub const MIN_SIDE: u32 = 2;
    /// Largest side: 16 times 1024, twice what any codec level in use reaches (8192).
    pub const MAX_SIDE: u32 = 16_384;

    /// A checked size.
    ///
    /// # Errors
    /// [`PictureError::Size`] when a side is out of range.
    pub fn new(width: u32, height: u32) -> Result<Self, PictureError> {
        let size = Self { width, height };
        size.check()?;
        Ok(size)
    }

    /// Whether both sides are in range.
    ///
    /// # Errors
    /// [`PictureError::Size`] when a side is out of range.
    pub fn check(self) -> Result<(), PictureError> {
        let valid = Self::MIN_SIDE..=Self::MAX_SIDE;
        if valid.contains(&self.width) && valid.contains(&self.height) {
            return Ok(());
        }
        Err(PictureError::Size {
            width: self.width,
            height: self.height,
        })
    }

    /// Samples per chroma row: half the width, rounded up.
    pub const fn chroma_width(self) -> u32 {
        self.width.div_ceil(2)
    }

    /// Chroma rows: half the height, rounded up.
    pub const fn chroma_height(self) -> u32 {
        self.height.div_ceil(2)
    }

    /// Columns and rows of a plane.
    pub const fn plane_dimensions(self, plane: Plane) -> (u32, u32) {
        match plane {
            Plane::Y => (self.width, self.height),
            Plane::U | Plane::V => (self.chroma_width(), self.chroma_height()),
        }
    }
}

impl fmt::Display for PictureSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// One of the three planes of an I420 picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plane {
    /// Luma.
    Y,
    /// Chroma, blue difference (Cb).
    U,
    /// Chroma, red difference (Cr).
    V,
}

impl Plane {
    /// The planes in memory order.
    pub const ALL: [Plane; 3] = [Plane::Y, Plane::U, Plane::V];
}

impl fmt::Display for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why a picture could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// A side is out of range.
    #[error(
        "picture size {width}x{height} is out of range: each side must be {min} to {max} samples",
        min = PictureSize::MIN_SIDE,
        max = PictureSize::MAX_SIDE
    )]
    Size {
        /// Width asked for, in luma samples.
        width: u32,
        /// Height asked for, in luma rows.
        height: u32,
    },
    /// A plane's rows would overlap.
    #[error(
        "plane {plane} has a stride of {stride_bytes} bytes, but its rows are {width} samples: \
         pass the decoder's stride in bytes"
    )]
    Stride {
        /// Which plane.
        plane: Plane,
        /// The stride given.
        stride_bytes: usize,
        /// Samples (bytes) per row.
        width: usize,
    },
    /// A plane ends before its last row does.
    #[error("plane {plane} has {got_bytes} bytes, but its size and stride need {needed_bytes}")]
    PlaneTooShort {
        /// Which plane.
        plane: Plane,
        /// Bytes given.
        got_bytes: usize,
        /// Bytes needed, up to the last sample of the last row.
        needed_bytes: usize,
    },
}

/// Strides and offsets of a picture's planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) size: PictureSize,
    pub(crate) y_stride: usize,
    pub(crate) c_stride: usize,
    /// Bytes of the luma plane: an even number of rows.
    pub(crate) y_bytes: usize,
    /// Bytes of one chroma plane.
    pub(crate) c_bytes: usize,
}

impl Layout {
    /// Lays out a picture; on a 32-bit machine, too, every product of two sides fits `usize`
    /// once the sides are checked (402 MB at most).
    pub(crate) fn new(size: PictureSize) -> Result<Self, PictureError> {
        size.check()?;
        let [width, height] = [size.width as usize, size.height as usize];
        let c_stride = width.div_ceil(2).next_multiple_of(STRIDE_ALIGN_BYTES);
        let y_stride = width
            .next_multiple_of(2)
            .next_multiple_of(STRIDE_ALIGN_BYTES);
        Ok(Self {
            size,
            y_stride,
            c_stride,
            y_bytes: y_stride * height.next_multiple_of(2),
            c_bytes: c_stride * height.div_ceil(2),
        })
    }

    pub(crate) fn total_bytes(&self) -> usize {
        self.y_bytes + 2 * self.c_bytes
    }

    pub(crate) fn stride(&self, plane: Plane) -> usize {
        match plane {
            Plane::Y => self.y_stride,
            Plane::U | Plane::V => self.c_stride,
        }
    }

    /// The rows of a plane that belong to the picture.
    pub(crate) fn plane(&self, plane: Plane) -> Range<usize> {
        let padded = self.padded_plane(plane);
        let (_, rows) = self.size.plane_dimensions(plane);
        padded.start..padded.start + self.stride(plane) * rows as usize
    }

    /// The rows of a plane with the row that makes luma even.
    pub(crate) fn padded_plane(&self, plane: Plane) -> Range<usize> {
        let u = self.y_bytes;
        let v = u + self.c_bytes;
        match plane {
            Plane::Y => 0..u,
            Plane::U => u..v,
            Plane::V => v..v + self.c_bytes,
        }
    }
}
