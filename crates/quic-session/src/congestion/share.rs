//! Our share of a bottleneck, and what one does who has too little of it.
//!
//! Fed by `window` with what drains show and with the wait at a queue's losses. CUBIC's curve alone leaves a small flow small: a large one, on
//! the flat of its curve, keeps the queue full without growing, so that the packet too many is mostly one of the small flow's,
//! which is cut again before it has grown back. (Measured beside Linux' CUBIC: 18 to 41 % of the bottleneck from run to run.) So who is small grows as quickly as the other does after a cut, leaves the last of the room
//! to it, whose packet is then the one too many, and gives up less when it is hit nevertheless.

use std::time::Duration;

use super::curve::{BETA, steepest_growth};

/// Less of the bottleneck is too little: with one other, half of it would be ours.
const SMALL: f64 = 0.4;
/// What remains after a queue's loss of one who is small. At the same rate of losses this carries 1.5 times what [`BETA`] does.
const BETA_SMALL: f64 = 0.85;
/// The queue is nearly full: no more of the wait at its last loss than the rest is missing.
const NEARLY_FULL: f64 = 0.96;
/// What a drain shows is not less than this, for who has next to nothing would grow without measure.
const LEAST: f64 = 0.05;

#[derive(Clone, Debug)]
pub(super) struct Share {
    /// Of the bottleneck's rate: the mean of the last drains, each of which counts half as much as the next.
    ours: f64,
    /// What packets waited when the queue last lost one of ours.
    full: Option<Duration>,
}

impl Share {
    pub(super) fn new() -> Self {
        Self {
            ours: 0.5,
            full: None,
        }
    }

    /// A drain showed this share.
    pub(super) fn drained(&mut self, ours: f64) {
        self.ours = f64::midpoint(self.ours, ours.clamp(LEAST, 1.0));
    }

    /// Of the bottleneck's rate.
    pub(super) fn ours(&self) -> f64 {
        self.ours
    }

    /// The queue lost a packet of ours when others waited so long.
    pub(super) fn lost(&mut self, delay: Duration) {
        self.full = Some(delay);
    }

    /// What remains of the window after a queue's loss.
    pub(super) fn beta(&self) -> f64 {
        if self.is_small() { BETA_SMALL } else { BETA }
    }

    /// Whether the rest of the queue is left to those who have more.
    pub(super) fn leaves_the_rest(&self, delay: Duration) -> bool {
        let nearly_full = |full: Duration| delay >= full.mul_f64(NEARLY_FULL);
        self.is_small() && self.full.is_some_and(nearly_full)
    }

    /// What the window grows by in a second, at least, in bytes: as much as that of a flow which has just been cut from half of all
    /// that is in flight.
    pub(super) fn least_growth(&self, window: f64, mtu: f64) -> f64 {
        if !self.is_small() {
            return 0.0;
        }
        steepest_growth(window / (2.0 * self.ours), mtu)
    }

    fn is_small(&self) -> bool {
        self.ours < SMALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: f64 = 1_452.0;

    #[test]
    fn who_has_half_does_as_cubic_does() {
        let mut share = Share::new();
        share.lost(Duration::from_millis(50));
        for shown in [0.5, 0.45, 1.0, 0.4] {
            share.drained(shown);
            assert_eq!(share.beta(), BETA);
            assert_eq!(share.least_growth(100_000.0, MTU), 0.0);
            assert!(!share.leaves_the_rest(Duration::from_secs(1)));
        }
    }

    #[test]
    fn who_has_a_quarter_grows_as_one_with_half_until_the_queue_is_nearly_full() {
        let mut share = Share::new();
        share.drained(0.0);
        assert_eq!(share.ours, 0.275);
        assert_eq!(share.beta(), BETA_SMALL);
        // 40 packets are 27.5 %: half is 73, and 73 packets are grown back in 3.8 s, at first by 17 packets a second.
        let grown = share.least_growth(40.0 * MTU, MTU) / MTU;
        assert!((17.0..18.0).contains(&grown), "{grown}");
        // Nothing is known of the queue's end before one of ours was lost.
        assert!(!share.leaves_the_rest(Duration::from_secs(1)));
        share.lost(Duration::from_millis(50));
        assert!(!share.leaves_the_rest(Duration::from_millis(47)));
        assert!(share.leaves_the_rest(Duration::from_millis(48)));
    }
}
