//! A one-way link that delays, reorders, loses and dies, the same way for the same seed.
//!
//! Fed whole messages by the state machine under test, it hands them to the other side when they
//! are due. Pure: time comes in as `now`. By default it is what `datachannel-transport` calls a
//! lane: reliable and in order while it lives. With `loss` and `ordered: false` it is a datagram
//! path.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::Rng;

/// Bytes that may wait at a bottleneck of a datagram path: 26 ms at 10 MB/s, about what a home router holds.
const DATAGRAM_QUEUE_BYTES: usize = 256 << 10;

/// How a link behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkConfig {
    /// Time from the end of sending to delivery. Default 0.
    pub delay: Duration,
    /// Up to this much more, uniformly. Default 0.
    pub jitter: Duration,
    /// Bytes per second that leave the sender; `None` (default): at once.
    pub rate_bytes_per_s: Option<u64>,
    /// Share of messages that vanish, 0 to 1. Default 0.
    pub loss: f64,
    /// Share of messages that arrive twice, 0 to 1. Default 0.
    pub duplication: f64,
    /// Share of messages held back, so that later ones overtake them, 0 to 1. Default 0. It holds in an ordered
    /// link too: there it is the one thing that changes the order.
    pub reordering: f64,
    /// Up to this long, uniformly, is a message held back. Default 10 ms.
    pub reordering_by: Duration,
    /// Whether jitter keeps the order, as a queue's varying length does. Default true.
    pub ordered: bool,
    /// Bytes that may wait to leave the sender; [`SimLink::room_bytes`] tells what is left.
    /// Default 64 KiB.
    pub queue_bytes: usize,
    /// Longer messages vanish, as datagrams do that are longer than a path's MTU. Default: none is too long.
    pub mtu_bytes: usize,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            rate_bytes_per_s: None,
            loss: 0.0,
            duplication: 0.0,
            reordering: 0.0,
            reordering_by: Duration::from_millis(10),
            ordered: true,
            queue_bytes: 64 << 10,
            mtu_bytes: usize::MAX,
        }
    }
}

impl LinkConfig {
    /// A path for datagrams that does nothing to them: as the default, but 256 KiB may wait where there is a rate.
    pub fn datagrams() -> Self {
        Self {
            queue_bytes: DATAGRAM_QUEUE_BYTES,
            ..Self::default()
        }
    }
}

/// What became of the messages pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkStats {
    /// Messages pushed while the link lived.
    pub sent: u64,
    /// Messages popped, duplicates included.
    pub delivered: u64,
    /// Messages lost to `loss`, or longer than `mtu_bytes`.
    pub lost: u64,
    /// Extra copies made by `duplication`.
    pub duplicated: u64,
    /// Messages in flight that did not arrive, because the link died or they were cleared.
    pub died: u64,
    /// Messages refused: pushed after the link died.
    pub refused: u64,
    /// Bytes popped.
    pub delivered_bytes: u64,
}

/// One direction of a link. A message is anything with bytes.
#[derive(Debug)]
pub struct SimLink<M = Vec<u8>> {
    config: LinkConfig,
    rng: Rng,
    in_flight: BinaryHeap<Reverse<Message<M>>>,
    in_flight_bytes: usize,
    /// When the sender's side will have sent everything pushed so far.
    sender_free_at: Option<Instant>,
    last_due: Option<Instant>,
    next_sequence: u64,
    alive: bool,
    stats: LinkStats,
}

/// Ordered by the time it is due, then by the order sent.
#[derive(Debug)]
struct Message<M> {
    due: Instant,
    sequence: u64,
    message: M,
}

impl<M> Ord for Message<M> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.sequence).cmp(&(other.due, other.sequence))
    }
}

impl<M> PartialOrd for Message<M> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<M> PartialEq for Message<M> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<M> Eq for Message<M> {}

impl<M: AsRef<[u8]> + Clone> SimLink<M> {
    /// A link that behaves as configured, with the chances of this seed.
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            rng: Rng::new(seed),
            in_flight: BinaryHeap::new(),
            in_flight_bytes: 0,
            sender_free_at: None,
            last_due: None,
            next_sequence: 0,
            alive: true,
            stats: LinkStats::default(),
        }
    }

    /// Sends a message. Returns false, and counts it as refused, when the link is dead.
    pub fn push(&mut self, now: Instant, message: M) -> bool {
        if !self.alive {
            self.stats.refused += 1;
            return false;
        }
        self.stats.sent += 1;
        if message.as_ref().len() > self.config.mtu_bytes {
            self.stats.lost += 1;
            return true;
        }
        let sent_at = self.send_at(now, message.as_ref().len());
        if self.rng.chance(self.config.loss) {
            self.stats.lost += 1;
            return true;
        }
        if self.rng.chance(self.config.duplication) {
            self.stats.duplicated += 1;
            self.schedule(sent_at, message.clone());
        }
        self.schedule(sent_at, message);
        true
    }

    /// When the last byte of a message pushed now leaves the sender.
    fn send_at(&mut self, now: Instant, len_bytes: usize) -> Instant {
        let Some(rate) = self.config.rate_bytes_per_s else {
            return now;
        };
        let begin = self.sender_free_at.map_or(now, |free_at| free_at.max(now));
        let send_ns = len_bytes as u128 * 1_000_000_000 / u128::from(rate.max(1));
        let end = begin + Duration::from_nanos(u64::try_from(send_ns).unwrap_or(u64::MAX));
        self.sender_free_at = Some(end);
        end
    }

    fn schedule(&mut self, sent_at: Instant, message: M) {
        let mut due = sent_at + self.config.delay + self.rng.duration(self.config.jitter);
        if self.config.ordered {
            due = self.last_due.map_or(due, |last| last.max(due));
        }
        self.last_due = Some(due);
        if self.rng.chance(self.config.reordering) {
            due += self.rng.duration(self.config.reordering_by);
        }
        self.in_flight_bytes += message.as_ref().len();
        self.in_flight.push(Reverse(Message {
            due,
            sequence: self.next_sequence,
            message,
        }));
        self.next_sequence += 1;
    }

    /// The next message that has arrived by `now`.
    pub fn pop(&mut self, now: Instant) -> Option<M> {
        if self.next_due()? > now {
            return None;
        }
        let Reverse(Message { message, .. }) = self.in_flight.pop()?;
        let len_bytes = message.as_ref().len();
        self.in_flight_bytes -= len_bytes;
        self.stats.delivered += 1;
        self.stats.delivered_bytes += len_bytes as u64;
        Some(message)
    }

    /// When the next message arrives.
    pub fn next_due(&self) -> Option<Instant> {
        self.in_flight.peek().map(|Reverse(message)| message.due)
    }

    /// Bytes that the sender's queue has room for; 0 when the link is dead.
    pub fn room_bytes(&self, now: Instant) -> usize {
        match (self.alive, self.config.rate_bytes_per_s) {
            (false, _) => 0,
            (true, None) => self.config.queue_bytes,
            (true, Some(rate)) => {
                let backlog = self.sender_free_at.map_or(Duration::ZERO, |free_at| {
                    free_at.saturating_duration_since(now)
                });
                let queued = (backlog.as_nanos() * u128::from(rate)).div_ceil(1_000_000_000);
                let queued = usize::try_from(queued).unwrap_or(usize::MAX);
                self.config.queue_bytes.saturating_sub(queued)
            }
        }
    }

    /// When the sender's queue will be empty; `None` when it is.
    pub fn drained_at(&self, now: Instant) -> Option<Instant> {
        self.sender_free_at.filter(|&free_at| free_at > now)
    }

    /// Kills the link. What is due by `now` has arrived and can still be popped. Of what is in
    /// flight, `delivered_fraction` (0 to 1) arrives still and the rest vanishes: a sender cannot
    /// know which. An ordered link delivers the front part, as a stream that is cut does; another
    /// delivers each message with that probability.
    pub fn die(&mut self, now: Instant, delivered_fraction: f64) {
        self.alive = false;
        let mut messages = std::mem::take(&mut self.in_flight).into_sorted_vec();
        messages.reverse(); // From ascending `Reverse` to ascending time.
        let arrived = messages.partition_point(|Reverse(message)| message.due <= now);
        let in_flight = messages.len() - arrived;
        let survivors = (in_flight as f64 * delivered_fraction).round() as usize;
        for (i, message) in messages.into_iter().enumerate() {
            let survives = i < arrived
                || if self.config.ordered {
                    i < arrived + survivors
                } else {
                    self.rng.chance(delivered_fraction)
                };
            if survives {
                self.in_flight.push(message);
            } else {
                self.in_flight_bytes -= message.0.message.as_ref().len();
                self.stats.died += 1;
            }
        }
    }

    /// Drops everything that has not been popped, and empties the sender's queue; the link lives on.
    pub fn clear(&mut self) {
        self.stats.died += self.in_flight.len() as u64;
        self.in_flight.clear();
        self.in_flight_bytes = 0;
        self.sender_free_at = None;
        self.last_due = None;
    }

    /// Changes the link's behaviour for messages pushed from here on.
    pub fn reconfigure(&mut self, config: LinkConfig) {
        self.config = config;
    }

    /// Whether messages are accepted.
    pub fn is_alive(&self) -> bool {
        self.alive
    }

    /// Messages sent that have not arrived yet.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Their bytes.
    pub fn in_flight_bytes(&self) -> usize {
        self.in_flight_bytes
    }

    /// What became of the messages.
    pub fn stats(&self) -> LinkStats {
        self.stats
    }
}
