//! Pictures that tests encode.

#![allow(clippy::unwrap_used)]

use frame_buffer::{ColorRange, FramePool, Picture, PictureSize};

/// Smooth shapes with some detail, as video has them, in full range.
pub(crate) fn picture(width: u32, height: u32) -> Picture {
    let mut picture = FramePool::new(0)
        .take(PictureSize { width, height })
        .unwrap();
    let [y_stride, c_stride, _] = picture.strides();
    let [y, u, v] = picture.planes_mut();
    let wave = |x: usize, period: f64| (x as f64 / period).sin();
    for (row, samples) in y.chunks_mut(y_stride).enumerate() {
        for (x, sample) in samples.iter_mut().enumerate() {
            *sample = (128.0 + 70.0 * wave(x + 2 * row, 37.0) + 25.0 * wave(row, 5.0)) as u8;
        }
    }
    for (plane, period) in [(u, 41.0), (v, 29.0)] {
        for (row, samples) in plane.chunks_mut(c_stride).enumerate() {
            for (x, sample) in samples.iter_mut().enumerate() {
                *sample = (128.0 + 60.0 * wave(x + row, period)) as u8;
            }
        }
    }
    picture.set_range(ColorRange::Full);
    picture.freeze()
}
