//! Worker threads: each takes a batch when it is free, and has processors of its own.

use std::sync::Arc;
use std::time::Instant;

use super::encode::Encode;
use super::shared::Shared;
use super::slots::Slots;
use super::state::{Work, Worker};
use crate::{DecodedFrame, PipelineError};

/// Starts a worker, with processors that are made already if there are any.
pub(super) fn spawn(shared: &Arc<Shared>, slots: Option<Slots>) -> Result<(), PipelineError> {
    let mut state = shared.lock();
    let id = state.next_worker;
    state.next_worker += 1;
    state.workers.insert(id, Worker::default());
    drop(state);
    let own = Arc::clone(shared);
    let spawned = Shared::spawn(format!("frame-worker-{id}"), move || {
        let slots = slots.unwrap_or_else(|| Slots::new(own.processors.clone()));
        run(&own, id, slots);
        end(&own, id);
    });
    if let Err(error) = spawned {
        shared.lock().workers.remove(&id);
        return Err(error);
    }
    Ok(())
}

fn run(shared: &Shared, id: u64, mut slots: Slots) {
    let mut encode = Encode::new(shared.encoder.clone());
    loop {
        slots.refill();
        let Some(mut frames) = next(shared, id, &slots) else {
            return;
        };
        let mut processed = slots.process(&frames, &shared.config.output);
        encode.batch(&frames, &mut processed);
        let mut state = shared.lock();
        if !state.complete(id, &mut frames, processed, Instant::now()) {
            return;
        }
        let has_work = state.has_work();
        // Before the frames are dropped: that may take a while.
        drop(state);
        shared.result_ready.notify_one();
        if has_work {
            // This one may take a while to be back.
            shared.work_ready.notify_one();
        }
    }
}

/// Waits for a batch; `None` when there is no more to do for this worker.
fn next(shared: &Shared, id: u64, slots: &Slots) -> Option<Vec<DecodedFrame>> {
    let mut state = shared.lock();
    // Gone when all stop: the processors that were just made must not stay.
    state.workers.get_mut(&id)?.interrupters = slots.interrupters();
    loop {
        match state.next_work(id, Instant::now()) {
            Work::Stop => return None,
            Work::Wait(until) => state = Shared::wait(&shared.work_ready, state, until),
            Work::Batch(frames) => {
                // What is left needs someone who knows when it is due.
                if state.has_work() {
                    shared.work_ready.notify_one();
                }
                if !state.watchdog_armed {
                    shared.watch.notify_one();
                }
                return Some(frames);
            }
        }
    }
}

fn end(shared: &Shared, id: u64) {
    if shared.lock().worker_ended(id) {
        shared.watch.notify_one();
    }
}
