//! Keeps lanes alive: dials each, watches it, and dials again when it is lost or silent.
//!
//! One task per lane, for one video after another. A stalled lane stays until its successor is open: should the path come back first, it goes on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use datachannel_transport::LaneId;

use super::dial::{DialError, Dialer, OpenLane};
use super::link::{LinkFailure, SendLink};
use super::options::LaneWish;
use crate::lanes::end::LinkEnd as _;
use crate::lanes::port::Port;
use crate::process::protocol::{QUIC_LANE, SOCKET_LANE};

/// How often a lane is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Pauses between tries: short at first, for a worker that is just starting.
const RETRY: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
];
/// A lane that is silent for this long may have lost its worker, which HTTP can tell sooner than any time limit.
const ASK_AFTER: Duration = Duration::from_millis(700);

/// What all lanes of a link share.
pub(super) struct Lanes {
    pub(super) port: Arc<Port<SendLink>>,
    pub(super) dialer: Dialer,
    pub(super) wish: LaneWish,
    pub(super) connect_timeout: Duration,
    pub(super) give_up_after: Duration,
    pub(super) connected: AtomicBool,
    /// Lanes that were opened.
    pub(super) opened: AtomicU64,
    /// With nothing to carry for this long they are closed.
    pub(super) idle_limit: Duration,
    pub(super) idle_since: Mutex<Option<Instant>>,
}

/// The tasks that keep lanes up; they end with it.
pub(super) struct Keepers {
    lanes: Arc<Lanes>,
    /// By the lane's number.
    tasks: BTreeMap<u8, tokio::task::JoinHandle<()>>,
    /// When a lane was open last.
    pub(super) seen_lane: Instant,
}

impl Keepers {
    pub(super) fn new(lanes: Arc<Lanes>) -> Self {
        Self {
            lanes,
            tasks: BTreeMap::new(),
            seen_lane: Instant::now(),
        }
    }

    /// Keeps at least so many lanes of data channels up.
    pub(super) fn grow(&mut self, count: u8) {
        (0..count).for_each(|number| self.keep(number));
    }

    /// Keeps the lane of that number up.
    pub(super) fn keep(&mut self, number: u8) {
        let lanes = &self.lanes;
        self.tasks.entry(number).or_insert_with(|| {
            let lanes = Arc::clone(lanes);
            tokio::spawn(async move { lanes.keep(number).await })
        });
    }
}

impl Drop for Keepers {
    fn drop(&mut self) {
        self.tasks.values().for_each(tokio::task::JoinHandle::abort);
    }
}

impl Lanes {
    /// Keeps the lane of that number up while a link needs it, and open for the next one.
    pub(super) async fn keep(&self, number: u8) {
        let mut current: Option<OpenLane> = None;
        loop {
            if self.port.link().is_over() {
                self.rest(&mut current).await;
                continue;
            }
            match self.open(number).await {
                Some(lane) => {
                    self.succeed(number, current, &lane).await;
                    self.watch(lane.lane).await;
                    current = Some(lane);
                }
                None if self.port.link().is_over() => {}
                None => return,
            }
        }
    }

    /// Nothing is to be carried, and the lane was lost, or has been idle for long enough.
    async fn rest(&self, lane: &mut Option<OpenLane>) {
        let Some(lane) = lane.take() else {
            return tokio::time::sleep(LOOK_EVERY).await;
        };
        if self.is_idle_for_too_long() {
            self.port.link().goodbye();
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.dialer.hang_up(lane).await;
    }

    /// What was to be carried is done.
    pub(super) fn begin_idling(&self) {
        *self.idle() = Some(Instant::now());
    }

    /// There is something to carry.
    pub(super) fn end_idling(&self) {
        *self.idle() = None;
    }

    fn is_idle_for_too_long(&self) -> bool {
        self.idle()
            .is_some_and(|since| since.elapsed() >= self.idle_limit)
    }

    fn idle(&self) -> MutexGuard<'_, Option<Instant>> {
        self.idle_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Dials until it succeeds; `None` when the link is over or the worker has been away for too long.
    async fn open(&self, number: u8) -> Option<OpenLane> {
        let mut began = Instant::now();
        let mut tries = 0;
        while !self.port.link().is_over() {
            let error = match self.dialer.dial(number).await {
                Ok(lane) => return Some(lane),
                Err(DialError::Never(why)) if self.may_do_without(number) => {
                    tracing::debug!(number, why, "this kind of lane is not to be had");
                    return None;
                }
                Err(DialError::Never(why)) => {
                    self.port.link().fail(LinkFailure::Gone(why));
                    return None;
                }
                Err(DialError::Later(why)) => why,
            };
            tracing::debug!(number, error, "lane not open yet");
            let patience = if self.connected.load(Ordering::Relaxed) {
                self.give_up_after
            } else {
                self.connect_timeout
            };
            if self.port.link().has_lane() {
                // The others carry on.
                began = Instant::now();
            }
            if began.elapsed() >= patience {
                let failure = format!("given up after {patience:?}: {error}");
                self.port.link().fail(LinkFailure::Gone(failure));
                return None;
            }
            tokio::time::sleep(RETRY[tries.min(RETRY.len() - 1)]).await;
            tries += 1;
        }
        None
    }

    /// Whether the run goes on without this lane: it was not asked for by name.
    fn may_do_without(&self, number: u8) -> bool {
        self.wish == LaneWish::Auto && matches!(number, QUIC_LANE | SOCKET_LANE)
    }

    /// The new lane is up: whatever bore its number before is given up.
    async fn succeed(&self, number: u8, former: Option<OpenLane>, lane: &OpenLane) {
        self.connected.store(true, Ordering::Relaxed);
        self.opened.fetch_add(1, Ordering::Relaxed);
        if let Some(former) = former {
            self.port.link().count_resumed();
            self.dialer.hang_up(former).await;
        }
        for other in self.port.numbered(number, lane.lane) {
            self.port.closed(Instant::now(), other, "given up");
        }
    }

    /// Returns when the lane is gone or silent, or has been idle for too long.
    async fn watch(&self, lane: LaneId) {
        let mut asked = false;
        loop {
            let link = self.port.link();
            if link.is_stalled(Instant::now(), lane) || self.is_idle_for_too_long() {
                return;
            }
            let quiet = link.is_silent(Instant::now(), lane, ASK_AFTER);
            if quiet && !asked && !self.dialer.is_known().await {
                return;
            }
            asked = quiet;
            // Either way it is looked at again.
            let _ = tokio::time::timeout(LOOK_EVERY, link.changed.notified()).await;
        }
    }
}
