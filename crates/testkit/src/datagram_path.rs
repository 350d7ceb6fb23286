//! One direction of a bad datagram path: a [`SimLink`] with a bottleneck that overflows and a cable that can be pulled.
//!
//! Fed by whoever holds the datagrams, it says which arrive and when. Pure: time comes in as `now`. The driver's
//! `BadLink` has two, between real sockets.

use std::time::{Duration, Instant};

use crate::{LinkConfig, SimLink};

/// What may be under way at once, whatever the delay: 320 ms at 200 MB/s. What comes beyond is dropped as at a full
/// queue.
const MAX_IN_FLIGHT_BYTES: usize = 64 << 20;
/// The same for datagrams with little in them.
const MAX_IN_FLIGHT: usize = 1 << 17;

/// What became of the datagrams:
/// `received + duplicated = forwarded + lost + dropped_full + dropped_cut + in_flight`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathStats {
    /// Datagrams that came in.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Datagrams that went out, duplicates included.
    pub forwarded: u64,
    /// Their bytes.
    pub forwarded_bytes: u64,
    /// Datagrams lost to `loss`, or longer than `mtu_bytes`.
    pub lost: u64,
    /// Extra copies made by `duplication`.
    pub duplicated: u64,
    /// Datagrams that found the queue full.
    pub dropped_full: u64,
    /// Datagrams that came, or were under way, while the path was cut.
    pub dropped_cut: u64,
    /// Datagrams under way now.
    pub in_flight: u64,
}

/// How long nothing passes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    Until(Instant),
    UntilRestored,
}

impl Cut {
    /// From now on for this long; `None`: without end.
    pub(crate) fn lasting(now: Instant, lasting: Option<Duration>) -> Self {
        lasting
            .and_then(|lasting| now.checked_add(lasting))
            .map_or(Self::UntilRestored, Self::Until)
    }

    pub(crate) fn holds(self, now: Instant) -> bool {
        match self {
            Self::Until(until) => now < until,
            Self::UntilRestored => true,
        }
    }
}

/// One direction of a path for datagrams.
#[derive(Debug)]
pub struct DatagramPath<M = Vec<u8>> {
    link: SimLink<M>,
    cut: Option<Cut>,
    received: u64,
    received_bytes: u64,
    dropped_full: u64,
    dropped_cut: u64,
}

impl<M: AsRef<[u8]> + Clone> DatagramPath<M> {
    /// A path that behaves as configured, with the chances of this seed.
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            link: SimLink::new(config, seed),
            cut: None,
            received: 0,
            received_bytes: 0,
            dropped_full: 0,
            dropped_cut: 0,
        }
    }

    /// Takes a datagram that has come in; whatever becomes of it is counted.
    pub fn push(&mut self, now: Instant, datagram: M) {
        let len_bytes = datagram.as_ref().len();
        self.received += 1;
        self.received_bytes += len_bytes as u64;
        if self.is_cut(now) {
            self.dropped_cut += 1;
        } else if self.is_full(now, len_bytes) {
            self.dropped_full += 1;
        } else {
            self.link.push(now, datagram);
        }
    }

    fn is_full(&self, now: Instant, len_bytes: usize) -> bool {
        self.link.room_bytes(now) < len_bytes
            || self.link.in_flight() >= MAX_IN_FLIGHT
            || self.link.in_flight_bytes().saturating_add(len_bytes) > MAX_IN_FLIGHT_BYTES
    }

    /// The next datagram that is to go out by `now`.
    pub fn pop(&mut self, now: Instant) -> Option<M> {
        self.link.pop(now)
    }

    /// When the next datagram is to go out.
    pub fn next_due(&self) -> Option<Instant> {
        self.link.next_due()
    }

    /// Drops what is under way, and all that comes for this long, or until [`DatagramPath::restore`]. A later cut
    /// replaces an earlier one.
    pub fn cut(&mut self, now: Instant, lasting: Option<Duration>) {
        self.dropped_cut += self.link.in_flight() as u64;
        self.link.clear();
        self.cut = Some(Cut::lasting(now, lasting));
    }

    /// Ends a cut.
    pub fn restore(&mut self) {
        self.cut = None;
    }

    /// Whether all is dropped.
    pub fn is_cut(&self, now: Instant) -> bool {
        self.cut.is_some_and(|cut| cut.holds(now))
    }

    /// Changes the path for datagrams that come from here on.
    pub fn reconfigure(&mut self, config: LinkConfig) {
        self.link.reconfigure(config);
    }

    /// What became of the datagrams.
    pub fn stats(&self) -> PathStats {
        let link = self.link.stats();
        PathStats {
            received: self.received,
            received_bytes: self.received_bytes,
            forwarded: link.delivered,
            forwarded_bytes: link.delivered_bytes,
            lost: link.lost,
            duplicated: link.duplicated,
            dropped_full: self.dropped_full,
            dropped_cut: self.dropped_cut,
            in_flight: self.link.in_flight() as u64,
        }
    }
}
