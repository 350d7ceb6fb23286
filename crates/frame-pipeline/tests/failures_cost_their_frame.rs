//! What goes wrong with one frame is that frame's error, and no other's.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{DEADLINE, Gate, NEVER, Rig, config, gray, one, opaque, per_frame, processor};
use frame_pipeline::driver::Pipeline;
use frame_pipeline::{
    DecoderFactory, EncodedFrame, FrameContent, FrameDecoder, FrameProcessor, PipelineConfig,
    PipelineError, ProcessorError, ProcessorFactory, RawDecoder, builtin,
};

#[test]
fn a_panic_costs_one_frame_of_its_batch() {
    let rig = Rig::start(
        PipelineConfig {
            batch: 8,
            batch_wait: NEVER,
            ..config(2)
        },
        vec![
            builtin("none").unwrap(),
            per_frame("picky", |frame| {
                assert!(frame.index != 5, "not five");
                Ok(one("index", frame.index))
            }),
        ],
    );
    for result in rig.run((0..24).map(|index| gray(index, 0))) {
        assert_eq!(result.output["none"]["bytes"], 16 * 8 * 3);
        if result.index == 5 {
            assert_eq!(result.errors, ["picky: panicked: not five"]);
            assert!(!result.output.contains_key("picky"));
        } else {
            assert!(result.errors.is_empty(), "{:?}", result.errors);
            assert_eq!(result.output["picky"]["index"], result.index);
        }
    }
    // The batch, then the frame alone. Three batches, and one more for each of the eight.
    let stats = rig.pipeline.stats();
    assert_eq!((stats.panics, stats.batches, stats.with_errors), (2, 11, 1));
}

#[test]
fn an_instance_does_not_survive_its_panic() {
    let rig = Rig::start(config(1), {
        let mut seen = 0;
        vec![per_frame("counting", move |frame| {
            seen += 1;
            assert!(frame.index != 2);
            Ok(one("seen", seen))
        })]
    });
    let results = rig.run((0..5).map(|index| gray(index, 0)));
    let seen = results.iter().filter_map(|it| it.output.get("counting"));
    let seen: Vec<_> = seen.map(|it| it["seen"].as_u64().unwrap()).collect();
    assert_eq!(seen, [1, 2, 1, 2]);
}

#[test]
fn a_wrong_number_of_results_is_an_error_of_each_frame() {
    let rig = Rig::start(
        PipelineConfig {
            batch: 4,
            batch_wait: NEVER,
            ..config(1)
        },
        vec![processor("short", |batch| {
            let kept = if batch[0].index == 0 { 3 } else { 4 };
            vec![Ok(one("ok", true)); kept]
        })],
    );
    for result in rig.run((0..8).map(|index| gray(index, 0))) {
        if result.index < 4 {
            assert_eq!(result.errors, ["short: returned 3 results for 4 frames"]);
        } else {
            assert!(result.errors.is_empty());
        }
    }
}

#[test]
fn a_batch_that_hangs_costs_its_frames_and_the_others_go_on() {
    let gate = Gate::default();
    let held = gate.clone();
    let rig = Rig::start(
        PipelineConfig {
            frame_timeout: Some(Duration::from_millis(50)),
            ..config(2)
        },
        vec![per_frame("hanging", move |frame| {
            if frame.index % 10 == 3 && frame.index < 20 {
                held.pass();
            }
            Ok(one("index", frame.index))
        })],
    );
    // Frames 3 and 13 hang: both workers are replaced.
    for result in rig.run((0..40).map(|index| gray(index, 0))) {
        if [3, 13].contains(&result.index) {
            assert_eq!(result.errors, ["timeout: its batch took longer than 50ms"]);
            assert!(result.output.is_empty());
        } else if let Some(error) = result.errors.first() {
            // On a very busy machine any frame may be late; that is all that may happen to it.
            assert!(error.starts_with("timeout"), "{error}");
        }
    }
    gate.open();
    let no_one_left = || rig.pipeline.stats().abandoned == 0;
    assert!(testkit::driver::wait_until(DEADLINE, no_one_left));
    let stats = rig.pipeline.stats();
    assert!(stats.timed_out >= 2);
    assert_eq!((stats.bytes, stats.results), (0, 40));
}

#[test]
fn no_more_threads_are_left_behind_than_there_are_workers() {
    let gate = Gate::default();
    let held = gate.clone();
    let rig = Rig::start(
        PipelineConfig {
            frame_timeout: Some(Duration::from_millis(20)),
            ..config(2)
        },
        vec![processor("hanging", move |batch| {
            held.pass();
            vec![Ok(one("late", true)); batch.len()]
        })],
    );
    for index in 0..6 {
        rig.pipeline.submit(gray(index, 0)).unwrap();
    }
    // Two are left behind, two more hang and are waited for.
    gate.wait_for(4);
    let stats = rig.pipeline.stats();
    assert_eq!(
        (stats.abandoned, stats.busy_workers, stats.timed_out),
        (2, 2, 2)
    );
    assert_eq!(rig.next().errors.len() + rig.next().errors.len(), 2);
    gate.open();
    for _ in 2..6 {
        rig.next();
    }
}

struct Picky;

impl DecoderFactory for Picky {
    fn make(&self) -> Box<dyn FrameDecoder> {
        Box::new(Self)
    }
}

impl FrameDecoder for Picky {
    fn decode(&mut self, frame: &EncodedFrame) -> Result<FrameContent, String> {
        assert!(frame.index != 1, "not one");
        if frame.index == 2 {
            return Err("no picture".to_owned());
        }
        RawDecoder::default().decode(frame)
    }
}

#[test]
fn what_cannot_be_decoded_is_an_error_of_that_frame() {
    let (results, received) = std::sync::mpsc::sync_channel(10);
    let pipeline = Pipeline::start(
        config(2),
        Arc::new(Picky),
        vec![builtin("dhash").unwrap()],
        0,
        Box::new(move |result| results.send(result.errors).unwrap()),
    )
    .unwrap();
    for index in 0..5 {
        let mut frame = gray(index, 0);
        if index == 3 {
            frame.width += 1;
        }
        pipeline.submit(frame).unwrap();
    }
    let errors: Vec<_> = (0..5)
        .map(|_| received.recv_timeout(DEADLINE).unwrap().join("; "))
        .collect();
    assert_eq!(errors[1], "decode: panicked: not one");
    assert_eq!(errors[2], "decode: no picture");
    assert!(errors[3].contains("17x8"), "{}", errors[3]);
    assert_eq!((&*errors[0], &*errors[4]), ("", ""));
    assert_eq!(pipeline.stats().decode_errors, 3);
}

/// Can be made the first time only.
struct Once(Mutex<bool>);

impl ProcessorFactory for Once {
    fn name(&self) -> &str {
        "once"
    }

    fn make(&self) -> Result<Box<dyn FrameProcessor>, ProcessorError> {
        if std::mem::replace(&mut *self.0.lock().unwrap(), true) {
            return Err(ProcessorError::Start {
                name: "once".to_owned(),
                reason: "it was there once".to_owned(),
            });
        }
        per_frame("once", |frame| {
            assert!(frame.index != 1);
            Ok(one("ok", true))
        })
        .make()
    }
}

#[test]
fn a_processor_that_cannot_be_made_again_is_an_error_of_each_frame() {
    let rig = Rig::start(config(1), vec![Arc::new(Once(Mutex::new(false)))]);
    let results = rig.run((0..4).map(|index| gray(index, 0)));
    assert!(results[0].errors.is_empty());
    assert!(results[1].errors[0].contains("panicked"));
    for result in &results[2..] {
        assert!(
            result.errors[0].contains("it was there once"),
            "{:?}",
            result.errors
        );
    }
}

#[test]
fn a_processor_that_cannot_be_made_at_all_does_not_start() {
    let start = |processors| {
        let decoder = Arc::new(RawDecoder::default());
        Pipeline::start(config(1), decoder, processors, 0, Box::new(|_| {})).err()
    };
    let error = start(vec![Arc::new(Once(Mutex::new(true)))]);
    assert!(
        matches!(error, Some(PipelineError::Processor(_))),
        "{error:?}"
    );
    assert!(matches!(start(vec![]), Some(PipelineError::NoProcessor)));
}

#[test]
fn a_panic_of_whoever_takes_results_costs_nobody_else() {
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let own = Arc::clone(&seen);
    let pipeline = Pipeline::start(
        config(1),
        Arc::new(RawDecoder::default()),
        vec![builtin("none").unwrap()],
        0,
        Box::new(move |result| {
            assert!(result.index != 1, "not this one");
            own.lock().unwrap().insert(result.index);
        }),
    )
    .unwrap();
    for index in 0..4 {
        pipeline.submit(opaque(index, 1)).unwrap();
    }
    let all = || *seen.lock().unwrap() == HashSet::from([0, 2, 3]);
    assert!(testkit::driver::wait_until(DEADLINE, all));
}
