//! I420 pictures: written once, then shared without a copy.
//!
//! A decoder fills a [`PictureMut`] from the pool and freezes it; ring, encoders and viewers share
//! the [`Picture`]; its memory goes back to the pool when the last of them lets go.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::layout::Layout;
use crate::pool::{Buffer, Home};
use crate::{ColorRange, FramePool, PictureError, PictureSize, Plane};

/// One plane of a picture: rows of `width` samples, `stride` bytes apart.
#[derive(Clone, Copy)]
pub struct PlaneView<'a> {
    /// The samples, from the first row's first to the end of the last row's stride.
    pub bytes: &'a [u8],
    /// Bytes from one row to the next; at least `width`.
    pub stride: usize,
    /// Samples per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl<'a> PlaneView<'a> {
    /// The rows from the top, each exactly `width` samples.
    pub fn rows(self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        self.bytes
            .chunks(self.stride)
            .take(self.height)
            .map(move |row| &row[..self.width])
    }
}

/// A picture's memory, which finds its way home.
struct Memory {
    layout: Layout,
    range: ColorRange,
    buffer: Buffer,
    home: Home,
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(pool) = self.home.upgrade() {
            pool.give_back(std::mem::take(&mut self.buffer));
        }
    }
}

impl Memory {
    fn plane(&self, plane: Plane) -> &[u8] {
        &self.buffer.bytes()[self.layout.plane(plane)]
    }

    fn plane_mut(&mut self, plane: Plane) -> &mut [u8] {
        let range = self.layout.plane(plane);
        &mut self.buffer.bytes_mut()[range]
    }

    /// Repeats the last column and row where a side is odd, so that an encoder that reads even
    /// luma finds the picture's own edge there and no stale samples.
    fn extend_edges(&mut self) {
        let PictureSize { width, height } = self.layout.size;
        let [width, height] = [width as usize, height as usize];
        let stride = self.layout.y_stride;
        let luma = &mut self.buffer.bytes_mut()[self.layout.padded_plane(Plane::Y)];
        if width % 2 == 1 {
            for row in luma.chunks_exact_mut(stride).take(height) {
                row[width] = row[width - 1];
            }
        }
        if height % 2 == 1 {
            luma.copy_within((height - 1) * stride..height * stride, height * stride);
        }
    }
}

/// A picture that is being written, by one owner.
///
/// Fresh from [`FramePool::take`] its samples are unspecified; write all of them.
pub struct PictureMut {
    memory: Memory,
}

impl PictureMut {
    pub(crate) fn new(layout: Layout, buffer: Buffer, home: Home) -> Self {
        Self {
            memory: Memory {
                layout,
                range: ColorRange::default(),
                buffer,
                home,
            },
        }
    }

    /// Size in luma samples.
    pub fn size(&self) -> PictureSize {
        self.memory.layout.size
    }

    /// Bytes from one luma row to the next: a multiple of [`crate::STRIDE_ALIGN_BYTES`].
    pub fn y_stride(&self) -> usize {
        self.memory.layout.y_stride
    }

    /// Bytes from one row to the next of either chroma plane.
    pub fn c_stride(&self) -> usize {
        self.memory.layout.c_stride
    }

    /// The strides of Y, U and V in bytes.
    pub fn strides(&self) -> [usize; 3] {
        Plane::ALL.map(|plane| self.memory.layout.stride(plane))
    }

    /// Luma: `height` rows of [`y_stride`](Self::y_stride) bytes.
    pub fn y_mut(&mut self) -> &mut [u8] {
        self.memory.plane_mut(Plane::Y)
    }

    /// Cb: `(height + 1) / 2` rows of [`c_stride`](Self::c_stride) bytes.
    pub fn u_mut(&mut self) -> &mut [u8] {
        self.memory.plane_mut(Plane::U)
    }

    /// Cr: `(height + 1) / 2` rows of [`c_stride`](Self::c_stride) bytes.
    pub fn v_mut(&mut self) -> &mut [u8] {
        self.memory.plane_mut(Plane::V)
    }

    /// Y, U and V at once, for a decoder that writes them together.
    pub fn planes_mut(&mut self) -> [&mut [u8]; 3] {
        let layout = self.memory.layout;
        let (luma, chroma) = self.memory.buffer.bytes_mut().split_at_mut(layout.y_bytes);
        let (u, v) = chroma.split_at_mut(layout.c_bytes);
        [&mut luma[..layout.plane(Plane::Y).len()], u, v]
    }

    /// Y, U and V as one run of bytes: rows and planes aligned to
    /// [`crate::STRIDE_ALIGN_BYTES`], luma with an even number of rows. This is libjpeg-turbo's
    /// YUV image with `align` 64, which its decoder can therefore write in place.
    pub fn contiguous_mut(&mut self) -> &mut [u8] {
        self.memory.buffer.bytes_mut()
    }

    /// What the sample values mean; [`ColorRange::Limited`] until said otherwise. A JPEG decoder
    /// says [`ColorRange::Full`].
    pub fn set_range(&mut self, range: ColorRange) {
        self.memory.range = range;
    }

    /// Paints every sample of Y, U and V with one value each.
    pub fn fill(&mut self, yuv: [u8; 3]) {
        for (plane, value) in self.planes_mut().into_iter().zip(yuv) {
            plane.fill(value);
        }
    }

    /// Copies planes with strides of their own, as decoders hand them out, row by row.
    ///
    /// # Errors
    /// [`PictureError::Stride`] when a stride is less than a row of this picture,
    /// [`PictureError::PlaneTooShort`] when a plane ends before its last row does; the picture's
    /// samples are then unspecified.
    pub fn copy_planes(
        &mut self,
        planes: [&[u8]; 3],
        strides: [usize; 3],
    ) -> Result<(), PictureError> {
        let size = self.size();
        let own_strides = self.strides();
        let targets = self.planes_mut();
        for (i, target) in targets.into_iter().enumerate() {
            let (width, rows) = size.plane_dimensions(Plane::ALL[i]);
            let [width, rows] = [width as usize, rows as usize];
            check_plane(Plane::ALL[i], planes[i], strides[i], width, rows)?;
            let sources = planes[i].chunks(strides[i]);
            for (to, from) in target.chunks_mut(own_strides[i]).zip(sources) {
                to[..width].copy_from_slice(&from[..width]);
            }
        }
        Ok(())
    }

    /// Makes the picture immutable and shared. Nothing is copied.
    pub fn freeze(mut self) -> Picture {
        self.memory.extend_edges();
        Picture {
            memory: Arc::new(self.memory),
        }
    }
}

fn check_plane(
    plane: Plane,
    bytes: &[u8],
    stride: usize,
    width: usize,
    rows: usize,
) -> Result<(), PictureError> {
    if stride < width {
        return Err(PictureError::Stride {
            plane,
            stride_bytes: stride,
            width,
        });
    }
    let needed_bytes = stride.saturating_mul(rows - 1).saturating_add(width);
    if bytes.len() < needed_bytes {
        return Err(PictureError::PlaneTooShort {
            plane,
            got_bytes: bytes.len(),
            needed_bytes,
        });
    }
    Ok(())
}

impl fmt::Debug for PictureMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PictureMut({})", self.size())
    }
}

/// An immutable I420 picture (8 bits, 4:2:0, planes Y, U, V). A clone shares the samples.
#[derive(Clone)]
pub struct Picture {
    memory: Arc<Memory>,
}

impl Picture {
    /// A black picture outside any pool: what a viewer sees before the first frame.
    ///
    /// # Errors
    /// [`PictureError::Size`] when a side is out of range.
    pub fn black(size: PictureSize) -> Result<Self, PictureError> {
        let layout = Layout::new(size)?;
        let mut picture = PictureMut::new(layout, Buffer::new(layout.total_bytes()), Weak::new());
        picture.fill([16, 128, 128]);
        Ok(picture.freeze())
    }

    /// A pooled copy of planes with strides of their own, as decoders hand them out.
    ///
    /// # Errors
    /// As [`FramePool::take`] and [`PictureMut::copy_planes`].
    pub fn copy_from_planes(
        pool: &FramePool,
        size: PictureSize,
        planes: [&[u8]; 3],
        strides: [usize; 3],
    ) -> Result<Self, PictureError> {
        let mut picture = pool.take(size)?;
        picture.copy_planes(planes, strides)?;
        Ok(picture.freeze())
    }

    /// Size in luma samples.
    pub fn size(&self) -> PictureSize {
        self.memory.layout.size
    }

    /// What the sample values mean.
    pub fn range(&self) -> ColorRange {
        self.memory.range
    }

    /// Luma: `height` rows of [`y_stride`](Self::y_stride) bytes, the first `width` of each samples.
    pub fn y(&self) -> &[u8] {
        self.memory.plane(Plane::Y)
    }

    /// Cb: `(height + 1) / 2` rows of [`c_stride`](Self::c_stride) bytes.
    pub fn u(&self) -> &[u8] {
        self.memory.plane(Plane::U)
    }

    /// Cr: `(height + 1) / 2` rows of [`c_stride`](Self::c_stride) bytes.
    pub fn v(&self) -> &[u8] {
        self.memory.plane(Plane::V)
    }

    /// Bytes from one luma row to the next: a multiple of [`crate::STRIDE_ALIGN_BYTES`].
    pub fn y_stride(&self) -> usize {
        self.memory.layout.y_stride
    }

    /// Bytes from one row to the next of either chroma plane.
    pub fn c_stride(&self) -> usize {
        self.memory.layout.c_stride
    }

    /// A plane with its dimensions.
    pub fn plane(&self, plane: Plane) -> PlaneView<'_> {
        let (width, height) = self.size().plane_dimensions(plane);
        PlaneView {
            bytes: self.memory.plane(plane),
            stride: self.memory.layout.stride(plane),
            width: width as usize,
            height: height as usize,
        }
    }

    /// Luma for an encoder that reads an even number of columns and rows, as libjpeg-turbo does:
    /// where a side is odd, the last column or row is repeated once. As [`y`](Self::y) for an
    /// even size.
    pub fn y_even(&self) -> &[u8] {
        &self.memory.buffer.bytes()[self.memory.layout.padded_plane(Plane::Y)]
    }

    /// Y, U and V as one run of bytes, laid out as [`PictureMut::contiguous_mut`] says.
    pub fn contiguous(&self) -> &[u8] {
        self.memory.buffer.bytes()
    }

    /// Bytes of memory held: all planes with their padding.
    pub fn size_bytes(&self) -> usize {
        self.memory.layout.total_bytes()
    }

    /// Whether two handles share the same samples.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.memory, &other.memory)
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}, {:?})", self.size(), self.range())
    }
}
