//! What no receiver says, into a sender with frames under way.
#![no_main]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use datachannel_transport::wire::{
    Ack, FrameErrorReport, Hello, Message, Received, ReceivedPairs, Role, decode,
};
use datachannel_transport::{
    FrameErrorCode, FrameSender, GoodbyeCode, Mode, Offer, OutgoingFrame, SenderConfig,
    SenderEvent, SenderStats, Window,
};
use frameway_fuzz::{EPOCH, Lane, Pause, bytes_of, meta, payload};
use libfuzzer_sys::fuzz_target;

const QUEUED_FRAMES: usize = 12;
const QUEUED_BYTES: u64 = 100_000;
const MAX_FRAME_BYTES: u32 = 20_000;
const MAX_WINDOW: Window = Window {
    frames: 8,
    bytes: 60_000,
};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    realtime: bool,
    deadline: bool,
    events: Vec<Event<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Event<'a> {
    Open(Lane),
    Close(Lane),
    Offer(u16),
    Poll(Lane, u16),
    /// Everything that a lane takes.
    PollAll(Lane),
    Ack {
        lane: Lane,
        old_epoch: bool,
        next_sequence: u8,
        received: Vec<(u8, u8)>,
        frames: u8,
        bytes: u16,
    },
    Hello {
        lane: Lane,
        role: bool,
        max_message_bytes: u16,
        next_sequence: u8,
        frames: u8,
    },
    Refuse(Lane, u8, u8, u8),
    EofAck(Lane, u8),
    Goodbye(Lane),
    Raw(Lane, &'a [u8]),
    Pass(Pause),
    Relink,
    Finish,
    Leave,
}

struct World {
    now: Instant,
    sender: FrameSender,
    realtime: bool,
    epoch: u32,
    offered: u64,
    settled: BTreeSet<u64>,
    next: u64,
}

/// All that a refused message must leave as it was.
fn without_tallies(mut stats: SenderStats) -> SenderStats {
    stats.counters.protocol_errors = 0;
    stats
}

impl World {
    fn new(input: &Input<'_>) -> Self {
        let now = Instant::now();
        let mode = if input.realtime {
            Mode::Realtime {
                max_queued: QUEUED_FRAMES,
                deadline: input.deadline.then_some(Duration::from_millis(300)),
            }
        } else {
            Mode::EveryFrame {
                max_queued_frames: QUEUED_FRAMES,
                max_queued_bytes: QUEUED_BYTES,
            }
        };
        let config = SenderConfig {
            mode,
            max_window: MAX_WINDOW,
            max_frame_bytes: MAX_FRAME_BYTES,
            ..SenderConfig::every_frame(EPOCH, now)
        };
        Self {
            now,
            sender: FrameSender::new(config).unwrap(),
            realtime: input.realtime,
            epoch: EPOCH,
            offered: 0,
            settled: BTreeSet::new(),
            next: 0,
        }
    }

    fn offer(&mut self, len: u16) {
        let number = self.offered;
        let len = usize::from(len) % (MAX_FRAME_BYTES as usize + 100);
        let frame = OutgoingFrame {
            meta: meta(number),
            payload: payload(number, len),
        };
        match self.sender.offer(self.now, frame.clone()) {
            Offer::Queued | Offer::Replaced { .. } => self.offered += 1,
            Offer::Full(back) => assert!(back == frame && !self.realtime),
            Offer::Refused { frame: back, .. } => assert!(back == frame),
        }
    }

    /// One message; whether there was one.
    fn poll(&mut self, lane: Lane, room: u16) -> bool {
        let mut out = Vec::new();
        let room = room.into();
        if !(self.sender).poll_message(self.now, lane.id(), room, &mut out) {
            assert!(out.is_empty());
            return false;
        }
        assert!(out.len() <= room && out.len() <= lane.limits().max_message_bytes);
        let envelope = decode(&out).unwrap();
        assert_eq!(envelope.epoch, self.epoch);
        if let Message::Chunk(chunk) = envelope.message {
            assert!(chunk.sequence < self.offered, "a frame that nobody offered");
            let (from, to) = (chunk.offset as usize, chunk.payload.len());
            let given_up = chunk.meta.is_some_and(|meta| meta.given_up);
            if !self.realtime && !given_up {
                let whole = payload(chunk.sequence, chunk.frame_bytes as usize);
                assert!(whole[from..from + to] == *chunk.payload);
            }
        }
        true
    }

    fn say(&mut self, lane: Lane, message: &Message<'_>) {
        self.say_bytes(lane, &bytes_of(self.epoch, message));
    }

    fn say_bytes(&mut self, lane: Lane, bytes: &[u8]) {
        let before = without_tallies(self.sender.stats());
        let outcome = self.sender.handle_message(self.now, lane.id(), bytes);
        if outcome.is_err() {
            assert_eq!(before, without_tallies(self.sender.stats()));
        }
    }

    fn check(&mut self) {
        while let Some(event) = self.sender.poll_event() {
            match event {
                SenderEvent::Acked { source_id, .. } | SenderEvent::Dropped { source_id, .. } => {
                    assert!(source_id < self.offered);
                    assert!(self.settled.insert(source_id), "settled twice");
                }
                _ => {}
            }
        }
        let stats = self.sender.stats();
        let c = stats.counters;
        let dropped = c.frames_dropped_replaced
            + c.frames_dropped_deadline
            + c.frames_dropped_lane
            + c.frames_dropped_passed_over
            + c.frames_dropped_refused;
        let settled = c.frames_acked + c.frames_given_up + dropped;
        let held = stats.frames_queued + stats.frames_in_flight;
        assert_eq!(c.frames_offered, settled + held, "{stats:?}");
        assert_eq!(c.frames_offered, self.offered);
        assert_eq!(self.settled.len() as u64, c.frames_acked + dropped);
        assert!(stats.frames_queued <= QUEUED_FRAMES as u64);
        assert!(stats.frames_in_flight <= MAX_WINDOW.frames.into());
        let most = MAX_WINDOW.bytes + QUEUED_FRAMES as u64 * u64::from(MAX_FRAME_BYTES);
        let most = if self.realtime { most } else { QUEUED_BYTES };
        assert!(stats.bytes_in_flight + stats.bytes_queued <= most);
        let next = self.sender.resume_point().next_sequence;
        assert!(next >= self.next, "settled backwards");
        self.next = next;
    }

    fn turn(&mut self, event: &Event<'_>) {
        let window = |frames: u8, bytes: u16| Window {
            frames: frames.into(),
            bytes: u64::from(bytes) * 4,
        };
        match event {
            Event::Open(lane) => {
                let _ = (self.sender).lane_opened(self.now, lane.id(), lane.limits());
            }
            Event::Close(lane) => self.sender.lane_closed(self.now, lane.id()),
            Event::Offer(len) => self.offer(*len),
            Event::Poll(lane, room) => {
                self.poll(*lane, *room);
            }
            Event::PollAll(lane) => while self.poll(*lane, u16::MAX) {},
            Event::Ack {
                lane,
                old_epoch,
                next_sequence,
                received,
                frames,
                bytes,
            } => {
                let pairs: Vec<_> = (received.iter())
                    .map(|&(sequence, attempt)| Received {
                        sequence: sequence.into(),
                        attempt: attempt.into(),
                    })
                    .collect();
                let ack = Message::Ack(Ack {
                    next_sequence: (*next_sequence).into(),
                    received: ReceivedPairs::listed(&pairs),
                    window: window(*frames, *bytes),
                });
                let epoch = self.epoch - u32::from(*old_epoch);
                self.say_bytes(*lane, &bytes_of(epoch, &ack));
            }
            Event::Hello {
                lane,
                role,
                max_message_bytes,
                next_sequence,
                frames,
            } => {
                let hello = Message::Hello(Hello {
                    role: if *role { Role::Receiver } else { Role::Sender },
                    max_message_bytes: (*max_message_bytes).into(),
                    window: window(*frames, u16::MAX),
                    next_sequence: (*next_sequence).into(),
                });
                self.say(*lane, &hello);
            }
            Event::Refuse(lane, sequence, attempt, code) => {
                let report = Message::FrameError(FrameErrorReport {
                    refused: Received {
                        sequence: (*sequence).into(),
                        attempt: (*attempt).into(),
                    },
                    code: FrameErrorCode::from_code((*code % 8).into()),
                    text: "no",
                });
                self.say(*lane, &report);
            }
            Event::EofAck(lane, frames) => {
                let frames = (*frames).into();
                self.say(*lane, &Message::EofAck { frames, hash: 0 });
            }
            Event::Goodbye(lane) => {
                let code = GoodbyeCode::Done;
                self.say(*lane, &Message::Goodbye { code, text: "" });
            }
            Event::Raw(lane, bytes) => self.say_bytes(*lane, bytes),
            Event::Pass(pause) => {
                self.now += pause.duration();
                self.sender.handle_timeout(self.now);
                let next = self.sender.poll_timeout();
                assert!(next.is_none_or(|at| at > self.now), "it stays due");
            }
            Event::Relink => {
                self.epoch += 1;
                self.sender.relink(self.now, self.epoch);
            }
            Event::Finish => self.sender.finish(self.now),
            Event::Leave => self.sender.goodbye(self.now, GoodbyeCode::Done, "done"),
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    let mut world = World::new(&input);
    world.turn(&Event::Open(Lane::first()));
    for event in &input.events {
        world.turn(event);
        world.check();
    }
});
