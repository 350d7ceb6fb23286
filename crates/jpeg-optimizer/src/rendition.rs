//! A frame at a viewer's size and in JPEG's range, made from the raw samples.
//!
//! Fed with pictures from the ring; feeds the encoder. Each plane is scaled by itself; nothing
//! goes through RGB or through a JPEG.

use std::sync::{Mutex, PoisonError};

use fast_image_resize::images::{TypedCroppedImageMut, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use frame_buffer::{ColorRange, FramePool, Picture, PictureMut, PictureSize, Plane, PlaneView};

use crate::EncodeError;

/// Idle scalers and pictures kept.
const MAX_IDLE: usize = 8;

/// Makes renditions, from any number of threads at once, with pooled scalers and pictures.
#[derive(Debug)]
pub struct Renderer {
    pool: FramePool,
    idle: Mutex<Vec<Resizer>>,
}

impl Renderer {
    /// A renderer with a picture pool of its own.
    pub fn new() -> Self {
        Self {
            pool: FramePool::new(MAX_IDLE),
            idle: Mutex::default(),
        }
    }

    /// The picture at `size` and in full range. What has both already is shared, not copied.
    ///
    /// # Errors
    /// [`EncodeError::Enlarge`] when a side exceeds the picture's, [`EncodeError::Picture`] when
    /// `size` is out of range, [`EncodeError::Scale`] when the scaler refuses.
    pub fn render(&self, picture: &Picture, size: PictureSize) -> Result<Picture, EncodeError> {
        check_size(picture.size(), size)?;
        match (picture.size() == size, picture.range()) {
            (true, ColorRange::Full) => Ok(picture.clone()),
            (true, ColorRange::Limited) => {
                let mut target = self.pool.take(size)?;
                target.copy_as_full_range(picture);
                Ok(target.freeze())
            }
            (false, source_range) => {
                let mut target = self.pool.take(size)?;
                self.scale(picture, &mut target)?;
                match source_range {
                    ColorRange::Limited => target.make_full_range(),
                    ColorRange::Full => target.set_range(ColorRange::Full),
                }
                Ok(target.freeze())
            }
        }
    }

    fn scale(&self, picture: &Picture, target: &mut PictureMut) -> Result<(), EncodeError> {
        let size = target.size();
        let strides = target.strides();
        let mut resizer = self.take_resizer();
        let planes = target.planes_mut();
        for ((plane, to), stride) in Plane::ALL.into_iter().zip(planes).zip(strides) {
            let dimensions = size.plane_dimensions(plane);
            scale_plane(&mut resizer, picture.plane(plane), to, stride, dimensions).map_err(
                |error| EncodeError::Scale {
                    from: picture.size(),
                    to: size,
                    reason: error.to_string(),
                },
            )?;
        }
        self.give_back(resizer);
        Ok(())
    }

    fn take_resizer(&self) -> Resizer {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop().unwrap_or_default()
    }

    fn give_back(&self, resizer: Resizer) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(resizer);
        }
    }
}

impl Default for Renderer {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a source of size `from` has a rendition of size `to`.
pub(crate) fn check_size(from: PictureSize, to: PictureSize) -> Result<(), EncodeError> {
    to.check()?;
    if to.width > from.width || to.height > from.height {
        return Err(EncodeError::Enlarge { from, to });
    }
    Ok(())
}

/// Strided planes are images as wide as their stride, of which the left part counts.
fn scale_plane(
    resizer: &mut Resizer,
    from: PlaneView<'_>,
    to: &mut [u8],
    to_stride: usize,
    (to_width, to_height): (u32, u32),
) -> Result<(), Box<dyn std::error::Error>> {
    let source =
        TypedImageRef::<U8>::from_buffer(from.stride as u32, from.height as u32, from.bytes)?;
    let mut canvas = TypedImage::<U8>::from_buffer(to_stride as u32, to_height, to)?;
    let mut target = TypedCroppedImageMut::from_ref(&mut canvas, 0, 0, to_width, to_height)?;
    // Triangle: its support grows with the reduction, so that nothing aliases, at half of the
    // cost of Lanczos.
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(0.0, 0.0, from.width as f64, from.height as f64);
    resizer.resize_typed(&source, &mut target, &options)?;
    Ok(())
}

/// The largest size of the source's shape within `max_width` x `max_height` (each `None`: any)
/// that does not exceed the source; sides are at least 2 and even where the source's allow.
pub fn fit_within(
    source: PictureSize,
    max_width: Option<u32>,
    max_height: Option<u32>,
) -> PictureSize {
    let [width, height] = [source.width, source.height].map(u64::from);
    let max_width = u64::from(max_width.unwrap_or(source.width)).min(width);
    let max_height = u64::from(max_height.unwrap_or(source.height)).min(height);
    if max_width == width && max_height == height {
        return source;
    }
    // Compare max_width/width with max_height/height without division.
    let (fit_width, fit_height) = if max_width * height <= max_height * width {
        (max_width, max_width * height / width.max(1))
    } else {
        (max_height * width / height.max(1), max_height)
    };
    let even = |side: u64| (side as u32 / 2 * 2).max(PictureSize::MIN_SIDE);
    PictureSize {
        width: even(fit_width),
        height: even(fit_height),
    }
}
