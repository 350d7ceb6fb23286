//! A one-way link that delays, reorders, loses and dies, the same way for the same seed.
//!
//! Fed whole messages by the state machine under test, it hands them to the other side when they
//! are due. Pure: time comes in as `now`. By default it is what `datachannel-transport` calls a
//! lane: reliable and in order while it lives. With `loss` and `ordered: false` it is a datagram
//! path.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::Rng;

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
    /// Whether messages arrive in the order sent, whatever the jitter. Default true.
    pub ordered: bool,
    /// Bytes that may wait to leave the sender; [`SimLink::room_bytes`] tells what is left.
    /// Default 64 KiB.
    pub queue_bytes: usize,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            rate_bytes_per_s: None,
            loss: 0.0,
            duplication: 0.0,
            ordered: true,
            queue_bytes: 64 << 10,
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
    /// Messages lost to `loss`.
    pub lost: u64,
    /// Extra copies made by `duplication`.
    pub duplicated: u64,
    /// Messages in flight when the link died that did not arrive.
    pub died: u64,
    /// Messages refused: pushed after the link died.
    pub refused: u64,
    /// Bytes popped.
    pub delivered_bytes: u64,
}

/// One direction of a link.
#[derive(Debug)]
pub struct SimLink {
    config: LinkConfig,
    rng: Rng,
    in_flight: BinaryHeap<Reverse<Message>>,
    /// When the sender's side will have sent everything pushed so far.
    sender_free_at: Option<Instant>,
    last_due: Option<Instant>,
    next_sequence: u64,
    alive: bool,
    stats: LinkStats,
}

/// Ordered by the time it is due, then by the order sent.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    due: Instant,
    sequence: u64,
    bytes: Vec<u8>,
}

impl SimLink {
    /// A link that behaves as configured, with the chances of this seed.
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            rng: Rng::new(seed),
            in_flight: BinaryHeap::new(),
            sender_free_at: None,
            last_due: None,
            next_sequence: 0,
            alive: true,
            stats: LinkStats::default(),
        }
    }

    /// Sends a message. Returns false, and counts it as refused, when the link is dead.
    pub fn push(&mut self, now: Instant, bytes: Vec<u8>) -> bool {
        if !self.alive {
            self.stats.refused += 1;
            return false;
        }
        self.stats.sent += 1;
        let sent_at = self.send_at(now, bytes.len());
        if self.rng.chance(self.config.loss) {
            self.stats.lost += 1;
            return true;
        }
        if self.rng.chance(self.config.duplication) {
            self.stats.duplicated += 1;
            self.schedule(sent_at, bytes.clone());
        }
        self.schedule(sent_at, bytes);
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

    fn schedule(&mut self, sent_at: Instant, bytes: Vec<u8>) {
        let mut due = sent_at + self.config.delay + self.rng.duration(self.config.jitter);
        if self.config.ordered {
            due = self.last_due.map_or(due, |last| last.max(due));
        }
        self.last_due = Some(due);
        self.in_flight.push(Reverse(Message {
            due,
            sequence: self.next_sequence,
            bytes,
        }));
        self.next_sequence += 1;
    }

    /// The next message that has arrived by `now`.
    pub fn pop(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.next_due()? > now {
            return None;
        }
        let Reverse(message) = self.in_flight.pop()?;
        self.stats.delivered += 1;
        self.stats.delivered_bytes += message.bytes.len() as u64;
        Some(message.bytes)
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
                self.stats.died += 1;
            }
        }
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

    /// What became of the messages.
    pub fn stats(&self) -> LinkStats {
        self.stats
    }
}
