//! From what a connection holds to what its link carries, and whether anybody reads at its other end.
//!
//! Fed with looks at a [`super::SendSide`]; feeds the client's rate. Pure: `now` is an argument.

use std::time::{Duration, Instant};

use jpeg_optimizer::{LinkSample, TcpMeter, TcpQueue};

use super::kernel::Held;

/// The longest that what is not sent yet is taken to need, however slow the link.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// A connection's send side at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SendState {
    /// Handed to the kernel since it was opened.
    pub(crate) written_bytes: u64,
    /// Times that the kernel had taken everything.
    pub(crate) flushes: u64,
    /// What it still holds, where it tells.
    pub(crate) held: Option<Held>,
}

/// One connection over time.
#[derive(Debug)]
pub(crate) struct SendMeter {
    goodput: TcpMeter,
    shortest_round_trip: Option<Duration>,
    /// What had left the kernel when it last changed, or nothing waited, and when that was.
    progress: (u64, Instant),
    /// Since when a part waits to be taken by the kernel, and the flushes before.
    offered: Option<(Instant, u64)>,
}

impl SendMeter {
    /// A connection that holds nothing.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            goodput: TcpMeter::new(),
            shortest_round_trip: None,
            progress: (0, now),
            offered: None,
        }
    }

    /// A part was given to the server, which had flushed so often.
    pub(crate) fn offered(&mut self, now: Instant, flushes: u64) {
        self.offered = Some((now, flushes));
    }

    /// A look; a few each second.
    pub(crate) fn sample(&mut self, now: Instant, state: SendState) -> LinkSample {
        if self
            .offered
            .is_some_and(|(_, before)| state.flushes > before)
        {
            self.offered = None;
        }
        let queue = TcpQueue {
            written_bytes: state.written_bytes,
            queued_bytes: state.held.map_or(0, |held| held.unacked_bytes),
        };
        let left = queue.written_bytes.saturating_sub(queue.queued_bytes);
        let waits = queue.queued_bytes > 0 || self.offered.is_some();
        if left != self.progress.0 || !waits {
            self.progress = (left, now);
        }
        let sample = self.goodput.sample(now, queue);
        // Until the kernel takes it, a part waits above.
        let above = self
            .offered
            .map_or(Duration::ZERO, |(at, _)| now.saturating_duration_since(at));
        let below = state
            .held
            .map_or(Duration::ZERO, |held| self.delay(held, sample.goodput_bps));
        LinkSample {
            queue_delay: above.max(below),
            ..sample
        }
    }

    /// What is not sent yet needs its time at this rate, and what stands in the path shows in its round trip.
    fn delay(&mut self, held: Held, goodput_bps: Option<f64>) -> Duration {
        let shortest = *self
            .shortest_round_trip
            .insert(match self.shortest_round_trip {
                Some(shortest) if shortest <= held.round_trip => shortest,
                _ => held.round_trip,
            });
        let unsent = match goodput_bps {
            Some(bps) if held.unsent_bytes > 0 => {
                let seconds = held.unsent_bytes as f64 * 8.0 / bps.max(1.0);
                Duration::from_secs_f64(seconds.min(MAX_DELAY.as_secs_f64()))
            }
            _ => Duration::ZERO,
        };
        unsent + held.round_trip.saturating_sub(shortest)
    }

    /// How long nothing has been taken at the other end though something waits; as of the last look.
    pub(crate) fn stalled_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.progress.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(written_bytes: u64, unacked_bytes: u64, unsent_bytes: u64) -> SendState {
        SendState {
            written_bytes,
            flushes: 0,
            held: Some(Held {
                unacked_bytes,
                unsent_bytes,
                round_trip: Duration::from_millis(80),
            }),
        }
    }

    #[test]
    fn bytes_on_a_long_path_are_no_delay_and_bytes_that_wait_are() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut meter = SendMeter::new(start);
        for tick in 0..=10 {
            // 1 Mbit/s, of which 10 kB are always under way.
            let sample = meter.sample(at(tick * 250), state(tick * 31_250 + 10_000, 10_000, 0));
            assert_eq!(sample.queue_delay, Duration::ZERO);
        }
        let sample = meter.sample(at(2_750), state(343_750 + 60_000, 60_000, 50_000));
        assert!(
            sample.queue_delay > Duration::from_millis(300),
            "{sample:?}"
        );
        assert_eq!(meter.stalled_for(at(2_750)), Duration::ZERO);
    }

    #[test]
    fn a_client_that_reads_nothing_is_stalled_and_one_without_frames_is_not() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let (mut reads, mut stops) = (SendMeter::new(start), SendMeter::new(start));
        for second in 0..=60 {
            reads.sample(at(second), state(1000, 0, 0));
            stops.sample(at(second), state(1000 + 64_000, 64_000, 64_000));
        }
        assert_eq!(stops.stalled_for(at(60)), Duration::from_secs(60));
        assert_eq!(reads.stalled_for(at(60)), Duration::ZERO);
    }

    #[test]
    fn where_the_kernel_does_not_tell_the_time_to_accept_a_part_counts() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut meter = SendMeter::new(start);
        let untold = |flushes| SendState {
            written_bytes: 5000,
            flushes,
            held: None,
        };
        meter.offered(at(1), 3);
        assert_eq!(
            meter.sample(at(2), untold(3)).queue_delay,
            Duration::from_secs(1)
        );
        assert_eq!(meter.sample(at(3), untold(4)).queue_delay, Duration::ZERO);
        meter.offered(at(3), 4);
        for second in 4..40 {
            meter.sample(at(second), untold(4));
        }
        assert_eq!(meter.stalled_for(at(40)), Duration::from_secs(37));
    }
}
