//! A number written into a picture is read back, through JPEG at quality 50 and scaling too, and
//! damage is noticed.

#![allow(clippy::unwrap_used)]

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, ImageFormat, Luma};
use proptest::prelude::*;
use testkit::{
    ReadError, read_frame_number_encoded, read_frame_number_luma, read_frame_number_rgba,
    write_frame_number,
};

/// A picture with a busy background, so that the strip's edges are not spared by the codec.
fn picture(width: u32, height: u32, number: u32) -> GrayImage {
    let mut gray = GrayImage::from_fn(width, height, |x, y| Luma([((x * 7) ^ (y * 13)) as u8]));
    write_frame_number(&mut gray, width as usize, width, height, number).unwrap();
    gray
}

fn jpeg(gray: &GrayImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let rgb = DynamicImage::from(gray.clone()).into_rgb8();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode_image(&rgb)
        .unwrap();
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn number_is_read_back(
        width in 80..700_u32,
        height in 8..400_u32,
        slack in 0..64_usize,
        number: u32,
    ) {
        let stride = width as usize + slack;
        let mut luma = vec![90; stride * height as usize];
        write_frame_number(&mut luma, stride, width, height, number).unwrap();
        prop_assert_eq!(read_frame_number_luma(&luma, stride, width, height).unwrap(), number);
    }

    #[test]
    fn number_survives_jpeg_at_quality_50(
        width in 320..800_u32,
        height in 180..500_u32,
        number: u32,
    ) {
        let encoded = jpeg(&picture(width, height, number), 50);
        prop_assert_eq!(read_frame_number_encoded(&encoded).unwrap(), number);
    }

    #[test]
    fn number_survives_a_scaled_canvas(scale in 0.4..2.0_f64, number: u32) {
        let encoded = jpeg(&picture(640, 360, number), 50);
        let decoded = image::load_from_memory(&encoded).unwrap();
        let [width, height] = [640.0, 360.0].map(|side: f64| (side * scale).round() as u32);
        let scaled = decoded.resize_exact(width, height, FilterType::Triangle).into_rgba8();
        prop_assert_eq!(read_frame_number_rgba(&scaled, width, height).unwrap(), number);
    }
}

#[test]
fn png_is_read() {
    let mut bytes = Cursor::new(Vec::new());
    let gray = picture(320, 180, 0xDEAD_BEEF);
    gray.write_to(&mut bytes, ImageFormat::Png).unwrap();
    assert_eq!(
        read_frame_number_encoded(bytes.get_ref()).unwrap(),
        0xDEAD_BEEF
    );
}

/// The layout, spelt out once, so that writer and reader cannot drift together.
#[test]
fn cells_are_where_the_definition_says() {
    let gray = picture(400, 200, 0x8000_0001);
    // 400 / 40 = 10 columns per cell; 200 / 20 = 10 rows.
    let cells: String = (0..40)
        .map(|cell| match gray.get_pixel(cell * 10 + 9, 190).0 {
            [235] => '1',
            [16] => '0',
            _ => '?',
        })
        .collect();
    let checksum = "1001"; // 8 xor 1
    assert_eq!(cells, format!("10{:032b}{checksum}01", 0x8000_0001_u32));
    assert_eq!(
        gray.get_pixel(0, 189).0,
        [(189 * 13) as u8],
        "not the strip"
    );
}

#[test]
fn damage_is_noticed() {
    let clean = picture(400, 200, 77);
    let invert = |gray: &mut GrayImage, cell: u32| {
        for x in cell * 10..cell * 10 + 10 {
            for y in 190..200 {
                gray.get_pixel_mut(x, y).0[0] ^= 0xFF;
            }
        }
    };
    for cell in 0..40 {
        let mut gray = clean.clone();
        invert(&mut gray, cell);
        let error = read_frame_number_luma(&gray, 400, 400, 200).unwrap_err();
        let guard = !(2..38).contains(&cell);
        assert_eq!(matches!(error, ReadError::NoStrip { .. }), guard, "{error}");
    }
}

#[test]
fn pictures_without_a_number_are_errors() {
    let black = vec![16; 400 * 200];
    let read = |width, height| read_frame_number_luma(&black, 400, width, height).unwrap_err();
    assert!(matches!(read(400, 200), ReadError::NoStrip { found: 0 }));
    assert!(matches!(read(79, 200), ReadError::TooSmall { .. }));
    assert!(matches!(read(400, 7), ReadError::TooSmall { .. }));
    assert!(matches!(read(400, 201), ReadError::NoStrip { .. }));
    assert!(matches!(read(400, 400), ReadError::Missing { .. }));
    assert!(matches!(
        read_frame_number_encoded(b"GIF89a").unwrap_err(),
        ReadError::Decode(_)
    ));
}
