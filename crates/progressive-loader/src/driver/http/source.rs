//! Opening an HTTP resource, and reading ranges of it.
//!
//! Fed by a URL; feeds the reader. The first request asks for the content's start, which tells the
//! size, whether the server does ranges, and what identifies this version; its body waits for the
//! first read, so that nothing is fetched twice.

use super::again::{Again, is_busy};
use super::client::{Opened, RangeClient, RequestError};
use super::pull::{self, Body};
use crate::driver::clock::now;
use crate::driver::options::HttpOptions;
use crate::error::{OpenError, ReadError};
use crate::http_range::Validators;
use crate::plan::{LARGEST_CHUNK_BYTES, Run, SMALLEST_CHUNK_BYTES};
use crate::source::ByteSource;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use url::Url;

/// The first range asked for: a container's header and most films' first picture, which come while an index is
/// fetched from elsewhere; no more, since a reader that jumps may want none of it.
const OPENING_BYTES: u64 = 512 << 10;
/// The most that a body goes on past its range, however long it has been read in order. A body that is given up costs a connection, and what the sockets hold.
const MOST_AHEAD_BYTES: u64 = 256 << 20;

/// A resource of an HTTP or HTTPS server.
///
/// A server that ignores `Range` is read from its one body in order, which waits between two ranges;
/// going back, or far forward, starts over and reads up to [`HttpOptions::max_discard_bytes`] for
/// nothing. See [`ReadError`] for what is checked.
#[derive(Debug, Clone)]
pub struct HttpSource {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) client: RangeClient,
    size_bytes: u64,
    validators: Validators,
    ranges: bool,
    /// A body that stands where a later range may start.
    parked: Mutex<Option<Body>>,
    run: Mutex<Run>,
}

impl HttpSource {
    /// Asks the server for the first bytes of `url`; again where it is busy for a moment, as long as it does not ask to be
    /// left alone for longer than [`HttpOptions::first_byte_timeout`].
    ///
    /// # Errors
    /// [`OpenError::UnknownSize`], [`OpenError::Redirect`], [`OpenError::Client`], or
    /// [`OpenError::Read`] for what else the server or the network did.
    pub async fn open(url: &Url, options: &HttpOptions) -> Result<Self, OpenError> {
        let client = RangeClient::new(url, options)?;
        let opened = first_answer(&client).await?;
        let Opened {
            answer,
            validators,
            response,
        } = opened;
        if answer.ignored_range {
            tracing::warn!(
                source = client.name,
                "the server ignores Range: seeking will be slow or fail"
            );
        }
        let body = Body {
            rest: answer.body,
            leftover: Bytes::new(),
            response,
        };
        let shared = Shared {
            client,
            size_bytes: answer.total,
            validators,
            ranges: !answer.ignored_range,
            parked: Mutex::new(Some(body)),
            run: Mutex::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Whether the server gives ranges. Without, only reading in order is quick.
    #[must_use]
    pub fn supports_ranges(&self) -> bool {
        self.shared.ranges
    }

    fn check(&self, range: &Range<u64>) -> Result<(), ReadError> {
        let size_bytes = self.shared.size_bytes;
        if range.start <= range.end && range.end <= size_bytes {
            return Ok(());
        }
        Err(ReadError::OutOfBounds {
            name: self.name(),
            range: range.clone(),
            size_bytes,
        })
    }
}

/// The answer to the first request.
async fn first_answer(client: &RangeClient) -> Result<Opened, OpenError> {
    let options = &client.options;
    let mut again = Again::new(options.max_resumes);
    loop {
        match client.request(&(0..OPENING_BYTES), again.attempt()).await {
            Ok(opened) => return Ok(opened),
            Err(RequestError::Read(error))
                if is_busy(&error) && client.is_welcome_within(options.first_byte_timeout) =>
            {
                again.after(error).await.map_err(OpenError::Read)?;
            }
            Err(error) => return Err(client.open_error(error)),
        }
    }
}

impl Shared {
    /// A body of the content as it was opened, that holds the start of `asked` or what lies before it; of a content that
    /// is being read in order, it goes on past `asked`.
    pub(super) async fn request(
        &self,
        asked: &Range<u64>,
        attempts: u32,
    ) -> Result<Body, ReadError> {
        let end = asked
            .start
            .saturating_add(self.run().ahead_bytes(asked, MOST_AHEAD_BYTES));
        let asked = &(asked.start..end.clamp(asked.end, self.size_bytes.max(asked.end)));
        let opened = self
            .client
            .request(asked, attempts)
            .await
            .map_err(|error| self.read_error(error, attempts))?;
        self.check_unchanged(&opened)?;
        if opened.answer.ignored_range {
            self.check_discard(asked.start)?;
        }
        Ok(Body {
            rest: opened.answer.body,
            leftover: Bytes::new(),
            response: opened.response,
        })
    }

    fn read_error(&self, error: RequestError, attempts: u32) -> ReadError {
        let other = |text: String| ReadError::Transport {
            name: self.client.name.clone(),
            attempts,
            source: Arc::new(std::io::Error::other(text)),
        };
        match error {
            RequestError::Read(error) => error,
            RequestError::UnknownSize => {
                other("the server no longer says the content's size".into())
            }
            RequestError::Redirect(reason) => other(format!("redirect refused: {reason}")),
        }
    }

    fn check_unchanged(&self, opened: &Opened) -> Result<(), ReadError> {
        let name = self.client.name.clone();
        if let Some((what, before, now)) = self.validators.difference(&opened.validators) {
            return Err(ReadError::Changed {
                name,
                what,
                before,
                now,
            });
        }
        if opened.answer.total != self.size_bytes {
            let (before, now) = (self.size_bytes.to_string(), opened.answer.total.to_string());
            return Err(ReadError::Changed {
                name,
                what: "size",
                before,
                now,
            });
        }
        Ok(())
    }

    fn check_discard(&self, offset: u64) -> Result<(), ReadError> {
        let max_discard_bytes = self.client.options.max_discard_bytes;
        if offset <= max_discard_bytes {
            return Ok(());
        }
        Err(ReadError::RangeIgnored {
            name: self.client.name.clone(),
            offset,
            max_discard_bytes,
        })
    }

    /// A range is about to be read.
    pub(super) fn starts(&self, range: &Range<u64>) {
        if !self.run().starts(now(), range) && self.ranges {
            // The reader has gone elsewhere.
            *self.parked() = None;
        }
    }

    /// A range has been read, or given up.
    pub(super) fn ended(&self) {
        self.run().ended(now());
    }

    /// The waiting body, when reading on from it gets to `position` without skipping too much.
    pub(super) fn take_parked(&self, position: u64) -> Option<Body> {
        let mut parked = self.parked();
        let usable = parked.as_ref().is_some_and(|body| {
            let skip = position.checked_sub(body.rest.start);
            body.rest.contains(&position) && skip.is_some_and(|skip| skip <= self.skip_limit())
        });
        if usable { parked.take() } else { None }
    }

    /// Where ranges work, skipping wastes what a new request would save.
    fn skip_limit(&self) -> u64 {
        if self.ranges {
            0
        } else {
            self.client.options.max_discard_bytes
        }
    }

    /// Keeps a body for the range that follows, in place of the one that waits. The rest of a range that was
    /// given up is not worth its connection, where there are others.
    pub(super) fn park(&self, body: Body) {
        let is_next = self.run().next() == body.rest.start;
        if !body.rest.is_empty() && (is_next || !self.ranges) {
            *self.parked() = Some(body);
        }
    }

    fn parked(&self) -> MutexGuard<'_, Option<Body>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ByteSource for HttpSource {
    fn name(&self) -> String {
        self.shared.client.name.clone()
    }

    fn size_bytes(&self) -> u64 {
        self.shared.size_bytes
    }

    fn read_range(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        Box::pin(async move {
            let mut pieces = self.stream_range(range.clone());
            let mut whole = BytesMut::new();
            while let Some(piece) = pieces.next().await {
                whole.extend_from_slice(&piece?);
            }
            Ok(whole.freeze())
        })
    }

    fn stream_range(&self, range: Range<u64>) -> BoxStream<'_, Result<Bytes, ReadError>> {
        match self.check(&range) {
            Ok(()) => {
                self.shared.starts(&range);
                pull::stream_range(Arc::clone(&self.shared), range)
            }
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn chunk_range(&self) -> RangeInclusive<u64> {
        SMALLEST_CHUNK_BYTES..=LARGEST_CHUNK_BYTES
    }

    /// What was asked for when it was opened.
    fn first_chunk_bytes(&self) -> u64 {
        if self.shared.ranges {
            OPENING_BYTES
        } else {
            SMALLEST_CHUNK_BYTES
        }
    }

    /// One body at a time where it is a long one.
    fn max_parallel(&self) -> usize {
        if self.shared.ranges && !self.shared.run().is_long() {
            2
        } else {
            1
        }
    }
}
