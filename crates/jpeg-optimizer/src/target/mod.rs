//! The bitrate that a client is to get: configured, asked for, or what its link is seen to carry.
//!
//! Fed with samples of the client's link, from the transport's acks or from the TCP send queue ([`TcpMeter`]); feeds
//! the client's policy with a target and a floor. The least of what is configured, asked for and measured holds.
//! Latency above the limit lowers the quality floor first, and only if it stays the target too. Pure: `now` is an
//! argument.

mod tcp;

use std::time::{Duration, Instant};

pub use tcp::{TcpMeter, TcpQueue};

use crate::{Bitrate, Quality};

/// Time after each reaction before the next: what it changed must show at the other end first.
const PATIENCE: Duration = Duration::from_millis(500);
/// Calm time before the floor comes back, a step of [`FLOOR_STEP`] each time.
const CALM: Duration = Duration::from_secs(2);
/// Quality that the floor regains at once.
const FLOOR_STEP: u8 = 10;
/// Share of the goodput that is aimed for when the queue must drain.
const DRAIN: f64 = 0.85;
/// Growth of the measured target with each [`PATIENCE`] while the link is calm and the target used up: doubles in 7 s.
const GROWTH: f64 = 1.05;
/// Share of the target that must arrive for it to count as used up.
const USED_UP: f64 = 0.8;

/// What a client's target starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetConfig {
    /// As configured for all clients; default `None`: as much as the link carries.
    pub configured: Option<Bitrate>,
    /// Latency that must not be exceeded; default 100 ms, of which a viewer notices nothing.
    pub max_latency: Duration,
    /// The floor while the link is well; default 30.
    pub floor: Quality,
    /// The floor while latency is too high; default 10.
    pub late_floor: Quality,
}

impl Default for TargetConfig {
    fn default() -> Self {
        Self {
            configured: None,
            max_latency: Duration::from_millis(100),
            floor: Quality::DEFAULT_FLOOR,
            late_floor: Quality::LATE_FLOOR,
        }
    }
}

/// What a link did since the last sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkSample {
    /// Bits per second that arrived: acknowledged frames, or bytes that left the TCP send queue. `None` when none was
    /// on its way.
    pub goodput_bps: Option<f64>,
    /// Time that what is sent now waits before it arrives, beyond the path's own.
    pub queue_delay: Duration,
}

/// One client's target.
#[derive(Debug, Clone)]
pub struct TargetBitrate {
    config: TargetConfig,
    asked: Option<Bitrate>,
    /// What the link carries; `None` while it has carried all there was.
    measured: Option<Bitrate>,
    floor: Quality,
    latency: Duration,
    reacted_at: Option<Instant>,
    calm_since: Option<Instant>,
}

impl TargetBitrate {
    /// A target by configuration alone.
    pub fn new(config: TargetConfig) -> Self {
        Self {
            floor: config.floor,
            config,
            asked: None,
            measured: None,
            latency: Duration::ZERO,
            reacted_at: None,
            calm_since: None,
        }
    }

    /// What is configured, from now on; `None`: as much as the link carries.
    pub fn configure(&mut self, configured: Option<Bitrate>) {
        self.config.configured = configured;
    }

    /// What the client asks for (`?kbps=`); `None`: nothing.
    pub fn ask(&mut self, asked: Option<Bitrate>) {
        self.asked = asked;
    }

    /// Takes a sample of the link; a few each second.
    pub fn observe(&mut self, now: Instant, sample: LinkSample) {
        self.latency = sample.queue_delay;
        let waits = self
            .reacted_at
            .is_some_and(|at| now.saturating_duration_since(at) < PATIENCE);
        if sample.queue_delay > self.config.max_latency {
            self.calm_since = None;
            if !waits {
                self.reacted_at = Some(now);
                self.relieve(sample.goodput_bps);
            }
        } else if sample.queue_delay <= self.config.max_latency / 2 {
            let since = *self.calm_since.get_or_insert(now);
            if !waits {
                self.reacted_at = Some(now);
                self.regain(now, since, sample.goodput_bps);
            }
        } else {
            self.calm_since = None;
        }
    }

    /// The link is late: the floor first, then the target.
    fn relieve(&mut self, goodput_bps: Option<f64>) {
        let late_floor = self.config.late_floor.min(self.config.floor);
        if self.floor > late_floor {
            self.floor = late_floor;
            return;
        }
        let target = self.target().map(|target| target.bps() as f64);
        let least = match (goodput_bps, target) {
            (Some(goodput), Some(target)) => goodput.min(target),
            (Some(goodput), None) => goodput,
            // Nothing arrives at all; half is a guess that is made again until something does.
            (None, Some(target)) => target / 2.0,
            (None, None) => return,
        };
        self.measured = Some(Bitrate::clamped(least * DRAIN));
    }

    /// The link is well: the target grows where it is used up, and later the floor comes back.
    fn regain(&mut self, now: Instant, calm_since: Instant, goodput_bps: Option<f64>) {
        if now.saturating_duration_since(calm_since) >= CALM {
            let raised = self.floor.get().saturating_add(FLOOR_STEP);
            let raised = Quality::new(raised).unwrap_or(Quality::MAX);
            self.floor = raised.min(self.config.floor).max(self.floor);
        }
        let Some(measured) = self.measured else {
            return;
        };
        let bps = measured.bps() as f64;
        if goodput_bps.is_some_and(|goodput| goodput >= bps * USED_UP) {
            self.measured = Some(Bitrate::clamped(bps * GROWTH));
        }
        let cap = self.wished();
        // Far beyond what is wished for, it says nothing any more.
        if cap.is_some_and(|cap| bps > 2.0 * cap.bps() as f64) {
            self.measured = None;
        }
    }

    /// The lesser of what is configured and asked for.
    fn wished(&self) -> Option<Bitrate> {
        [self.config.configured, self.asked]
            .into_iter()
            .flatten()
            .min()
    }

    /// What the client is to get; `None`: nothing limits it.
    pub fn target(&self) -> Option<Bitrate> {
        self.wished().into_iter().chain(self.measured).min()
    }

    /// The least quality it may get now.
    pub fn floor(&self) -> Quality {
        self.floor
    }

    /// The queue's delay as last seen.
    pub fn latency(&self) -> Duration {
        self.latency
    }
}
