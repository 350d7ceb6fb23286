//! The thread that hands out results, in order, to `on_result`.

use std::sync::Arc;
use std::thread::JoinHandle;

use super::shared::Shared;
use super::{OnResult, caught};
use crate::{FrameResult, PipelineError};

pub(super) fn spawn(
    shared: &Arc<Shared>,
    mut on_result: OnResult,
) -> Result<JoinHandle<()>, PipelineError> {
    let shared = Arc::clone(shared);
    Shared::spawn("frame-results".to_owned(), move || {
        while let Some(result) = next(&shared) {
            let index = result.index;
            if let Err(message) = caught::call(|| on_result(result)) {
                tracing::error!(index, message, "whoever takes results panicked");
            }
        }
    })
}

fn next(shared: &Shared) -> Option<FrameResult> {
    let mut state = shared.lock();
    loop {
        if state.stopped {
            return None;
        }
        if let Some(result) = state.next_result() {
            return Some(result);
        }
        state = Shared::wait(&shared.result_ready, state, None);
    }
}
