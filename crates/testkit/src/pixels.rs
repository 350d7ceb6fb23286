//! Luma out of whatever pixels a test holds.
//!
//! Fed by decoders' planes, screenshots and canvas read-backs; feeds the frame-number reader.

use image::RgbaImage;

/// Something whose luma can be sampled.
pub trait Luma {
    /// Luma at column `x`, row `y`, 0 (black) to 255 (white); `None` outside of the picture.
    fn luma_at(&self, x: u32, y: u32) -> Option<u8>;
}

/// A luma plane: rows `stride` bytes apart.
#[derive(Debug, Clone, Copy)]
pub struct LumaPlane<'a> {
    /// The samples.
    pub bytes: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
}

impl Luma for LumaPlane<'_> {
    fn luma_at(&self, x: u32, y: u32) -> Option<u8> {
        if x as usize >= self.stride {
            return None;
        }
        let index = self
            .stride
            .checked_mul(y as usize)?
            .checked_add(x as usize)?;
        self.bytes.get(index).copied()
    }
}

/// Rows of RGBA pixels, 4 bytes each, without padding: what a canvas's `getImageData` returns.
#[derive(Debug, Clone, Copy)]
pub struct Rgba<'a> {
    /// The pixels.
    pub bytes: &'a [u8],
    /// Pixels per row.
    pub width: u32,
}

impl Luma for Rgba<'_> {
    fn luma_at(&self, x: u32, y: u32) -> Option<u8> {
        if x >= self.width {
            return None;
        }
        let pixel = (self.width as usize)
            .checked_mul(y as usize)?
            .checked_add(x as usize)?;
        let start = pixel.checked_mul(4)?;
        match self.bytes.get(start..start + 3)? {
            &[r, g, b] => Some(luma(r, g, b)),
            _ => None,
        }
    }
}

/// A picture that was decoded from a file's bytes.
#[derive(Debug, Clone)]
pub struct DecodedLuma(pub RgbaImage);

impl Luma for DecodedLuma {
    fn luma_at(&self, x: u32, y: u32) -> Option<u8> {
        let [r, g, b, _] = self.0.get_pixel_checked(x, y)?.0;
        Some(luma(r, g, b))
    }
}

/// ITU-R BT.601 luma in eighths of a percent, rounded.
fn luma(r: u8, g: u8, b: u8) -> u8 {
    ((u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114 + 500) / 1000) as u8
}
