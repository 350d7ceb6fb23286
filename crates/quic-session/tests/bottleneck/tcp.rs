//! A TCP flow with endless data: selective acks for each transmission, loss after three later ones, a retransmission timer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::tcp_cubic::TcpCubic;
use super::world::{End, Outbox, Packet, Pair};

/// Payload of a segment, and what it takes on the wire.
const PAYLOAD: u64 = 1448;
const SEGMENT: usize = 1500;
const ACK: usize = 60;
/// Later transmissions acked before an earlier one counts as lost.
const THRESHOLD: u64 = 3;
/// Linux's least retransmission timeout.
const MIN_TIMEOUT: Duration = Duration::from_millis(200);
/// Linux's delayed-ack timer.
const ACK_DELAY: Duration = Duration::from_millis(40);

pub(super) struct TcpPair {
    cubic: TcpCubic,
    in_flight: BTreeMap<u64, (u64, Duration)>,
    next_transmission: u64,
    next_sequence: u64,
    again: VecDeque<u64>,
    /// Losses of transmissions before this one belong to a reduction that was made.
    recovery: u64,
    smoothed: Duration,
    variance: Duration,
    timer: Option<Duration>,
    /// Receiver: what to ack, and by when.
    unacked: Vec<u64>,
    recent: VecDeque<u64>,
    ack_by: Option<Duration>,
    largest: Option<u64>,
    holes: BTreeSet<u64>,
    expected: u64,
    delivered: u64,
    sender_now: Duration,
}

impl TcpPair {
    pub(super) fn new() -> Self {
        Self {
            cubic: TcpCubic::new(),
            in_flight: BTreeMap::new(),
            next_transmission: 0,
            next_sequence: 0,
            again: VecDeque::new(),
            recovery: 0,
            smoothed: Duration::ZERO,
            variance: Duration::ZERO,
            timer: None,
            unacked: Vec::new(),
            recent: VecDeque::new(),
            ack_by: None,
            largest: None,
            holes: BTreeSet::new(),
            expected: 0,
            delivered: 0,
            sender_now: Duration::ZERO,
        }
    }

    fn timeout(&self) -> Duration {
        (self.smoothed + self.variance * 4).max(MIN_TIMEOUT)
    }

    fn send(&mut self, now: Duration, out: &mut Outbox) {
        while (self.in_flight.len() as f64) < self.cubic.window.floor().max(1.0) {
            let sequence = self.again.pop_front().unwrap_or_else(|| {
                self.next_sequence += 1;
                self.next_sequence - 1
            });
            let transmission = self.next_transmission;
            self.next_transmission += 1;
            self.in_flight.insert(transmission, (sequence, now));
            out.push((
                Packet::Segment {
                    transmission,
                    sequence,
                },
                SEGMENT,
            ));
            self.timer.get_or_insert(now + self.timeout());
        }
    }

    fn acked(&mut self, now: Duration, transmissions: &[u64]) {
        let limited = self.in_flight.len() as f64 + 2.0 >= self.cubic.window;
        let mut newest: Option<Duration> = None;
        let mut count = 0.0;
        for transmission in transmissions {
            if let Some((_, sent)) = self.in_flight.remove(transmission) {
                newest = newest.max(Some(sent));
                count += 1.0;
            }
        }
        let Some(sent) = newest else {
            return;
        };
        let rtt = now - sent;
        if self.smoothed.is_zero() {
            self.smoothed = rtt;
            self.variance = rtt / 2;
        } else {
            self.variance = (self.variance * 3 + self.smoothed.abs_diff(rtt)) / 4;
            self.smoothed = (self.smoothed * 7 + rtt) / 8;
        }
        let largest = transmissions.iter().max().copied().unwrap_or(0);
        if largest >= self.recovery {
            self.cubic.on_ack(
                now.as_secs_f64(),
                sent.as_secs_f64(),
                rtt.as_secs_f64(),
                count,
                limited,
            );
        }
        self.lose(largest);
        self.timer = (!self.in_flight.is_empty()).then(|| now + self.timeout());
    }

    fn lose(&mut self, largest: u64) {
        while let Some((&transmission, &(sequence, _))) = self.in_flight.first_key_value()
            && transmission + THRESHOLD <= largest
        {
            self.in_flight.pop_first();
            self.again.push_back(sequence);
            if transmission >= self.recovery {
                self.recovery = self.next_transmission;
                self.cubic.on_loss();
            }
        }
    }

    fn expired(&mut self) {
        self.again = self.in_flight.values().map(|sent| sent.0).collect();
        self.in_flight.clear();
        self.recovery = self.next_transmission;
        self.cubic.on_timeout();
        self.timer = None;
    }

    fn segment(&mut self, now: Duration, transmission: u64, sequence: u64) {
        if sequence >= self.expected {
            self.holes.extend(self.expected..sequence);
            self.expected = sequence + 1;
            self.delivered += PAYLOAD;
        } else if self.holes.remove(&sequence) {
            self.delivered += PAYLOAD;
        }
        let in_order = self
            .largest
            .is_none_or(|largest| transmission == largest + 1);
        self.largest = self.largest.max(Some(transmission));
        self.unacked.push(transmission);
        self.ack_by = Some(if self.unacked.len() >= 2 || !in_order {
            now
        } else {
            now + ACK_DELAY
        });
    }

    fn ack(&mut self, out: &mut Outbox) {
        // As a cumulative ack with its blocks does, each repeats what the last ones said.
        self.recent.extend(self.unacked.drain(..));
        while self.recent.len() > 64 {
            self.recent.pop_front();
        }
        let transmissions = self.recent.iter().copied().collect();
        out.push((Packet::Ack { transmissions }, ACK));
        self.ack_by = None;
    }
}

impl Pair for TcpPair {
    fn handle(&mut self, now: Duration, end: End, packet: Option<Packet>, out: &mut Outbox) {
        match packet {
            Some(Packet::Segment {
                transmission,
                sequence,
            }) => self.segment(now, transmission, sequence),
            Some(Packet::Ack { transmissions }) => self.acked(now, &transmissions),
            Some(Packet::Quic(..)) => panic!("not a TCP packet"),
            None => {}
        }
        if end == End::Receiver {
            if self.ack_by.is_some_and(|by| by <= now) {
                self.ack(out);
            }
            return;
        }
        self.sender_now = now;
        if self.timer.is_some_and(|timer| timer <= now) {
            self.expired();
        }
        self.send(now, out);
    }

    fn wake(&mut self, end: End) -> Option<Duration> {
        match end {
            End::Sender => self.timer,
            End::Receiver => self.ack_by,
        }
    }

    fn delivered(&self) -> u64 {
        self.delivered
    }

    fn done(&self) -> bool {
        false
    }

    fn window(&self) -> u64 {
        (self.cubic.window * PAYLOAD as f64) as u64
    }
}
