//! Processes that die and come back: what they had in memory is gone, what was written down is not. Whoever
//! opens the link anew tells both ends the receiver's point, at the latest when the sender's own proves too old.

use std::time::{Duration, Instant};

use datachannel_transport::{
    FrameReceiver, FrameSender, Mode, ReceiverConfig, SenderConfig, Window,
};

use super::World;
use super::lane::End;
use super::weather::Weather;
use crate::support::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Sender,
    Receiver,
}

pub(super) struct Processes {
    sender: SenderConfig,
    receiver: ReceiverConfig,
    /// Who dies when, the next last.
    deaths: Vec<(Instant, Who)>,
    down: Option<(Who, Instant)>,
    /// The sender resumed at a point of its own that is older than the receiver's.
    sender_is_behind: bool,
}

impl Processes {
    pub(super) fn new(
        weather: &Weather,
        rng: &mut Rng,
        (sender, receiver): (SenderConfig, ReceiverConfig),
        start: Instant,
    ) -> Self {
        let mut deaths: Vec<_> = (0..rng.below(weather.restarts + 1))
            .map(|_| {
                let who = [Who::Sender, Who::Receiver][rng.below(2) as usize];
                (start + Duration::from_millis(rng.below(1200)), who)
            })
            .collect();
        deaths.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        Self {
            sender,
            receiver,
            deaths,
            down: None,
            sender_is_behind: false,
        }
    }

    pub(super) fn sender_lives(&self) -> bool {
        self.down.is_none_or(|(who, _)| who != Who::Sender)
    }

    pub(super) fn receiver_lives(&self) -> bool {
        self.down.is_none_or(|(who, _)| who != Who::Receiver)
    }

    pub(super) fn both_live(&self) -> bool {
        self.down.is_none()
    }

    pub(super) fn sender_is_behind(&self) -> bool {
        self.sender_is_behind
    }

    pub(super) fn next_at(&self) -> Option<Instant> {
        match self.down {
            Some((_, until)) => Some(until),
            None => self.deaths.last().map(|(at, _)| *at),
        }
    }
}

impl World {
    pub(super) fn restart_processes(&mut self) {
        let now = self.clock.now();
        match self.processes.down {
            Some((who, until)) if until <= now => {
                self.processes.down = None;
                self.come_back(who);
            }
            Some(_) => {}
            None => {
                let due = self.processes.deaths.pop_if(|(at, _)| *at <= now);
                if let Some((_, who)) = due {
                    self.die(who);
                }
            }
        }
    }

    /// All lanes die with the process; what it had sent may still arrive.
    fn die(&mut self, who: Who) {
        let now = self.clock.now();
        let back_at = now + Duration::from_millis(self.rng.below(150));
        self.processes.down = Some((who, back_at));
        for lane in &mut self.lanes {
            if lane.is_alive() {
                lane.die(now, &mut self.rng);
            }
        }
    }

    fn come_back(&mut self, who: Who) {
        self.new_epoch();
        match who {
            Who::Receiver => {
                self.met.receiver_restarts += 1;
                self.new_receiver();
                self.sender
                    .relink(self.clock.now(), self.processes.sender.epoch);
            }
            Who::Sender => {
                self.met.sender_restarts += 1;
                self.book.sender_died();
                self.met.resent += self.sender.stats().counters.frames_resent;
                // In realtime a number does not name a frame, so that both must be told the same.
                let own = self.book.every_frame && self.rng.chance(30);
                let point = if own {
                    self.sender.resume_point()
                } else {
                    self.book.recorded
                };
                self.processes.sender.resume = point;
                self.processes.sender_is_behind =
                    point.next_sequence < self.book.recorded.next_sequence;
                self.new_sender();
                self.new_receiver();
            }
        }
    }

    /// The sender's own point was too old: both are told the receiver's.
    pub(super) fn tell_again(&mut self) {
        self.met.told_twice += 1;
        self.new_epoch();
        self.book.sender_died();
        self.processes.sender_is_behind = false;
        self.processes.sender.resume = self.book.recorded;
        self.new_sender();
        self.new_receiver();
    }

    /// No lane outlives its link, and no epoch is used twice.
    fn new_epoch(&mut self) {
        self.processes.sender.epoch += 1;
        let now = self.clock.now();
        for lane in &mut self.lanes {
            if lane.is_alive() {
                lane.die(now, &mut self.rng);
            }
            lane.sender_end = End::Closed;
            lane.receiver_end = End::Closed;
        }
        self.opens_at = now;
    }

    fn new_sender(&mut self) {
        let config = self.processes.sender;
        if self.book.every_frame {
            self.book.offer_again_from(config.resume);
        }
        self.sender = FrameSender::new(config).unwrap();
        self.is_full = false;
    }

    fn new_receiver(&mut self) {
        let told = self.weather.epoch_is_told;
        self.receiver = FrameReceiver::new(ReceiverConfig {
            resume: self.book.recorded,
            epoch: told.then_some(self.processes.sender.epoch),
            ..self.processes.receiver
        })
        .unwrap();
    }
}

/// What a sender so configured may hold.
pub(super) fn sender_bound(config: &SenderConfig) -> Window {
    match config.mode {
        Mode::EveryFrame {
            max_queued_frames,
            max_queued_bytes,
        } => Window {
            frames: max_queued_frames as u32,
            bytes: max_queued_bytes,
        },
        Mode::Realtime { max_queued, .. } => Window {
            frames: max_queued as u32 + config.max_window.frames,
            bytes: max_queued as u64 * u64::from(config.max_frame_bytes) + config.max_window.bytes,
        },
        _ => unreachable!("two modes"),
    }
}
