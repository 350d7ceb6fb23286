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
/// Flows of ours that see their queue lose less than half of that in it.
const NOTICEABLE: f64 = 0.02;
/// A period has at least this many packets: with fewer, a single burst would be a ratio.
const LEAST_PACKETS: f64 = 256.0;
/// A loss that stays above this part of what it was before a cut goes on.
const PERSISTS: f64 = 0.3;
/// Loss comes in bursts, so that its ratio deviates by so many times what single losses would.
const BURST: f64 = 2.0;
/// A cut that left more than this share of what was in flight is no evidence.
const LEAST_TRIAL: f64 = 0.8;
const MIXED_ROUNDS: u8 = 2;
/// How long a path is suspected after its first conviction; each other one doubles that.
const SUSPICION: Duration = Duration::from_millis(2500);
const MOST_DOUBLINGS: u32 = 5;

#[derive(Clone, Debug)]
pub(super) struct LossRatio {
    acked: u64,
    lost: u64,
    /// Ratio of each period, the latest first.
    periods: [Option<f64>; PERIODS],
    trial: Option<Trial>,
    suspicion: Option<Suspicion>,
    convictions: u32,
}

/// After a conviction.
#[derive(Clone, Copy, Debug)]
struct Suspicion {
    until: Instant,
    /// Rounds that still hold what was sent before the window was set below what the path delivers.
    mixed: u8,
    /// What the path lost right after: its own loss, until the suspicion ends.
    own: Option<f64>,
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
            suspicion: None,
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
        let packets = self.packets(mtu);
        let limit = match self.suspected(now) {
            // Too early to say.
            Some(Suspicion { own: None, .. }) => return false,
            // On a path that loses nothing by itself, a loss is what it is to TCP.
            Some(Suspicion { own: Some(0.0), .. }) => return true,
            Some(Suspicion { own: Some(own), .. }) => {
                own.min(MOST_OWN) + SUSPECT_MARGIN + 3.0 * BURST * (own / packets.max(1.0)).sqrt()
            }
            None if self.trial.is_some() => return false,
            None => {
                // One standard deviation of a ratio near a quarter is 0.43/√n, near a tenth 0.3/√n.
                let least = self.least().unwrap_or(0.0);
                (2.0 * least + MARGIN).min(MOST) + 0.5 / packets.max(1.0).sqrt()
            }
        };
        packets >= LEAST_PACKETS && self.ratio() > limit
    }

    /// A policer was at work of late, or what acts like one.
    pub(super) fn is_suspected(&self, now: Instant) -> bool {
        self.suspected(now).is_some()
    }

    fn suspected(&self, now: Instant) -> Option<Suspicion> {
        self.suspicion.filter(|suspicion| now < suspicion.until)
    }

    /// The window was cut for it to this share of what was in flight.
    pub(super) fn cut(&mut self, now: Instant, left: f64) {
        if left > LEAST_TRIAL || self.is_suspected(now) {
            return;
        }
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
        if self.is_suspected(now) {
            self.round_of_suspect(mtu);
            return None;
        }
        let waits = self.trial.is_some_and(|trial| trial.stage != Stage::After);
        if waits || self.packets(mtu) < LEAST_PACKETS {
            return None;
        }
        let ratio = self.ratio();
        let verdict = match self.trial.take() {
            Some(trial) => trial.verdict(ratio, rate(self.acked, trial.start, now)),
            None => None,
        };
        self.start_period();
        match verdict {
            Some(Verdict::Convicted) => self.convict(now),
            Some(Verdict::Acquitted) => {
                self.convictions = 0;
                self.periods = [None; PERIODS];
                self.push(ratio.min(MOST_OWN));
            }
            None => self.push(ratio),
        }
        verdict
    }

    fn convict(&mut self, now: Instant) {
        let doublings = self.convictions.min(MOST_DOUBLINGS);
        self.convictions = self.convictions.saturating_add(1);
        self.suspicion = Some(Suspicion {
            until: now + SUSPICION * 2u32.pow(doublings),
            mixed: MIXED_ROUNDS,
            own: None,
        });
        self.periods = [None; PERIODS];
    }

    fn round_of_suspect(&mut self, mtu: f64) {
        let (packets, ratio) = (self.packets(mtu), self.ratio());
        let Some(suspicion) = &mut self.suspicion else {
            return;
        };
        let ends = if suspicion.mixed > 0 {
            suspicion.mixed -= 1;
            true
        } else if suspicion.own.is_none() {
            let enough = packets >= 2.0 * LEAST_PACKETS;
            suspicion.own = enough.then_some(ratio);
            enough
        } else {
            packets >= LEAST_PACKETS
        };
        if ends {
            self.start_period();
        }
    }

    fn packets(&self, mtu: f64) -> f64 {
        self.acked.saturating_add(self.lost) as f64 / mtu
    }

    /// More is lost than in a bottleneck that is shared well.
    pub(super) fn is_noticeable(&self, mtu: f64) -> bool {
        let packets = self.packets(mtu);
        let latest = self.periods[0].unwrap_or(0.0);
        latest > NOTICEABLE || packets >= LEAST_PACKETS / 4.0 && self.ratio() > 2.0 * NOTICEABLE
    }

    /// Hardly more is lost at present than the path's own loss.
    pub(super) fn is_usual(&self, mtu: f64) -> bool {
        let packets = self.packets(mtu);
        let least = self.least().unwrap_or(0.0);
        packets < LEAST_PACKETS / 4.0
            || self.ratio() <= 1.5 * least + SUSPECT_MARGIN + 1.0 / packets.sqrt()
    }

    fn start_period(&mut self) {
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
}

impl Trial {
    /// None when the loss ended by itself, it seems, as a burst does.
    fn verdict(&self, ratio: f64, rate: f64) -> Option<Verdict> {
        // Delivery fell by less than a quarter of what the window did.
        let unmoved = rate > self.rate * (3.0 + self.left) / 4.0;
        // The packets before the cut tell the same, by at least half: as much was lost as the cut then left away.
        let fell = 1.0 - self.ratio <= (1.0 + self.left) / 2.0 * (1.0 - ratio);
        let fell = fell || ratio > MOST_OWN;
        if unmoved && fell {
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
