//! The ring between a source and whoever shows its frames.
//!
//! Fed by a decoder that pushes as fast as it is let; feeds an encoder that pops a frame when the
//! pacing clock says so. Pure: it knows no clock but the `now` that it is given, and moves frames
//! without touching their samples.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::fill::{FillLatch, Watermarks};
use crate::{
    BufferConfig, BufferHealth, BufferMetrics, ConfigError, FillState, OverflowPolicy, VideoFrame,
};

/// What became of a pushed frame.
#[derive(Debug)]
#[must_use = "a full ring may have handed the frame back"]
pub enum PushOutcome {
    /// It is in the ring.
    Stored,
    /// The ring is full and waits ([`OverflowPolicy::Wait`]): here is the frame, push it again
    /// after a pop. It counts as not yet pushed.
    Full(VideoFrame),
    /// It is in the ring; this older frame gave way ([`OverflowPolicy::DropOldest`]). Where the
    /// byte bound made several give way, this is the youngest of them.
    DroppedOldest(VideoFrame),
    /// The ring is full; this, the pushed frame, was dropped ([`OverflowPolicy::DropNewest`]).
    DroppedNewest(VideoFrame),
}

/// What to show now.
#[derive(Debug)]
pub enum Popped {
    /// The next frame.
    Frame(VideoFrame),
    /// An underflow: the last frame again.
    Repeat(VideoFrame),
    /// An underflow before the first frame: show [`crate::Picture::black`] or nothing.
    Placeholder,
    /// The source has ended and every frame was popped.
    Ended,
}

/// A bounded ring of frames that says how much it wants more, and counts what it loses.
#[derive(Debug)]
pub struct RingBuffer {
    config: BufferConfig,
    frames: VecDeque<VideoFrame>,
    bytes: usize,
    /// Bytes of the newest frame seen, by which the byte bound is told in frames.
    frame_bytes: usize,
    last: Option<VideoFrame>,
    ended: bool,
    ready: bool,
    latch: FillLatch,
    stall: Stall,
    count: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    pushed: u64,
    popped: u64,
    repeats: u64,
    placeholders: u64,
    dropped_oldest: u64,
    dropped_newest: u64,
    dropped_on_shrink: u64,
    cleared: u64,
}

impl RingBuffer {
    /// An empty ring.
    pub fn new(config: BufferConfig) -> Self {
        Self {
            config,
            frames: VecDeque::with_capacity(config.size()),
            bytes: 0,
            frame_bytes: 0,
            last: None,
            ended: false,
            ready: false,
            latch: FillLatch::new(),
            stall: Stall::default(),
            count: Counters::default(),
        }
    }

    /// Offers the next frame. After [`end_of_source`](Self::end_of_source) it takes the end back:
    /// the source goes on, as one that loops does.
    pub fn push(&mut self, frame: VideoFrame) -> PushOutcome {
        self.ended = false;
        self.frame_bytes = frame.size_bytes();
        let outcome = self.place(frame);
        self.settle();
        outcome
    }

    fn place(&mut self, frame: VideoFrame) -> PushOutcome {
        if self.has_room_for(frame.size_bytes()) {
            self.store(frame);
            return PushOutcome::Stored;
        }
        // Full is as filled as it gets, whatever the watermarks make of pictures of mixed sizes.
        self.ready = true;
        match self.config.overflow() {
            OverflowPolicy::Wait => PushOutcome::Full(frame),
            OverflowPolicy::DropNewest => {
                self.count.pushed += 1;
                self.count.dropped_newest += 1;
                PushOutcome::DroppedNewest(frame)
            }
            OverflowPolicy::DropOldest => {
                let mut dropped = None;
                while !self.has_room_for(frame.size_bytes()) {
                    dropped = self.remove_oldest();
                    self.count.dropped_oldest += 1;
                }
                self.store(frame);
                dropped.map_or(PushOutcome::Stored, PushOutcome::DroppedOldest)
            }
        }
    }

    /// Takes the frame that is due `now`. When there is none, the answer says what to show
    /// instead, and the underflow is counted.
    pub fn pop(&mut self, now: Instant) -> Popped {
        if let Some(frame) = self.remove_oldest() {
            self.count.popped += 1;
            self.stall.end(now);
            self.last = Some(frame.clone());
            self.settle();
            return Popped::Frame(frame);
        }
        if self.ended {
            return Popped::Ended;
        }
        self.stall.extend(now);
        match &self.last {
            Some(last) => {
                self.count.repeats += 1;
                Popped::Repeat(last.clone())
            }
            None => {
                self.count.placeholders += 1;
                Popped::Placeholder
            }
        }
    }

    /// The frame that the next pop takes, for whoever must know when it is due.
    pub fn peek(&self) -> Option<&VideoFrame> {
        self.frames.front()
    }

    /// The frame popped last, which underflows repeat.
    pub fn last(&self) -> Option<&VideoFrame> {
        self.last.as_ref()
    }

    /// Says that no frame will follow: pops drain the ring and then answer [`Popped::Ended`],
    /// and a clip shorter than the prefetch threshold becomes [`ready`](Self::ready).
    pub fn end_of_source(&mut self) {
        self.ended = true;
        self.settle();
    }

    /// Whether the source has ended and every frame was popped.
    pub fn is_finished(&self) -> bool {
        self.ended && self.frames.is_empty()
    }

    /// Throws the frames away, for a seek: prefetching starts anew and an end is forgotten. The
    /// last frame popped stays, to be repeated until the first frame from the new place comes.
    /// Returns how many frames were thrown away.
    pub fn clear(&mut self) -> usize {
        let cleared = self.frames.len();
        self.count.cleared += cleared as u64;
        self.frames.clear();
        self.bytes = 0;
        self.ended = false;
        self.ready = false;
        self.latch = FillLatch::new();
        cleared
    }

    /// Sets the size in frames, 1 to 120, at once. Where the ring holds more, the policy decides:
    /// under [`OverflowPolicy::Wait`] nothing is lost, the ring takes no frame until pops have
    /// brought it below the size; under [`OverflowPolicy::DropOldest`] the oldest frames are dropped,
    /// under [`OverflowPolicy::DropNewest`] the newest, counted as `dropped_on_shrink`. Returns how
    /// many were dropped.
    ///
    /// # Errors
    /// [`ConfigError::Size`]; the size is then as before.
    pub fn set_size(&mut self, size: usize) -> Result<usize, ConfigError> {
        self.config.set_size(size)?;
        let held = self.frames.len();
        match self.config.overflow() {
            OverflowPolicy::Wait => {}
            OverflowPolicy::DropOldest => {
                while self.frames.len() > size && self.remove_oldest().is_some() {}
            }
            OverflowPolicy::DropNewest => {
                while self.frames.len() > size && self.remove_newest().is_some() {}
            }
        }
        let dropped = held - self.frames.len();
        self.count.dropped_on_shrink += dropped as u64;
        self.settle();
        Ok(dropped)
    }

    /// Sets the prefetch threshold, a share of the size, 0.1 to 0.9, at once. Playback that has
    /// begun goes on.
    ///
    /// # Errors
    /// [`ConfigError::PrefetchThreshold`]; the threshold is then as before.
    pub fn set_prefetch_threshold(&mut self, threshold: f64) -> Result<(), ConfigError> {
        self.config.set_prefetch_threshold(threshold)?;
        self.settle();
        Ok(())
    }

    /// The settings as they are now.
    pub fn config(&self) -> &BufferConfig {
        &self.config
    }

    /// How much the ring wants frames.
    pub fn fill_state(&self) -> FillState {
        if self.ended {
            FillState::Draining
        } else if self.frames.len() >= self.capacity() {
            FillState::Full
        } else if self.latch.is_low() {
            FillState::Filling
        } else {
            FillState::Steady
        }
    }

    /// Whether playback may begin: the prefetch threshold was reached, or the source ended, since
    /// the start or the last [`clear`](Self::clear).
    pub fn ready(&self) -> bool {
        self.ready
    }

    /// Frames in the ring.
    pub fn fill(&self) -> usize {
        self.frames.len()
    }

    /// Frames that the ring can hold: its size, or as many of the frames that come as the byte
    /// bound allows; at least 1.
    pub fn capacity(&self) -> usize {
        let by_bytes = self
            .config
            .max_bytes()
            .checked_div(self.frame_bytes)
            .unwrap_or(usize::MAX);
        by_bytes.clamp(1, self.config.size())
    }

    /// Counters and state.
    pub fn metrics(&self) -> BufferMetrics {
        let fill = self.frames.len();
        BufferMetrics {
            size: self.config.size(),
            capacity: self.capacity(),
            fill,
            fill_ratio: fill as f64 / self.config.size() as f64,
            prefetch_threshold: self.config.prefetch_threshold(),
            ready: self.ready,
            pushed: self.count.pushed,
            popped: self.count.popped,
            underflows: self.count.repeats + self.count.placeholders,
            repeats: self.count.repeats,
            placeholders: self.count.placeholders,
            stalls: self.stall.count,
            stalled_ms: self.stall.total.as_millis() as u64,
            dropped_oldest: self.count.dropped_oldest,
            dropped_newest: self.count.dropped_newest,
            dropped_on_shrink: self.count.dropped_on_shrink,
            cleared: self.count.cleared,
            bytes: self.bytes,
            health: BufferHealth::new(fill, self.fill_state()),
        }
    }

    fn has_room_for(&self, frame_bytes: usize) -> bool {
        let bytes_fit = self.bytes.saturating_add(frame_bytes) <= self.config.max_bytes();
        self.frames.is_empty() || (self.frames.len() < self.config.size() && bytes_fit)
    }

    fn store(&mut self, frame: VideoFrame) {
        self.count.pushed += 1;
        self.bytes += frame.size_bytes();
        self.frames.push_back(frame);
    }

    fn remove_oldest(&mut self) -> Option<VideoFrame> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.size_bytes();
        Some(frame)
    }

    fn remove_newest(&mut self) -> Option<VideoFrame> {
        let frame = self.frames.pop_back()?;
        self.bytes -= frame.size_bytes();
        Some(frame)
    }

    /// Brings what depends on the fill up to date after a change.
    fn settle(&mut self) {
        let fill = self.frames.len();
        let marks = Watermarks::new(self.capacity(), self.config.prefetch_threshold());
        self.latch.update(fill, marks);
        self.ready |= self.ended || fill >= marks.low;
    }
}

/// Freezes as a viewer sees them.
#[derive(Debug, Default)]
struct Stall {
    /// The last underflow of a stall that goes on.
    since: Option<Instant>,
    count: u64,
    total: Duration,
}

impl Stall {
    fn extend(&mut self, now: Instant) {
        match self.since {
            Some(since) => self.total += now.saturating_duration_since(since),
            None => self.count += 1,
        }
        self.since = Some(now);
    }

    fn end(&mut self, now: Instant) {
        if let Some(since) = self.since.take() {
            self.total += now.saturating_duration_since(since);
        }
    }
}
