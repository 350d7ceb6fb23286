//! Each processor that comes with the crate, on pictures whose values are known.

#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::{Rig, config, frame, gray, one, opaque, per_frame};
use frame_buffer::{FramePool, Picture, PictureSize};
use frame_pipeline::{
    DataOutput, DecodedFrame, Fields, FrameContent, FrameKind, PipelineConfig, builtin,
};

fn decoded(content: FrameContent, previous: Option<Picture>) -> DecodedFrame {
    let (width, height) = content.dimensions().unwrap_or_default();
    DecodedFrame {
        index: 0,
        source_id: 0,
        pts: std::time::Duration::ZERO,
        width,
        height,
        content,
        payload_bytes: 0,
        previous,
    }
}

fn process(spec: &str, content: FrameContent, previous: Option<Picture>) -> Result<Fields, String> {
    let mut processor = builtin(spec).unwrap().make().unwrap();
    let mut results = processor.process(&[decoded(content, previous)]);
    assert_eq!(results.len(), 1);
    results.remove(0).map(|output| output.fields)
}

/// A picture in full range whose luma is `luma(x, y)`.
fn picture(width: u32, height: u32, luma: impl Fn(usize, usize) -> u8) -> Picture {
    let size = PictureSize::new(width, height).unwrap();
    let mut picture = FramePool::new(0).take(size).unwrap();
    picture.fill([0, 128, 128]);
    picture.set_range(frame_buffer::ColorRange::Full);
    let stride = picture.y_stride();
    for (y, row) in picture.y_mut().chunks_mut(stride).enumerate() {
        for (x, sample) in row.iter_mut().enumerate().take(width as usize) {
            *sample = luma(x, y);
        }
    }
    picture.freeze()
}

fn bgr(width: u32, height: u32, luma: impl Fn(usize, usize) -> u8) -> FrameContent {
    let pixels = (0..height as usize).flat_map(|y| (0..width as usize).map(move |x| (x, y)));
    let bytes: Vec<u8> = pixels.flat_map(|(x, y)| [luma(x, y); 3]).collect();
    FrameContent::Bgr {
        width,
        height,
        bytes: Bytes::from(bytes),
    }
}

fn field(output: &Fields, name: &str) -> f64 {
    output[name].as_f64().unwrap()
}

#[test]
fn stats_of_flat_pictures() {
    let previous = picture(37, 21, |_, _| 60);
    let flat = FrameContent::Picture(picture(37, 21, |_, _| 100));
    let stats = process("stats", flat.clone(), Some(previous)).unwrap();
    assert_eq!(field(&stats, "luma_mean"), 100.0);
    assert_eq!(field(&stats, "sharpness"), 0.0);
    assert_eq!(field(&stats, "motion"), 40.0);
    let other_size = picture(36, 21, |_, _| 60);
    for previous in [None, Some(other_size)] {
        assert!(process("stats", flat.clone(), previous).unwrap()["motion"].is_null());
    }
}

#[test]
fn stats_of_a_checkerboard() {
    // Every sample differs by 255 from its four neighbours: its Laplacian is ±1020, the mean 0.
    let board = |x: usize, y: usize| if (x + y).is_multiple_of(2) { 255 } else { 0 };
    for content in [
        FrameContent::Picture(picture(16, 10, board)),
        bgr(16, 10, board),
    ] {
        let stats = process("stats", content, None).unwrap();
        assert_eq!(field(&stats, "luma_mean"), 127.5);
        assert_eq!(field(&stats, "sharpness"), 1020.0 * 1020.0);
    }
}

#[test]
fn stats_of_one_bright_sample() {
    // -4·90 at the sample, 90 at its four neighbours, 0 elsewhere: the sum is 0.
    let spot = |x: usize, y: usize| if (x, y) == (5, 4) { 90 } else { 0 };
    let stats = process("stats", bgr(12, 10, spot), None).unwrap();
    let squares = (4.0_f64 * 90.0).powi(2) + 4.0 * 90.0_f64.powi(2);
    assert!((field(&stats, "sharpness") - squares / 120.0).abs() < 1e-9);
}

#[test]
fn stats_are_the_same_in_video_range() {
    let size = PictureSize::new(16, 16).unwrap();
    let mut limited = FramePool::new(0).take(size).unwrap();
    limited.fill([235, 128, 128]);
    let black = picture(16, 16, |_, _| 0);
    let white = FrameContent::Picture(limited.freeze());
    let stats = process("stats", white, Some(black)).unwrap();
    assert!((field(&stats, "luma_mean") - 255.0).abs() < 1e-9);
    assert!((field(&stats, "motion") - 255.0).abs() < 1e-9);
}

#[test]
fn small_pictures_have_stats_and_hashes() {
    for (width, height) in [(1, 1), (2, 1), (1, 3), (2, 2), (8, 7)] {
        let content = bgr(width, height, |x, y| (x * 30 + y * 7) as u8);
        process("stats", content.clone(), None).unwrap();
        process("dhash", content, None).unwrap();
    }
}

#[test]
fn dhash_says_where_it_gets_brighter() {
    let hash = |content| process("dhash", content, None).unwrap()["hash"].clone();
    let rising = |x: usize, _| x as u8 * 2;
    assert_eq!(hash(bgr(90, 80, rising)), "ffffffffffffffff");
    assert_eq!(
        hash(bgr(90, 80, |x, y| 255 - rising(x, y))),
        "0000000000000000"
    );
    // Brighter to the right in the upper half only.
    let half = |x: usize, y: usize| if y < 40 { x as u8 } else { 90 - x as u8 };
    assert_eq!(hash(bgr(90, 80, half)), "ffffffff00000000");
    // Bright cells in the odd columns: brighter, darker, brighter…
    let stripes = |x: usize, _| if x / 10 % 2 == 1 { 200 } else { 20 };
    assert_eq!(hash(bgr(90, 80, stripes)), "aaaaaaaaaaaaaaaa");
    // The size does not matter, nor whether cells cut samples.
    for (width, height) in [(180, 160), (97, 83), (9, 8), (1920, 1080)] {
        let scaled = move |x: usize, _| {
            if x * 9 / width as usize % 2 == 1 {
                200
            } else {
                20
            }
        };
        let content = FrameContent::Picture(picture(width, height, scaled));
        assert_eq!(hash(content), "aaaaaaaaaaaaaaaa", "{width}x{height}");
    }
}

#[test]
fn frame_numbers_are_read_as_the_test_kit_writes_them() {
    for (width, height) in [(80, 8), (160, 90), (641, 361), (1920, 1080)] {
        for number in [0, 1, 4711, u32::MAX] {
            let mut luma = vec![50; width as usize * height as usize];
            testkit::write_frame_number(&mut luma, width as usize, width, height, number).unwrap();
            let at = |x: usize, y: usize| luma[y * width as usize + x];
            for content in [
                FrameContent::Picture(picture(width, height, at)),
                bgr(width, height, at),
            ] {
                let output = process("frame-number", content, None).unwrap();
                assert_eq!(output["number"], number, "{width}x{height}");
            }
        }
    }
}

#[test]
fn what_carries_no_frame_number_says_why() {
    let error = |content| process("frame-number", content, None).unwrap_err();
    assert!(error(bgr(79, 90, |_, _| 0)).contains("80x8"));
    assert!(error(bgr(160, 90, |_, _| 0)).contains("guard cells"));
    let mut luma = vec![50; 160 * 90];
    testkit::write_frame_number(&mut luma, 160, 160, 90, 5).unwrap();
    // One cell of the number turns white.
    let damaged = |x: usize, y: usize| {
        if (8..12).contains(&x) {
            235
        } else {
            luma[y * 160 + x]
        }
    };
    assert!(error(bgr(160, 90, damaged)).contains("checksum"));
    assert!(error(FrameContent::Opaque(Bytes::new())).contains("no pixels"));
}

#[test]
fn malformed_frames_are_errors() {
    let short = FrameContent::Bgr {
        width: 200,
        height: 100,
        bytes: Bytes::from(vec![0; 10]),
    };
    for spec in ["stats", "dhash", "frame-number"] {
        let error = process(spec, short.clone(), None).unwrap_err();
        assert!(error.contains("60000 bytes, not 10"), "{error}");
    }
}

#[test]
fn nothing_is_decoded_where_no_processor_needs_pixels() {
    let rig = Rig::start(
        config(2),
        vec![builtin("none").unwrap(), builtin("sleep:0ms").unwrap()],
    );
    // No decoder would take it.
    let jpeg = frame(0, FrameKind::Jpeg, (640, 480), Bytes::from(vec![1; 99]));
    let result = rig.run([jpeg]).remove(0);
    assert!(result.errors.is_empty(), "{:?}", result.errors);
    assert_eq!(result.output["none"]["bytes"], 99);
    assert_eq!(result.output["sleep"]["slept_ms"], 0.0);
}

#[test]
fn several_processors_of_one_name_are_told_apart() {
    let named = |value| per_frame("model", move |_| Ok(one("value", value)));
    let rig = Rig::start(config(1), vec![named(1), named(2)]);
    let output = rig.run([opaque(0, 1)]).remove(0).output;
    assert_eq!(
        serde_json::Value::Object(output),
        serde_json::json!({ "model": { "value": 1 }, "model-2": { "value": 2 } })
    );
}

#[test]
fn only_fields_that_were_asked_for_are_handed_out() {
    let outputs = |output| {
        let processors = vec![builtin("stats").unwrap(), builtin("none").unwrap()];
        let rig = Rig::start(
            PipelineConfig {
                output,
                ..config(1)
            },
            processors,
        );
        let output = rig.run([gray(0, 9)]).remove(0).output;
        serde_json::Value::Object(output)
    };
    assert_eq!(outputs(DataOutput::None), serde_json::json!({}));
    let fields = vec!["luma_mean".to_owned(), "nothing".to_owned()];
    assert_eq!(
        outputs(DataOutput::Fields(fields)),
        serde_json::json!({ "stats": { "luma_mean": 9.0 } })
    );
}
