//! What a viewer sees after decoding: the size, the brightness, and how close to the source.

#![allow(clippy::unwrap_used)]

mod common;

use common::picture;
use frame_buffer::{ColorRange, FramePool, Picture, PictureError, PictureSize};
use image::RgbImage;
use jpeg_optimizer::{EncodeError, JpegEncoder, Quality, Renderer, fit_within};
use proptest::prelude::*;

fn size(width: u32, height: u32) -> PictureSize {
    PictureSize { width, height }
}

fn encode(picture: &Picture, quality: u8) -> Vec<u8> {
    let quality = Quality::new(quality).unwrap();
    JpegEncoder::new()
        .encode(picture, quality)
        .unwrap()
        .to_vec()
}

fn decode(jpeg: &[u8]) -> RgbImage {
    image::load_from_memory(jpeg).unwrap().into_rgb8()
}

/// BT.601 luma, as JFIF defines it.
fn luma(rgb: &image::Rgb<u8>) -> f64 {
    let [r, g, b] = rgb.0.map(f64::from);
    0.299 * r + 0.587 * g + 0.114 * b
}

/// Peak signal-to-noise ratio of decoded luma against the source's, in dB.
fn psnr_db(source: &Picture, decoded: &RgbImage) -> f64 {
    let plane = source.plane(frame_buffer::Plane::Y);
    let expected = plane.rows().flatten().map(|&sample| f64::from(sample));
    let squares = decoded
        .pixels()
        .zip(expected)
        .map(|(pixel, expected)| (luma(pixel) - expected).powi(2));
    let mean = squares.sum::<f64>() / f64::from(decoded.width() * decoded.height());
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}

#[test]
fn decoded_pictures_are_close_to_the_source() {
    for (width, height) in [
        (640, 360),
        (639, 359),
        (1280, 720),
        (16, 16),
        (3, 5),
        (2, 2),
    ] {
        let source = picture(width, height);
        let decoded = decode(&encode(&source, 90));
        assert_eq!(decoded.dimensions(), (width, height));
        let psnr = psnr_db(&source, &decoded);
        assert!(psnr > 36.0, "{width}x{height}: {psnr:.1} dB");
    }
}

#[test]
fn better_quality_is_closer_and_larger() {
    let source = picture(639, 359);
    let results = [10, 50, 70, 90, 100].map(|quality| {
        let jpeg = encode(&source, quality);
        (psnr_db(&source, &decode(&jpeg)), jpeg.len())
    });
    assert!(
        results.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1),
        "{results:?}"
    );
    assert!(Quality::new(0).is_err() && Quality::new(101).is_err());
    assert!(!encode(&source, 1).is_empty());
}

#[test]
fn the_edge_of_an_odd_size_is_the_pictures_own() {
    // Memory that held a white picture must not shine through beside a black one.
    let pool = FramePool::new(1);
    let mut white = pool.take(size(33, 17)).unwrap();
    white.fill([235, 128, 128]);
    drop(white.freeze());
    let mut black = pool.take(size(33, 17)).unwrap();
    black.contiguous_mut().fill(255);
    let stride = black.y_stride();
    for row in black.y_mut().chunks_mut(stride) {
        row[..33].fill(0);
    }
    for chroma in [black.u_mut().len(), black.v_mut().len()] {
        black.u_mut()[..chroma].fill(128);
        black.v_mut()[..chroma].fill(128);
    }
    black.set_range(ColorRange::Full);
    let decoded = decode(&encode(&black.freeze(), 90));
    assert!(decoded.pixels().all(|pixel| luma(pixel) < 3.0));
}

#[test]
fn video_black_and_white_are_black_and_white() {
    let pool = FramePool::new(2);
    let renderer = Renderer::new();
    for (sample, expected) in [
        (16, 0.0),
        (235, 255.0),
        (126, 128.0),
        (0, 0.0),
        (255, 255.0),
    ] {
        for target in [size(64, 48), size(31, 23)] {
            let mut source = pool.take(size(64, 48)).unwrap();
            source.fill([sample, 128, 128]);
            let rendered = renderer.render(&source.freeze(), target).unwrap();
            let decoded = decode(&encode(&rendered, 90));
            assert_eq!(decoded.dimensions(), (target.width, target.height));
            let worst = decoded
                .pixels()
                .map(|pixel| (luma(pixel) - expected).abs())
                .fold(0.0, f64::max);
            assert!(worst < 2.5, "{sample} at {target}: off by {worst}");
        }
    }
}

/// Red, green and blue of BT.601 video, so that swapped planes would show.
#[test]
fn colours_keep_their_hue() {
    let renderer = Renderer::new();
    for (yuv, expected) in [
        ([81, 90, 240], [255, 0, 0]),
        ([145, 54, 34], [0, 255, 0]),
        ([41, 240, 110], [0, 0, 255]),
    ] {
        let mut source = FramePool::new(0).take(size(48, 32)).unwrap();
        source.fill(yuv);
        let rendered = renderer.render(&source.freeze(), size(48, 32)).unwrap();
        let decoded = decode(&encode(&rendered, 90));
        let pixel = decoded.get_pixel(20, 20).0;
        let off = pixel
            .iter()
            .zip(expected)
            .map(|(&a, b): (_, u8)| a.abs_diff(b));
        assert!(off.max() <= Some(6), "{pixel:?}, not {expected:?}");
    }
}

#[test]
fn what_fits_already_is_not_copied() {
    let source = picture(64, 48);
    let rendered = Renderer::new().render(&source, size(64, 48)).unwrap();
    assert!(rendered.ptr_eq(&source));
}

#[test]
fn a_smaller_rendition_shows_the_same_picture() {
    let source = picture(1280, 720);
    let rendered = Renderer::new().render(&source, size(320, 180)).unwrap();
    let small = decode(&encode(&rendered, 95));
    let large = decode(&encode(&source, 95));
    let reference = image::imageops::thumbnail(&large, 320, 180);
    let squares = small.pixels().zip(reference.pixels());
    let mean = squares
        .map(|(a, b)| (luma(a) - luma(b)).powi(2))
        .sum::<f64>()
        / (320.0 * 180.0);
    let psnr = 10.0 * (255.0 * 255.0 / mean).log10();
    assert!(psnr > 30.0, "{psnr:.1} dB");
}

#[test]
fn sizes_that_cannot_be_made_are_refused() {
    let source = picture(64, 48);
    let render = |width, height| {
        Renderer::new()
            .render(&source, size(width, height))
            .unwrap_err()
    };
    for (width, height) in [(65, 48), (64, 49), (128, 96)] {
        assert!(matches!(render(width, height), EncodeError::Enlarge { .. }));
    }
    for (width, height) in [(1, 1), (0, 48), (64, 0)] {
        let error = render(width, height);
        assert_eq!(error, PictureError::Size { width, height }.into());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_size_encodes_and_scales(
        (width, height) in (2..200_u32, 2..200_u32),
        (shrink_x, shrink_y) in (0.0..1.0_f64, 0.0..1.0_f64),
        quality in 1..=100_u8,
    ) {
        let source = picture(width, height);
        let target = size(
            ((f64::from(width) * shrink_x) as u32).max(2),
            ((f64::from(height) * shrink_y) as u32).max(2),
        );
        for wanted in [source.size(), target] {
            let rendered = Renderer::new().render(&source, wanted).unwrap();
            let decoded = decode(&encode(&rendered, quality));
            prop_assert_eq!(decoded.dimensions(), (wanted.width, wanted.height));
        }
    }

    #[test]
    fn fitted_sizes_fit_and_keep_their_shape(
        source in (2..=16_384_u32, 2..=16_384_u32),
        max_width in proptest::option::of(1..20_000_u32),
        max_height in proptest::option::of(1..20_000_u32),
    ) {
        let source = size(source.0, source.1);
        let fitted = fit_within(source, max_width, max_height);
        prop_assert!(fitted.check().is_ok());
        prop_assert!(fitted.width <= source.width && fitted.height <= source.height);
        prop_assert!(fitted.width <= max_width.unwrap_or(u32::MAX).max(2));
        prop_assert!(fitted.height <= max_height.unwrap_or(u32::MAX).max(2));
        let scale = f64::from(fitted.width) / f64::from(source.width);
        let height = f64::from(source.height) * scale;
        // Rounding down to even costs up to two samples on the one side, and what two samples of
        // width are worth on the other.
        let slack = 3.0 + 3.0 * f64::from(source.height) / f64::from(source.width);
        prop_assert!((f64::from(fitted.height) - height).abs() <= slack, "{fitted} of {source}");
    }
}

#[test]
fn fitting_gives_the_usual_sizes() {
    let hd = size(1280, 720);
    assert_eq!(fit_within(hd, Some(640), None), size(640, 360));
    assert_eq!(fit_within(hd, None, Some(360)), size(640, 360));
    assert_eq!(fit_within(hd, Some(640), Some(100)), size(176, 100));
    assert_eq!(fit_within(hd, Some(4000), Some(4000)), hd);
    assert_eq!(fit_within(hd, None, None), hd);
}
