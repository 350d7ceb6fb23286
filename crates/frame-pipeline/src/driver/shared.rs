//! The state behind its mutex, and the condition variables that the threads sleep on.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::state::State;
use crate::{EncoderFactory, Interrupter, PipelineConfig, PipelineError, ProcessorFactory};

pub(super) struct Shared {
    pub(super) config: PipelineConfig,
    pub(super) processors: Vec<Arc<dyn ProcessorFactory>>,
    pub(super) encoder: Option<Arc<dyn EncoderFactory>>,
    state: Mutex<State>,
    /// A frame waits for a decoder, or all stop.
    pub(super) decode_ready: Condvar,
    /// A frame waits for a worker, partial batches go, or all stop.
    pub(super) work_ready: Condvar,
    /// A result may be next, or all stop.
    pub(super) result_ready: Condvar,
    /// A batch begins while the watchdog sleeps without a deadline, a thread that was left behind
    /// ended, or all stop.
    pub(super) watch: Condvar,
}

impl Shared {
    pub(super) fn new(
        config: PipelineConfig,
        processors: Vec<Arc<dyn ProcessorFactory>>,
        encoder: Option<Arc<dyn EncoderFactory>>,
        state: State,
    ) -> Self {
        Self {
            config,
            processors,
            encoder,
            state: Mutex::new(state),
            decode_ready: Condvar::new(),
            work_ready: Condvar::new(),
            result_ready: Condvar::new(),
            watch: Condvar::new(),
        }
    }

    /// Nothing of anyone else's runs under the lock, so a poisoned one is as good as any.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until `condition` is notified, or spuriously, or until the time.
    pub(super) fn wait<'a>(
        condition: &Condvar,
        state: MutexGuard<'a, State>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        let Some(until) = until else {
            return condition
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        };
        let timeout = until.saturating_duration_since(Instant::now());
        let waited = condition.wait_timeout(state, timeout);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Frames went on in order: some may be ready to be processed, some have failed. A worker that
    /// leaves work for others wakes the next.
    pub(super) fn notify_advanced(&self) {
        self.work_ready.notify_one();
        self.result_ready.notify_one();
    }

    /// Tells all threads to stop, and hands out what interrupts the processors.
    pub(super) fn stop(&self) -> Vec<Interrupter> {
        let (interrupters, held) = self.lock().stop();
        for condition in [
            &self.decode_ready,
            &self.work_ready,
            &self.result_ready,
            &self.watch,
        ] {
            condition.notify_all();
        }
        // Pixels go without the lock.
        drop(held);
        interrupters
    }

    /// Starts a thread of the pipeline.
    pub(super) fn spawn(
        name: String,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<JoinHandle<()>, PipelineError> {
        let spawned = thread::Builder::new().name(name.clone()).spawn(run);
        spawned.map_err(|source| PipelineError::Thread { name, source })
    }
}
