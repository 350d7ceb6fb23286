//! Chance that replays: the same seed gives the same numbers everywhere.
//!
//! Seeded by the pool; feeds the pauses of [`retry`](super::retry).

use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
/// Spreads requests in time; no secret depends on it.
#[derive(Debug, Clone)]
pub struct Jitter {
    state: u64,
}

impl Jitter {
    /// The generator of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// 64 uniform bits; also the seed for a generator of its own.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A uniform time from zero to `most`.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        let fraction = (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        most.mul_f64(fraction)
    }
}
