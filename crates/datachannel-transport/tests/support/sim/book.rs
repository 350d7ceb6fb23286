//! The applications at both ends: what was offered, what was handed out, what each was told. Wrong entries
//! are refused when they are made, so that a failure stands at its step.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;
use datachannel_transport::{
    FrameReceiver, FrameSender, OutgoingFrame, ReceivedFrame, ResumePoint, SenderEvent,
    SenderStats, Window,
};

use crate::support::{Rng, meta};

/// What became of an offered frame, as its sender's application knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The receiver took it.
    Acked,
    /// Realtime: the sender said that it dropped it.
    Dropped,
    /// The sender's process died before it knew.
    LostWithProcess,
}

#[derive(Debug, Default)]
pub struct Book {
    /// Every frame: a sequence number is its frame's number, without gaps.
    pub every_frame: bool,
    /// All that there are to send.
    pub frames: Vec<OutgoingFrame>,
    /// The next of them to be offered.
    pub next_offer: u64,
    /// Frames handed out, by number.
    pub delivered: Vec<u64>,
    /// What the receiver's application wrote down with the last of them.
    pub recorded: ResumePoint,
    pub fates: BTreeMap<u64, Fate>,
    pub finished: Option<bool>,
}

impl Book {
    pub fn next_frame(&self) -> Option<OutgoingFrame> {
        self.frames.get(self.next_offer as usize).cloned()
    }

    /// A frame was handed out: the next one, or in realtime a later one, and as it was offered.
    pub fn deliver(&mut self, got: &ReceivedFrame, point: ResumePoint) {
        let number = got.meta.source_id;
        match self.delivered.last() {
            Some(&last) => assert!(number > last, "{number} after {last}"),
            None => assert!(!self.every_frame || number == 0, "{number} first"),
        }
        if self.every_frame {
            assert_eq!(number, self.delivered.len() as u64, "a gap");
            assert_eq!(number, got.sequence);
        }
        let sent = &self.frames[number as usize];
        assert_eq!(got.meta, sent.meta, "frame {number}");
        assert!(got.payload == sent.payload, "bytes of frame {number}");
        assert!(!got.given_up, "frame {number} given up");
        assert_eq!(point.next_sequence, got.sequence + 1);
        self.delivered.push(number);
        self.recorded = point;
    }

    /// The sender said something about a frame: once only, and nothing that is not so.
    pub fn told(&mut self, event: &SenderEvent) {
        match *event {
            SenderEvent::Acked { source_id, .. } => {
                assert!(
                    self.delivered.binary_search(&source_id).is_ok(),
                    "{source_id} acknowledged, not delivered"
                );
                self.seal(source_id, Fate::Acked);
            }
            SenderEvent::Dropped { source_id, reason } => {
                assert!(!self.every_frame, "{source_id} dropped: {reason:?}");
                self.seal(source_id, Fate::Dropped);
            }
            SenderEvent::Finished { verified, .. } => self.finished = Some(verified),
            SenderEvent::PeerHello { .. } => {}
            ref other => panic!("nobody said that: {other:?}"),
        }
    }

    fn seal(&mut self, number: u64, fate: Fate) {
        let before = self.fates.insert(number, fate);
        assert_eq!(before, None, "frame {number} is accounted for twice");
    }

    /// The sender's process died: what it had not told is not known any more.
    pub fn sender_died(&mut self) {
        for number in 0..self.next_offer {
            self.fates.entry(number).or_insert(Fate::LostWithProcess);
        }
    }

    /// An application that resumes offers again what was not delivered.
    pub fn offer_again_from(&mut self, point: ResumePoint) {
        self.next_offer = point.next_sequence;
        self.fates.retain(|number, _| *number < self.next_offer);
    }

    pub fn dropped(&self) -> u64 {
        let fates = self.fates.values();
        fates.filter(|fate| **fate == Fate::Dropped).count() as u64
    }

    pub fn assert_complete(&self) {
        let all: Vec<_> = (0..self.frames.len() as u64).collect();
        let accounted: Vec<_> = self.fates.keys().copied().collect();
        assert_eq!(accounted, all, "each frame is accounted for");
        if self.every_frame {
            assert_eq!(self.delivered, all, "each frame is delivered");
        }
    }
}

/// Chance made once: making every frame's anew would take most of the time.
static NOISE: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(Rng(1).bytes(1 << 17)));

/// A frame of up to `most_bytes` that follows from its number, out of the noise; every tenth is empty or tiny.
pub fn frame(number: u64, most_bytes: u64) -> OutgoingFrame {
    let mut rng = Rng(number ^ 0x5eed);
    let most = if rng.chance(10) { 3 } else { most_bytes };
    let len = rng.below(most) as usize;
    let from = rng.below((NOISE.len() - len) as u64) as usize;
    OutgoingFrame {
        meta: meta(number),
        payload: NOISE.slice(from..from + len),
    }
}

/// Every offered frame is somewhere, once.
pub fn assert_ledger(stats: &SenderStats) {
    let c = stats.counters;
    let dropped = c.frames_dropped_replaced
        + c.frames_dropped_deadline
        + c.frames_dropped_lane
        + c.frames_dropped_passed_over
        + c.frames_dropped_refused;
    let settled = c.frames_acked + c.frames_given_up + dropped;
    let held = stats.frames_queued + stats.frames_in_flight;
    assert_eq!(c.frames_offered, settled + held, "{stats:#?}");
    assert_eq!(stats.events_lost, 0);
}

/// The most that either end may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub receiver: Window,
    pub sender: Window,
}

impl Bounds {
    pub fn assert_sender(&self, sender: &FrameSender) {
        let stats = sender.stats();
        assert_ledger(&stats);
        let bytes = stats.bytes_in_flight + stats.bytes_queued;
        let frames = stats.frames_in_flight + stats.frames_queued;
        let within = bytes <= self.sender.bytes && frames <= self.sender.frames.into();
        assert!(within, "{:?} {stats:#?}", self.sender);
    }

    pub fn assert_receiver(&self, receiver: &FrameReceiver) {
        let stats = receiver.stats();
        let within = stats.bytes_open <= self.receiver.bytes
            && stats.frames_open <= self.receiver.frames.into();
        assert!(within, "{:?} {stats:#?}", self.receiver);
    }
}

/// What the sender calls settled was delivered; every frame: with the same count and hash.
pub fn assert_agreement(sender: &FrameSender, book: &Book) {
    let (settled, delivered) = (sender.resume_point(), book.recorded);
    assert!(
        settled.next_sequence <= delivered.next_sequence,
        "{settled:?} settled, {delivered:?} delivered"
    );
    if book.every_frame && settled.next_sequence == delivered.next_sequence {
        assert_eq!(settled, delivered);
    }
}
