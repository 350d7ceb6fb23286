//! Dropping a pipeline at work does not wait for processors, and no result comes after.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

use common::{DEADLINE, Gate, NEVER, Rig, config, gray, one, opaque, per_frame};
use frame_pipeline::driver::Pipeline;
use frame_pipeline::{PipelineConfig, RawDecoder, builtin};

#[test]
fn a_stuck_processor_is_left_behind() {
    let gate = Gate::default();
    let held = gate.clone();
    let rig = Rig::start(
        PipelineConfig {
            frame_timeout: Some(NEVER),
            ..config(2)
        },
        vec![per_frame("stuck", move |_| {
            held.pass();
            Ok(one("ok", true))
        })],
    );
    for index in 0..10 {
        rig.pipeline.submit(gray(index, 0)).unwrap();
    }
    gate.wait_for(2);
    let Rig { pipeline, results } = rig;
    drop(pipeline);
    gate.open();
    // The sender is gone too, so this does not wait.
    assert!(results.recv().is_err());
}

#[test]
fn no_result_is_handed_out_after_drop_has_returned() {
    for _ in 0..50 {
        let dropped = Arc::new(AtomicBool::new(false));
        let late = Arc::new(AtomicBool::new(false));
        let (is_dropped, is_late) = (Arc::clone(&dropped), Arc::clone(&late));
        let (first, handed_out) = sync_channel(1);
        let pipeline = Pipeline::start(
            config(2),
            Arc::new(RawDecoder::default()),
            vec![builtin("stats").unwrap()],
            0,
            Box::new(move |_| {
                if is_dropped.load(Ordering::SeqCst) {
                    is_late.store(true, Ordering::SeqCst);
                }
                let _ = first.try_send(());
            }),
        )
        .unwrap();
        for index in 0..64 {
            pipeline.submit(gray(index, 0)).unwrap();
        }
        handed_out.recv_timeout(DEADLINE).unwrap();
        drop(pipeline);
        dropped.store(true, Ordering::SeqCst);
        // The thread that hands out results has ended, and with it the only other owner.
        assert_eq!(Arc::strong_count(&late), 1);
        assert!(!late.load(Ordering::SeqCst), "a result after drop");
    }
}

#[test]
fn whoever_takes_results_may_drop_the_pipeline() {
    let own = Arc::new(Mutex::new(None));
    let dropping = Arc::clone(&own);
    let (results, received) = sync_channel(10);
    let pipeline = Pipeline::start(
        config(1),
        Arc::new(RawDecoder::default()),
        vec![builtin("none").unwrap()],
        0,
        Box::new(move |result| {
            drop(dropping.lock().unwrap().take());
            results.send(result.index).unwrap();
        }),
    )
    .unwrap();
    let mut place = own.lock().unwrap();
    for index in 0..3 {
        pipeline.submit(opaque(index, 1)).unwrap();
    }
    *place = Some(pipeline);
    drop(place);
    let indices: Vec<_> = received.iter().collect();
    assert_eq!(indices, [0]);
}

#[test]
fn a_sleeping_processor_is_woken() {
    let rig = Rig::start(config(1), vec![builtin("sleep:60m").unwrap()]);
    rig.pipeline.submit(opaque(0, 1)).unwrap();
    let is_asleep = || rig.pipeline.stats().busy_workers == 1;
    assert!(testkit::driver::wait_until(DEADLINE, is_asleep));
    drop(rig);
}
