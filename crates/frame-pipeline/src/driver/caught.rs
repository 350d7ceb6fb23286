//! Calls of other people's code, whose panics must not take a thread of ours along.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Interrupter;

/// Runs `call`; a panic becomes its message.
pub(super) fn call<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    // What the call leaves half done is dropped by whoever gets the error, never used again.
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| message(&*payload))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
        .to_owned()
}

/// Interrupts a processor.
pub(super) fn interrupt(interrupter: &Interrupter) {
    if let Err(message) = call(|| interrupter()) {
        tracing::error!(message, "interrupting a processor panicked");
    }
}
