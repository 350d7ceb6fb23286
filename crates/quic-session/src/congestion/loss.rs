//! How much the path loses, and whether that is more than it does by itself: the sign of a policer, or of a queue too short to see.
//!
//! Fed by `window` with bytes acked and lost, a period of some hundred packets at a time. Random loss does not depend on how much is sent; a
//! policer's does. So a loss that rose far is answered with a cut, and what the cut does to it is the evidence: a path whose
//! loss goes on is acquitted, and one whose loss ends is suspected for a while, that is, less is taken for random.

use std::time::{Duration, Instant};

/// Periods from which the path's own loss is told.
const PERIODS: usize = 16;
/// Above twice the path's own loss, this much more is excessive.
const MARGIN: f64 = 0.1;
/// So much is excessive on any path.
const MOST: f64 = 0.3;
/// The same on a suspected path, above its usual loss: BBRv2's threshold (draft-cardwell-iccrg-bbr-congestion-control §2.7).
const SUSPECT_MARGIN: f64 = 0.02;
/// A period has at least this many packets: with fewer, a single burst would be a ratio.
const LEAST_PACKETS: f64 = 256.0;
/// A loss that stays above this part of what it was before a cut was not the window's doing.
const UNMOVED: f64 = 0.6;
/// How long a path is suspected.
const SUSPICION: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub(super) struct LossRatio {
    acked: u64,
    lost: u64,
    /// Ratio of each period, the latest first.
    periods: [Option<f64>; PERIODS],
    trial: Option<Trial>,
    suspected_at: Option<Instant>,
}

/// A cut whose effect is awaited.
#[derive(Clone, Copy, Debug)]
struct Trial {
    before: f64,
    /// Periods that still hold what was sent before the cut.
    mixed: u8,
}

impl LossRatio {
    pub(super) fn new() -> Self {
        Self {
            acked: 0,
            lost: 0,
            periods: [None; PERIODS],
            trial: None,
            suspected_at: None,
        }
    }

    pub(super) fn acked(&mut self, bytes: u64) {
        self.acked = self.acked.saturating_add(bytes);
    }

    pub(super) fn lost(&mut self, bytes: u64) {
        self.lost = self.lost.saturating_add(bytes);
    }

    /// More is lost than the path loses by itself.
    pub(super) fn is_excessive(&self, now: Instant, mtu: f64) -> bool {
        let packets = self.acked.saturating_add(self.lost) as f64 / mtu;
        let usual = self.usual();
        if self.is_suspected(now) && usual == Some(0.0) {
            // On a path that usually loses nothing, a loss is what it is to TCP.
            return true;
        }
        let (Some(least), Some(usual)) = (self.least(), usual) else {
            return false;
        };
        if packets < LEAST_PACKETS {
            return false;
        }
        let limit = if self.is_suspected(now) {
            usual + SUSPECT_MARGIN + 3.0 * (usual * (1.0 - usual) / packets).sqrt()
        } else {
            // One standard deviation of a ratio near a quarter is 0.43/√n.
            (2.0 * least + MARGIN).min(MOST) + 1.0 / packets.sqrt()
        };
        self.ratio() > limit
    }

    /// A policer was at work of late, or what acts like one.
    pub(super) fn is_suspected(&self, now: Instant) -> bool {
        self.suspected_at
            .is_some_and(|at| now.saturating_duration_since(at) < SUSPICION)
    }

    /// The window was cut for it.
    pub(super) fn cut(&mut self, now: Instant) {
        if self.is_suspected(now) {
            self.suspected_at = Some(now);
        }
        if self.trial.is_none() {
            let before = self.ratio();
            self.trial = Some(Trial { before, mixed: 2 });
        }
    }

    /// A round has ended, and with enough packets a period.
    pub(super) fn round(&mut self, now: Instant, mtu: f64) {
        if (self.acked.saturating_add(self.lost) as f64) < LEAST_PACKETS * mtu {
            return;
        }
        let ratio = self.ratio();
        match &mut self.trial {
            Some(trial) if trial.mixed > 0 => trial.mixed -= 1,
            Some(trial) if ratio > trial.before * UNMOVED => {
                self.periods = [None; PERIODS];
                self.suspected_at = None;
                self.trial = None;
                self.push(ratio);
            }
            Some(_) => {
                self.suspected_at = Some(now);
                self.trial = None;
                self.push(ratio);
            }
            None => self.push(ratio),
        }
        self.acked = 0;
        self.lost = 0;
    }

    fn push(&mut self, ratio: f64) {
        self.periods.rotate_right(1);
        self.periods[0] = Some(ratio);
    }

    fn ratio(&self) -> f64 {
        self.lost as f64 / self.acked.saturating_add(self.lost).max(1) as f64
    }

    /// The least of the last periods.
    fn least(&self) -> Option<f64> {
        self.periods.iter().flatten().copied().reduce(f64::min)
    }

    /// Their median.
    fn usual(&self) -> Option<f64> {
        let mut ratios = [f64::INFINITY; PERIODS];
        let mut count = 0;
        for ratio in self.periods.iter().flatten() {
            ratios[count] = *ratio;
            count += 1;
        }
        ratios[..count].sort_by(f64::total_cmp);
        ratios[..count].get(count / 2).copied()
    }
}
