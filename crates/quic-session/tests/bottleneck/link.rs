//! One direction of a path: loss, then a queue that drops at its tail before a link of some rate, then delay and reordering.

use std::time::Duration;

use super::loss::{Loss, LossState};
use super::rng::Rng;

/// What a link is like. Times count from the start of the simulation.
#[derive(Clone, Debug)]
pub struct Link {
    /// Bytes per second on the wire, IP and UDP headers included; none: no bottleneck.
    pub rate: Option<f64>,
    /// Bytes that may wait for the link.
    pub queue: f64,
    /// Propagation, one way.
    pub delay: Duration,
    /// Loss before the queue.
    pub loss: Loss,
    /// Probability that a packet is held back, and for how long: those behind it overtake.
    pub reorder: (f64, Duration),
    /// More than this many bytes per second are dropped at once, without a queue: a policer with this bucket in bytes.
    pub policer: Option<(f64, f64)>,
    /// What changes when.
    pub changes: Vec<(Duration, Change)>,
}

/// A change of a link in mid-run.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// The rate, in bytes per second.
    Rate(f64),
    /// The propagation delay.
    Delay(Duration),
    /// The loss process.
    Loss(Loss),
}

impl Link {
    /// No bottleneck, only this delay.
    pub fn delay(delay: Duration) -> Self {
        Self {
            rate: None,
            queue: f64::INFINITY,
            delay,
            loss: Loss::Random(0.0),
            reorder: (0.0, Duration::ZERO),
            policer: None,
            changes: Vec::new(),
        }
    }
}

pub(super) struct LinkState {
    link: Link,
    loss: LossState,
    rng: Rng,
    /// When the last queued byte leaves, in seconds.
    busy_until: f64,
    bucket: (f64, f64),
    last_arrival: Duration,
    /// Packets that the queue dropped, and all that came to it.
    dropped: u64,
    offered: u64,
}

impl LinkState {
    pub(super) fn new(mut link: Link, seed: u64) -> Self {
        link.changes.sort_by_key(|change| change.0);
        Self {
            loss: LossState::new(link.loss),
            rng: Rng::new(seed),
            busy_until: 0.0,
            bucket: (link.policer.map_or(0.0, |p| p.1), 0.0),
            last_arrival: Duration::ZERO,
            dropped: 0,
            offered: 0,
            link,
        }
    }

    /// When a packet that enters now arrives; `None`: it does not.
    pub(super) fn send(&mut self, now: Duration, bytes: usize) -> Option<Duration> {
        self.change(now);
        if self.loss.loses(&mut self.rng) || self.policed(now, bytes) {
            return None;
        }
        self.offered += 1;
        let entered = now.as_secs_f64();
        let left = match self.link.rate {
            None => now,
            Some(rate) => {
                let backlog = (self.busy_until - entered).max(0.0) * rate;
                if backlog + bytes as f64 > self.link.queue {
                    self.dropped += 1;
                    return None;
                }
                self.busy_until = self.busy_until.max(entered) + bytes as f64 / rate;
                Duration::from_secs_f64(self.busy_until)
            }
        };
        let arrival = left + self.link.delay;
        if self.rng.chance(self.link.reorder.0) {
            return Some(arrival + self.link.reorder.1);
        }
        // A shorter delay does not let a packet overtake those before it.
        self.last_arrival = self.last_arrival.max(arrival);
        Some(self.last_arrival)
    }

    /// Share of packets that found the queue full.
    pub(super) fn drop_ratio(&self) -> f64 {
        self.dropped as f64 / self.offered.max(1) as f64
    }

    fn policed(&mut self, now: Duration, bytes: usize) -> bool {
        let Some((rate, depth)) = self.link.policer else {
            return false;
        };
        let now = now.as_secs_f64();
        let tokens = (self.bucket.0 + (now - self.bucket.1) * rate).min(depth);
        let passes = tokens >= bytes as f64;
        self.offered += u64::from(!passes);
        self.dropped += u64::from(!passes);
        self.bucket = (tokens - if passes { bytes as f64 } else { 0.0 }, now);
        !passes
    }

    fn change(&mut self, now: Duration) {
        while let Some(&(at, change)) = self.link.changes.first()
            && at <= now
        {
            self.link.changes.remove(0);
            match change {
                Change::Rate(rate) => {
                    let waiting = (self.busy_until - now.as_secs_f64()).max(0.0);
                    let old = self.link.rate.unwrap_or(rate);
                    self.busy_until = now.as_secs_f64() + waiting * old / rate;
                    self.link.rate = Some(rate);
                }
                Change::Delay(delay) => self.link.delay = delay,
                Change::Loss(loss) => self.loss = LossState::new(loss),
            }
        }
    }
}
