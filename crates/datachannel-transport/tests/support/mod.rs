//! What several tests need: frames, links whose messages go straight across, and messages by hand.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr
)]

pub mod seeds;

use std::time::{Duration, Instant};

use bytes::Bytes;
use datachannel_transport::wire::{Chunk, ChunkMeta, Message, encode};
use datachannel_transport::{
    Encoding, FrameMeta, FrameReceiver, FrameSender, LaneId, LaneLimits, Offer, OutgoingFrame,
    ReceivedFrame, ReceiverConfig, SenderConfig, SenderEvent,
};

pub const EPOCH: u32 = 0x0102_0304;
pub const LANE: LaneId = LaneId(0);

/// Deterministic randomness (SplitMix64).
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `n` − 1.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        for eight in bytes.chunks_mut(8) {
            let next = self.next().to_le_bytes();
            eight.copy_from_slice(&next[..eight.len()]);
        }
        bytes
    }
}

pub fn meta(source_id: u64) -> FrameMeta {
    FrameMeta {
        source_id,
        pts_us: (source_id as i64).wrapping_mul(33_333),
        duration_us: 33_333,
        width: 1280,
        height: 720,
        encoding: Encoding::Jpeg,
        quality: 85,
        keyframe: true,
        released_us: source_id.wrapping_mul(33_333).wrapping_add(5_000),
    }
}

/// A frame whose bytes follow from its number.
pub fn frame(source_id: u64, len: usize) -> OutgoingFrame {
    OutgoingFrame {
        meta: meta(source_id),
        payload: Bytes::from(Rng(source_id).bytes(len)),
    }
}

pub fn quiet_sender(mut config: SenderConfig) -> FrameSender {
    config.ping_interval = None;
    FrameSender::new(config).unwrap()
}

pub fn quiet_receiver(mut config: ReceiverConfig) -> FrameReceiver {
    config.ping_interval = None;
    FrameReceiver::new(config).unwrap()
}

/// A sender and a receiver on one clock.
pub struct Link {
    pub now: Instant,
    pub sender: FrameSender,
    pub receiver: FrameReceiver,
}

impl Link {
    pub fn every_frame() -> Self {
        let now = Instant::now();
        Self::of(
            SenderConfig::every_frame(EPOCH, now),
            ReceiverConfig::every_frame(now),
            now,
        )
    }

    pub fn realtime() -> Self {
        let now = Instant::now();
        Self::of(
            SenderConfig::realtime(EPOCH, now),
            ReceiverConfig::realtime(now),
            now,
        )
    }

    /// With lane 0 open and both hellos exchanged.
    pub fn of(sender: SenderConfig, receiver: ReceiverConfig, now: Instant) -> Self {
        let mut link = Self {
            now,
            sender: quiet_sender(sender),
            receiver: quiet_receiver(receiver),
        };
        link.open(LANE);
        link
    }

    pub fn open(&mut self, lane: LaneId) {
        self.open_with(lane, LaneLimits::default());
    }

    pub fn open_with(&mut self, lane: LaneId, limits: LaneLimits) {
        self.sender.lane_opened(self.now, lane, limits).unwrap();
        self.receiver.lane_opened(self.now, lane, limits).unwrap();
        self.deliver_all(lane);
        self.answer_all(lane);
    }

    pub fn pass(&mut self, duration: Duration) {
        self.now += duration;
    }

    pub fn pull(&mut self, lane: LaneId) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.sender
            .poll_message(self.now, lane, usize::MAX, &mut out)
            .then_some(out)
    }

    pub fn pull_all(&mut self, lane: LaneId) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.pull(lane)).collect()
    }

    pub fn pull_answer(&mut self, lane: LaneId) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.receiver
            .poll_message(self.now, lane, usize::MAX, &mut out)
            .then_some(out)
    }

    pub fn pull_answers(&mut self, lane: LaneId) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.pull_answer(lane)).collect()
    }

    /// Everything the sender has for the lane reaches the receiver.
    pub fn deliver_all(&mut self, lane: LaneId) {
        for message in self.pull_all(lane) {
            self.receiver
                .handle_message(self.now, lane, &message)
                .unwrap();
        }
    }

    /// Everything the receiver has for the lane reaches the sender.
    pub fn answer_all(&mut self, lane: LaneId) {
        for message in self.pull_answers(lane) {
            self.sender
                .handle_message(self.now, lane, &message)
                .unwrap();
        }
    }

    pub fn frames(&mut self) -> Vec<ReceivedFrame> {
        std::iter::from_fn(|| self.receiver.poll_frame()).collect()
    }

    pub fn events(&mut self) -> Vec<SenderEvent> {
        std::iter::from_fn(|| self.sender.poll_event()).collect()
    }

    pub fn offer(&mut self, source_id: u64, len: usize) -> Offer {
        self.sender.offer(self.now, frame(source_id, len))
    }

    /// Round and round until neither side has anything left; returns what was handed out.
    pub fn run(&mut self, lane: LaneId) -> Vec<ReceivedFrame> {
        let mut all = Vec::new();
        loop {
            let before = all.len();
            let messages = self.pull_all(lane);
            let idle = messages.is_empty();
            for message in messages {
                self.receiver
                    .handle_message(self.now, lane, &message)
                    .unwrap();
            }
            all.extend(self.frames());
            self.answer_all(lane);
            if idle && all.len() == before {
                return all;
            }
        }
    }
}

/// The bytes of a message of the test epoch.
pub fn bytes_of(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(EPOCH, message, &mut out);
    out
}

pub fn chunk_meta(source_id: u64) -> ChunkMeta {
    ChunkMeta {
        frame: meta(source_id),
        given_up: false,
        payload_hash: 0,
    }
}

/// A piece of a frame, with `meta` where offset is 0.
pub fn chunk(
    sequence: u64,
    attempt: u16,
    frame_bytes: u32,
    offset: u32,
    payload: &[u8],
) -> Vec<u8> {
    let meta = (offset == 0).then(|| chunk_meta(sequence));
    bytes_of(&Message::Chunk(Chunk {
        sequence,
        attempt,
        frame_bytes,
        offset,
        meta,
        payload,
    }))
}
