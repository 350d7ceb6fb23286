//! Round-trip time from SCTP's own acknowledgements: the session tells it when bytes are written and acknowledged.
//!
//! An ICE-lite endpoint sends no connectivity checks, so ICE gives it no RTT, and str0m does not show SCTP's. A message
//! written while nothing was buffered is acknowledged one round trip (and its own serialisation) later; those are timed.

use std::time::{Duration, Instant};

/// Times one message at a time and smooths as RFC 6298 §2 does (gain 1/8).
#[derive(Debug, Default)]
pub(crate) struct AckClock {
    written_bytes: u64,
    probe: Option<Probe>,
    smoothed: Option<Duration>,
    shortest: Option<Duration>,
    acked_bytes: u64,
}

#[derive(Debug)]
struct Probe {
    written_at: Instant,
    acked_when_bytes: u64,
}

impl AckClock {
    /// A message went into the send buffer, `buffered_before` bytes were in it.
    pub(crate) fn written(&mut self, now: Instant, bytes: usize, buffered_before: usize) {
        self.written_bytes += bytes as u64;
        if self.probe.is_none() && buffered_before == 0 {
            self.probe = Some(Probe {
                written_at: now,
                acked_when_bytes: self.written_bytes,
            });
        }
    }

    /// `buffered` of the bytes written are still unacknowledged.
    pub(crate) fn observe(&mut self, now: Instant, buffered: usize) {
        let acked = self.written_bytes.saturating_sub(buffered as u64);
        self.acked_bytes = self.acked_bytes.max(acked);
        let Some(probe) = self.probe.take_if(|probe| acked >= probe.acked_when_bytes) else {
            return;
        };
        let sample = now.saturating_duration_since(probe.written_at);
        self.shortest = Some(self.shortest.map_or(sample, |old| old.min(sample)));
        self.smoothed = Some(self.smoothed.map_or(sample, |old| (old * 7 + sample) / 8));
    }

    /// Forgets the message being timed: what was buffered went away with its channel, unacknowledged.
    pub(crate) fn abandon(&mut self) {
        self.probe = None;
    }

    /// Is a message being timed?
    pub(crate) fn is_timing(&self) -> bool {
        self.probe.is_some()
    }

    /// The shortest round trip of all; `None` before the first acknowledgement.
    pub(crate) fn shortest_rtt(&self) -> Option<Duration> {
        self.shortest
    }

    /// Of all bytes ever written, those that the peer has acknowledged.
    pub(crate) fn acked_bytes(&self) -> u64 {
        self.acked_bytes
    }

    /// The smoothed round-trip time; `None` before the first acknowledgement.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.smoothed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_first_sample_is_taken_as_it_is_and_later_ones_are_smoothed() {
        let start = Instant::now();
        let mut clock = AckClock::default();
        clock.written(start, 100, 0);
        clock.observe(start + 10 * MS, 50);
        assert_eq!(
            clock.rtt(),
            None,
            "half of the message is not an acknowledgement"
        );
        clock.observe(start + 20 * MS, 0);
        assert_eq!(clock.rtt(), Some(20 * MS));
        clock.written(start + 30 * MS, 100, 0);
        clock.observe(start + 150 * MS, 0);
        assert_eq!(clock.rtt(), Some((20 * MS * 7 + 120 * MS) / 8));
    }

    #[test]
    fn a_message_behind_others_is_not_timed() {
        let start = Instant::now();
        let mut clock = AckClock::default();
        clock.written(start, 100, 0);
        clock.written(start + MS, 100, 100);
        clock.observe(start + 5 * MS, 100);
        assert_eq!(clock.rtt(), Some(5 * MS));
        assert!(!clock.is_timing());
    }
}
