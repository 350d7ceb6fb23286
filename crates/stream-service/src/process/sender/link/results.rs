//! Results as they come: matched to the frames that wait for them, and handed to the ledger's thread.

use std::sync::mpsc::TrySendError;
use std::time::Instant;

use super::answers::Answer;
use super::{LinkFailure, Record, State};
use crate::process::protocol::ProcessMode;

impl State {
    /// Realtime: a frame has no result because it was not sent.
    pub(super) fn dropped(&mut self, source_id: u64, reason: &'static str) {
        let Some(at) = self
            .open
            .iter()
            .position(|open| open.source_id == source_id)
        else {
            return;
        };
        if let Some(frame) = self.open.remove(at) {
            self.tell(Record::Dropped { frame, reason });
        }
    }

    /// Takes results, as many as the ledger has room for.
    pub(super) fn collect(&mut self, now: Instant) {
        if let Some(record) = self.held.take() {
            self.tell(record);
        }
        while self.held.is_none()
            && self.failure.is_none()
            && let Some(answer) = self.answers.poll()
        {
            match answer {
                Ok(answer) => self.take_answer(now, answer),
                Err(why) => {
                    self.failure.get_or_insert(LinkFailure::Mismatch(why));
                }
            }
        }
        while let Some(said) = self.answers.poll_event() {
            match said {
                Ok((code, text)) => self.left(code, text),
                Err(why) => {
                    self.failure
                        .get_or_insert(LinkFailure::Mismatch(why.to_owned()));
                }
            }
        }
    }

    fn take_answer(&mut self, now: Instant, answer: Answer) {
        let Answer {
            sequence,
            source_id,
            document,
            picture,
        } = answer;
        let first = match self.mode {
            ProcessMode::EveryFrame => {
                if sequence < self.answered {
                    // Confirmed to a worker that died before it could say so to us, or wanted for what comes after it.
                    self.repeated += 1;
                    return;
                }
                self.answered = sequence + 1;
                self.answered_first(source_id)
            }
            ProcessMode::Realtime => {
                let at = self
                    .open
                    .iter()
                    .position(|open| open.source_id == source_id);
                at.and_then(|at| self.open.remove(at))
            }
        };
        let Some(frame) = first else {
            let why = format!("result {sequence} is of frame {source_id}");
            self.failure.get_or_insert(LinkFailure::Mismatch(why));
            return;
        };
        self.results_taken += 1;
        self.rate.add(now, 1);
        self.tell(Record::Result {
            frame,
            document,
            picture,
        });
    }

    /// Hands a record to the ledger's thread, or holds it until there is room.
    fn tell(&mut self, record: Record) {
        match self.records.try_send(record) {
            Ok(()) => {}
            Err(TrySendError::Full(record)) if self.held.is_none() => self.held = Some(record),
            Err(TrySendError::Full(record) | TrySendError::Disconnected(record)) => {
                tracing::error!(?record, "the ledger cannot keep up");
                let why = "the ledger cannot be written as fast as frames are dropped".to_owned();
                self.failure.get_or_insert(LinkFailure::Gone(why));
            }
        }
    }

    /// Realtime: what the worker that died had taken, and had not answered, is nowhere now.
    pub(super) fn forget_acknowledged(&mut self) {
        let held = self.frames.held_frames();
        while self.open.len() > held
            && let Some(frame) = self.open.pop_front()
        {
            self.tell(Record::Dropped {
                frame,
                reason: "worker_died",
            });
        }
    }
}
