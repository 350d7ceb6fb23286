//! From a quality between two rungs to a rung for each frame, right on average.
//!
//! Fed with what a policy wants; feeds the cache. What a frame lacks or has too much is carried over to the next (error
//! diffusion), and a rung is kept until that has grown to [`BAND_FRAMES`] frames, so that pictures do not flicker.

use crate::Quality;

/// Frames' worth of difference before the rung changes: with 2, a run is mostly 3 to 8 frames long, and a second at
/// 30 fps is off by at most a seventh of the distance between the rungs.
const BAND_FRAMES: f64 = 2.0;

#[derive(Debug, Clone, Default)]
pub(crate) struct Mixer {
    current: Option<Quality>,
    /// Quality owed, summed over frames: above 0 when less was sent than was wanted.
    owed: f64,
}

impl Mixer {
    /// The rung for the next frame.
    pub(crate) fn next(&mut self, wanted: f64, rungs: &[Quality]) -> Quality {
        let number = |quality: &Quality| f64::from(quality.get());
        let below = rungs.iter().rev().find(|rung| number(rung) <= wanted);
        let above = rungs.iter().find(|rung| number(rung) >= wanted);
        let (low, high) = match (below, above) {
            (Some(&low), Some(&high)) => (low, high),
            (Some(&only), None) | (None, Some(&only)) => (only, only),
            (None, None) => return Quality::MIN,
        };
        let band = BAND_FRAMES * (number(&high) - number(&low));
        let chosen = match self.current {
            _ if self.owed > band => high,
            _ if self.owed < -band => low,
            Some(current) if current == low || current == high => current,
            _ if wanted - number(&low) < number(&high) - wanted => low,
            _ => high,
        };
        // Bounded, or what could not be had would be made up for long after.
        let bound = band + (number(&high) - number(&low));
        self.owed = (self.owed + wanted - number(&chosen)).clamp(-bound, bound);
        self.current = Some(chosen);
        chosen
    }

    /// Forgets what is owed: the target has changed.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_average_a_quality_between_rungs_is_what_was_wanted() {
        let rungs = [30, 50, 70, 90].map(|quality| Quality::new(quality).unwrap());
        for wanted in [30.0, 34.5, 50.0, 57.0, 60.0, 69.0, 83.3, 90.0] {
            let mut mixer = Mixer::default();
            let sent: Vec<_> = (0..300).map(|_| mixer.next(wanted, &rungs)).collect();
            let mean = sent.iter().map(|q| f64::from(q.get())).sum::<f64>() / 300.0;
            assert!((mean - wanted).abs() < 0.3, "{mean} for {wanted}");
            let changes = sent.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(changes <= 100, "{changes} changes for {wanted}");
        }
    }
}
