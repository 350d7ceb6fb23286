//! `onnx` on a model whose answers are known: the means of blue, green and red.

#![cfg(feature = "onnx")]
#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::{Rig, config, frame, opaque};
use frame_pipeline::{EncodedFrame, FrameKind, PipelineConfig, builtin};

const MODEL: &str = concat!(
    "onnx:",
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/channel-means.onnx"
);

/// Runs the frames in batches of three on two workers, and returns blue, green and red of each.
fn means(frames: Vec<EncodedFrame>) -> Vec<[f64; 3]> {
    let config = PipelineConfig {
        batch: 3,
        ..config(2)
    };
    let rig = Rig::start(config, vec![builtin(MODEL).unwrap()]);
    let mut means = Vec::new();
    for result in rig.run(frames) {
        assert!(result.errors.is_empty(), "{:?}", result.errors);
        let output = &result.output["onnx"];
        assert_eq!(output["shape"], serde_json::json!([1, 3, 1, 1]));
        let values: [f64; 3] = std::array::from_fn(|at| output["values"][at].as_f64().unwrap());
        let largest = values.iter().copied().fold(0.0, f64::max);
        let argmax = output["argmax"].as_u64().unwrap() as usize;
        assert_eq!(values[argmax], largest);
        means.push(values);
    }
    means
}

fn assert_close(means: [f64; 3], expected: [f64; 3], within: f64) {
    for (mean, expected) in means.into_iter().zip(expected) {
        assert!((mean - expected).abs() <= within, "{means:?}");
    }
}

#[test]
fn colours_of_any_frame_reach_the_model_in_their_order() {
    let bgr = |index, pixels: Vec<u8>, size| frame(index, FrameKind::Bgr, size, pixels.into());
    let flat = [51, 102, 255];
    // Black on the left, white on the right.
    let halves = [[0; 3 * 8], [255; 3 * 8]].concat().repeat(9);
    // White on black, in limited range.
    let mut white = vec![235; 16 * 16];
    white.extend([128; 2 * 8 * 8]);
    let frames = vec![
        bgr(0, flat.repeat(37 * 21), (37, 21)),
        bgr(1, flat.to_vec(), (1, 1)),
        bgr(2, halves, (16, 9)),
        frame(3, FrameKind::I420, (16, 16), Bytes::from(white)),
        // Red, as BT.601 has it in limited range.
        frame(
            4,
            FrameKind::I420,
            (2, 2),
            vec![81, 81, 81, 81, 90, 240].into(),
        ),
    ];
    let means = means(frames);
    assert_close(means[0], [0.2, 0.4, 1.0], 1e-6);
    assert_close(means[1], [0.2, 0.4, 1.0], 1e-6);
    assert_close(means[2], [0.5; 3], 1e-6);
    assert_close(means[3], [1.0; 3], 1e-6);
    assert_close(means[4], [0.0, 0.0, 1.0], 0.01);
}

#[test]
fn what_has_no_pixels_is_an_error_of_that_frame() {
    let rig = Rig::start(config(1), vec![builtin(MODEL).unwrap()]);
    let result = rig.run([opaque(0, 10)]).remove(0);
    assert_eq!(result.errors, ["onnx: the frame has no pixels"]);
}

#[test]
fn what_is_no_model_is_an_error_that_names_it() {
    for path in [
        "no-such-model.onnx",
        concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
    ] {
        let error = builtin(&format!("onnx:{path}")).err().unwrap().to_string();
        assert!(error.contains(path), "{error}");
    }
}
