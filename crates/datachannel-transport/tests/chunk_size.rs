//! How a frame is cut: into equal messages or whole fragments, shorter ones where the path is slow.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use datachannel_transport::limits::MIN_PATH_MESSAGE_BYTES;
use datachannel_transport::wire::{Message, decode};
use datachannel_transport::{
    FrameReceiver, FrameSender, LaneId, LaneLimits, Offer, ReceiverConfig, SenderConfig,
};
use support::{EPOCH, LANE, Link, frame};

fn payload_lengths(messages: &[Vec<u8>]) -> Vec<usize> {
    let pieces = messages.iter().map(|bytes| match decode(bytes) {
        Ok(envelope) => match envelope.message {
            Message::Chunk(chunk) => chunk.payload.len(),
            other => panic!("{other:?}"),
        },
        Err(error) => panic!("{error}"),
    });
    pieces.collect()
}

#[test]
fn a_frame_goes_whole_or_in_equal_messages() {
    let mut link = Link::every_frame();
    let mut cut = |source_id, len| {
        assert_eq!(link.offer(source_id, len), Offer::Queued);
        let lengths = payload_lengths(&link.pull_all(LANE));
        assert_eq!(lengths.iter().sum::<usize>(), len);
        lengths
    };
    assert_eq!(cut(0, 16_000), [16_000]);
    assert_eq!(cut(1, 17_000), [8_500, 8_500]);
    assert_eq!(
        cut(2, 100_000),
        [14_286, 14_286, 14_286, 14_286, 14_286, 14_285, 14_285]
    );
}

/// Messages of 11 datagrams, and the rest; with less room, of as many datagrams as there is room for.
#[test]
fn where_datagrams_carry_one_message_each_none_but_the_last_is_short() {
    const FRAGMENT_BYTES: usize = 1412;
    const OTHER: LaneId = LaneId(1);
    let mut link = Link::every_frame();
    link.sender.lane_closed(link.now, LANE);
    let limits = LaneLimits {
        fragment_bytes: FRAGMENT_BYTES,
        ..LaneLimits::default()
    };
    link.open_with(OTHER, limits);
    assert_eq!(link.offer(0, 100_000), Offer::Queued);
    let messages = link.pull_all(OTHER);
    let lengths: Vec<_> = messages.iter().map(Vec::len).collect();
    let (last, whole) = lengths.split_last().unwrap();
    assert_eq!(whole, [11 * FRAGMENT_BYTES; 6]);
    assert!(*last < 11 * FRAGMENT_BYTES);
    assert_eq!(payload_lengths(&messages).iter().sum::<usize>(), 100_000);

    assert_eq!(link.offer(1, 100_000), Offer::Queued);
    let mut pull = |room| {
        let mut out = Vec::new();
        assert!(link.sender.poll_message(link.now, OTHER, room, &mut out));
        out.len()
    };
    assert_eq!(pull(10_000), 7 * FRAGMENT_BYTES);
    assert_eq!(pull(16_000), 11 * FRAGMENT_BYTES);
}

/// A lane of a given rate and one-way delay, in steps of a millisecond.
struct SlowLane {
    now: Instant,
    sender: FrameSender,
    receiver: FrameReceiver,
    bytes_per_ms: usize,
    delay: Duration,
    /// Handed over and not yet sent, with what is left of the first.
    buffered: VecDeque<Vec<u8>>,
    sent_of_first: usize,
    upward: VecDeque<(Instant, Vec<u8>)>,
    downward: VecDeque<(Instant, Vec<u8>)>,
    next_id: u64,
}

/// What a session lets a lane buffer.
const BUFFERED_BYTES: usize = 64 * 1024;

impl SlowLane {
    fn new(bytes_per_ms: usize, delay: Duration) -> Self {
        let now = Instant::now();
        let mut sender = FrameSender::new(SenderConfig::every_frame(EPOCH, now)).unwrap();
        let mut receiver = FrameReceiver::new(ReceiverConfig::every_frame(now)).unwrap();
        let limits = LaneLimits::default();
        sender.lane_opened(now, LANE, limits).unwrap();
        receiver.lane_opened(now, LANE, limits).unwrap();
        Self {
            now,
            sender,
            receiver,
            bytes_per_ms,
            delay,
            buffered: VecDeque::new(),
            sent_of_first: 0,
            upward: VecDeque::new(),
            downward: VecDeque::new(),
            next_id: 0,
        }
    }

    /// Frames of `frame_bytes` for that long; the longest message with a chunk in its last second.
    fn run(&mut self, frame_bytes: usize, time: Duration) -> usize {
        let (end, mut longest) = (self.now + time, 0);
        while self.now < end {
            longest = self.step(frame_bytes).max(longest);
            if end - self.now > Duration::from_secs(1) {
                longest = 0;
            }
        }
        longest
    }

    fn step(&mut self, frame_bytes: usize) -> usize {
        self.now += Duration::from_millis(1);
        self.sender.handle_timeout(self.now);
        if self.sender.waiting_frames() == 0 {
            let offered = self
                .sender
                .offer(self.now, frame(self.next_id, frame_bytes));
            self.next_id += u64::from(offered == Offer::Queued);
        }
        let longest = self.fill();
        self.drain();
        self.arrive();
        longest
    }

    fn fill(&mut self) -> usize {
        let mut longest = 0;
        loop {
            let held: usize = self.buffered.iter().map(Vec::len).sum();
            let mut out = Vec::new();
            let room = BUFFERED_BYTES.saturating_sub(held);
            if !self.sender.poll_message(self.now, LANE, room, &mut out) {
                return longest;
            }
            longest = longest.max(out.len());
            self.buffered.push_back(out);
        }
    }

    fn drain(&mut self) {
        self.sent_of_first += self.bytes_per_ms;
        while let Some(first) = self.buffered.front()
            && first.len() <= self.sent_of_first
        {
            self.sent_of_first -= first.len();
            let message = self.buffered.pop_front().unwrap();
            self.upward.push_back((self.now + self.delay, message));
        }
        if self.buffered.is_empty() {
            self.sent_of_first = 0;
        }
    }

    fn arrive(&mut self) {
        while self.upward.front().is_some_and(|(at, _)| *at <= self.now) {
            let (_, message) = self.upward.pop_front().unwrap();
            self.receiver
                .handle_message(self.now, LANE, &message)
                .unwrap();
        }
        while self.receiver.poll_frame().is_some() {}
        let mut out = Vec::new();
        while self
            .receiver
            .poll_message(self.now, LANE, BUFFERED_BYTES, &mut out)
        {
            let message = std::mem::take(&mut out);
            self.downward.push_back((self.now + self.delay, message));
        }
        while self.downward.front().is_some_and(|(at, _)| *at <= self.now) {
            let (_, message) = self.downward.pop_front().unwrap();
            self.sender
                .handle_message(self.now, LANE, &message)
                .unwrap();
        }
    }
}

#[test]
fn messages_take_ten_milliseconds_of_a_slow_path() {
    // 400 kB/s: 4,000 B in 10 ms.
    let mut lane = SlowLane::new(400, Duration::from_millis(20));
    let longest = lane.run(40_000, Duration::from_secs(6));
    assert!((3_600..=4_600).contains(&longest), "{longest}");
}

#[test]
fn messages_are_no_shorter_than_a_datagram() {
    let mut lane = SlowLane::new(30, Duration::from_millis(20));
    let longest = lane.run(20_000, Duration::from_secs(20));
    assert_eq!(longest, MIN_PATH_MESSAGE_BYTES);
}

#[test]
fn a_path_that_becomes_quick_gets_long_messages_again() {
    let mut lane = SlowLane::new(100, Duration::from_millis(20));
    assert!(lane.run(40_000, Duration::from_secs(10)) < 2_000);
    lane.bytes_per_ms = 10_000;
    let longest = lane.run(40_000, Duration::from_secs(3));
    assert!(longest > 13_000, "{longest}");
}

#[test]
fn a_quick_path_with_a_long_round_trip_gets_long_messages() {
    let mut lane = SlowLane::new(10_000, Duration::from_millis(100));
    let longest = lane.run(40_000, Duration::from_secs(5));
    assert!(longest > 13_000, "{longest}");
}
