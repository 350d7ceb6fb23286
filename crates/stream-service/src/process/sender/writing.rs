//! The ledger's thread: what the link tells of is written down as it comes.
//!
//! Fed by the link with records; what cannot be written ends the link.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use super::ledger::{Ledger, LedgerError};
use super::link::{LinkFailure, Record, SendLink};

/// The ledger's thread.
pub(super) struct Writing {
    thread: std::thread::JoinHandle<Result<Ledger, LedgerError>>,
    told: SyncSender<Record>,
}

impl Writing {
    /// Once the link is over: waits until all that it told of is written.
    pub(super) fn finish(self) -> Result<Ledger, LedgerError> {
        // Refused by a thread that ended with an error.
        let _ = self.told.send(Record::NoMore);
        match self.thread.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// `told` and `records` are the two ends of what the link tells.
pub(super) fn spawn_writer(
    link: Arc<SendLink>,
    ledger: Ledger,
    told: SyncSender<Record>,
    records: Receiver<Record>,
) -> Writing {
    let thread = std::thread::spawn(move || {
        let outcome = write(&link, ledger, &records);
        if let Err(error) = &outcome {
            link.fail(LinkFailure::Gone(error.to_string()));
        }
        outcome
    });
    Writing { thread, told }
}

fn write(
    link: &SendLink,
    mut ledger: Ledger,
    records: &Receiver<Record>,
) -> Result<Ledger, LedgerError> {
    let mut last = false;
    loop {
        // After the last word, what the link had held back for want of room.
        let next = if last {
            records.try_recv().ok()
        } else {
            records.recv().ok()
        };
        let Some(first) = next else {
            return Ok(ledger);
        };
        for record in std::iter::once(first).chain(records.try_iter()) {
            last |= matches!(record, Record::NoMore);
            ledger.write(&record)?;
        }
        ledger.flush()?;
        link.collect();
    }
}
