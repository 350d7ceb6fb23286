//! The thread that gives up batches that take too long.
//!
//! A thread cannot be stopped from outside. So the batch's frames get an error, another thread
//! takes the worker's place, and the one that is stuck ends when its call returns. At most as many
//! as there are workers are left behind like that at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::shared::Shared;
use super::state::State;
use super::{caught, worker};
use crate::PipelineError;

/// Until a worker is tried again that the system has refused a thread for.
const RETRY_SPAWN: Duration = Duration::from_secs(1);

/// What there is to do.
enum Watch {
    Abandon(u64),
    At(Instant),
    /// Until something changes.
    Sleep,
}

pub(super) fn spawn(shared: &Arc<Shared>, timeout: Duration) -> Result<(), PipelineError> {
    let own = Arc::clone(shared);
    Shared::spawn("frame-watchdog".to_owned(), move || run(&own, timeout))?;
    Ok(())
}

fn run(shared: &Arc<Shared>, timeout: Duration) {
    let mut vacant = 0;
    let mut state = shared.lock();
    while !state.stopped {
        let mut until = None;
        match next(&mut state, timeout, shared.config.workers, Instant::now()) {
            Watch::Abandon(worker) => {
                abandon(shared, worker, timeout, state);
                vacant += 1;
                state = shared.lock();
            }
            Watch::At(at) => until = Some(at),
            Watch::Sleep => {}
        }
        if vacant > 0 {
            drop(state);
            vacant -= replace(shared, vacant);
            state = shared.lock();
            if vacant == 0 {
                // Time has passed: look again.
                continue;
            }
            let retry = Instant::now() + RETRY_SPAWN;
            until = Some(until.map_or(retry, |at| at.min(retry)));
        }
        if !state.stopped {
            state = Shared::wait(&shared.watch, state, until);
        }
    }
}

/// The batch that began first is the first to be late.
fn next(state: &mut State, timeout: Duration, most_abandoned: usize, now: Instant) -> Watch {
    state.watchdog_armed = true;
    if state.abandoned.len() >= most_abandoned {
        return Watch::Sleep;
    }
    let jobs = state.workers.iter().filter_map(|(id, worker)| {
        let started = worker.job.as_ref()?.started;
        Some((started, *id))
    });
    let Some((started, worker)) = jobs.min() else {
        state.watchdog_armed = false;
        return Watch::Sleep;
    };
    match started.checked_add(timeout) {
        Some(at) if at <= now => Watch::Abandon(worker),
        Some(at) => Watch::At(at),
        None => Watch::Sleep,
    }
}

fn abandon(
    shared: &Shared,
    worker: u64,
    timeout: Duration,
    mut state: std::sync::MutexGuard<'_, State>,
) {
    let error = format!("timeout: its batch took longer than {timeout:?}");
    let interrupters = state.abandon(worker, &error, Instant::now());
    drop(state);
    tracing::warn!(
        worker,
        ?timeout,
        "a batch takes too long; its thread is left behind"
    );
    shared.result_ready.notify_one();
    for interrupter in &interrupters {
        caught::interrupt(interrupter);
    }
}

/// Starts workers in the place of those left behind; how many could be.
fn replace(shared: &Arc<Shared>, vacant: usize) -> usize {
    for replaced in 0..vacant {
        if shared.lock().stopped {
            return vacant;
        }
        if let Err(error) = worker::spawn(shared, None) {
            tracing::error!(%error, "a worker has no replacement yet");
            return replaced;
        }
    }
    vacant
}
