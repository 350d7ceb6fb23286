//! Lanes that delay, reorder, lose what is in flight and die, under a virtual clock and a seed.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)]

use std::time::{Duration, Instant};

use datachannel_transport::{
    FrameReceiver, FrameSender, LaneId, LaneLimits, Offer, ReceivedFrame, SenderEvent,
};

use super::{Rng, frame};

const STEP: Duration = Duration::from_millis(1);
const MOST_STEPS: u64 = 600_000;

/// How a world behaves.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub lanes: u64,
    /// Deaths per lane and 10,000 steps.
    pub deaths: u64,
    /// Most bytes of one frame.
    pub frame_bytes: u64,
    /// Chance in percent that the application takes a frame in a step.
    pub appetite: u64,
    /// Steps between two offered frames at most; 0 offers as fast as the sender takes.
    pub pause: u64,
}

struct Parcel {
    arrives_at: Instant,
    order: u64,
    bytes: Vec<u8>,
}

struct SimLane {
    id: LaneId,
    delay_ms: u64,
    jitter_ms: u64,
    bytes_per_step: usize,
    up: Vec<Parcel>,
    down: Vec<Parcel>,
    /// Nothing put in from here on arrives.
    dead: bool,
    sender_learns_at: Option<Instant>,
    receiver_learns_at: Option<Instant>,
    sender_knows: bool,
    receiver_knows: bool,
}

/// Two machines and what lies between them.
pub struct World {
    pub now: Instant,
    pub rng: Rng,
    pub sender: FrameSender,
    pub receiver: FrameReceiver,
    pub delivered: Vec<ReceivedFrame>,
    pub offered: u64,
    pub deaths: u64,
    weather: Weather,
    lanes: Vec<SimLane>,
    next_lane: u32,
    order: u64,
    pause: u64,
    verified: Option<bool>,
}

impl World {
    pub fn new(
        seed: u64,
        weather: Weather,
        now: Instant,
        ends: (FrameSender, FrameReceiver),
    ) -> Self {
        let (sender, receiver) = ends;
        let mut world = Self {
            now,
            rng: Rng(seed),
            sender,
            receiver,
            delivered: Vec::new(),
            offered: 0,
            deaths: 0,
            weather,
            lanes: Vec::new(),
            next_lane: 0,
            order: 0,
            pause: 0,
            verified: None,
        };
        (0..weather.lanes).for_each(|_| world.open_lane());
        world
    }

    /// Offers `frames` frames, lets the world go on until the EOF is confirmed, and says whether it was
    /// verified. `check` runs after every step.
    pub fn run(&mut self, frames: u64, check: impl Fn(&Self)) -> bool {
        for _ in 0..MOST_STEPS {
            self.step(frames);
            check(self);
            if let Some(verified) = self.verified {
                return verified;
            }
        }
        panic!(
            "nothing moves: offered {}, delivered {}\n{:#?}\n{:#?}",
            self.offered,
            self.delivered.len(),
            self.sender.stats(),
            self.receiver.stats()
        );
    }

    fn step(&mut self, frames: u64) {
        self.now += STEP;
        self.offer(frames);
        self.turn_timers();
        self.kill_and_revive();
        for at in 0..self.lanes.len() {
            self.pull(at);
            self.arrive(at);
        }
        self.lanes.retain(|lane| {
            !(lane.sender_knows
                && lane.receiver_knows
                && lane.up.is_empty()
                && lane.down.is_empty())
        });
        if self.rng.chance(self.weather.appetite)
            && let Some(frame) = self.receiver.poll_frame()
        {
            self.delivered.push(frame);
        }
        while let Some(event) = self.sender.poll_event() {
            if let SenderEvent::Finished { verified, .. } = event {
                self.verified = Some(verified);
            }
        }
    }

    fn offer(&mut self, frames: u64) {
        if self.pause > 0 {
            self.pause -= 1;
            return;
        }
        if self.offered == frames {
            self.sender.finish(self.now);
            return;
        }
        let len = Self::frame_len(self.offered, self.weather.frame_bytes);
        match self.sender.offer(self.now, frame(self.offered, len)) {
            Offer::Queued | Offer::Replaced { .. } => self.offered += 1,
            Offer::Full(_) => {}
            Offer::Refused { reason, .. } => panic!("refused: {reason}"),
        }
        if self.weather.pause > 0 {
            self.pause = self.rng.below(self.weather.pause);
        }
    }

    /// Every tenth frame is empty or tiny.
    pub fn frame_len(source_id: u64, most: u64) -> usize {
        let mut rng = Rng(source_id ^ 0x5eed);
        if rng.chance(10) {
            rng.below(3) as usize
        } else {
            rng.below(most) as usize
        }
    }

    fn turn_timers(&mut self) {
        if self.sender.poll_timeout().is_some_and(|at| at <= self.now) {
            self.sender.handle_timeout(self.now);
        }
        if self
            .receiver
            .poll_timeout()
            .is_some_and(|at| at <= self.now)
        {
            self.receiver.handle_timeout(self.now);
        }
        for timeout in [self.sender.poll_timeout(), self.receiver.poll_timeout()] {
            assert!(
                timeout.is_none_or(|at| at > self.now),
                "a timer that stays due spins its driver"
            );
        }
    }

    fn open_lane(&mut self) {
        let id = LaneId(self.next_lane);
        self.next_lane += 1;
        let limits = LaneLimits {
            max_message_bytes: 2048 << self.rng.below(5),
        };
        self.sender.lane_opened(self.now, id, limits).unwrap();
        self.receiver.lane_opened(self.now, id, limits).unwrap();
        self.lanes.push(SimLane {
            id,
            delay_ms: self.rng.below(40),
            jitter_ms: if self.rng.chance(50) {
                0
            } else {
                self.rng.below(30)
            },
            bytes_per_step: 3000 + self.rng.below(60_000) as usize,
            up: Vec::new(),
            down: Vec::new(),
            dead: false,
            sender_learns_at: None,
            receiver_learns_at: None,
            sender_knows: false,
            receiver_knows: false,
        });
    }

    fn kill_and_revive(&mut self) {
        for at in 0..self.lanes.len() {
            if !self.lanes[at].dead && self.rng.below(10_000) < self.weather.deaths {
                self.kill(at);
            }
            let lane = &mut self.lanes[at];
            if !lane.sender_knows && lane.sender_learns_at.is_some_and(|at| at <= self.now) {
                lane.sender_knows = true;
                self.sender.lane_closed(self.now, lane.id);
            }
            if !lane.receiver_knows && lane.receiver_learns_at.is_some_and(|at| at <= self.now) {
                lane.receiver_knows = true;
                self.receiver.lane_closed(self.now, lane.id);
            }
        }
        let alive = self.lanes.iter().filter(|lane| !lane.dead).count() as u64;
        if alive < self.weather.lanes && self.lanes.len() < 14 && self.rng.chance(2) {
            self.open_lane();
        }
    }

    /// Of what is in flight some is lost, some arrives, and some arrives long after.
    fn kill(&mut self, at: usize) {
        self.deaths += 1;
        let rng = &mut self.rng;
        let lane = &mut self.lanes[at];
        lane.dead = true;
        lane.sender_learns_at = Some(self.now + Duration::from_millis(rng.below(100)));
        lane.receiver_learns_at = Some(self.now + Duration::from_millis(rng.below(400)));
        for parcels in [&mut lane.up, &mut lane.down] {
            let loss = rng.below(101);
            parcels.retain(|_| !rng.chance(loss));
            if rng.chance(50) {
                let late = Duration::from_millis(rng.below(300));
                parcels
                    .iter_mut()
                    .for_each(|parcel| parcel.arrives_at += late);
            }
        }
    }

    fn pull(&mut self, at: usize) {
        let (id, room) = (self.lanes[at].id, self.lanes[at].bytes_per_step);
        for upwards in [true, false] {
            let mut left = room;
            loop {
                let mut bytes = Vec::new();
                let said = if upwards {
                    self.sender.poll_message(self.now, id, left, &mut bytes)
                } else {
                    self.receiver.poll_message(self.now, id, left, &mut bytes)
                };
                if !said {
                    assert!(bytes.is_empty(), "false, and yet bytes");
                    break;
                }
                assert!(bytes.len() <= left, "{} B into {left} B", bytes.len());
                left -= bytes.len();
                self.post(at, upwards, bytes);
            }
        }
    }

    fn post(&mut self, at: usize, upwards: bool, bytes: Vec<u8>) {
        self.order += 1;
        let lane = &mut self.lanes[at];
        if lane.dead {
            return;
        }
        let jitter = if lane.jitter_ms > 0 {
            self.rng.below(lane.jitter_ms)
        } else {
            0
        };
        let arrives_at = self.now + Duration::from_millis(lane.delay_ms + jitter);
        let parcel = Parcel {
            arrives_at,
            order: self.order,
            bytes,
        };
        if upwards {
            lane.up.push(parcel);
        } else {
            lane.down.push(parcel);
        }
    }

    fn arrive(&mut self, at: usize) {
        let (now, id) = (self.now, self.lanes[at].id);
        for upwards in [true, false] {
            let lane = &mut self.lanes[at];
            let parcels = if upwards {
                &mut lane.up
            } else {
                &mut lane.down
            };
            let mut due: Vec<_> = parcels
                .extract_if(.., |parcel| parcel.arrives_at <= now)
                .collect();
            due.sort_by_key(|parcel| (parcel.arrives_at, parcel.order));
            for parcel in due {
                let outcome = if upwards {
                    self.receiver.handle_message(now, id, &parcel.bytes)
                } else {
                    self.sender.handle_message(now, id, &parcel.bytes)
                };
                outcome.unwrap_or_else(|error| panic!("an honest peer is accused: {error}"));
            }
        }
    }
}
