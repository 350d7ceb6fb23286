//! Both machines, the applications beside them and the weather between them, under a virtual clock and a
//! seed. Time goes from event to event; after each one what must hold is checked.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::panic)]

pub mod book;
pub mod lane;
mod restart;
pub mod weather;

use std::time::{Duration, Instant};

use datachannel_transport::{
    FrameReceiver, FrameSender, LaneId, Mode, Offer, ProtocolError, ReceiverConfig, SenderConfig,
};
use testkit::SimClock;

use self::book::{Book, Bounds, assert_agreement, frame};
use self::lane::{End, SimLane, Way};
use self::restart::Processes;
use self::weather::{Met, Weather};
use crate::support::Rng;

/// Far beyond what the slowest seed needs.
const MOST_STEPS: u64 = 200_000;
/// Nothing is awaited more finely than this.
const TICK: Duration = Duration::from_micros(100);

pub struct World {
    pub sender: FrameSender,
    pub receiver: FrameReceiver,
    pub book: Book,
    pub met: Met,
    clock: SimClock,
    rng: Rng,
    weather: Weather,
    bounds: Bounds,
    processes: Processes,
    lanes: Vec<SimLane>,
    lanes_opened: u32,
    opens_at: Instant,
    offers_at: Instant,
    takes_at: Instant,
    /// The sender was full: only an ack makes room.
    is_full: bool,
}

impl World {
    pub fn new(
        seed: u64,
        weather: Weather,
        frames: u64,
        configs: (SenderConfig, ReceiverConfig),
    ) -> Self {
        let mut rng = Rng(seed);
        let (sender, receiver) = configs;
        let start = sender.clock_origin;
        let processes = Processes::new(&weather, &mut rng, configs, start);
        let bounds = Bounds {
            receiver: receiver.window,
            sender: restart::sender_bound(&sender),
        };
        Self {
            sender: FrameSender::new(sender).unwrap(),
            receiver: FrameReceiver::new(receiver).unwrap(),
            book: Book {
                every_frame: matches!(sender.mode, Mode::EveryFrame { .. }),
                frames: (0..frames)
                    .map(|number| frame(number, weather.frame_bytes))
                    .collect(),
                ..Book::default()
            },
            met: Met::default(),
            clock: SimClock::new(start),
            rng,
            weather,
            bounds,
            processes,
            lanes: Vec::new(),
            lanes_opened: 0,
            opens_at: start,
            offers_at: start,
            takes_at: start,
            is_full: false,
        }
    }

    /// Offers all frames and goes on until the sender knows that they arrived; true if count and hash agree.
    pub fn run(&mut self) -> bool {
        for _ in 0..MOST_STEPS {
            self.step();
            self.check();
            if let Some(verified) = self.book.finished {
                while self.take() {}
                let counters = self.sender.stats().counters;
                self.met.resent += counters.frames_resent;
                self.met.dropped += self.book.dropped();
                self.book.assert_complete();
                return verified;
            }
        }
        panic!(
            "nothing moves at {:?}: {:?}\n{:#?}\n{:#?}",
            self.clock.elapsed(),
            self.weather,
            self.sender.stats(),
            self.receiver.stats()
        );
    }

    fn step(&mut self) {
        self.pass_time();
        self.change_weather();
        self.restart_processes();
        self.offer();
        self.turn_timers();
        for at in 0..self.lanes.len() {
            self.pull(at, Way::Up);
            self.pull(at, Way::Down);
            self.arrive(at, Way::Up);
            self.arrive(at, Way::Down);
        }
        self.lanes.retain(|lane| !lane.is_over());
        if self.processes.receiver_lives() && self.takes_at <= self.clock.now() && self.take() {
            let after = Duration::from_millis(self.rng.below(self.weather.hunger_ms + 1));
            self.takes_at = self.clock.now() + after;
        }
        while let Some(event) = self.sender.poll_event() {
            self.book.told(&event);
            self.is_full = false;
        }
    }

    fn check(&self) {
        if self.processes.sender_lives() {
            self.bounds.assert_sender(&self.sender);
        }
        if self.processes.receiver_lives() {
            self.bounds.assert_receiver(&self.receiver);
        }
        assert_agreement(&self.sender, &self.book);
    }

    /// To the next moment at which anything can happen.
    fn pass_time(&mut self) {
        let now = self.clock.now();
        let alive = self.lanes.iter().filter(|lane| lane.is_alive()).count() as u64;
        let opens = (alive < self.weather.lanes).then_some(self.opens_at);
        let offering =
            self.processes.sender_lives() && !self.is_full && self.book.next_frame().is_some();
        let taking = self.processes.receiver_lives() && self.receiver.has_frame();
        let own = [
            opens,
            offering.then_some(self.offers_at),
            taking.then_some(self.takes_at),
            self.processes.next_at(),
            self.sender.poll_timeout(),
            self.receiver.poll_timeout(),
        ];
        let lanes = self.lanes.iter().flat_map(|lane| lane.next_at(now));
        let awaited = own.into_iter().chain(lanes).flatten().min();
        let next = awaited.unwrap_or_else(|| panic!("nothing will ever happen"));
        self.clock.advance_to_next([Some(next.max(now + TICK))]);
    }

    fn change_weather(&mut self) {
        let now = self.clock.now();
        for lane in &mut self.lanes {
            if lane.dies_at.is_some_and(|at| at <= now) {
                lane.die(now, &mut self.rng);
                self.met.deaths += 1;
            }
            self.met.cuts += u64::from(lane.cut(now, &self.weather, &mut self.rng));
            if lane.sender_end.learns(now) {
                self.sender.lane_closed(now, lane.id);
            }
            if lane.receiver_end.learns(now) {
                self.receiver.lane_closed(now, lane.id);
            }
        }
        let alive = self.lanes.iter().filter(|lane| lane.is_alive()).count() as u64;
        let wanted = alive < self.weather.lanes && self.opens_at <= now && self.lanes.len() < 12;
        if wanted && self.processes.both_live() {
            self.open_lane(now);
            self.opens_at = now + Duration::from_millis(self.rng.below(100));
        }
    }

    fn open_lane(&mut self, now: Instant) {
        let id = if self.weather.names_come_back {
            let in_use = |id: &LaneId| {
                let open = |lane: &SimLane| {
                    lane.sender_end != End::Closed || lane.receiver_end != End::Closed
                };
                self.lanes.iter().any(|lane| lane.id == *id && open(lane))
            };
            let mut free = (0..).map(LaneId).skip_while(in_use);
            free.next().unwrap()
        } else {
            LaneId(self.lanes_opened)
        };
        self.lanes_opened += 1;
        let lane = SimLane::new(id, &self.weather, &mut self.rng, now);
        self.sender.lane_opened(now, id, lane.limits).unwrap();
        self.receiver.lane_opened(now, id, lane.limits).unwrap();
        self.lanes.push(lane);
    }

    fn offer(&mut self) {
        let now = self.clock.now();
        if !self.processes.sender_lives() || self.is_full || self.offers_at > now {
            return;
        }
        while let Some(frame) = self.book.next_frame() {
            match self.sender.offer(now, frame) {
                Offer::Queued | Offer::Replaced { .. } => self.book.next_offer += 1,
                Offer::Full(_) => {
                    self.is_full = true;
                    return;
                }
                Offer::Refused { reason, .. } => panic!("refused: {reason}"),
            }
            if self.weather.pause_ms > 0 {
                self.offers_at = now + Duration::from_millis(self.rng.below(self.weather.pause_ms));
                return;
            }
        }
        self.sender.finish(now);
    }

    fn turn_timers(&mut self) {
        let now = self.clock.now();
        let due = |timeout: Option<Instant>| timeout.is_some_and(|at| at <= now);
        if due(self.sender.poll_timeout()) {
            self.sender.handle_timeout(now);
        }
        if due(self.receiver.poll_timeout()) {
            self.receiver.handle_timeout(now);
        }
        for timeout in [self.sender.poll_timeout(), self.receiver.poll_timeout()] {
            assert!(!due(timeout), "a timer that stays due spins its driver");
        }
    }

    /// Fills the lane as far as it takes anything.
    fn pull(&mut self, at: usize, way: Way) {
        let (now, id) = (self.clock.now(), self.lanes[at].id);
        let open = match way {
            Way::Up => self.processes.sender_lives() && self.lanes[at].sender_end != End::Closed,
            Way::Down => {
                self.processes.receiver_lives() && self.lanes[at].receiver_end != End::Closed
            }
        };
        if !open {
            return;
        }
        loop {
            // Who does not know of the death goes on talking.
            let lane = &self.lanes[at];
            let room = if lane.is_alive() {
                lane.room_bytes(way, now)
            } else {
                4096.max(lane.limits.max_message_bytes)
            };
            let mut bytes = Vec::new();
            let said = match way {
                Way::Up => self.sender.poll_message(now, id, room, &mut bytes),
                Way::Down => self.receiver.poll_message(now, id, room, &mut bytes),
            };
            if !said {
                assert!(bytes.is_empty(), "false, and yet bytes");
                break;
            }
            assert!(bytes.len() <= room, "{} B into {room} B", bytes.len());
            self.lanes[at].push(way, now, bytes);
        }
    }

    fn arrive(&mut self, at: usize, way: Way) {
        let (now, id) = (self.clock.now(), self.lanes[at].id);
        while let Some(bytes) = self.lanes[at].pop(way, now) {
            let (end, lives) = match way {
                Way::Up => (self.lanes[at].receiver_end, self.processes.receiver_lives()),
                Way::Down => (self.lanes[at].sender_end, self.processes.sender_lives()),
            };
            if !lives {
                continue;
            }
            self.met.late += u64::from(end == End::Closed);
            let outcome = match way {
                Way::Up => self.receiver.handle_message(now, id, &bytes),
                Way::Down => self.sender.handle_message(now, id, &bytes),
            };
            match outcome {
                Ok(()) => {}
                Err(ProtocolError::Unsent { .. }) if self.processes.sender_is_behind() => {
                    self.tell_again();
                }
                Err(error) => panic!("an honest peer is accused: {error}"),
            }
        }
    }

    /// The receiver's application takes a frame and writes down that it has it.
    fn take(&mut self) -> bool {
        let Some(frame) = self.receiver.poll_frame() else {
            return false;
        };
        let point = self.receiver.resume_point();
        self.book.deliver(&frame, point);
        true
    }
}
