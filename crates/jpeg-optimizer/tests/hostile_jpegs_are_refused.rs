//! JPEGs that are cut off, lie about their size, or want more than they are given; and those that are merely unusual.

#![allow(clippy::unwrap_used)]

mod common;

use common::picture;
use frame_buffer::{ColorRange, FramePool, Picture, PictureSize, Plane};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use jpeg_optimizer::{
    ChromaSampling, DecodeLimits, DecodeScale, JpegDecoder, JpegEncoder, JpegError, Quality,
};
use proptest::prelude::*;

fn decoder() -> JpegDecoder {
    JpegDecoder::new(FramePool::new(4)).unwrap()
}

fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let quality = Quality::new(90).unwrap();
    let jpeg = JpegEncoder::new().encode(&picture(width, height), quality);
    jpeg.unwrap().to_vec()
}

/// A gradient as the peer's encoder writes it.
fn other(
    set: impl FnOnce(&mut Encoder<&mut Vec<u8>>),
    colours: ColorType,
    bytes: usize,
) -> Vec<u8> {
    let (width, height) = (61, 43);
    let samples: Vec<u8> = (0..width * height)
        .flat_map(|at| (0..bytes).map(move |c| ((at % width) * 3 + (at / width) * (c + 1)) as u8))
        .collect();
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, 90);
    set(&mut encoder);
    encoder
        .encode(&samples, width as u16, height as u16, colours)
        .unwrap();
    out
}

/// A frame header and scan headers with nothing in them.
fn bomb(sof: u8, (width, height): (u16, u16), scans: usize) -> Vec<u8> {
    let [w, h] = [width, height].map(u16::to_be_bytes);
    let mut jpeg = vec![0xff, 0xd8, 0xff, sof, 0, 17, 8, h[0], h[1], w[0], w[1], 3];
    jpeg.extend([1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]);
    for _ in 0..scans {
        jpeg.extend([
            0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x55, 0xff, 0x00, 0xff, 0xd0,
        ]);
    }
    jpeg.extend([0xff, 0xd9]);
    jpeg
}

fn psnr_db(a: &Picture, b: &Picture) -> f64 {
    assert_eq!(a.size(), b.size());
    let rows = a.plane(Plane::Y).rows().zip(b.plane(Plane::Y).rows());
    let squares: f64 = rows
        .flat_map(|(a, b)| a.iter().zip(b))
        .map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2))
        .sum();
    let mean = squares / (f64::from(a.size().width) * f64::from(a.size().height));
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}

#[test]
fn pictures_come_back_as_they_were() {
    for (width, height) in [(640, 360), (639, 359), (16, 16), (3, 5), (2, 2)] {
        let decoded = decoder().decode(&jpeg(width, height)).unwrap();
        let psnr = psnr_db(&picture(width, height), &decoded);
        assert!(psnr > 36.0, "{width}x{height}: {psnr:.1} dB");
    }
}

/// Decoders interpolate chroma for the screen; here it comes back sample for sample, right up to the edges.
#[test]
fn neighbouring_chroma_samples_do_not_mix() {
    for (width, height) in [(640, 360), (639, 359), (33, 18), (3, 5), (2, 2)] {
        let size = PictureSize { width, height };
        let mut source = FramePool::new(0).take(size).unwrap();
        source.set_range(ColorRange::Full);
        source.fill([128, 128, 128]);
        let c_stride = source.c_stride();
        let [_, u, v] = source.planes_mut();
        for (at, (u, v)) in u.iter_mut().zip(v).enumerate() {
            let (x, y) = (at % c_stride, at / c_stride);
            *u = if (x + y) % 2 == 0 { 90 } else { 170 };
            *v = ((x * 37 + y * 59) % 160 + 48) as u8;
        }
        let source = source.freeze();
        let best = Quality::new(100).unwrap();
        let jpeg = JpegEncoder::new().encode(&source, best).unwrap();
        let decoded = decoder().decode(&jpeg).unwrap();
        for plane in [Plane::U, Plane::V] {
            let rows = source.plane(plane).rows().zip(decoded.plane(plane).rows());
            let worst = rows
                .flat_map(|(a, b)| a.iter().zip(b))
                .map(|(a, b)| a.abs_diff(*b))
                .max();
            // Three by the transform's rounding; the neighbours are 80 away.
            assert!(worst <= Some(3), "{width}x{height}: off by {worst:?}");
        }
    }
}

#[test]
fn a_part_of_the_size_shows_the_same() {
    let source = jpeg(641, 363);
    let whole = decoder().decode(&source).unwrap();
    for (scale, size) in [
        (DecodeScale::Half, (321, 182)),
        (DecodeScale::Quarter, (161, 91)),
        (DecodeScale::Eighth, (81, 46)),
    ] {
        let small = decoder().decode_scaled(&source, scale).unwrap();
        assert_eq!((small.size().width, small.size().height), size);
        let scaled = jpeg_optimizer::Renderer::new().render(&whole, small.size());
        let psnr = psnr_db(&scaled.unwrap(), &small);
        assert!(psnr > 24.0, "{scale:?}: {psnr:.1} dB");
    }
    let size = |width, height| PictureSize { width, height };
    let of = |wanted| DecodeScale::at_least(wanted, size(1920, 1080));
    assert_eq!(of(size(224, 224)), DecodeScale::Quarter);
    assert_eq!(of(size(240, 135)), DecodeScale::Eighth);
    assert_eq!(of(size(961, 540)), DecodeScale::Whole);
    assert_eq!(of(size(4000, 4000)), DecodeScale::Whole);
}

#[test]
fn headers_say_what_is_in_them() {
    let decoder = decoder();
    let header = decoder.header(&jpeg(640, 360)).unwrap();
    assert_eq!((header.size.width, header.size.height), (640, 360));
    assert_eq!((header.components, header.scans), (3, 1));
    assert_eq!(header.sampling, ChromaSampling::Every(2, 2));
    let progressive = other(|it| it.set_progressive(true), ColorType::Rgb, 3);
    let header = decoder.header(&progressive).unwrap();
    assert!(header.progressive && header.scans > 3);
    let grey = other(|_| {}, ColorType::Luma, 1);
    assert_eq!(
        decoder.header(&grey).unwrap().sampling,
        ChromaSampling::Grey
    );
}

#[test]
fn unusual_kinds_are_decoded_too() {
    let reference = decoder()
        .decode(&other(
            |it| it.set_sampling_factor(SamplingFactor::F_2_2),
            ColorType::Rgb,
            3,
        ))
        .unwrap();
    for factor in [
        SamplingFactor::F_1_1,
        SamplingFactor::F_2_1,
        SamplingFactor::F_1_2,
        SamplingFactor::F_4_1,
        SamplingFactor::F_4_2,
        SamplingFactor::F_1_4,
        SamplingFactor::F_2_4,
    ] {
        for progressive in [false, true] {
            let set = |it: &mut Encoder<&mut Vec<u8>>| {
                it.set_sampling_factor(factor);
                it.set_progressive(progressive);
            };
            let decoded = decoder().decode(&other(set, ColorType::Rgb, 3)).unwrap();
            let psnr = psnr_db(&reference, &decoded);
            assert!(psnr > 40.0, "{factor:?}: {psnr:.1} dB");
        }
    }
    let grey = decoder()
        .decode(&other(|_| {}, ColorType::Luma, 1))
        .unwrap();
    assert!(grey.u().iter().take(20).all(|&sample| sample == 128));
    let cmyk = decoder().decode(&other(|_| {}, ColorType::Cmyk, 4));
    assert_eq!(cmyk.unwrap_err(), JpegError::Unsupported("CMYK"));
}

#[test]
fn wherever_it_is_cut_off_it_is_an_error() {
    let mut decoder = decoder();
    let progressive = other(|it| it.set_progressive(true), ColorType::Rgb, 3);
    for whole in [jpeg(33, 17), progressive] {
        for len in 0..whole.len() - 2 {
            let error = decoder.decode(&whole[..len]).unwrap_err();
            let named = matches!(error, JpegError::Truncated { .. });
            assert!(named, "{len} of {} bytes: {error}", whole.len());
        }
        assert!(decoder.decode(&whole).is_ok());
    }
    assert!(matches!(
        decoder.decode(b"\xff\xd8\xff"),
        Err(JpegError::Truncated { .. })
    ));
    assert_eq!(decoder.decode(b"GIF89a").unwrap_err(), JpegError::NotJpeg);
}

#[test]
fn what_is_too_large_costs_nothing() {
    let mut decoder = decoder();
    let refused = |decoder: &mut JpegDecoder, jpeg: &[u8]| decoder.decode(jpeg).unwrap_err();
    let error = refused(&mut decoder, &bomb(0xc0, (65_535, 65_535), 1));
    assert!(matches!(error, JpegError::TooLarge { width: 65_535, .. }));
    let error = refused(&mut decoder, &bomb(0xc0, (8192, 4097), 1));
    assert!(matches!(error, JpegError::TooLarge { .. }));
    // Progressive: coefficients of the whole picture must be held.
    let error = refused(&mut decoder, &bomb(0xc2, (8192, 4096), 5));
    assert!(matches!(error, JpegError::TooMuchMemory { .. }), "{error}");
    for empty in [(0, 0), (0, 40), (40, 0)] {
        assert!(matches!(
            refused(&mut decoder, &bomb(0xc0, empty, 1)),
            JpegError::Picture(_)
        ));
    }
}

#[test]
fn scans_are_counted_before_the_first_is_decoded() {
    let decoder = decoder();
    assert_eq!(
        decoder.header(&bomb(0xc2, (640, 480), 64)).unwrap().scans,
        64
    );
    for sof in [0xc0, 0xc2] {
        let error = decoder.header(&bomb(sof, (640, 480), 65)).unwrap_err();
        assert_eq!(error, JpegError::TooManyScans { max_scans: 64 });
    }
    let two = DecodeLimits {
        max_scans: 2,
        ..DecodeLimits::default()
    };
    let mut strict = JpegDecoder::with_limits(FramePool::new(1), two).unwrap();
    let progressive = other(|it| it.set_progressive(true), ColorType::Rgb, 3);
    let error = strict.decode(&progressive).unwrap_err();
    assert_eq!(error, JpegError::TooManyScans { max_scans: 2 });
}

#[test]
fn kinds_that_are_left_out_are_named() {
    for (sof, kind) in [
        (0xc3, "lossless"),
        (0xc9, "arithmetic-coded"),
        (0xc5, "hierarchical"),
    ] {
        let error = decoder().header(&bomb(sof, (64, 64), 1)).unwrap_err();
        assert_eq!(error, JpegError::Unsupported(kind));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Bytes changed anywhere: a picture of the declared size, or an error.
    #[test]
    fn damage_is_borne(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        progressive in any::<bool>(),
        sampling in proptest::sample::select(vec![
            SamplingFactor::F_1_1,
            SamplingFactor::F_2_1,
            SamplingFactor::F_2_2,
            SamplingFactor::F_4_1,
            SamplingFactor::F_1_4,
        ]),
    ) {
        let set = |it: &mut Encoder<&mut Vec<u8>>| {
            it.set_progressive(progressive);
            it.set_sampling_factor(sampling);
        };
        let mut jpeg = other(set, ColorType::Rgb, 3);
        for (at, byte) in changes {
            let at = at.index(jpeg.len());
            jpeg[at] = byte;
        }
        let mut decoder = JpegDecoder::with_limits(FramePool::new(2), DecodeLimits {
            max_pixels: 1 << 20,
            ..DecodeLimits::default()
        }).unwrap();
        if let Ok(picture) = decoder.decode(&jpeg) {
            prop_assert_eq!(picture.size(), decoder.header(&jpeg).unwrap().size);
        }
    }

    #[test]
    fn any_bytes_are_borne(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut jpeg = vec![0xff, 0xd8, 0xff];
        jpeg.extend(&bytes);
        prop_assert!(decoder().decode(&jpeg).is_err());
        prop_assert!(decoder().decode(&bytes).is_err());
    }
}
