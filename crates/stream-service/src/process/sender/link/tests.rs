//! A worker whose end of the account is another: the run ends and says so, whichever of the four figures it is.

use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use bytes::Bytes;
use datachannel_transport::wire::{Message, decode, encode};
use datachannel_transport::{
    Encoding, FrameMeta, FrameReceiver, FrameSender, FrameTotals, LaneId, LaneLimits, Offer,
    OutgoingFrame, ReceiverConfig, ResumePoint, SenderConfig,
};

use super::{LinkFailure, Record, SendLink, SendOptions, Start};
use crate::process::lane::{Channel, LinkEnd as _, Opened};

const LANE: LaneId = LaneId(0);
const EPOCH: u32 = 9;
const FRAMES: u64 = 3;
const ROOM_BYTES: usize = 64 << 10;

/// What a worker says falsely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    Nothing,
    FramesCount,
    FramesHash,
    ResultsCount,
    ResultsHash,
}

impl Lie {
    /// The worker's message, changed where it is the one to lie in.
    fn told(self, bytes: &[u8]) -> Vec<u8> {
        let message = match (self, decode(bytes).unwrap().message) {
            (Self::FramesCount, Message::EofAck { frames, hash }) => Message::EofAck {
                frames: frames - 1,
                hash,
            },
            (Self::FramesHash, Message::EofAck { frames, hash }) => Message::EofAck {
                frames,
                hash: hash ^ 1,
            },
            (Self::ResultsCount, Message::Eof(totals)) => Message::Eof(FrameTotals {
                frames: totals.frames + 1,
                ..totals
            }),
            (Self::ResultsHash, Message::Eof(totals)) => Message::Eof(FrameTotals {
                hash: totals.hash ^ 1,
                ..totals
            }),
            _ => return bytes.to_vec(),
        };
        let mut out = Vec::new();
        encode(EPOCH, &message, &mut out);
        out
    }
}

/// A link and a worker that answers each frame with an empty result.
struct Run {
    now: Instant,
    link: SendLink,
    records: Receiver<Record>,
    frames: FrameReceiver,
    results: FrameSender,
    lie: Lie,
}

fn outgoing(source_id: u64) -> OutgoingFrame {
    let meta = FrameMeta {
        source_id,
        pts_us: 0,
        duration_us: 0,
        width: 0,
        height: 0,
        encoding: Encoding::Opaque,
        quality: 0,
        keyframe: true,
        released_us: 0,
    };
    let payload = Bytes::from(vec![source_id as u8; 100]);
    OutgoingFrame { meta, payload }
}

impl Run {
    fn new(lie: Lie) -> Self {
        let now = Instant::now();
        let (told, records) = sync_channel(64);
        let start = Start {
            point: ResumePoint::default(),
            answered: 0,
        };
        let options = SendOptions::new("http://worker.invalid", "opaque:");
        let link = SendLink::new(now, EPOCH, &options, start, told).unwrap();
        let mut frames = FrameReceiver::new(ReceiverConfig::every_frame(now)).unwrap();
        let mut results = FrameSender::new(SenderConfig::every_frame(EPOCH, now)).unwrap();
        let limits = LaneLimits::default();
        frames.lane_opened(now, LANE, limits).unwrap();
        results.lane_opened(now, LANE, limits).unwrap();
        link.joined(now, LANE, 0);
        for channel in [Channel::Frames, Channel::Results] {
            let opened = Opened {
                channel,
                limits,
                max_message_bytes: limits.max_message_bytes,
                protocol: "",
            };
            assert!(link.opened(now, LANE, &opened));
        }
        Self {
            now,
            link,
            records,
            frames,
            results,
            lie,
        }
    }

    /// Messages both ways until nobody has any left.
    fn exchange(&mut self) {
        while self.upward() | self.downward() {}
    }

    fn upward(&mut self) -> bool {
        let mut some = false;
        for channel in [Channel::Frames, Channel::Results] {
            let mut out = Vec::new();
            while (self
                .link
                .poll(self.now, LANE, channel, ROOM_BYTES, &mut out))
            .is_some()
            {
                match channel {
                    Channel::Frames => self.frames.handle_message(self.now, LANE, &out),
                    _ => self.results.handle_message(self.now, LANE, &out),
                }
                .unwrap();
                out.clear();
                some = true;
            }
        }
        while let Some(frame) = self.frames.poll_frame() {
            let result = outgoing(frame.meta.source_id);
            assert_eq!(self.results.offer(self.now, result), Offer::Queued);
        }
        some
    }

    fn downward(&mut self) -> bool {
        let (now, mut out, mut some) = (self.now, Vec::new(), false);
        while self.frames.poll_message(now, LANE, ROOM_BYTES, &mut out) {
            let message = self.lie.told(&std::mem::take(&mut out));
            (self.link).message(now, LANE, Channel::Frames, true, &message);
            some = true;
        }
        while self.results.poll_message(now, LANE, ROOM_BYTES, &mut out) {
            let message = self.lie.told(&std::mem::take(&mut out));
            (self.link).message(now, LANE, Channel::Results, true, &message);
            some = true;
        }
        some
    }

    /// All frames, their results, and the end of both.
    fn run_to_the_end(&mut self) {
        (0..FRAMES).for_each(|n| assert!(self.link.offer(outgoing(n))));
        self.exchange();
        assert!(!self.link.is_over(), "the end was not said yet");
        self.link.finish();
        self.results.finish(self.now);
        self.exchange();
    }
}

#[test]
fn ends_that_agree_are_the_end() {
    let mut run = Run::new(Lie::Nothing);
    run.run_to_the_end();
    assert!(run.link.is_over());
    assert!(run.link.failure().is_none(), "{:?}", run.link.failure());
    let results = run.records.try_iter();
    assert_eq!(results.count() as u64, FRAMES);
}

#[test]
fn another_count_or_hash_ends_the_run_as_a_failure() {
    for lie in [Lie::FramesCount, Lie::FramesHash, Lie::ResultsHash] {
        let mut run = Run::new(lie);
        run.run_to_the_end();
        assert!(run.link.is_over(), "{lie:?}: it would be waited for");
        let failure = run.link.failure();
        assert!(
            matches!(failure, Some(LinkFailure::Mismatch(_))),
            "{lie:?}: {failure:?}"
        );
        let results = run.records.try_iter();
        assert_eq!(results.count() as u64, FRAMES, "what came stays");
    }
}

#[test]
fn an_end_of_results_that_are_not_here_breaks_the_protocol() {
    let mut run = Run::new(Lie::ResultsCount);
    run.run_to_the_end();
    assert!(run.link.is_over());
    let failure = run.link.failure();
    assert!(
        matches!(failure, Some(LinkFailure::Protocol(_))),
        "{failure:?}"
    );
    assert!(!run.link.offer(outgoing(FRAMES)), "nothing more is taken");
}
