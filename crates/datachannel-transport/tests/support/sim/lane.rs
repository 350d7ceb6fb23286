//! A lane of the simulation: two one-way links that live, are cut, and die together.

use std::time::{Duration, Instant};

use datachannel_transport::{LaneId, LaneLimits};
use testkit::SimLink;

use super::weather::Weather;
use crate::support::Rng;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the frames' sender.
    Up,
    /// To it.
    Down,
}

pub struct SimLane {
    pub id: LaneId,
    pub limits: LaneLimits,
    pub dies_at: Option<Instant>,
    pub sender_end: End,
    pub receiver_end: End,
    up: SimLink,
    down: SimLink,
    cut_at: Option<Instant>,
    cut_until: Option<Instant>,
}

/// What one side knows of a lane's death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Open,
    ClosesAt(Instant),
    Closed,
}

impl End {
    /// Whether the side learns of the death now.
    pub fn learns(&mut self, now: Instant) -> bool {
        let learns = matches!(*self, Self::ClosesAt(at) if at <= now);
        if learns {
            *self = Self::Closed;
        }
        learns
    }
}

impl SimLane {
    pub fn new(id: LaneId, weather: &Weather, rng: &mut Rng, now: Instant) -> Self {
        let max_message_bytes = 2048 << rng.below(5);
        let fragment_bytes = 1 + 600 * rng.below(3) as usize;
        let delay = Duration::from_millis(rng.below(40));
        let mut link = || {
            let config = Weather::link(rng, delay, max_message_bytes);
            SimLink::new(config, rng.next())
        };
        let (up, down) = (link(), link());
        let mut after = |most_ms: u64| {
            (most_ms > 0).then(|| now + Duration::from_millis(1 + rng.below(most_ms)))
        };
        Self {
            id,
            limits: LaneLimits {
                max_message_bytes,
                fragment_bytes,
            },
            dies_at: after(weather.life_ms),
            cut_at: after(weather.cut_every_ms * 2),
            cut_until: None,
            sender_end: End::Open,
            receiver_end: End::Open,
            up,
            down,
        }
    }

    pub fn is_alive(&self) -> bool {
        self.up.is_alive()
    }

    /// Whether neither side knows it and nothing of it is under way.
    pub fn is_over(&self) -> bool {
        let closed = self.sender_end == End::Closed && self.receiver_end == End::Closed;
        closed && self.up.in_flight() + self.down.in_flight() == 0
    }

    /// Of what is under way some arrives, maybe after its side closed the lane, and some does not.
    pub fn die(&mut self, now: Instant, rng: &mut Rng) {
        self.dies_at = None;
        self.cut_until = None;
        for link in [&mut self.up, &mut self.down] {
            link.die(now, [0.0, 0.3, 0.8, 1.0][rng.below(4) as usize]);
        }
        self.sender_end = End::ClosesAt(now + Duration::from_millis(rng.below(60)));
        self.receiver_end = End::ClosesAt(now + Duration::from_millis(rng.below(200)));
    }

    /// Begins and ends cuts, during which nothing moves; whether one began.
    pub fn cut(&mut self, now: Instant, weather: &Weather, rng: &mut Rng) -> bool {
        if self.cut_until.is_some_and(|until| until <= now) {
            self.cut_until = None;
            let next = 1 + rng.below(weather.cut_every_ms * 2);
            self.cut_at = Some(now + Duration::from_millis(next));
        }
        let begins = self.is_alive() && self.cut_at.is_some_and(|at| at <= now);
        if begins {
            self.cut_at = None;
            self.cut_until = Some(now + Duration::from_millis(20 + rng.below(300)));
        }
        begins
    }

    /// Bytes that may be put in now.
    pub fn room_bytes(&self, way: Way, now: Instant) -> usize {
        match self.cut_until {
            Some(_) => 0,
            None => self.link(way).room_bytes(now),
        }
    }

    pub fn push(&mut self, way: Way, now: Instant, bytes: Vec<u8>) {
        self.link_mut(way).push(now, bytes);
    }

    pub fn pop(&mut self, way: Way, now: Instant) -> Option<Vec<u8>> {
        match self.cut_until {
            Some(_) => None,
            None => self.link_mut(way).pop(now),
        }
    }

    /// When something about this lane changes by itself.
    pub fn next_at(&self, now: Instant) -> impl Iterator<Item = Option<Instant>> {
        let ends = [self.sender_end, self.receiver_end].map(|end| match end {
            End::ClosesAt(at) => Some(at),
            End::Open | End::Closed => None,
        });
        // A queue that is being emptied has room long before it is empty.
        let soon = |at: Instant| at.min(now + Duration::from_millis(3));
        let moves = [&self.up, &self.down].map(|link| {
            let room = link.drained_at(now).filter(|_| link.is_alive()).map(soon);
            [link.next_due(), room].into_iter().flatten().min()
        });
        let moves = if self.cut_until.is_some() {
            [None; 2]
        } else {
            moves
        };
        let own = [self.dies_at, self.cut_at, self.cut_until];
        ends.into_iter().chain(moves).chain(own)
    }

    fn link(&self, way: Way) -> &SimLink {
        match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        }
    }

    fn link_mut(&mut self, way: Way) -> &mut SimLink {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}
