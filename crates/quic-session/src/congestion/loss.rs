//! How much the path loses, and whether that is more than it did: the sign of a policer, or of a queue too short to see.
//!
//! Fed by `window` with bytes acked and lost, a round at a time, or several where a round has few packets.

/// Rounds over which the least is what the path loses by itself.
const ROUNDS: usize = 16;
/// Above twice the path's own loss, this much more counts.
const MARGIN: f64 = 0.1;
/// So much counts on any path.
const MOST: f64 = 0.3;
/// Fewer packets say nothing: a single burst would be a ratio.
const LEAST_PACKETS: f64 = 256.0;
/// A loss that stays above this part of what it was after a cut was not the window's doing.
const UNMOVED: f64 = 0.6;

#[derive(Clone, Debug)]
pub(super) struct LossRatio {
    acked: u64,
    lost: u64,
    /// Ratio of each round, the latest first.
    rounds: [Option<f64>; ROUNDS],
    /// Ratio that led to a cut, and the rounds until its effect can be seen.
    trial: Option<(f64, u8)>,
}

impl LossRatio {
    pub(super) fn new() -> Self {
        Self {
            acked: 0,
            lost: 0,
            rounds: [None; ROUNDS],
            trial: None,
        }
    }

    pub(super) fn acked(&mut self, bytes: u64) {
        self.acked = self.acked.saturating_add(bytes);
    }

    pub(super) fn lost(&mut self, bytes: u64) {
        self.lost = self.lost.saturating_add(bytes);
    }

    /// What the path loses by itself: the least ratio of the last rounds.
    pub(super) fn own(&self) -> Option<f64> {
        self.rounds.iter().flatten().copied().reduce(f64::min)
    }

    /// This round loses far more than the path does by itself.
    pub(super) fn is_excessive(&self, mtu: f64) -> bool {
        let packets = (self.acked + self.lost) as f64 / mtu;
        let Some(own) = self.own() else {
            return false;
        };
        // One standard deviation of a ratio near a quarter is 0.43/√n, so this is more than two of them.
        let chance = 1.0 / packets.max(1.0).sqrt();
        packets >= LEAST_PACKETS && self.ratio() > (2.0 * own + MARGIN).min(MOST) + chance
    }

    /// The window was cut for it.
    pub(super) fn cut(&mut self) {
        // The round of the cut and the next still hold what was sent before.
        self.trial = Some((self.ratio(), 2));
    }

    /// A round has ended: with enough packets, alone or with those before it, it tells a ratio.
    pub(super) fn round(&mut self, mtu: f64) {
        if ((self.acked + self.lost) as f64) < LEAST_PACKETS * mtu {
            return;
        }
        let ratio = self.ratio();
        match self.trial {
            Some((before, 0)) => {
                if ratio > before * UNMOVED {
                    self.rounds = [None; ROUNDS];
                }
                self.trial = None;
                self.push(ratio);
            }
            Some((before, rounds)) => self.trial = Some((before, rounds - 1)),
            None => self.push(ratio),
        }
        self.acked = 0;
        self.lost = 0;
    }

    fn push(&mut self, ratio: f64) {
        self.rounds.rotate_right(1);
        self.rounds[0] = Some(ratio);
    }

    fn ratio(&self) -> f64 {
        self.lost as f64 / (self.acked + self.lost).max(1) as f64
    }
}
