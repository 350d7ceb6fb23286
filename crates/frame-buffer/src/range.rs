//! What sample values mean, and video range to JPEG's full range.
//!
//! Video codes black as 16 and white as 235 (ITU-R BT.601 §2.5.3); JPEG means 0 and 255 (JFIF
//! 1.02). Samples passed on unchanged look grey and flat in a browser. The arithmetic is 16-bit
//! and branch-free, so that the compiler makes SIMD of it.

use crate::{Picture, PictureMut, Plane};

/// What the sample values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ColorRange {
    /// Video: luma 16 (black) to 235 (white), chroma 16 to 240. What H.264 carries unless it says
    /// otherwise (ITU-T H.264 Annex E, `video_full_range_flag` = 0).
    #[default]
    Limited,
    /// JPEG (JFIF): luma and chroma 0 to 255.
    Full,
}

/// Luma 16..=235 to 0..=255; what lies outside is clipped. 298 is 255/219 in 256ths.
fn luma(sample: u8) -> u8 {
    let above_black = u16::from(sample.clamp(16, 235) - 16);
    ((above_black * 298 + 128) >> 8) as u8
}

/// Chroma 16..=240 around 128 to 1..=255. 291 is 255/224 in 256ths.
fn chroma(sample: u8) -> u8 {
    let from_gray = i16::from(sample.clamp(16, 240)) - 128;
    (((from_gray * 291 + 128) >> 8) + 128) as u8
}

impl PictureMut {
    /// Writes the samples of `picture`, taken for limited range, as full range; what lies outside
    /// of the limits is clipped. Of pictures whose sizes differ, the part that both have.
    pub fn copy_as_full_range(&mut self, picture: &Picture) {
        let strides = self.strides();
        let planes = self.planes_mut();
        for ((plane, to), stride) in Plane::ALL.into_iter().zip(planes).zip(strides) {
            let from = picture.plane(plane);
            for (to, from) in to.chunks_mut(stride).zip(from.rows()) {
                let pairs = to.iter_mut().zip(from);
                match plane {
                    Plane::Y => pairs.for_each(|(to, &from)| *to = luma(from)),
                    Plane::U | Plane::V => pairs.for_each(|(to, &from)| *to = chroma(from)),
                }
            }
        }
        self.set_range(ColorRange::Full);
    }

    /// Makes full range of the samples, taken for limited range, padding included.
    pub fn make_full_range(&mut self) {
        let [y, u, v] = self.planes_mut();
        y.iter_mut().for_each(|sample| *sample = luma(*sample));
        for plane in [u, v] {
            plane
                .iter_mut()
                .for_each(|sample| *sample = chroma(*sample));
        }
        self.set_range(ColorRange::Full);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_within_one_of_the_exact_value() {
        for sample in 0..=255_u8 {
            let clipped = f64::from(sample.clamp(16, 235));
            let exact = (clipped - 16.0) * 255.0 / 219.0;
            assert!((f64::from(luma(sample)) - exact).abs() <= 1.0, "{sample}");
            let clipped = f64::from(sample.clamp(16, 240));
            let exact = (clipped - 128.0) * 255.0 / 224.0 + 128.0;
            assert!((f64::from(chroma(sample)) - exact).abs() <= 1.0, "{sample}");
        }
        assert_eq!((luma(16), luma(235)), (0, 255));
        assert_eq!((chroma(128), chroma(240)), (128, 255));
    }

    #[test]
    fn in_place_and_into_another_picture_are_the_same() -> Result<(), crate::PictureError> {
        let pool = crate::FramePool::new(3);
        let size = crate::PictureSize::new(33, 5)?;
        let [mut limited, mut expanded, mut copied] =
            [pool.take(size)?, pool.take(size)?, pool.take(size)?];
        for picture in [&mut limited, &mut expanded] {
            for (at, sample) in picture.planes_mut().into_iter().flatten().enumerate() {
                *sample = at as u8;
            }
        }
        copied.copy_as_full_range(&limited.freeze());
        expanded.make_full_range();
        let [copied, expanded] = [copied.freeze(), expanded.freeze()];
        assert_eq!(
            (copied.range(), expanded.range()),
            (ColorRange::Full, ColorRange::Full)
        );
        for plane in Plane::ALL {
            assert!(copied.plane(plane).rows().eq(expanded.plane(plane).rows()));
        }
        Ok(())
    }
}
