//! The luma plane of a frame, whatever its content, and what its values mean.

use std::borrow::Cow;

use frame_buffer::{ColorRange, Picture, Plane};

use crate::{FrameContent, bgr};

/// Rows of luma samples, at least one by one.
pub(super) struct Luma<'a> {
    samples: Cow<'a, [u8]>,
    stride: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    range: ColorRange,
}

impl<'a> Luma<'a> {
    /// # Errors
    /// When the content has no pixels.
    pub(super) fn of(content: &'a FrameContent) -> Result<Self, String> {
        content.check().map_err(|error| error.to_string())?;
        match content {
            FrameContent::Picture(picture) => Ok(Self::of_picture(picture)),
            FrameContent::Bgr {
                width,
                height,
                bytes,
            } => Ok(Self {
                samples: Cow::Owned(bgr::luma(bytes)),
                stride: *width as usize,
                width: *width as usize,
                height: *height as usize,
                range: ColorRange::Full,
            }),
            FrameContent::Opaque(_) => Err("the frame has no pixels".to_owned()),
        }
    }

    pub(super) fn of_picture(picture: &'a Picture) -> Self {
        let plane = picture.plane(Plane::Y);
        Self {
            samples: Cow::Borrowed(plane.bytes),
            stride: plane.stride,
            width: plane.width,
            height: plane.height,
            range: picture.range(),
        }
    }

    /// The rows from the top, each `width` samples.
    pub(super) fn rows(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        let rows = self.samples.chunks(self.stride).take(self.height);
        rows.map(|row| &row[..self.width])
    }

    /// A row; the last one where there are fewer.
    pub(super) fn row(&self, y: usize) -> &[u8] {
        let start = y.min(self.height - 1) * self.stride;
        &self.samples[start..start + self.width]
    }

    /// What brings samples to 0 (black) to 255 (white): subtract the first, multiply by the second.
    pub(super) fn scale(&self) -> (f64, f64) {
        match self.range {
            ColorRange::Limited => (16.0, 255.0 / 219.0),
            ColorRange::Full => (0.0, 1.0),
        }
    }
}
