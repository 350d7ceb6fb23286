//! Batches go when they are full, when their first frame has waited, or when no more come.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{NEVER, Rig, config, gray, one, processor};
use frame_pipeline::PipelineConfig;

fn rig(batch: usize, batch_wait: Duration) -> (Rig, Arc<Mutex<Vec<usize>>>) {
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&sizes);
    let config = PipelineConfig {
        batch,
        batch_wait,
        ..config(1)
    };
    let measuring = processor("size", move |frames| {
        own.lock().unwrap().push(frames.len());
        let is_sequence = frames.windows(2).all(|it| it[0].index + 1 == it[1].index);
        vec![Ok(one("is_sequence", is_sequence)); frames.len()]
    });
    (Rig::start(config, vec![measuring]), sizes)
}

#[test]
fn batches_reach_their_size_and_the_rest_goes_at_the_end() {
    let (rig, sizes) = rig(4, NEVER);
    for result in rig.run((0..10).map(|index| gray(index, 0))) {
        assert_eq!(result.output["size"]["is_sequence"], true);
    }
    assert_eq!(*sizes.lock().unwrap(), [4, 4, 2]);
}

#[test]
fn a_frame_does_not_wait_for_a_full_batch_forever() {
    let (rig, sizes) = rig(4, Duration::from_millis(1));
    for index in 0..3 {
        rig.pipeline.submit(gray(index, 0)).unwrap();
        assert_eq!(rig.next().index, index);
    }
    assert_eq!(*sizes.lock().unwrap(), [1, 1, 1]);
}
