//! A circuit breaker: an origin that keeps failing is left alone for a while, then tried once.
//!
//! Fed by the pool with outcomes; asked by it before each request. Closed: requests pass. Open: none
//! does until a time, which doubles with each failed probe. Half-open: one probe is out; its outcome
//! decides (M. Nygard, "Release It!", 2nd ed., ch. 5).

use serde::Serialize;
use std::time::{Duration, Instant};

/// When a breaker opens and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failures in a row that open it. Default 4.
    pub failures: u32,
    /// How long it is open the first time; doubled with each failed probe. Default 500 ms.
    pub first_open: Duration,
    /// What that grows to. Default 30 s.
    pub longest_open: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failures: 4,
            first_open: Duration::from_millis(500),
            longest_open: Duration::from_secs(30),
        }
    }
}

/// What a breaker does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// They pass.
    Closed,
    /// They do not.
    Open,
    /// One is out, as a probe.
    HalfOpen,
}

/// The answer to "may I ask it?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Yes; as a probe when the flag is set. Tell the outcome, or [`Breaker::abandoned`].
    Yes {
        /// Whether this request decides over the breaker.
        probe: bool,
    },
    /// Not before then. A probe that is out may decide sooner.
    NotBefore(Instant),
}

/// One origin's breaker.
#[derive(Debug, Clone)]
pub struct Breaker {
    policy: BreakerPolicy,
    failures: u32,
    /// Times it opened without a success between.
    opened: u32,
    open_until: Option<Instant>,
    probing: bool,
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            failures: 0,
            opened: 0,
            open_until: None,
            probing: false,
        }
    }

    /// What it does at `now`.
    #[must_use]
    pub fn state(&self, now: Instant) -> BreakerState {
        match self.open_until {
            None => BreakerState::Closed,
            Some(_) if self.probing => BreakerState::HalfOpen,
            Some(until) if now < until => BreakerState::Open,
            Some(_) => BreakerState::HalfOpen,
        }
    }

    /// Whether a request would pass now, without making it.
    #[must_use]
    pub fn would_admit(&self, now: Instant) -> bool {
        match self.open_until {
            None => true,
            Some(until) => now >= until && !self.probing,
        }
    }

    /// Asks for one request.
    pub fn admit(&mut self, now: Instant) -> Admission {
        let Some(until) = self.open_until else {
            return Admission::Yes { probe: false };
        };
        if self.probing {
            return Admission::NotBefore(until.max(now + self.policy.first_open));
        }
        if now < until {
            return Admission::NotBefore(until);
        }
        self.probing = true;
        Admission::Yes { probe: true }
    }

    /// A request brought something.
    pub fn succeeded(&mut self) {
        *self = Self::new(self.policy);
    }

    /// A request failed for a reason that is the origin's.
    pub fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        // A request made before it opened, and failing after, says nothing new.
        let open = self.open_until.is_some_and(|until| now < until);
        if !self.probing && (open || self.failures < self.policy.failures.max(1)) {
            return;
        }
        self.probing = false;
        let doublings = self.opened.min(16);
        self.opened = self.opened.saturating_add(1);
        let open = self.policy.first_open.saturating_mul(1 << doublings);
        self.open_until = Some(now + open.min(self.policy.longest_open));
    }

    /// The origin said when to come back: open at least until then.
    pub fn hold_off(&mut self, now: Instant, pause: Duration) {
        self.probing = false;
        let until = now + pause;
        self.open_until = Some(self.open_until.map_or(until, |open| open.max(until)));
    }

    /// A request was given up before its outcome was known: its place is another's.
    pub fn abandoned(&mut self, probe: bool) {
        if probe {
            self.probing = false;
        }
    }
}
