//! I420 to rows of blue, green and red, for `--encoding bgr`.
//!
//! JFIF's equations (full range, BT.601 weights) in 65536ths, each chroma sample for its four pixels.

use frame_buffer::{Picture, Plane};

/// Three bytes a pixel, without padding, from the top. The picture is to be of full range.
pub(super) fn bgr_of(picture: &Picture) -> Vec<u8> {
    let size = picture.size();
    let mut bgr = Vec::with_capacity(3 * size.width as usize * size.height as usize);
    let rows = |plane| picture.plane(plane).rows();
    let doubled = |plane| rows(plane).flat_map(|row| [row, row]);
    let lines = rows(Plane::Y).zip(doubled(Plane::U).zip(doubled(Plane::V)));
    for (y, (u, v)) in lines {
        for (x, luma) in y.iter().enumerate() {
            bgr.extend_from_slice(&pixel(*luma, u[x / 2], v[x / 2]));
        }
    }
    bgr
}

fn pixel(y: u8, u: u8, v: u8) -> [u8; 3] {
    let (y, u, v) = (i32::from(y) << 16, i32::from(u) - 128, i32::from(v) - 128);
    let blue = y + 116_130 * u;
    let green = y - 22_554 * u - 46_802 * v;
    let red = y + 91_881 * v;
    [blue, green, red].map(|channel| ((channel + 32_768) >> 16).clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use frame_buffer::{ColorRange, FramePool, PictureSize};

    #[test]
    fn primaries_are_what_jfif_says() {
        for (yuv, bgr) in [
            ([255, 128, 128], [255, 255, 255]),
            ([0, 128, 128], [0, 0, 0]),
            ([76, 85, 255], [0, 0, 254]),
            ([29, 255, 107], [254, 0, 0]),
        ] {
            let [y, u, v] = yuv;
            assert_eq!(pixel(y, u, v), bgr, "{yuv:?}");
        }
    }

    #[test]
    fn odd_sides_lose_no_pixel() {
        let size = PictureSize::new(5, 3).unwrap();
        let mut picture = FramePool::new(0).take(size).unwrap();
        picture.fill([90, 128, 128]);
        picture.set_range(ColorRange::Full);
        assert_eq!(bgr_of(&picture.freeze()), vec![90; 5 * 3 * 3]);
    }
}
