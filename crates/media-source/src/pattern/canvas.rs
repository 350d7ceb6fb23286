//! Drawing into an I420 picture.
//!
//! Fed by the pattern's parts; writes into the picture that becomes the frame.

use frame_buffer::{PictureMut, PictureSize};

use super::glyphs::{Font, Mask};

/// Luma and chroma of a colour, limited range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour {
    pub(super) y: u8,
    pub(super) u: u8,
    pub(super) v: u8,
}

impl Colour {
    pub(super) const WHITE: Self = Self::grey(235);
    pub(super) const BLACK: Self = Self::grey(16);

    pub(super) const fn grey(y: u8) -> Self {
        Self { y, u: 128, v: 128 }
    }

    /// From R, G and B of 0 to 1 (ITU-R BT.601-7 §2.5).
    pub(super) fn rgb(r: f32, g: f32, b: f32) -> Self {
        let sample = |n: f32| n.round().clamp(0.0, 255.0) as u8;
        Self {
            y: sample(16.0 + 65.481 * r + 128.553 * g + 24.966 * b),
            u: sample(128.0 - 37.797 * r - 74.203 * g + 112.0 * b),
            v: sample(128.0 + 112.0 * r - 93.786 * g - 18.214 * b),
        }
    }
}

/// A picture being drawn.
pub(super) struct Canvas<'a> {
    y: &'a mut [u8],
    u: &'a mut [u8],
    v: &'a mut [u8],
    y_stride: usize,
    c_stride: usize,
    width: usize,
    height: usize,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(picture: &'a mut PictureMut) -> Self {
        let PictureSize { width, height } = picture.size();
        let [y_stride, c_stride, _] = picture.strides();
        let [y, u, v] = picture.planes_mut();
        Self {
            y,
            u,
            v,
            y_stride,
            c_stride,
            width: width as usize,
            height: height as usize,
        }
    }

    /// Fills the rectangle from `(x0, y0)` up to, not including, `(x1, y1)`, clipped to the picture.
    /// Chroma goes by the sample that covers the corner.
    pub(super) fn fill(&mut self, x0: usize, y0: usize, x1: usize, y1: usize, colour: Colour) {
        let [x0, x1] = [x0, x1].map(|x| x.min(self.width));
        let [y0, y1] = [y0, y1].map(|y| y.min(self.height));
        if x0 >= x1 || y0 >= y1 {
            return;
        }
        for row in self.y.chunks_mut(self.y_stride).take(y1).skip(y0) {
            row[x0..x1].fill(colour.y);
        }
        let columns = x0 / 2..x1.div_ceil(2);
        for y in y0 / 2..y1.div_ceil(2) {
            let row = y * self.c_stride;
            self.u[row + columns.start..row + columns.end].fill(colour.u);
            self.v[row + columns.start..row + columns.end].fill(colour.v);
        }
    }

    /// Adds `light` to the luma of the rows `y0..y1`, from column `x` on; clipped.
    pub(super) fn lighten(&mut self, x: usize, y0: usize, y1: usize, light: &[u8]) {
        let light = &light[..light.len().min(self.width.saturating_sub(x))];
        for row in self
            .y
            .chunks_mut(self.y_stride)
            .take(y1.min(self.height))
            .skip(y0)
        {
            for (luma, light) in row.iter_mut().skip(x).zip(light) {
                *luma = luma.saturating_add(*light).min(235);
            }
        }
    }

    /// Writes a text in white with its top left corner at `(x, y)`; clipped.
    pub(super) fn write(&mut self, font: &Font, text: &str, mut x: usize, y: usize) {
        for glyph in text.chars() {
            if let Some(mask) = font.mask(glyph) {
                self.blend(mask, x, y);
                x += mask.width;
            }
        }
    }

    fn blend(&mut self, mask: &Mask, x: usize, y: usize) {
        let columns = mask.width.min(self.width.saturating_sub(x));
        let rows = mask.height.min(self.height.saturating_sub(y));
        if columns == 0 {
            return;
        }
        let covered = mask.coverage.chunks_exact(mask.width).take(rows);
        for (row, coverage) in covered.enumerate() {
            let luma = &mut self.y[(y + row) * self.y_stride + x..][..columns];
            for (luma, coverage) in luma.iter_mut().zip(coverage) {
                *luma = mix(*luma, 235, *coverage);
            }
            // White has no colour: one row in two takes the chroma under it to neutral.
            if (y + row).is_multiple_of(2) {
                let at = (y + row) / 2 * self.c_stride + x / 2;
                let of_pairs = coverage[..columns].iter().step_by(2);
                let samples = self.u[at..].iter_mut().zip(&mut self.v[at..]);
                for ((u, v), coverage) in samples.zip(of_pairs) {
                    *u = mix(*u, 128, *coverage);
                    *v = mix(*v, 128, *coverage);
                }
            }
        }
    }
}

/// `from` with `share`/255 of `to`.
fn mix(from: u8, to: u8, share: u8) -> u8 {
    let [from, to, share] = [from, to, share].map(u16::from);
    // 255 * 255 and the rounding fit 16 bits; (n + 128 + (n + 128) / 256) / 256 is n / 255, rounded.
    let n = from * (255 - share) + to * share + 128;
    ((n + (n >> 8)) >> 8) as u8
}
