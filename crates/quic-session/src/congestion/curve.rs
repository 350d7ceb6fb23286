//! How the window grows beside others: CUBIC's curve, RFC 9438, in bytes.
//!
//! Fed by `window` with acks and cuts. That it is the curve of nearly every TCP is what makes the shares equal.

use std::time::{Duration, Instant};

/// What remains after a cut (RFC 9438 §4.6).
pub(super) const BETA: f64 = 0.7;
/// Segments per cubic second (RFC 9438 §5.1).
const C: f64 = 0.4;
/// Reno's growth with CUBIC's cut (RFC 9438 §4.3).
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);
/// Growth of one round at most, as a factor (RFC 9438 §4.4).
const MOST_PER_ROUND: f64 = 1.5;

/// What a window that was just cut from this size grows by in its first second, at the pace it begins with, in bytes: the slope of
/// CUBIC's curve at its beginning.
pub(super) fn steepest_growth(before: f64, mtu: f64) -> f64 {
    let k = (before * (1.0 - BETA) / mtu / C).cbrt();
    3.0 * C * k.powi(2) * mtu
}

#[derive(Clone, Debug)]
pub(super) struct Curve {
    /// The window at the last cut, in bytes: where the curve is flat.
    plateau: f64,
    /// When the curve began, and how long until the plateau.
    start: Option<Instant>,
    k: f64,
    /// What Reno would have.
    reno: f64,
}

impl Curve {
    pub(super) fn new() -> Self {
        Self {
            plateau: 0.0,
            start: None,
            k: 0.0,
            reno: 0.0,
        }
    }

    /// The window was cut from this size to that share of it.
    pub(super) fn cut(&mut self, from: f64, beta: f64) {
        // Fast convergence (RFC 9438 §4.7): who had more before makes room.
        self.plateau = if from < self.plateau {
            from * (1.0 + beta) / 2.0
        } else {
            from
        };
        self.start = None;
    }

    /// The curve begins anew at the present window.
    pub(super) fn restart(&mut self) {
        self.plateau = 0.0;
        self.start = None;
    }

    /// The window after so many bytes were acked.
    pub(super) fn grow(
        &mut self,
        now: Instant,
        window: f64,
        acked: f64,
        rtt: Duration,
        mtu: f64,
    ) -> f64 {
        let start = match self.start {
            Some(start) => start,
            None => self.begin(now, window, mtu),
        };
        let t = now.saturating_duration_since(start).as_secs_f64();
        self.reno += ALPHA * mtu * acked / window;
        if self.at(t, mtu) < self.reno {
            return window.max(self.reno);
        }
        let target = self
            .at(t + rtt.as_secs_f64(), mtu)
            .clamp(window, window * MOST_PER_ROUND);
        window + (target - window) * acked / window
    }

    fn begin(&mut self, now: Instant, window: f64, mtu: f64) -> Instant {
        self.plateau = self.plateau.max(window);
        self.k = ((self.plateau - window) / mtu / C).cbrt();
        self.reno = window;
        self.start = Some(now);
        now
    }

    fn at(&self, t: f64, mtu: f64) -> f64 {
        C * (t - self.k).powi(3) * mtu + self.plateau
    }
}
