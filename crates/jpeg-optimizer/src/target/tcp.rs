//! What a TCP connection carries, from its send queue.
//!
//! Fed with the bytes handed to the socket and those that it still holds (`SIOCOUTQ` on Linux, or an own queue before
//! it); feeds the client's target. TCP tells no application what was acknowledged, but what left the queue was sent and,
//! on average, arrived.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::LinkSample;

/// Time over which goodput is taken: frames come in bursts, so that less says little.
const SPAN: Duration = Duration::from_secs(1);
/// Samples kept at most.
const MAX_SAMPLES: usize = 64;
/// The delay said of a queue that does not drain: a socket may be stalled for longer, which changes nothing.
const STALLED: Duration = Duration::from_secs(60);

/// A socket's send side at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpQueue {
    /// Bytes handed to it since it was opened.
    pub written_bytes: u64,
    /// Bytes of those that it still holds.
    pub queued_bytes: u64,
}

impl TcpQueue {
    fn left(self) -> u64 {
        self.written_bytes.saturating_sub(self.queued_bytes)
    }
}

/// Makes samples of a connection's queue.
#[derive(Debug, Clone, Default)]
pub struct TcpMeter {
    samples: VecDeque<(Instant, u64)>,
}

impl TcpMeter {
    /// Before the first look.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the queue says now; look a few times each second.
    pub fn sample(&mut self, now: Instant, queue: TcpQueue) -> LinkSample {
        // The oldest stays until the one after it is a whole span old.
        while self.samples.len() >= MAX_SAMPLES
            || self
                .samples
                .get(1)
                .is_some_and(|(at, _)| now.saturating_duration_since(*at) >= SPAN)
        {
            self.samples.pop_front();
        }
        let goodput_bps = self.samples.front().and_then(|&(at, left)| {
            let seconds = now.saturating_duration_since(at).as_secs_f64();
            let bits = queue.left().saturating_sub(left) as f64 * 8.0;
            (seconds > 0.0).then_some(bits / seconds)
        });
        self.samples.push_back((now, queue.left()));
        LinkSample {
            goodput_bps,
            queue_delay: delay(queue.queued_bytes, goodput_bps),
        }
    }
}

/// The time that `queued_bytes` need at this rate.
fn delay(queued_bytes: u64, goodput_bps: Option<f64>) -> Duration {
    match goodput_bps {
        _ if queued_bytes == 0 => Duration::ZERO,
        // Nothing is known yet.
        None => Duration::ZERO,
        Some(bps) => {
            let seconds = queued_bytes as f64 * 8.0 / bps.max(1.0);
            Duration::from_secs_f64(seconds.min(STALLED.as_secs_f64()))
        }
    }
}
