//! The fetches behind a reader: one task per range on its way, started and cancelled as the
//! [`Window`] says.
//!
//! Fed by the reader's moves and by the source's pieces; wakes the reader when there is something
//! for it. Dropping the [`Fetcher`] aborts every task, which drops the requests behind them.

use super::pace::Pace;
use crate::driver::clock::now;
use crate::driver::progress::LoadProgress;
use crate::error::ReadError;
use crate::fetch::Demand;
use crate::source::ByteSource;
use crate::window::{Fetch, FetchId, Window, WindowConfig};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use std::collections::HashMap;
use std::io::SeekFrom;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// Nothing has come for so long: who waits is told of what there is.
const MOMENT: Duration = Duration::from_millis(1);

type Pieces<'s> = BoxStream<'s, Result<Bytes, ReadError>>;

/// Owned by one reader; its tasks end with it.
pub(super) struct Fetcher {
    shared: Arc<Shared>,
}

struct Shared {
    source: Arc<dyn ByteSource>,
    size_bytes: u64,
    progress: LoadProgress,
    runtime: Handle,
    state: Mutex<State>,
    /// Wakes a blocking reader; an async one is woken by `State::waker`.
    arrived: Condvar,
}

struct State {
    window: Window,
    pace: Pace,
    tasks: HashMap<FetchId, AbortHandle>,
    /// What kept the byte at the reader's position from coming; told once, then tried again.
    failure: Option<ReadError>,
    waker: Option<Waker>,
    /// A fetch whose range the source has not been asked for yet: how many ranges at once are worth it is known after that.
    starting: Option<FetchId>,
    /// What has come since the reader was last woken.
    untold_bytes: u64,
    closed: bool,
}

/// What the window wants done, decided under the lock and carried out without it.
#[derive(Default)]
struct Orders {
    start: Option<Fetch>,
    cancel: Vec<AbortHandle>,
    /// Told to the source before it is asked for more.
    demand: Demand,
}

impl Fetcher {
    pub(super) fn new(
        source: Arc<dyn ByteSource>,
        window: WindowConfig,
        progress: LoadProgress,
        runtime: Handle,
    ) -> Self {
        let state = State {
            window: Window::new(window),
            pace: Pace::new(source.as_ref()),
            tasks: HashMap::new(),
            failure: None,
            waker: None,
            starting: None,
            untold_bytes: 0,
            closed: false,
        };
        let shared = Shared {
            source,
            size_bytes: window.size_bytes,
            progress,
            runtime,
            state: Mutex::new(state),
            arrived: Condvar::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(super) fn name(&self) -> String {
        self.shared.source.name()
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.shared.size_bytes
    }

    pub(super) fn progress(&self) -> LoadProgress {
        self.shared.progress.clone()
    }

    pub(super) fn position(&self) -> u64 {
        self.shared.lock().window.position()
    }

    /// What is there from the position on, waiting on this thread until something is; empty at the end. Does not move the
    /// position.
    pub(super) fn piece_blocking(&self) -> Result<Bytes, ReadError> {
        loop {
            if let Some(outcome) = self.try_piece(None) {
                return outcome;
            }
            let mut state = self.shared.lock();
            while state.waits() {
                state = self
                    .shared
                    .arrived
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// The same for a task.
    pub(super) fn poll_piece(&self, context: &Context<'_>) -> Poll<Result<Bytes, ReadError>> {
        self.try_piece(Some(context.waker()))
            .map_or(Poll::Pending, Poll::Ready)
    }

    /// `None` when nothing is there yet; then the fetch of it is on its way, and `waker` is kept.
    fn try_piece(&self, waker: Option<&Waker>) -> Option<Result<Bytes, ReadError>> {
        let mut state = self.shared.lock();
        if state.window.at_end() {
            return Some(Ok(Bytes::new()));
        }
        if let Some(piece) = state.window.peek() {
            return Some(Ok(piece));
        }
        if let Some(error) = state.failure.take() {
            return Some(Err(error));
        }
        state.waker = waker.cloned();
        state.window.needed_now();
        let orders = state.plan(&self.shared);
        drop(state);
        Shared::carry_out(&self.shared, orders);
        None
    }

    /// Moves the reader forward by `bytes` of the piece it has.
    pub(super) fn consume(&self, bytes: usize) {
        let mut state = self.shared.lock();
        state.window.advance(bytes as u64);
        state.pace.consumed(now(), bytes as u64);
        let orders = state.plan(&self.shared);
        drop(state);
        Shared::carry_out(&self.shared, orders);
    }

    /// Moves the reader; fetches that are no longer of use are cancelled at once.
    pub(super) fn seek(&self, to: SeekFrom) -> std::io::Result<u64> {
        let mut state = self.shared.lock();
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.shared.size_bytes.checked_add_signed(offset),
            SeekFrom::Current(offset) => state.window.position().checked_add_signed(offset),
        };
        let Some(target) = target else {
            let text = format!("{}: seek to before the start ({to:?})", self.name());
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, text));
        };
        if target == state.window.position() {
            return Ok(target);
        }
        state.window.seek(target);
        state.failure = None;
        // Only what is useless is cancelled here; what is wanted now is fetched when it is read, so
        // that a demuxer's seek to ask for the length costs nothing.
        let orders = Orders {
            cancel: state.cancel_stale(),
            ..Orders::default()
        };
        drop(state);
        Shared::carry_out(&self.shared, orders);
        Ok(target)
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let tasks: Vec<_> = state.tasks.drain().map(|(_, task)| task).collect();
        drop(state);
        for task in tasks {
            task.abort();
        }
    }
}

impl State {
    /// Whether a blocking reader has nothing to do but wait.
    fn waits(&self) -> bool {
        self.failure.is_none() && !self.closed && self.window.peek().is_none()
    }

    /// Fetch `id` no longer keeps others from starting: the source has been asked, or will not be.
    fn started(&mut self, id: FetchId) {
        if self.starting == Some(id) {
            self.starting = None;
        }
    }

    fn cancel_stale(&mut self) -> Vec<AbortHandle> {
        let stale = self.window.take_stale();
        for id in &stale {
            self.started(*id);
        }
        stale
            .iter()
            .filter_map(|id| self.tasks.remove(id))
            .collect()
    }

    fn plan(&mut self, shared: &Shared) -> Orders {
        if self.closed || self.failure.is_some() {
            return Orders::default();
        }
        let now = now();
        let cancel = self.cancel_stale();
        let told = shared.progress.playback_bytes_per_second();
        let forecast = self
            .pace
            .forecast(now, &self.window, shared.size_bytes, told);
        self.window
            .set_chunk_bytes(self.pace.chunk_bytes(&forecast));
        self.window.set_fast(self.pace.is_fast());
        self.window.set_max_in_flight(shared.source.max_parallel());
        if !self.window.is_fetching() {
            self.pace.starts(now);
        }
        let start = match self.starting {
            Some(_) => None,
            None => self.window.next_fetch(),
        };
        self.starting = self.starting.or(start.as_ref().map(|fetch| fetch.id));
        shared.progress.plan(forecast, self.window.chunk_bytes());
        let demand = Demand {
            bytes_per_second: forecast.playback_bytes_per_second,
            dry_in: forecast.dry_in(),
        };
        Orders {
            start,
            cancel,
            demand,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry_out(shared: &Arc<Self>, orders: Orders) {
        for task in orders.cancel {
            task.abort();
        }
        let Some(fetch) = orders.start else { return };
        shared.source.demand(orders.demand);
        let id = fetch.id;
        // Made before the task, so that its drop tells the reader even when the runtime is gone.
        let run = Run {
            shared: Arc::clone(shared),
            id,
            over: false,
        };
        let task = shared.runtime.spawn(run.run(fetch)).abort_handle();
        let mut state = shared.lock();
        // It may be over already, or given up since it was planned.
        if state.closed || !state.window.is_in_flight(id) {
            task.abort();
        } else {
            state.tasks.insert(id, task);
        }
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let waker = state.waker.take();
        state.untold_bytes = 0;
        drop(state);
        self.arrived.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// One fetch, on its task.
struct Run {
    shared: Arc<Shared>,
    id: FetchId,
    over: bool,
}

impl Run {
    async fn run(mut self, fetch: Fetch) {
        let outcome = self.fetch(&fetch).await;
        self.end(outcome.err());
    }

    async fn fetch(&self, fetch: &Fetch) -> Result<(), ReadError> {
        let source = Arc::clone(&self.shared.source);
        let mut pieces = source.stream_range(fetch.range.clone());
        self.start();
        let mut missing_bytes = fetch.range.end - fetch.range.start;
        let overlong = || ReadError::Overlong {
            name: source.name(),
            range: fetch.range.clone(),
        };
        let short = |missing_bytes| ReadError::Short {
            name: source.name(),
            range: fetch.range.clone(),
            missing_bytes,
            attempts: 1,
        };
        while missing_bytes > 0 {
            let Some(piece) = self.next(&mut pieces).await else {
                return Err(short(missing_bytes));
            };
            let piece = piece?;
            missing_bytes = missing_bytes
                .checked_sub(piece.len() as u64)
                .ok_or_else(overlong)?;
            if missing_bytes == 0 {
                let more = pieces.next().now_or_never().flatten();
                if more.is_some_and(|more| more.is_ok_and(|more| !more.is_empty())) {
                    return Err(overlong());
                }
                // With what the source keeps for the next range, which the reader may ask for once it has this piece.
                drop(pieces);
                self.deliver(piece);
                return Ok(());
            }
            if !self.deliver(piece) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The next fetch may start.
    fn start(&self) {
        let mut state = self.shared.lock();
        state.started(self.id);
        let orders = state.plan(&self.shared);
        drop(state);
        Shared::carry_out(&self.shared, orders);
    }

    /// The next piece. A reader that waits has been told of all that came before it by the time that nothing comes.
    async fn next(&self, pieces: &mut Pieces<'_>) -> Option<Result<Bytes, ReadError>> {
        if self.shared.lock().untold_bytes > 0 {
            match tokio::time::timeout(MOMENT, pieces.next()).await {
                Ok(item) => return item,
                Err(_) => self.shared.wake(self.shared.lock()),
            }
        }
        pieces.next().await
    }

    /// Hands a piece to the reader; `false` when it is no longer wanted.
    fn deliver(&self, piece: Bytes) -> bool {
        let mut state = self.shared.lock();
        let len = piece.len() as u64;
        if state.closed || !state.window.received(self.id, piece) {
            return false;
        }
        state.pace.arrived(now(), len);
        self.shared.progress.record(len, state.window.held().iter());
        state.untold_bytes += len;
        if state.untold_bytes >= state.pace.worth_waking_bytes() {
            self.shared.wake(state);
        }
        true
    }

    fn end(&mut self, error: Option<ReadError>) {
        self.over = true;
        let mut state = self.shared.lock();
        state.tasks.remove(&self.id);
        match error {
            Some(error) => {
                tracing::debug!(source = self.shared.source.name(), %error, "fetch failed");
                if state.window.failed(self.id) {
                    state.failure = Some(error);
                }
            }
            None => {
                state.window.finished(self.id);
            }
        }
        let orders = state.plan(&self.shared);
        self.shared.wake(state);
        Shared::carry_out(&self.shared, orders);
    }
}

impl Drop for Run {
    /// Aborted, or never run because the runtime is gone: the reader must not wait for it.
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut state = self.shared.lock();
        state.tasks.remove(&self.id);
        state.started(self.id);
        if state.window.failed(self.id) {
            state.failure = Some(ReadError::Cancelled {
                name: self.shared.source.name(),
            });
        }
        self.shared.wake(state);
    }
}
