//! The bytes of one range from an HTTP server, as pieces, over as many requests as it takes.
//!
//! A body that breaks off is asked for again from where it broke, a bounded number of times in a row
//! without progress; a body that starts before the range (the server ignores `Range`) is read up to
//! it and thrown away, up to a bound.

use super::again::{Again, worth_repeating};
use super::source::Shared;
use crate::error::{Phase, ReadError};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use reqwest::Response;
use std::ops::Range;
use std::sync::Arc;

/// A body that is being read.
#[derive(Debug)]
pub(super) struct Body {
    /// The bytes of the content still to come; `rest.start` is the next one.
    pub(super) rest: Range<u64>,
    /// What was read past the end of the last range.
    pub(super) leftover: Bytes,
    pub(super) response: Response,
}

struct Pull {
    shared: Arc<Shared>,
    range: Range<u64>,
    position: u64,
    body: Option<Body>,
    again: Again,
    over: bool,
}

/// `range`, in pieces.
pub(super) fn stream_range(
    shared: Arc<Shared>,
    range: Range<u64>,
) -> BoxStream<'static, Result<Bytes, ReadError>> {
    let position = range.start;
    let again = Again::new(shared.client.options.max_resumes);
    let pull = Pull {
        shared,
        range,
        position,
        body: None,
        again,
        over: false,
    };
    stream::unfold(pull, |mut pull| async move {
        if pull.over {
            return None;
        }
        let item = pull.next().await.transpose()?;
        pull.over = item.is_err();
        Some((item, pull))
    })
    .boxed()
}

impl Pull {
    async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        while self.position < self.range.end {
            if self.body.is_none() {
                self.open().await?;
            }
            let Some(piece) = self.pull_piece().await? else {
                continue;
            };
            if let Some(wanted) = self.cut(piece) {
                self.again.progressed();
                return Ok(Some(wanted));
            }
        }
        Ok(None)
    }

    /// Gets a body to read from: the one that waits where this range starts, or a new one.
    async fn open(&mut self) -> Result<(), ReadError> {
        self.body = self.shared.take_parked(self.position);
        if self.body.is_some() {
            return Ok(());
        }
        let asked = self.position..self.range.end;
        match self.shared.request(&asked, self.again.attempt()).await {
            Ok(body) => {
                self.body = Some(body);
                Ok(())
            }
            Err(error) if worth_repeating(&error) => self.again.after(error).await,
            Err(error) => Err(error),
        }
    }

    /// The body's next piece; `None` when there is none and the body is given up.
    async fn pull_piece(&mut self) -> Result<Option<Bytes>, ReadError> {
        let Some(body) = self.body.as_mut() else {
            return Ok(None);
        };
        if !body.leftover.is_empty() {
            return Ok(Some(std::mem::take(&mut body.leftover)));
        }
        let limit = self.shared.client.options.idle_timeout;
        let outcome = tokio::time::timeout(limit, body.response.chunk()).await;
        let name = || self.shared.client.name.clone();
        let attempts = self.again.attempt();
        let error = match outcome {
            Ok(Ok(Some(piece))) => return Ok(Some(piece)),
            // The end that the server announced: the range goes on in another request.
            Ok(Ok(None)) if body.rest.is_empty() => {
                self.body = None;
                return Ok(None);
            }
            Ok(Ok(None)) => self.short(attempts),
            // A body shorter than its Content-Length: hyper reports it as an error of its own.
            Ok(Err(e)) if is_short_body(&e) => self.short(attempts),
            Ok(Err(e)) => self.shared.client.transport(e, attempts),
            Err(_) => ReadError::Timeout {
                name: name(),
                phase: Phase::Idle,
                limit,
                attempts,
            },
        };
        self.body = None;
        self.again.after(error).await?;
        Ok(None)
    }

    fn short(&self, attempts: u32) -> ReadError {
        ReadError::Short {
            name: self.shared.client.name.clone(),
            range: self.range.clone(),
            missing_bytes: self.range.end - self.position,
            attempts,
        }
    }

    /// The part of `piece` that belongs to the range; what lies past it waits in the body.
    fn cut(&mut self, mut piece: Bytes) -> Option<Bytes> {
        let body = self.body.as_mut()?;
        let start = body.rest.start;
        // Bytes past the announced end are not the content's.
        piece.truncate(usize::try_from(body.rest.end - start).unwrap_or(usize::MAX));
        let skip = self.position.saturating_sub(start).min(piece.len() as u64);
        let take = (piece.len() as u64 - skip).min(self.range.end - self.position);
        body.rest.start += skip + take;
        body.leftover = piece.split_off((skip + take) as usize);
        self.position += take;
        (take > 0).then(|| piece.slice(skip as usize..))
    }
}

impl Drop for Pull {
    /// A body that goes on past the range is worth keeping for the next one.
    fn drop(&mut self) {
        self.shared.ended();
        if let Some(body) = self.body.take() {
            self.shared.park(body);
        }
    }
}

fn is_short_body(error: &reqwest::Error) -> bool {
    error.is_body() || error.is_decode()
}
