//! `sleep`: takes its time, as a model would.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::{DecodedFrame, FrameProcessor, Interrupter, Output, ProcessorError, ProcessorFactory};

#[derive(Clone)]
pub(in crate::processors) struct Sleep {
    duration: Duration,
    per_batch: bool,
    woken: Arc<(Mutex<bool>, Condvar)>,
}

impl Sleep {
    pub(in crate::processors) fn new(duration: Duration, per_batch: bool) -> Self {
        Self {
            duration,
            per_batch,
            woken: Arc::default(),
        }
    }
}

impl ProcessorFactory for Sleep {
    fn name(&self) -> &str {
        "sleep"
    }

    fn make(&self) -> Result<Box<dyn FrameProcessor>, ProcessorError> {
        Ok(Box::new(Self::new(self.duration, self.per_batch)))
    }
}

impl FrameProcessor for Sleep {
    fn process(&mut self, batch: &[DecodedFrame]) -> Vec<Result<Output, String>> {
        let times = if self.per_batch { 1 } else { batch.len() };
        let (is_woken, wake) = &*self.woken;
        let is_woken = is_woken.lock().unwrap_or_else(PoisonError::into_inner);
        let sleep = self.duration.saturating_mul(times as u32);
        // Interrupted or not, the frame has its result: no one waits for it any more.
        drop(wake.wait_timeout_while(is_woken, sleep, |is_woken| !*is_woken));
        let slept_ms = self.duration.as_secs_f64() * 1e3;
        let fields = Output::from_iter([("slept_ms".to_owned(), slept_ms.into())]);
        vec![Ok(fields); batch.len()]
    }

    fn needs_pixels(&self) -> bool {
        false
    }

    fn interrupter(&self) -> Option<Interrupter> {
        let woken = Arc::clone(&self.woken);
        Some(Arc::new(move || {
            *woken.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            woken.1.notify_all();
        }))
    }
}
