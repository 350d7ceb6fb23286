//! What the pipeline holds is bounded in frames and in bytes, and a frame beyond comes back.

#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::{Gate, Rig, config, frame, gray, one, opaque, per_frame};
use frame_pipeline::{FrameKind, FullReason, PipelineConfig, builtin};

/// One worker that is held at the gate.
fn held(max_frames: usize, max_bytes: u64, gate: &Gate) -> Rig {
    let held = gate.clone();
    let config = PipelineConfig {
        max_frames,
        max_bytes,
        ..config(1)
    };
    let processor = per_frame("held", move |_| {
        held.pass();
        Ok(one("ok", true))
    });
    Rig::start(config, vec![processor])
}

#[test]
fn as_many_frames_as_may_be_are_taken_and_no_more() {
    let gate = Gate::default();
    let rig = held(3, u64::MAX, &gate);
    for index in 0..3 {
        rig.pipeline.submit(gray(index, 0)).unwrap();
    }
    for _ in 0..2 {
        let full = rig.pipeline.submit(gray(3, 9)).unwrap_err();
        assert_eq!(full.reason, FullReason::Frames { frames: 3 });
        assert_eq!((full.frame.index, full.frame.payload[0]), (3, 9));
    }
    gate.open();
    // After a result there is room, without a wait.
    rig.next();
    rig.pipeline.submit(gray(3, 0)).unwrap();
    for _ in 0..3 {
        rig.next();
    }
    let stats = rig.pipeline.stats();
    assert_eq!((stats.submitted, stats.refused, stats.results), (4, 2, 4));
}

#[test]
fn as_many_bytes_as_may_be_are_taken_and_no_more() {
    let gate = Gate::default();
    let rig = held(64, 100, &gate);
    rig.pipeline.submit(opaque(0, 60)).unwrap();
    let full = rig.pipeline.submit(opaque(1, 41)).unwrap_err();
    assert!(matches!(full.reason, FullReason::Bytes { .. }));
    rig.pipeline.submit(opaque(1, 40)).unwrap();
    assert!(rig.pipeline.submit(opaque(2, 1)).is_err());
    gate.open();
    for _ in 0..2 {
        assert!(rig.next().errors.is_empty());
    }
    // A frame larger than the whole budget, and one that says it is larger than anything.
    rig.pipeline.submit(opaque(2, 5000)).unwrap();
    rig.next();
    let lying = frame(3, FrameKind::I420, (u32::MAX, u32::MAX), Bytes::new());
    rig.pipeline.submit(lying).unwrap();
    assert!(rig.next().errors[0].starts_with("decode: "));
    assert_eq!(rig.pipeline.stats().bytes, 0);
}

#[test]
fn pixels_count_before_and_after_they_are_decoded() {
    let gate = Gate::default();
    // 64x64 I420: 6144 bytes of payload, and as many of picture.
    let rig = held(64, 2 * 6144 + 6144, &gate);
    let i420 = |index| frame(index, FrameKind::I420, (64, 64), Bytes::from(vec![0; 6144]));
    rig.pipeline.submit(i420(0)).unwrap();
    // Decoded and at the gate, the payload is gone and the picture is still there.
    gate.wait_for(1);
    assert!((6144..2 * 6144).contains(&rig.pipeline.stats().bytes));
    gate.open();
    rig.next();
    assert_eq!(rig.pipeline.stats().bytes, 0);
}

#[test]
fn results_that_nobody_takes_fill_the_pipeline() {
    let gate = Gate::default();
    let held = gate.clone();
    let pipeline = frame_pipeline::driver::Pipeline::start(
        PipelineConfig {
            max_frames: 4,
            ..config(2)
        },
        std::sync::Arc::new(frame_pipeline::RawDecoder::default()),
        vec![builtin("none").unwrap()],
        0,
        Box::new(move |_| held.pass()),
    )
    .unwrap();
    pipeline.submit(opaque(0, 1)).unwrap();
    gate.wait_for(1);
    // One is being handed out, four are in the pipeline.
    for index in 1..5 {
        pipeline.submit(opaque(index, 1)).unwrap();
    }
    assert!(pipeline.submit(opaque(5, 1)).is_err());
    gate.open();
}
