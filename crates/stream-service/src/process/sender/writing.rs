//! The ledger's thread: what the link tells of is written down as it comes.
//!
//! Fed by the link with records; what cannot be written ends the link.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::ledger::{Ledger, LedgerError};
use super::link::{LinkFailure, Record, SendLink};

/// How often it looks whether it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The ledger's thread.
pub(super) struct Writing {
    thread: std::thread::JoinHandle<Result<Ledger, LedgerError>>,
    stop: Arc<AtomicBool>,
}

impl Writing {
    pub(super) fn finish(self) -> Result<Ledger, LedgerError> {
        self.stop.store(true, Ordering::Release);
        match self.thread.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

pub(super) fn spawn_writer(
    link: Arc<SendLink>,
    ledger: Ledger,
    records: Receiver<Record>,
) -> Writing {
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        let outcome = write(&link, ledger, &records, &stopping);
        if let Err(error) = &outcome {
            link.fail(LinkFailure::Gone(error.to_string()));
        }
        outcome
    });
    Writing { thread, stop }
}

fn write(
    link: &SendLink,
    mut ledger: Ledger,
    records: &Receiver<Record>,
    stop: &AtomicBool,
) -> Result<Ledger, LedgerError> {
    loop {
        match records.recv_timeout(LOOK_EVERY) {
            Ok(record) => {
                ledger.write(&record)?;
                for record in records.try_iter() {
                    ledger.write(&record)?;
                }
                ledger.flush()?;
                link.collect();
            }
            Err(RecvTimeoutError::Timeout) if !stop.load(Ordering::Acquire) => {}
            Err(_) => return Ok(ledger),
        }
    }
}
