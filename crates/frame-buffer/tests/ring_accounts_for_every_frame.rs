//! The ring against a model that a reader can check by eye: a `Vec` of frame numbers.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::{Duration, Instant};

use frame_buffer::{
    BufferConfig, FillState, FrameId, OverflowPolicy, Picture, PictureSize, Popped, PushOutcome,
    RingBuffer, VideoFrame,
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Operation {
    Push,
    Pop,
    EndOfSource,
    Clear,
    SetSize(usize),
    SetThreshold(f64),
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => Just(Operation::Push),
        6 => Just(Operation::Pop),
        1 => Just(Operation::EndOfSource),
        1 => Just(Operation::Clear),
        2 => (0..=130_usize).prop_map(Operation::SetSize),
        2 => (0..=10_u32).prop_map(|tenths| Operation::SetThreshold(f64::from(tenths) / 10.0)),
    ]
}

fn policy() -> impl Strategy<Value = OverflowPolicy> {
    prop_oneof![
        Just(OverflowPolicy::Wait),
        Just(OverflowPolicy::DropOldest),
        Just(OverflowPolicy::DropNewest),
    ]
}

/// What the ring should do, in the plainest terms.
struct Model {
    policy: OverflowPolicy,
    size: usize,
    threshold: f64,
    held: Vec<u64>,
    next: u64,
    last: Option<u64>,
    ended: bool,
    ready: bool,
    popped: u64,
    repeats: u64,
    placeholders: u64,
    dropped_oldest: u64,
    dropped_newest: u64,
    dropped_on_shrink: u64,
    cleared: u64,
}

impl Model {
    fn new(policy: OverflowPolicy, size: usize) -> Self {
        Self {
            policy,
            size,
            threshold: 0.5,
            held: Vec::new(),
            next: 0,
            last: None,
            ended: false,
            ready: false,
            popped: 0,
            repeats: 0,
            placeholders: 0,
            dropped_oldest: 0,
            dropped_newest: 0,
            dropped_on_shrink: 0,
            cleared: 0,
        }
    }

    fn push(&mut self) -> &'static str {
        self.ended = false;
        if self.held.len() < self.size {
            self.held.push(self.next);
            self.next += 1;
            return "stored";
        }
        match self.policy {
            OverflowPolicy::Wait => "full",
            OverflowPolicy::DropOldest => {
                self.held.remove(0);
                self.held.push(self.next);
                self.next += 1;
                self.dropped_oldest += 1;
                "dropped oldest"
            }
            OverflowPolicy::DropNewest => {
                self.next += 1;
                self.dropped_newest += 1;
                "dropped newest"
            }
        }
    }

    fn pop(&mut self) -> (&'static str, Option<u64>) {
        if !self.held.is_empty() {
            self.last = Some(self.held.remove(0));
            self.popped += 1;
            return ("frame", self.last);
        }
        if self.ended {
            return ("ended", None);
        }
        match self.last {
            Some(last) => {
                self.repeats += 1;
                ("repeat", Some(last))
            }
            None => {
                self.placeholders += 1;
                ("placeholder", None)
            }
        }
    }

    fn set_size(&mut self, size: usize) -> Result<usize, ()> {
        if !(1..=120).contains(&size) {
            return Err(());
        }
        self.size = size;
        let excess = match self.policy {
            OverflowPolicy::Wait => 0,
            _ => self.held.len().saturating_sub(size),
        };
        match self.policy {
            OverflowPolicy::Wait => {}
            OverflowPolicy::DropNewest => self.held.truncate(size),
            OverflowPolicy::DropOldest => drop(self.held.drain(..excess)),
        }
        self.dropped_on_shrink += excess as u64;
        Ok(excess)
    }

    fn update_ready(&mut self) {
        let tenths = (self.threshold * 10.0).round() as usize;
        let enough = (self.size * tenths).div_ceil(10).max(1);
        self.ready |= self.ended || self.held.len() >= enough;
    }
}

fn frame(n: u64, picture: &Picture) -> VideoFrame {
    VideoFrame {
        id: FrameId(n),
        pts: Duration::from_millis(n * 40),
        duration: Duration::from_millis(40),
        picture: picture.clone(),
    }
}

fn tiny_picture() -> Picture {
    Picture::black(PictureSize::new(2, 2).unwrap()).unwrap()
}

fn apply(ring: &mut RingBuffer, model: &mut Model, operation: &Operation, picture: &Picture) {
    match *operation {
        Operation::Push => {
            let pushed = match ring.push(frame(model.next, picture)) {
                PushOutcome::Stored => "stored",
                PushOutcome::Full(_) => "full",
                PushOutcome::DroppedOldest(_) => "dropped oldest",
                PushOutcome::DroppedNewest(_) => "dropped newest",
            };
            assert_eq!(pushed, model.push());
        }
        Operation::Pop => {
            let popped = match ring.pop(Instant::now()) {
                Popped::Frame(frame) => ("frame", Some(frame.id.0)),
                Popped::Repeat(frame) => ("repeat", Some(frame.id.0)),
                Popped::Placeholder => ("placeholder", None),
                Popped::Ended => ("ended", None),
            };
            assert_eq!(popped, model.pop());
        }
        Operation::EndOfSource => {
            ring.end_of_source();
            model.ended = true;
        }
        Operation::Clear => {
            assert_eq!(ring.clear(), model.held.len());
            model.cleared += model.held.len() as u64;
            model.held.clear();
            (model.ended, model.ready) = (false, false);
        }
        Operation::SetSize(size) => {
            assert_eq!(ring.set_size(size).map_err(drop), model.set_size(size));
        }
        Operation::SetThreshold(threshold) => {
            let valid = (0.1..=0.9).contains(&threshold);
            assert_eq!(ring.set_prefetch_threshold(threshold).is_ok(), valid);
            if valid {
                model.threshold = threshold;
            }
        }
    }
    if !matches!(operation, Operation::Clear) {
        model.update_ready();
    }
}

fn compare(ring: &RingBuffer, model: &Model) {
    let metrics = ring.metrics();
    assert_eq!(metrics.size, model.size);
    assert_eq!(metrics.fill, model.held.len());
    assert_eq!(
        ring.peek().map(|frame| frame.id.0),
        model.held.first().copied()
    );
    assert_eq!(ring.ready(), model.ready);
    assert_eq!(metrics.popped, model.popped);
    assert_eq!(metrics.repeats, model.repeats);
    assert_eq!(metrics.placeholders, model.placeholders);
    assert_eq!(metrics.underflows, model.repeats + model.placeholders);
    assert_eq!(metrics.dropped_oldest, model.dropped_oldest);
    assert_eq!(metrics.dropped_newest, model.dropped_newest);
    assert_eq!(metrics.dropped_on_shrink, model.dropped_on_shrink);
    assert_eq!(
        metrics.bytes,
        model.held.len() * tiny_picture().size_bytes()
    );
    assert_eq!(
        metrics.pushed,
        metrics.popped
            + metrics.dropped_oldest
            + metrics.dropped_newest
            + metrics.dropped_on_shrink
            + model.cleared
            + metrics.fill as u64
    );
    let wants = !model.ended && model.held.len() < model.size;
    assert_eq!(ring.fill_state().wants_frames(), wants);
}

proptest! {
    #[test]
    fn ring_does_what_the_model_does(
        policy in policy(),
        size in 1..=120_usize,
        operations in proptest::collection::vec(operation(), 0..400),
    ) {
        let picture = tiny_picture();
        let mut ring = RingBuffer::new(BufferConfig::new(size, 0.5, policy).unwrap());
        let mut model = Model::new(policy, size);
        for operation in &operations {
            apply(&mut ring, &mut model, operation, &picture);
            compare(&ring, &model);
        }
    }

    #[test]
    fn bytes_stay_within_their_bound(
        policy in policy(),
        max_bytes in 0..2_000_000_usize,
        sides in proptest::collection::vec(2..600_u32, 1..60),
    ) {
        let config = BufferConfig::new(120, 0.9, policy).unwrap().with_max_bytes(max_bytes);
        let mut ring = RingBuffer::new(config);
        for (n, side) in sides.into_iter().enumerate() {
            let picture = Picture::black(PictureSize::new(side, side).unwrap()).unwrap();
            let full = !matches!(ring.push(frame(n as u64, &picture)), PushOutcome::Stored);
            let metrics = ring.metrics();
            prop_assert!(metrics.bytes <= max_bytes || metrics.fill == 1);
            // A ring that refuses frames must let playback begin, or nothing would ever move.
            prop_assert!(!full || ring.ready());
        }
    }
}

#[test]
fn urgency_has_hysteresis() {
    let picture = tiny_picture();
    let mut ring = RingBuffer::new(BufferConfig::default());
    let push = |ring: &mut RingBuffer, n| {
        for i in 0..n {
            assert!(matches!(ring.push(frame(i, &picture)), PushOutcome::Stored));
        }
    };
    push(&mut ring, 22);
    assert_eq!(ring.fill_state(), FillState::Filling);
    assert!(ring.ready(), "15 of 30 suffice to begin");
    push(&mut ring, 1);
    assert_eq!(ring.fill_state(), FillState::Steady);
    push(&mut ring, 7);
    assert_eq!(ring.fill_state(), FillState::Full);
    for _ in 0..15 {
        ring.pop(Instant::now());
    }
    assert_eq!(ring.fill_state(), FillState::Steady);
    ring.pop(Instant::now());
    assert_eq!(ring.fill_state(), FillState::Filling);
    ring.end_of_source();
    assert_eq!(ring.fill_state(), FillState::Draining);
}

#[test]
fn a_short_clip_is_ready_when_it_ends() {
    let mut ring = RingBuffer::new(BufferConfig::default());
    let pushed = ring.push(frame(0, &tiny_picture()));
    assert!(matches!(pushed, PushOutcome::Stored) && !ring.ready());
    ring.end_of_source();
    assert!(ring.ready());
    assert!(matches!(ring.pop(Instant::now()), Popped::Frame(_)));
    assert!(ring.is_finished());
    assert!(matches!(ring.pop(Instant::now()), Popped::Ended));
    assert_eq!(ring.metrics().underflows, 0);
}

#[test]
fn a_freeze_is_one_stall_however_many_frames_it_repeats() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut ring = RingBuffer::new(BufferConfig::default());
    assert!(matches!(ring.pop(at(0)), Popped::Placeholder));
    assert!(matches!(ring.pop(at(40)), Popped::Placeholder));
    assert!(matches!(
        ring.push(frame(0, &tiny_picture())),
        PushOutcome::Stored
    ));
    assert!(matches!(ring.pop(at(100)), Popped::Frame(_)));
    assert!(matches!(ring.pop(at(140)), Popped::Repeat(_)));
    let metrics = ring.metrics();
    assert_eq!((metrics.stalls, metrics.stalled_ms), (2, 100));
    assert_eq!((metrics.placeholders, metrics.repeats), (2, 1));
}

#[test]
fn a_seek_keeps_showing_the_last_frame() {
    let mut ring = RingBuffer::new(BufferConfig::new(2, 0.5, OverflowPolicy::Wait).unwrap());
    let pushed = ring.push(frame(7, &tiny_picture()));
    assert!(matches!(pushed, PushOutcome::Stored));
    assert!(matches!(ring.pop(Instant::now()), Popped::Frame(_)));
    ring.end_of_source();
    ring.clear();
    assert!(!ring.ready());
    match ring.pop(Instant::now()) {
        Popped::Repeat(frame) => assert_eq!(frame.id, FrameId(7)),
        other => panic!("expected the last frame again, got {other:?}"),
    }
}

#[test]
fn settings_out_of_range_are_named() {
    let wait = OverflowPolicy::Wait;
    for (size, threshold, field) in [
        (0, 0.5, "size"),
        (121, 0.5, "size"),
        (30, 0.09, "prefetch_threshold"),
        (30, 0.91, "prefetch_threshold"),
        (30, f64::NAN, "prefetch_threshold"),
    ] {
        let error = BufferConfig::new(size, threshold, wait).unwrap_err();
        assert_eq!(error.field(), field);
        let (min, max) = error.range();
        let text = error.to_string();
        assert!(text.contains(&format!("{min} to {max}")), "{text}");
    }
    assert!(BufferConfig::new(1, 0.1, wait).is_ok());
    assert!(BufferConfig::new(120, 0.9, wait).is_ok());
}

#[test]
fn a_waiting_ring_made_smaller_drains_without_losing_a_frame() {
    let config = BufferConfig::new(30, 0.5, OverflowPolicy::Wait).unwrap();
    let mut ring = RingBuffer::new(config);
    let picture = tiny_picture();
    for n in 0..30 {
        assert!(matches!(ring.push(frame(n, &picture)), PushOutcome::Stored));
    }
    assert_eq!(ring.set_size(5), Ok(0));
    assert_eq!((ring.metrics().fill, ring.metrics().size), (30, 5));
    let mut next = 30;
    for shown in 0..60 {
        assert!(matches!(ring.pop(Instant::now()), Popped::Frame(frame) if frame.id.0 == shown));
        if matches!(ring.push(frame(next, &picture)), PushOutcome::Stored) {
            next += 1;
        }
        assert_eq!(
            ring.fill(),
            usize::max(5, 29_usize.saturating_sub(shown as usize))
        );
    }
    assert_eq!(ring.metrics().dropped_on_shrink, 0);
}
