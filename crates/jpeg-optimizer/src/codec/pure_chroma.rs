//! Chroma as the pure-Rust decoder gives it, one sample for each pixel, back to 4:2:0 as it was coded.
//!
//! Fed by `pure_decode`; feeds a picture's planes. Where a chroma sample belongs to two pixels across or down, the library
//! interpolates: each pixel has three quarters of its own sample and a quarter of the next one on its side (libjpeg's
//! "fancy" upsampling). The mean of the pixels would blur the sample with its neighbours. But of samples L, A and R the
//! four pixels around A's centre are (3L+A)/4, (3A+L)/4, (3A+R)/4 and (3R+A)/4, and −1, 3, 3 and −1 quarters of those
//! are A. Where a sample belongs to more pixels, the library repeats it, and the mean is the sample.

use crate::decode::{ChromaSampling, JpegHeader};

/// Weights are in quarters.
type Weights = [i16; 4];

/// A chroma plane with a sample for each pixel.
pub(super) struct WholeChroma {
    width: usize,
    height: usize,
    /// Whether the library interpolated across, and down.
    interpolated: (bool, bool),
    /// One row of the plane, combined of four.
    row: Vec<i16>,
}

impl WholeChroma {
    pub(super) fn new(header: &JpegHeader) -> Self {
        let interpolated = match header.sampling {
            ChromaSampling::Every(across @ (1 | 2), down @ (1 | 2)) => (across == 2, down == 2),
            _ => (false, false),
        };
        let (width, height) = (header.size.width as usize, header.size.height as usize);
        Self {
            width,
            height,
            interpolated,
            row: vec![0; width],
        }
    }

    /// One sample for each two by two pixels, in rows of `stride` bytes of which `columns` are written.
    pub(super) fn halve(&mut self, from: &[u8], to: &mut [u8], columns: usize, stride: usize) {
        for (row, to) in to.chunks_mut(stride).enumerate() {
            self.combine_rows(from, row);
            self.combine_columns(&mut to[..columns]);
        }
    }

    fn combine_rows(&mut self, from: &[u8], row: usize) {
        let [a, b, c, d] = around(row, self.height).map(|y| &from[y * self.width..][..self.width]);
        let [wa, wb, wc, wd] = weights(self.interpolated.1, row, self.height);
        // At most 8 * 255 either way.
        let pixels = a.iter().zip(b).zip(c.iter().zip(d));
        for (sum, ((a, b), (c, d))) in self.row.iter_mut().zip(pixels) {
            let [a, b, c, d] = [*a, *b, *c, *d].map(i16::from);
            *sum = wa * a + wb * b + wc * c + wd * d;
        }
    }

    fn combine_columns(&self, to: &mut [u8]) {
        // Each interpolation rounds a half up, which is an eighth too much on average; sixteenths here.
        let (across, down) = self.interpolated;
        let rounding = 8 - 2 * (i32::from(across) + i32::from(down));
        for (column, to) in to.iter_mut().enumerate() {
            let samples = around(column, self.width).map(|x| i32::from(self.row[x]));
            let weights = weights(across, column, self.width).map(i32::from);
            let sum: i32 = samples.iter().zip(weights).map(|(it, by)| it * by).sum();
            *to = ((sum + rounding) >> 4).clamp(0, 255) as u8;
        }
    }
}

/// The four pixels around a chroma sample's centre; the plane's edge is repeated.
fn around(sample: usize, pixels: usize) -> [usize; 4] {
    let first = 2 * sample;
    let last = pixels - 1;
    [
        first.saturating_sub(1),
        first,
        (first + 1).min(last),
        (first + 2).min(last),
    ]
}

/// What each of the four counts. At the right and lower edge the next sample may lie in blocks that are not shown, so
/// that only the two pixels before it are of use.
fn weights(interpolated: bool, sample: usize, pixels: usize) -> Weights {
    match (interpolated, pixels - 2 * sample) {
        (true, 1 | 2) => [-2, 6, 0, 0],
        (true, _) => [-1, 3, 3, -1],
        (false, 1) => [0, 4, 0, 0],
        (false, _) => [0, 2, 2, 0],
    }
}
