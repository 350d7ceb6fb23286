//! What a library decoded, into the planes of a picture.
//!
//! Fed by [`codec`](crate::codec) with luma and chroma in whatever arrangement the JPEG has, or RGB.

use frame_buffer::PictureMut;

/// Grey has luma only; its chroma is neutral.
pub(crate) fn write_grey_chroma(picture: &mut PictureMut) {
    picture.u_mut().fill(128);
    picture.v_mut().fill(128);
}

/// Luma rows of `stride` bytes.
pub(crate) fn copy_luma(luma: &[u8], stride: usize, picture: &mut PictureMut) {
    let width = picture.size().width as usize;
    let own_stride = picture.y_stride();
    let rows = picture.y_mut().chunks_mut(own_stride);
    for (to, from) in rows.zip(luma.chunks(stride)) {
        to[..width].copy_from_slice(&from[..width]);
    }
}

/// A chroma plane that is not 4:2:0.
#[cfg(feature = "turbo")]
pub(crate) struct Chroma {
    pub(crate) stride: usize,
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    /// Luma samples per chroma sample.
    pub(crate) factor_x: usize,
    pub(crate) factor_y: usize,
}

#[cfg(feature = "turbo")]
impl Chroma {
    /// Each 4:2:0 sample covers two by two luma samples: it becomes the mean of the four source samples
    /// that those had (the same one several times where the source is coarser).
    pub(crate) fn resample(&self, from: &[u8], to: &mut [u8], columns: usize, to_stride: usize) {
        for (row, to) in to.chunks_mut(to_stride).enumerate() {
            let [top, bottom] = [2 * row, 2 * row + 1].map(|y| {
                let y = (y / self.factor_y).min(self.rows - 1);
                &from[y * self.stride..][..self.columns]
            });
            if self.factor_x == 2 {
                for ((to, a), b) in to[..columns].iter_mut().zip(top).zip(bottom) {
                    *to = (u16::from(*a) + u16::from(*b)).div_ceil(2) as u8;
                }
                continue;
            }
            for (column, to) in to[..columns].iter_mut().enumerate() {
                let [left, right] =
                    [2 * column, 2 * column + 1].map(|x| (x / self.factor_x).min(self.columns - 1));
                let sum = [top[left], top[right], bottom[left], bottom[right]]
                    .map(u16::from)
                    .iter()
                    .sum::<u16>();
                *to = ((sum + 2) / 4) as u8;
            }
        }
    }
}

/// RGB to full-range YCbCr (ITU-T T.871 §7), chroma of the mean colour of each two by two pixels.
pub(crate) fn write_rgb(rgb: &[u8], picture: &mut PictureMut) {
    let size = picture.size();
    let [width, height] = [size.width as usize, size.height as usize];
    let [y_stride, c_stride, _] = picture.strides();
    let [luma, u, v] = picture.planes_mut();
    let pixel = |x: usize, y: usize| {
        let at = (y.min(height - 1) * width + x.min(width - 1)) * 3;
        [rgb[at], rgb[at + 1], rgb[at + 2]].map(i32::from)
    };
    for y in 0..height {
        for x in 0..width {
            let [r, g, b] = pixel(x, y);
            luma[y * y_stride + x] = ((19595 * r + 38470 * g + 7471 * b + 32768) >> 16) as u8;
        }
    }
    for y in 0..height.div_ceil(2) {
        for x in 0..width.div_ceil(2) {
            let corners =
                [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| pixel(2 * x + dx, 2 * y + dy));
            let [r, g, b] = [0, 1, 2].map(|c| corners.iter().map(|p| p[c]).sum::<i32>());
            let at = y * c_stride + x;
            u[at] = chroma_sample(-11059 * r - 21709 * g + 32768 * b);
            v[at] = chroma_sample(32768 * r - 27439 * g - 5329 * b);
        }
    }
}

/// A sum over four pixels in 1/65536, centred at 128.
fn chroma_sample(sum: i32) -> u8 {
    (((sum + (1 << 17)) >> 18) + 128).clamp(0, 255) as u8
}
