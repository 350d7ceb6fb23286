//! How long a lane's messages are: what the lane takes, and less on a slow path.
//!
//! Fed with pongs and acks of the frames that a lane carried; feeds the encoder, which cuts a frame into equal
//! pieces of at most that length. What a lane carries waits behind the message before it, so a message
//! should not take longer to send than an ack, a ping or another channel's message may wait.

use std::time::{Duration, Instant};

use crate::limits::{GOODPUT_SAMPLES, MIN_PATH_MESSAGE_BYTES};

/// The longest message with a chunk, in bytes: `limit` where nothing is known of the path, else what the path
/// carries within `time`; at least [`MIN_PATH_MESSAGE_BYTES`], and never above `limit`.
pub(super) fn message_bytes(
    limit: usize,
    goodput: Option<Goodput>,
    time: Option<Duration>,
) -> usize {
    let (Some(goodput), Some(time)) = (goodput, time) else {
        return limit;
    };
    goodput
        .bytes_within(time)
        .max(MIN_PATH_MESSAGE_BYTES)
        .min(limit)
}

/// Payload bytes a second that reached the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Goodput {
    bytes_per_second: u64,
}

impl Goodput {
    fn of(bytes: u64, elapsed: Duration) -> Self {
        let micros = elapsed.as_micros().max(1);
        let bytes_per_second = u128::from(bytes) * 1_000_000 / micros;
        Self {
            bytes_per_second: u64::try_from(bytes_per_second).unwrap_or(u64::MAX),
        }
    }

    fn bytes_within(self, time: Duration) -> usize {
        let bytes = u128::from(self.bytes_per_second) * time.as_micros() / 1_000_000;
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}

/// What one lane's acks and pongs tell of its path.
#[derive(Debug, Default)]
pub(super) struct Path {
    acked_bytes: u64,
    shortest_rtt: Option<Duration>,
    /// The latest samples, in a ring.
    samples: [Option<Goodput>; GOODPUT_SAMPLES],
    next: usize,
}

/// When a frame's first byte was handed to a lane, and what had been acknowledged there by then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    at: Instant,
    acked_bytes: u64,
}

impl Path {
    pub(super) fn begin(&self, now: Instant) -> Begun {
        Begun {
            at: now,
            acked_bytes: self.acked_bytes,
        }
    }

    pub(super) fn pong(&mut self, rtt: Duration) {
        self.shortest_rtt = Some(self.shortest_rtt.map_or(rtt, |known| known.min(rtt)));
    }

    /// A frame of `bytes` that began at `begun` was acknowledged. All that was acknowledged since then
    /// has passed in the time since then, less one round trip in which nothing of it could be. On a path that was not
    /// full that is more than was measured, so a wrong figure is too high, and leaves the messages long.
    pub(super) fn acked(&mut self, now: Instant, begun: Begun, bytes: u64) {
        self.acked_bytes += bytes;
        let Some(rtt) = self.shortest_rtt else {
            return;
        };
        let elapsed = now.saturating_duration_since(begun.at);
        let sample = Goodput::of(
            self.acked_bytes - begun.acked_bytes,
            elapsed.saturating_sub(rtt),
        );
        self.samples[self.next % GOODPUT_SAMPLES] = Some(sample);
        self.next = (self.next + 1) % GOODPUT_SAMPLES;
    }

    /// The best of the latest samples: acks that came late for another reason say too little.
    pub(super) fn goodput(&self) -> Option<Goodput> {
        self.samples.iter().copied().flatten().max()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIME: Option<Duration> = Some(Duration::from_millis(10));

    fn goodput(bytes_per_second: u64) -> Option<Goodput> {
        Some(Goodput { bytes_per_second })
    }

    proptest! {
        #[test]
        fn within_bounds_and_rising_with_the_path(
            limit in 256usize..1 << 20,
            slow in any::<u64>(),
            quick in any::<u64>(),
            millis in 1u64..1000,
        ) {
            let time = Some(Duration::from_millis(millis));
            let (slow, quick) = (slow.min(quick), slow.max(quick));
            let bytes = |bytes_per_second| message_bytes(limit, goodput(bytes_per_second), time);
            prop_assert!(bytes(slow) <= bytes(quick));
            prop_assert!(bytes(quick) <= limit);
            prop_assert!(bytes(slow) >= limit.min(MIN_PATH_MESSAGE_BYTES));
            prop_assert!(bytes(slow) <= message_bytes(limit, None, time));
        }

        /// A path of a known rate and round trip that is kept full is measured as that rate.
        #[test]
        fn a_full_path_tells_its_rate(rate in 10_000u64..5_000_000, rtt_ms in 1u64..300, frame in 5_000u64..200_000) {
            let start = Instant::now();
            let (mut path, rtt) = (Path::default(), Duration::from_millis(rtt_ms));
            path.pong(rtt);
            let mut begun = std::collections::VecDeque::new();
            let arrived = |n: u64| start + rtt + Duration::from_micros(n * frame * 1_000_000 / rate);
            let mut now = start;
            for n in 0..40 {
                while begun.len() < 2 {
                    begun.push_back(path.begin(now));
                }
                now = arrived(n + 1);
                path.acked(now, begun.pop_front().unwrap(), frame);
            }
            let measured = path.goodput().unwrap().bytes_per_second;
            prop_assert!(measured >= rate * 95 / 100, "{measured} of {rate}");
            // One round trip is left out of the time of two frames.
            let two_frames = 2.0 * frame as f64 / rate as f64;
            let over = two_frames / (two_frames - rtt.as_secs_f64()).max(1e-6);
            prop_assert!((measured as f64) <= rate as f64 * over.max(1.0) * 1.05, "{measured} of {rate}");
        }
    }

    #[test]
    fn nothing_known_changes_nothing() {
        let mut path = Path::default();
        assert_eq!(message_bytes(16_384, path.goodput(), TIME), 16_384);
        let now = Instant::now();
        let begun = path.begin(now);
        path.acked(now + Duration::from_secs(10), begun, 1000);
        assert_eq!(path.goodput(), None, "the round trip is not known");
        path.pong(Duration::from_millis(50));
        path.acked(now + Duration::from_secs(10), begun, 1000);
        assert_eq!(message_bytes(16_384, path.goodput(), None), 16_384);
        assert_eq!(
            message_bytes(16_384, path.goodput(), TIME),
            MIN_PATH_MESSAGE_BYTES
        );
    }

    #[test]
    fn a_path_that_changes_is_followed() {
        let (mut path, start) = (Path::default(), Instant::now());
        let rtt = Duration::from_millis(20);
        path.pong(rtt);
        let frame_in = |path: &mut Path, millis| {
            let begun = path.begin(start);
            path.acked(start + rtt + Duration::from_millis(millis), begun, 40_000);
        };
        frame_in(&mut path, 1);
        assert_eq!(message_bytes(16_384, path.goodput(), TIME), 16_384);
        (0..GOODPUT_SAMPLES).for_each(|_| frame_in(&mut path, 400));
        assert_eq!(message_bytes(16_384, path.goodput(), TIME), 1_100);
        frame_in(&mut path, 100);
        assert_eq!(message_bytes(16_384, path.goodput(), TIME), 4_000);
    }
}
