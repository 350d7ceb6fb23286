//! BGR pixels to luma and to I420, as JFIF defines them (full range, BT.601 weights).

use frame_buffer::{ColorRange, FramePool, Picture, PictureError, PictureSize};

/// Luma of one pixel: 0.299 R + 0.587 G + 0.114 B in 65536ths.
fn luma_of(pixel: &[u8]) -> u8 {
    let [b, g, r] = channels(pixel);
    ((19_595 * r + 38_470 * g + 7_471 * b + 32_768) >> 16) as u8
}

/// Blue, green and red; 0 where a pixel is cut off.
fn channels(pixel: &[u8]) -> [i32; 3] {
    let mut channels = [0; 3];
    for (channel, &sample) in channels.iter_mut().zip(pixel) {
        *channel = i32::from(sample);
    }
    channels
}

/// The luma of each pixel.
pub(crate) fn luma(bgr: &[u8]) -> Vec<u8> {
    bgr.chunks_exact(3).map(luma_of).collect()
}

/// A full-range I420 picture; each chroma sample is the mean of its up to four pixels.
pub(crate) fn to_picture(
    pool: &FramePool,
    width: u32,
    height: u32,
    bgr: &[u8],
) -> Result<Picture, PictureError> {
    let mut picture = pool.take(PictureSize::new(width, height)?)?;
    picture.set_range(ColorRange::Full);
    let row_bytes = width as usize * 3;
    let [y_stride, c_stride, _] = picture.strides();
    let [y, u, v] = picture.planes_mut();
    for (to, from) in y.chunks_mut(y_stride).zip(bgr.chunks(row_bytes)) {
        for (to, pixel) in to.iter_mut().zip(from.chunks_exact(3)) {
            *to = luma_of(pixel);
        }
    }
    let chroma_rows = u.chunks_mut(c_stride).zip(v.chunks_mut(c_stride));
    for ((u, v), rows) in chroma_rows.zip(bgr.chunks(2 * row_bytes)) {
        chroma_row(u, v, rows, row_bytes);
    }
    Ok(picture.freeze())
}

/// One row of both chroma planes from one or two rows of pixels.
fn chroma_row(u: &mut [u8], v: &mut [u8], rows: &[u8], row_bytes: usize) {
    let (top, bottom) = rows.split_at(row_bytes.min(rows.len()));
    let bottom = if bottom.is_empty() { top } else { bottom };
    let pairs = top.chunks(6).zip(bottom.chunks(6));
    for ((u, v), (top, bottom)) in u.iter_mut().zip(v).zip(pairs) {
        let mut sums = [0; 3];
        let pixels = top.chunks_exact(3).chain(bottom.chunks_exact(3));
        let mut count = 0;
        for pixel in pixels {
            for (sum, channel) in sums.iter_mut().zip(channels(pixel)) {
                *sum += channel;
            }
            count += 1;
        }
        let [b, g, r] = sums.map(|sum| sum / count.max(1));
        *u = chroma(-11_058 * r - 21_710 * g + 32_768 * b);
        *v = chroma(32_768 * r - 27_439 * g - 5_329 * b);
    }
}

/// A difference in 65536ths around 128.
fn chroma(scaled: i32) -> u8 {
    (((scaled + 32_768) >> 16) + 128).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primaries_have_their_jfif_values() {
        let pool = FramePool::new(1);
        // JFIF 1.02, page 3.
        for (bgr, yuv) in [
            ([0, 0, 0], [0, 128, 128]),
            ([255, 255, 255], [255, 128, 128]),
            ([0, 0, 255], [76, 85, 255]),
            ([0, 255, 0], [150, 44, 21]),
            ([255, 0, 0], [29, 255, 107]),
        ] {
            // Odd sides: the last chroma samples have one pixel or two.
            let picture = to_picture(&pool, 5, 3, &bgr.repeat(15)).unwrap();
            assert_eq!(picture.range(), ColorRange::Full);
            let read = [picture.y()[4], picture.u()[2], picture.v()[2]];
            for (read, expected) in read.into_iter().zip(yuv) {
                assert!(
                    read.abs_diff(expected) <= 1,
                    "{bgr:?}: {read} for {expected}"
                );
            }
            assert_eq!(luma(&bgr)[0], picture.y()[0]);
        }
    }
}
