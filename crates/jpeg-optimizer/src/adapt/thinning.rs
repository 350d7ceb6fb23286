//! Frames that are left out because even the worst quality costs more than the target.
//!
//! A token bucket: the target fills it, each frame empties it by its bytes. What is left out is spread evenly, and the
//! bitrate of what remains is the target. Pure: `now` is an argument.

use std::time::{Duration, Instant};

use crate::Bitrate;

/// Seconds of the target that may be sent too much before a frame is left out: a scene that costs more for a moment is
/// made up for by the policy.
const LENIENCE_SECONDS: f64 = 0.25;
/// The longest time without a frame, whatever the target: a picture that never moves is taken for a dead stream.
const LONGEST_GAP: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Default)]
pub(crate) struct Thinning {
    filled_at: Option<Instant>,
    /// 0 at most; what was sent too much is below.
    credit_bytes: f64,
    /// What the last frame cost.
    frame_bytes: usize,
}

impl Thinning {
    /// Whether a frame at the worst quality goes out `now`.
    pub(crate) fn takes(&mut self, now: Instant, target: Bitrate) -> bool {
        let rate = target.bytes_per_second();
        let last = self.filled_at.replace(now).unwrap_or(now);
        let passed = now.saturating_duration_since(last).as_secs_f64();
        let most_owed = rate * (LONGEST_GAP.as_secs_f64() + LENIENCE_SECONDS);
        // What was owed at a higher target is not waited for longer than a gap.
        self.credit_bytes = (self.credit_bytes.max(-most_owed) + rate * passed).min(0.0);
        self.credit_bytes >= -LENIENCE_SECONDS * rate
    }

    /// A frame went out.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.credit_bytes -= bytes as f64;
        self.frame_bytes = bytes;
    }

    /// What a frame that was left out would have cost, as far as is known.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    /// Quality alone holds the target.
    pub(crate) fn rest(&mut self) {
        self.credit_bytes = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds at which frames of `bytes` go out of ten seconds at 30 fps.
    fn sent_of_10_s(bytes: usize, target_bps: u64) -> Vec<f64> {
        let (mut thinning, start) = (Thinning::default(), Instant::now());
        let target = Bitrate::new(target_bps).unwrap();
        let seconds = (0..300).map(|frame| f64::from(frame) / 30.0);
        let taken = |&second: &f64| {
            let takes = thinning.takes(start + Duration::from_secs_f64(second), target);
            if takes {
                thinning.sent(bytes);
            }
            takes
        };
        seconds.filter(taken).collect()
    }

    fn gaps(sent: &[f64]) -> impl Iterator<Item = f64> {
        sent.windows(2).map(|pair| pair[1] - pair[0])
    }

    #[test]
    fn what_remains_is_even_and_costs_the_target() {
        // 7.5 Mbit/s at 30 fps, 800 kbit/s wanted: 3.2 fps.
        let sent = sent_of_10_s(31_250, 800_000);
        assert!((32..=34).contains(&sent.len()), "{}", sent.len());
        assert!(gaps(&sent[1..]).all(|gap| (0.29..0.35).contains(&gap)));
        assert_eq!(sent[0], 0.0, "the first frame goes out at once");
    }

    #[test]
    fn a_target_that_holds_costs_no_frame() {
        assert_eq!(sent_of_10_s(3_333, 800_000).len(), 300);
    }

    #[test]
    fn a_picture_comes_every_five_seconds_whatever_the_target() {
        let sent = sent_of_10_s(1_000_000, 10_000);
        assert_eq!(sent.len(), 2, "{sent:?}");
        assert!(gaps(&sent).all(|gap| gap < 5.1), "{sent:?}");
    }

    #[test]
    fn a_lower_target_does_not_wait_for_what_was_owed_at_a_higher_one() {
        let (mut thinning, start) = (Thinning::default(), Instant::now());
        let [high, low] = [80_000_000, 10_000].map(|bps| Bitrate::new(bps).unwrap());
        assert!(thinning.takes(start, high));
        thinning.sent(30_000_000);
        let later = start + LONGEST_GAP + Duration::from_millis(1);
        assert!(!thinning.takes(start, low));
        assert!(thinning.takes(later, low));
    }
}
