//! How much the path loses, and whether that is more than it does by itself: the sign of a policer, or of a queue too short to see.
//!
//! Fed by `window` with bytes acked and lost, a period of some hundred packets at a time. Random loss does not depend on how much is sent; a
//! policer's does. So a loss that rose far is answered with a cut, and what follows is the evidence. A path whose loss goes on, and which
//! delivers less as less is sent, is acquitted: that is what it loses by itself. One that delivers the same though less is sent
//! is convicted, and suspected for a while: there, less is taken for random.

use std::time::{Duration, Instant};

/// Periods from which the path's own loss is told.
const PERIODS: usize = 16;
/// Above twice the path's own loss, this much more is excessive.
const MARGIN: f64 = 0.1;
/// So much is excessive on any path.
const MOST: f64 = 0.25;
/// No path is believed to lose more than that by itself.
const MOST_OWN: f64 = 0.2;
/// The same on a suspected path, above its usual loss: BBRv2's threshold (draft-cardwell-iccrg-bbr-congestion-control §2.7).
const SUSPECT_MARGIN: f64 = 0.02;
/// A period has at least this many packets: with fewer, a single burst would be a ratio.
const LEAST_PACKETS: f64 = 256.0;
/// A loss that stays above this part of what it was before a cut goes on.
const PERSISTS: f64 = 0.3;
/// How long a path is suspected after its first conviction; each other one doubles that.
const SUSPICION: Duration = Duration::from_secs(10);
const MOST_DOUBLINGS: u32 = 3;

#[derive(Clone, Debug)]
pub(super) struct LossRatio {
    acked: u64,
    lost: u64,
    /// Ratio of each period, the latest first.
    periods: [Option<f64>; PERIODS],
    trial: Option<Trial>,
    suspected_until: Option<Instant>,
    convictions: u32,
}

/// A cut whose effect is awaited.
#[derive(Clone, Copy, Debug)]
struct Trial {
    /// Loss before, and what was delivered, in bytes per second.
    ratio: f64,
    rate: f64,
    /// What the cut left of the window.
    left: f64,
    stage: Stage,
    /// The stage ends when what was sent after its start is acked.
    start: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// What was sent before the cut arrives.
    Before,
    /// The sender was silent until less was in flight.
    Between,
    /// What was sent after the cut arrives.
    After,
}

/// What a cut showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The path loses that by itself.
    Acquitted,
    /// The loss was the window's doing.
    Convicted,
}

impl LossRatio {
    pub(super) fn new() -> Self {
        Self {
            acked: 0,
            lost: 0,
            periods: [None; PERIODS],
            trial: None,
            suspected_until: None,
            convictions: 0,
        }
    }

    /// So many bytes were acked, the newest sent then.
    pub(super) fn acked(&mut self, now: Instant, newest: Instant, bytes: u64) {
        self.acked = self.acked.saturating_add(bytes);
        let Some(trial) = &mut self.trial else {
            return;
        };
        if newest < trial.start || trial.stage == Stage::After {
            return;
        }
        if trial.stage == Stage::Before {
            trial.rate = rate(self.acked, trial.start, now);
            trial.stage = Stage::Between;
        } else {
            trial.stage = Stage::After;
        }
        trial.start = now;
        self.start_period();
    }

    pub(super) fn lost(&mut self, bytes: u64) {
        self.lost = self.lost.saturating_add(bytes);
    }

    /// More is lost than the path loses by itself.
    pub(super) fn is_excessive(&self, now: Instant, mtu: f64) -> bool {
        if self.trial.is_some() {
            return false;
        }
        let packets = self.acked.saturating_add(self.lost) as f64 / mtu;
        let usual = self.usual();
        if self.is_suspected(now) && usual == 0.0 {
            // On a path that usually loses nothing, a loss is what it is to TCP.
            return true;
        }
        if packets < LEAST_PACKETS {
            return false;
        }
        let limit = if self.is_suspected(now) {
            usual + SUSPECT_MARGIN + 3.0 * (usual * (1.0 - usual) / packets).sqrt()
        } else {
            // One standard deviation of a ratio near a quarter is 0.43/√n, near a tenth 0.3/√n.
            let least = self.least().unwrap_or(0.0);
            (2.0 * least + MARGIN).min(MOST) + 0.5 / packets.sqrt()
        };
        self.ratio() > limit
    }

    /// A policer was at work of late, or what acts like one.
    pub(super) fn is_suspected(&self, now: Instant) -> bool {
        self.suspected_until.is_some_and(|until| now < until)
    }

    /// The window was cut for it to this share.
    pub(super) fn cut(&mut self, now: Instant, left: f64) {
        self.trial = Some(Trial {
            ratio: self.ratio(),
            rate: 0.0,
            left,
            stage: Stage::Before,
            start: now,
        });
        self.start_period();
    }

    /// A round has ended, and with enough packets a period.
    pub(super) fn round(&mut self, now: Instant, mtu: f64) -> Option<Verdict> {
        let waits = self.trial.is_some_and(|trial| trial.stage != Stage::After);
        if waits || (self.acked.saturating_add(self.lost) as f64) < LEAST_PACKETS * mtu {
            return None;
        }
        let ratio = self.ratio();
        let verdict = match self.trial.take() {
            Some(trial) => trial.verdict(ratio, rate(self.acked, trial.start, now)),
            None => None,
        };
        self.start_period();
        match verdict {
            Some(Verdict::Convicted) => {
                let doublings = self.convictions.min(MOST_DOUBLINGS);
                self.suspected_until = Some(now + SUSPICION * 2u32.pow(doublings));
                self.convictions = self.convictions.saturating_add(1);
                self.periods = [None; PERIODS];
                self.push(0.0);
            }
            Some(Verdict::Acquitted) => {
                self.periods = [None; PERIODS];
                self.push(ratio.min(MOST_OWN));
            }
            None => self.push(ratio),
        }
        verdict
    }

    /// Hardly more is lost at present than the path's own loss.
    pub(super) fn is_usual(&self, mtu: f64) -> bool {
        let packets = self.acked.saturating_add(self.lost) as f64 / mtu;
        let least = self.least().unwrap_or(0.0);
        packets < LEAST_PACKETS / 4.0 || self.ratio() <= 1.5 * least + SUSPECT_MARGIN + 1.0 / packets.sqrt()
    }

    fn start_period(&mut self) {
        self.acked = 0;
        self.lost = 0;
    }

    fn push(&mut self, ratio: f64) {
        self.periods.rotate_right(1);
        self.periods[0] = Some(ratio);
    }

    pub(super) fn ratio(&self) -> f64 {
        self.lost as f64 / self.acked.saturating_add(self.lost).max(1) as f64
    }

    /// The least of the last periods.
    pub(super) fn least(&self) -> Option<f64> {
        self.periods.iter().flatten().copied().reduce(f64::min)
    }

    /// Their median; none is nothing.
    pub(super) fn usual(&self) -> f64 {
        let mut ratios = [f64::INFINITY; PERIODS];
        let mut count = 0;
        for ratio in self.periods.iter().flatten() {
            ratios[count] = *ratio;
            count += 1;
        }
        ratios[..count].sort_by(f64::total_cmp);
        ratios[..count].get(count / 2).copied().unwrap_or(0.0)
    }
}

impl Trial {
    /// None when the loss ended by itself, it seems: a burst does, and so does TCP's small loss at a policer's edge.
    fn verdict(&self, ratio: f64, rate: f64) -> Option<Verdict> {
        // Delivery fell by less than a quarter of what the window did.
        if rate > self.rate * (3.0 + self.left) / 4.0 {
            Some(Verdict::Convicted)
        } else if ratio > self.ratio * PERSISTS {
            Some(Verdict::Acquitted)
        } else {
            None
        }
    }
}

fn rate(bytes: u64, start: Instant, now: Instant) -> f64 {
    bytes as f64 / now.saturating_duration_since(start).as_secs_f64().max(1e-6)
}
