//! Keeps lanes alive: dials each, watches it, and dials again when it is lost or silent.
//!
//! One task per lane. A stalled lane stays until its successor is open: should the path come back first, it goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use datachannel_transport::LaneId;

use super::dial::{DialError, Dialer, OpenLane};
use super::link::{LinkFailure, SendLink};
use super::options::LaneWish;
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
    pub(super) link: Arc<SendLink>,
    pub(super) dialer: Dialer,
    pub(super) wish: LaneWish,
    pub(super) connect_timeout: Duration,
    pub(super) give_up_after: Duration,
    pub(super) connected: AtomicBool,
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
    /// Keeps the lane of that number up until the link is over.
    pub(super) async fn keep(&self, number: u8) {
        let mut current: Option<OpenLane> = None;
        while !self.link.is_over() {
            match self.open(number).await {
                Some(lane) => {
                    self.succeed(number, current, &lane).await;
                    self.watch(lane.lane).await;
                    current = Some(lane);
                }
                None => return,
            }
        }
    }

    /// Dials until it succeeds; `None` when the link is over or the worker has been away for too long.
    async fn open(&self, number: u8) -> Option<OpenLane> {
        let mut began = Instant::now();
        let mut tries = 0;
        while !self.link.is_over() {
            let error = match self.dialer.dial(number).await {
                Ok(lane) => return Some(lane),
                Err(DialError::Never(why)) if self.may_do_without(number) => {
                    tracing::debug!(number, why, "this kind of lane is not to be had");
                    return None;
                }
                Err(DialError::Never(why)) => {
                    self.link.fail(LinkFailure::Gone(why));
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
            if self.link.has_lane() {
                // The others carry on.
                began = Instant::now();
            }
            if began.elapsed() >= patience {
                let failure = format!("given up after {patience:?}: {error}");
                self.link.fail(LinkFailure::Gone(failure));
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
        if let Some(former) = former {
            self.link.count_resumed();
            self.dialer.hang_up(former).await;
        }
        for other in self.link.replaced_by(lane.lane, number) {
            self.link.drop_lane(Instant::now(), other);
        }
    }

    /// Returns when the lane is gone or silent, or the link is over.
    async fn watch(&self, lane: LaneId) {
        let mut asked = false;
        while !self.link.is_over() && !self.link.is_stalled(Instant::now(), lane) {
            let quiet = self.link.is_silent(Instant::now(), lane, ASK_AFTER);
            if quiet && !asked && !self.dialer.is_known().await {
                return;
            }
            asked = quiet;
            // Either way it is looked at again.
            let _ = tokio::time::timeout(LOOK_EVERY, self.link.changed.notified()).await;
        }
    }
}
