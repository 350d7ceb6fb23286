//! Which packets a link loses for reasons other than a full queue.

use super::rng::Rng;

/// A link's loss process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Each packet alone, with this probability.
    Random(f64),
    /// Gilbert–Elliott (Gilbert 1960, Elliott 1963): a good state that loses nothing and a bad one that loses half.
    Burst {
        /// Share of packets lost over a long time.
        mean: f64,
        /// Mean length of a bad spell, in packets.
        spell: f64,
    },
}

/// In a bad spell every second packet is lost.
const BAD: f64 = 0.5;

pub(super) struct LossState {
    loss: Loss,
    bad: bool,
}

impl LossState {
    pub(super) fn new(loss: Loss) -> Self {
        Self { loss, bad: false }
    }

    pub(super) fn loses(&mut self, rng: &mut Rng) -> bool {
        match self.loss {
            Loss::Random(p) => rng.chance(p),
            Loss::Burst { mean, spell } => {
                // Share of time in the bad state: mean / BAD.
                let share = mean / BAD;
                let leave = 1.0 / spell;
                let enter = leave * share / (1.0 - share);
                self.bad = if self.bad {
                    !rng.chance(leave)
                } else {
                    rng.chance(enter)
                };
                self.bad && rng.chance(BAD)
            }
        }
    }
}
