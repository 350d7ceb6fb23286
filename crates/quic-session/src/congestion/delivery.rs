//! How fast the path delivers: the bytes acked over about one round, and the most of the last rounds.
//!
//! Fed by `window` with each ack. As in draft-cheng-iccrg-delivery-rate-estimation, a sample spans what was delivered between the sending of a
//! packet and its ack, so that acks which come in bunches do not raise it; here from checkpoints some eight times a round instead
//! of a record with each packet.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Checkpoints per round, and how many there are at most.
const PER_ROUND: u32 = 8;
const MOST_CHECKPOINTS: usize = 64;
/// Rounds whose best counts. Few, so that a path that became slower is known to be; BBR takes ten.
const ROUNDS: usize = 6;

#[derive(Clone, Debug)]
pub(super) struct Delivery {
    total: u64,
    checkpoints: VecDeque<(Instant, u64)>,
    latest: f64,
    /// The best of each round, the current one first; bytes per second.
    best: [f64; ROUNDS],
}

impl Delivery {
    pub(super) fn new() -> Self {
        Self {
            total: 0,
            checkpoints: VecDeque::new(),
            latest: 0.0,
            best: [0.0; ROUNDS],
        }
    }

    /// So many bytes were acked, the newest sent then, on a path with this RTT.
    pub(super) fn acked(&mut self, now: Instant, sent: Instant, bytes: u64, rtt: Duration) {
        self.total = self.total.saturating_add(bytes);
        while self
            .checkpoints
            .get(1)
            .is_some_and(|second| second.0 <= sent)
        {
            self.checkpoints.pop_front();
        }
        if let Some(&(at, total)) = self.checkpoints.front()
            && at <= sent
        {
            let seconds = now.saturating_duration_since(at).as_secs_f64();
            if seconds > 0.0 {
                self.latest = (self.total - total) as f64 / seconds;
                self.best[0] = self.best[0].max(self.latest);
            }
        }
        let due = self
            .checkpoints
            .back()
            .is_none_or(|last| now.saturating_duration_since(last.0) >= rtt / PER_ROUND);
        if due {
            if self.checkpoints.len() == MOST_CHECKPOINTS {
                self.checkpoints.pop_front();
            }
            self.checkpoints.push_back((now, self.total));
        }
    }

    /// A round has ended.
    pub(super) fn round(&mut self) {
        self.best.rotate_right(1);
        self.best[0] = 0.0;
    }

    /// The most that the last rounds delivered, in bytes per second.
    pub(super) fn best(&self) -> f64 {
        self.best.iter().copied().fold(0.0, f64::max)
    }
}
