//! The next video: its link takes over the lanes of the one that is done, here and at the worker.
//!
//! Called by `lanes`, where a sender has several videos.

use std::sync::Arc;
use std::time::Instant;

use super::ask::Answer;
use super::{DialError, Dialer};
use crate::process::protocol::{LinkQuery, NEXT_PATH};
use crate::process::sender::link::SendLink;

impl Dialer {
    /// Gives the lanes of the link that is done to `next`, here and at the worker, without opening any. Where the worker
    /// has no such link any more, they are dialled anew.
    pub(in crate::process::sender) async fn take_over(
        &self,
        next: &Arc<SendLink>,
    ) -> Result<(), DialError> {
        let made = self.made.lock().await;
        let after = self.port.link().epoch();
        self.port.hand_over(Instant::now(), next, true);
        if *made != Some(after) {
            // No lane was ever open, or the worker had forgotten that link too.
            self.port.forget_lanes(Instant::now());
            self.port.unmute();
            return Ok(());
        }
        drop(made);
        self.ask_again().await
    }

    /// Asks the worker, until it answers, to give the lanes to the link that has them here.
    pub(in crate::process::sender) async fn ask_again(&self) -> Result<(), DialError> {
        let mut made = self.made.lock().await;
        let epoch = self.port.link().epoch();
        let Some(after) = made.filter(|after| *after != epoch) else {
            // A lane that was dialled meanwhile has made it.
            self.port.unmute();
            return Ok(());
        };
        match self.ask_to_take_over(after).await {
            Ok(()) => *made = Some(epoch),
            Err(Answer::Unknown) => {
                *made = None;
                self.port.forget_lanes(Instant::now());
            }
            Err(Answer::Failed(error)) => return Err(error),
        }
        self.port.unmute();
        Ok(())
    }

    async fn ask_to_take_over(&self, after: u32) -> Result<(), Answer> {
        let query = LinkQuery {
            after: Some(after),
            ..self.query(0, false)
        };
        let url = format!("{}{NEXT_PATH}?{}", self.to, query.to_query());
        let response = self.with_token(self.http.post(url)).send().await;
        let response = response.map_err(|error| self.unreachable(&error))?;
        self.answer(response).await.map(drop)
    }
}
