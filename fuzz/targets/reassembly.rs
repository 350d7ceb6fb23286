//! Chunks, true and false, from lanes that come and go, into a receiver.
#![no_main]

use std::time::Instant;

use arbitrary::Arbitrary;
use datachannel_transport::wire::{Chunk, ChunkMeta, Hello, Message, Role, decode};
use datachannel_transport::{
    FrameReceiver, FrameTotals, HashChain, ReceiverConfig, ReceiverMode, ReceiverStats, Window,
    payload_hash,
};
use frameway_fuzz::{EPOCH, Lane, Pause, bytes_of, meta, payload};
use libfuzzer_sys::fuzz_target;

/// Numbers from here on are of false frames.
const FALSE: u64 = 1 << 32;
const MAX_FRAME_BYTES: u32 = 20_000;
const WINDOW: Window = Window {
    frames: 6,
    bytes: 64 << 10,
};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    realtime: bool,
    epoch_is_told: bool,
    events: Vec<Event<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Event<'a> {
    Open(Lane),
    Close(Lane),
    /// A piece of the frame that the number stands for.
    Piece {
        lane: Lane,
        sequence: u8,
        attempt: u8,
        offset: u16,
        len: u16,
    },
    /// A whole one.
    Whole(Lane, u8, u8),
    /// A piece of anything.
    Lie {
        lane: Lane,
        other_epoch: bool,
        sequence: u8,
        attempt: u8,
        frame_bytes: u32,
        offset: u32,
        given_up: bool,
        payload: &'a [u8],
    },
    Hello {
        lane: Lane,
        epoch: u8,
        role: bool,
        next_sequence: u8,
    },
    Eof {
        lane: Lane,
        frames: u8,
        true_totals: bool,
    },
    Raw(Lane, &'a [u8]),
    Take,
    Poll(Lane, u16),
    Grant(u8, u16),
    Fail(u8, u8),
    Pass(Pause),
}

struct World {
    now: Instant,
    receiver: FrameReceiver,
    realtime: bool,
    chain: HashChain,
    bytes: u64,
    next: u64,
}

fn true_len(sequence: u8) -> usize {
    [0, 1, 300, 5000, 20_000][usize::from(sequence) % 5]
}

/// All that a refused message must leave as it was.
fn without_tallies(mut stats: ReceiverStats) -> ReceiverStats {
    stats.counters.protocol_errors = 0;
    stats.counters.bytes_received = 0;
    stats
}

impl World {
    fn new(realtime: bool, epoch_is_told: bool) -> Self {
        let now = Instant::now();
        let config = ReceiverConfig {
            mode: if realtime {
                ReceiverMode::Realtime
            } else {
                ReceiverMode::EveryFrame
            },
            epoch: epoch_is_told.then_some(EPOCH),
            window: WINDOW,
            max_frame_bytes: MAX_FRAME_BYTES,
            ..ReceiverConfig::every_frame(now)
        };
        Self {
            now,
            receiver: FrameReceiver::new(config).unwrap(),
            realtime,
            chain: HashChain::default(),
            bytes: 0,
            next: 0,
        }
    }

    fn say(&mut self, lane: Lane, bytes: &[u8]) {
        let before = without_tallies(self.receiver.stats());
        let outcome = self.receiver.handle_message(self.now, lane.id(), bytes);
        if outcome.is_err() {
            assert_eq!(before, without_tallies(self.receiver.stats()));
        }
    }

    fn say_piece(&mut self, lane: Lane, sequence: u8, attempt: u8, offset: usize, len: usize) {
        let number = u64::from(sequence);
        let whole = payload(number, true_len(sequence));
        let offset = offset.min(whole.len().saturating_sub(1));
        let len = len.clamp(usize::from(!whole.is_empty()), whole.len() - offset);
        let chunk = Message::Chunk(Chunk {
            sequence: number,
            attempt: attempt.into(),
            frame_bytes: whole.len() as u32,
            offset: offset as u32,
            meta: (offset == 0).then(|| ChunkMeta {
                frame: meta(number),
                given_up: false,
                payload_hash: payload_hash(&whole),
            }),
            payload: &whole[offset..offset + len],
        });
        self.say(lane, &bytes_of(EPOCH, &chunk));
    }

    fn take(&mut self) {
        let promised = self.receiver.has_frame();
        let Some(frame) = self.receiver.poll_frame() else {
            return assert!(!promised);
        };
        assert!(promised);
        assert!(frame.sequence >= self.next, "twice, or backwards");
        assert!(self.realtime || frame.sequence == self.next, "a gap");
        assert!(frame.payload.len() <= MAX_FRAME_BYTES as usize);
        if frame.meta.source_id < FALSE {
            let number = frame.meta.source_id;
            assert_eq!(number, frame.sequence);
            assert!(frame.payload == payload(number, true_len(number as u8)));
        }
        self.next = frame.sequence + 1;
        self.bytes += frame.payload.len() as u64;
        self.chain.push(payload_hash(&frame.payload));
        let point = self.receiver.resume_point();
        assert_eq!((point.next_sequence, point.bytes), (self.next, self.bytes));
        assert!(self.realtime || point.hash == self.chain.value());
    }

    fn poll(&mut self, lane: Lane, room: u16) {
        let mut out = Vec::new();
        let room = room.into();
        if !(self.receiver).poll_message(self.now, lane.id(), room, &mut out) {
            return assert!(out.is_empty());
        }
        assert!(out.len() <= room);
        match decode(&out).unwrap().message {
            Message::Ack(ack) => assert_eq!(ack.next_sequence, self.next),
            Message::Chunk(_) | Message::Eof(_) | Message::Unknown { .. } => {
                panic!("not a receiver's")
            }
            _ => {}
        }
    }

    fn check(&mut self) {
        let stats = self.receiver.stats();
        assert!(stats.bytes_open <= WINDOW.bytes, "{stats:?}");
        assert!(stats.frames_open <= WINDOW.frames.into(), "{stats:?}");
        assert_eq!(stats.next_sequence, self.next);
        while self.receiver.poll_event().is_some() {}
    }

    fn turn(&mut self, event: &Event<'_>) {
        match *event {
            Event::Open(lane) => {
                let _ = (self.receiver).lane_opened(self.now, lane.id(), lane.limits());
            }
            Event::Close(lane) => self.receiver.lane_closed(self.now, lane.id()),
            Event::Piece {
                lane,
                sequence,
                attempt,
                offset,
                len,
            } => self.say_piece(lane, sequence, attempt, offset.into(), len.into()),
            Event::Whole(lane, sequence, attempt) => {
                self.say_piece(lane, sequence, attempt, 0, usize::MAX);
            }
            Event::Lie {
                lane,
                other_epoch,
                sequence,
                attempt,
                frame_bytes,
                offset,
                given_up,
                payload,
            } => {
                let number = u64::from(sequence);
                let meta = ChunkMeta {
                    frame: meta(FALSE + number),
                    given_up,
                    payload_hash: u64::from(attempt % 2),
                };
                let chunk = Message::Chunk(Chunk {
                    sequence: number,
                    attempt: attempt.into(),
                    frame_bytes,
                    offset,
                    meta: (offset == 0).then_some(meta),
                    payload,
                });
                self.say(lane, &bytes_of(EPOCH + u32::from(other_epoch), &chunk));
            }
            Event::Hello {
                lane,
                epoch,
                role,
                next_sequence,
            } => {
                let hello = Message::Hello(Hello {
                    role: if role { Role::Sender } else { Role::Receiver },
                    max_message_bytes: 1 << 20,
                    window: WINDOW,
                    next_sequence: next_sequence.into(),
                });
                self.say(lane, &bytes_of(EPOCH + u32::from(epoch / 128), &hello));
            }
            Event::Eof {
                lane,
                frames,
                true_totals,
            } => {
                let hash = if self.realtime { 0 } else { self.chain.value() };
                let totals = FrameTotals {
                    frames: if true_totals {
                        self.next
                    } else {
                        frames.into()
                    },
                    bytes: self.bytes,
                    hash,
                };
                self.say(lane, &bytes_of(EPOCH, &Message::Eof(totals)));
            }
            Event::Raw(lane, bytes) => self.say(lane, bytes),
            Event::Take => self.take(),
            Event::Poll(lane, room) => self.poll(lane, room),
            Event::Grant(frames, bytes) => {
                let (frames, bytes) = (frames.into(), u64::from(bytes) * 2);
                let granted = self.receiver.set_window(Window { frames, bytes }).is_ok();
                assert_eq!(granted, frames <= WINDOW.frames && bytes <= WINDOW.bytes);
            }
            Event::Fail(sequence, attempt) => {
                (self.receiver).report_failure(sequence.into(), attempt.into(), "no");
            }
            Event::Pass(pause) => {
                self.now += pause.duration();
                self.receiver.handle_timeout(self.now);
                let next = self.receiver.poll_timeout();
                assert!(next.is_none_or(|at| at > self.now), "it stays due");
            }
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    let mut world = World::new(input.realtime, input.epoch_is_told);
    world.turn(&Event::Open(Lane::first()));
    for event in &input.events {
        world.turn(event);
        world.check();
    }
});
