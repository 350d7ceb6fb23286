//! Everything that the threads share: where each frame is, and what moves it on.
//!
//! A frame goes from `encoded` through a decoder into `ordered`, from there in index order into
//! `batcher`, with a worker's job to `results`, and out in index order. It never blocks, calls no
//! one else's code, and takes `now`. Frames and bytes are bounded by `budget` at the entrance, so
//! that no queue in here needs a bound of its own.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use frame_buffer::Picture;

use super::slots::Processed;
use crate::batcher::{Batcher, Taken};
use crate::budget::{Budget, Over};
use crate::result::FrameTag;
use crate::sequencer::Sequencer;
use crate::{
    DecodedFrame, EncodedFrame, FrameContent, FrameKind, FrameResult, Full, FullReason,
    Interrupter, PipelineConfig, PipelineStats,
};

/// What the processors together need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    pub(super) pixels: bool,
    pub(super) previous: bool,
}

/// Where a submitted frame went.
pub(super) enum Goes {
    ToDecoder,
    On,
}

/// A frame that waits for a decoder.
pub(super) struct Incoming {
    pub(super) tag: FrameTag,
    pub(super) frame: EncodedFrame,
}

/// What came of decoding.
pub(super) enum Decoded {
    Frame {
        tag: FrameTag,
        frame: DecodedFrame,
        /// What the next frame has as its previous picture.
        picture: Option<Picture>,
    },
    Failed {
        tag: FrameTag,
        error: String,
    },
}

/// A frame that waits for a worker.
pub(super) struct Ready {
    tag: FrameTag,
    frame: DecodedFrame,
}

/// What a worker is doing.
#[derive(Default)]
pub(super) struct Worker {
    pub(super) interrupters: Vec<Interrupter>,
    pub(super) job: Option<Job>,
}

/// A batch in a worker's hands; the frames themselves are on its thread.
pub(super) struct Job {
    pub(super) started: Instant,
    pub(super) tags: Vec<FrameTag>,
}

/// What a worker may do next.
pub(super) enum Work {
    Batch(Vec<DecodedFrame>),
    Wait(Option<Instant>),
    Stop,
}

pub(super) struct State {
    pub(super) stopped: bool,
    finished: bool,
    needs: Needs,
    next_index: u64,
    pub(super) budget: Budget,
    encoded: VecDeque<Incoming>,
    ordered: Sequencer<Decoded>,
    last_picture: Option<Picture>,
    batcher: Batcher<Ready>,
    retries: VecDeque<Ready>,
    pub(super) workers: BTreeMap<u64, Worker>,
    pub(super) next_worker: u64,
    /// Threads that were left behind, and the bytes of their batches.
    pub(super) abandoned: BTreeMap<u64, u64>,
    /// The watchdog need not be woken when a batch begins.
    pub(super) watchdog_armed: bool,
    results: Sequencer<(FrameResult, u64)>,
    pub(super) counts: PipelineStats,
}

/// Whether only one decoder may have the frame, so that all must be asked.
pub(super) fn is_for_one_decoder(frame: &EncodedFrame) -> bool {
    frame.kind == FrameKind::H264
}

impl State {
    pub(super) fn new(config: &PipelineConfig, needs: Needs, first_index: u64) -> Self {
        Self {
            stopped: false,
            finished: false,
            needs,
            next_index: first_index,
            budget: Budget::new(config.max_frames, config.max_bytes),
            encoded: VecDeque::new(),
            ordered: Sequencer::new(first_index, config.max_frames),
            last_picture: None,
            batcher: Batcher::new(config.batch, config.batch_wait),
            retries: VecDeque::new(),
            workers: BTreeMap::new(),
            next_worker: 0,
            abandoned: BTreeMap::new(),
            watchdog_armed: false,
            results: Sequencer::new(first_index, config.max_frames),
            counts: PipelineStats::default(),
        }
    }

    pub(super) fn submit(&mut self, frame: EncodedFrame, now: Instant) -> Result<Goes, Full> {
        if self.finished || self.stopped {
            return Err(full(frame, FullReason::Finished));
        }
        let expected = self.next_index;
        if frame.index != expected {
            return Err(full(frame, FullReason::OutOfOrder { expected }));
        }
        let charge = frame.expected_bytes(self.needs.pixels);
        if let Err(over) = self.budget.enter(charge) {
            self.counts.refused += 1;
            let reason = match over {
                Over::Frames => FullReason::Frames {
                    frames: self.budget.frames(),
                },
                Over::Bytes => FullReason::Bytes {
                    bytes: self.budget.bytes(),
                },
            };
            return Err(full(frame, reason));
        }
        self.counts.submitted += 1;
        self.next_index += 1;
        Ok(self.admit(FrameTag::new(&frame, charge, now), frame, now))
    }

    fn admit(&mut self, tag: FrameTag, mut frame: EncodedFrame, now: Instant) -> Goes {
        if let Some(error) = frame.failed.take() {
            self.decoded(Decoded::Failed { tag, error }, now);
            Goes::On
        } else if self.needs.pixels {
            self.encoded.push_back(Incoming { tag, frame });
            Goes::ToDecoder
        } else {
            let content = FrameContent::Opaque(frame.payload.clone());
            let frame = opened(&frame, content);
            let picture = None;
            self.decoded(
                Decoded::Frame {
                    tag,
                    frame,
                    picture,
                },
                now,
            );
            Goes::On
        }
    }

    /// A frame for the decoder of this number. H.264 is all for the first: access units refer to
    /// those before them.
    pub(super) fn next_encoded(&mut self, lane: usize) -> Option<Incoming> {
        let is_for = |it: &Incoming| lane == 0 || !is_for_one_decoder(&it.frame);
        let at = self.encoded.iter().position(is_for)?;
        self.encoded.remove(at)
    }

    pub(super) fn needs_previous(&self) -> bool {
        self.needs.previous
    }

    /// A frame is decoded or has failed; what is next in order goes on.
    pub(super) fn decoded(&mut self, decoded: Decoded, now: Instant) {
        let index = match &decoded {
            Decoded::Frame { tag, .. } | Decoded::Failed { tag, .. } => tag.index,
        };
        if let Err(error) = self.ordered.insert(index, decoded) {
            tracing::error!(%error, "a frame was decoded twice");
        }
        while let Some(decoded) = self.ordered.pop() {
            self.advance(decoded, now);
        }
        self.close_batches();
    }

    fn advance(&mut self, decoded: Decoded, now: Instant) {
        let before = self.last_picture.take();
        match decoded {
            Decoded::Failed { tag, error } => self.emit(&tag, tag.failure(error)),
            Decoded::Frame {
                tag,
                mut frame,
                picture,
            } => {
                if self.needs.previous {
                    frame.previous = before;
                    self.last_picture = picture;
                }
                self.batcher.push(now, Ready { tag, frame });
            }
        }
    }

    pub(super) fn finish(&mut self) {
        self.finished = true;
        self.close_batches();
    }

    /// Partial batches go once nothing can fill them any more.
    fn close_batches(&mut self) {
        if self.finished && self.ordered.next_index() == self.next_index {
            self.batcher.close();
        }
    }

    /// The next batch for a worker, which is then its job. Frames that are tried again come first,
    /// each alone.
    pub(super) fn next_work(&mut self, worker: u64, now: Instant) -> Work {
        let stopped = self.stopped;
        let Some(entry) = self.workers.get_mut(&worker).filter(|_| !stopped) else {
            return Work::Stop;
        };
        let batch = match self.retries.pop_front() {
            Some(retry) => vec![retry],
            None => match self.batcher.take(now) {
                Taken::Batch(batch) => batch,
                Taken::Until(at) => return Work::Wait(Some(at)),
                Taken::Nothing => return Work::Wait(None),
            },
        };
        self.counts.batches += 1;
        let begin = |Ready { mut tag, frame }| {
            tag.begin(now);
            (tag, frame)
        };
        let (tags, frames) = batch.into_iter().map(begin).unzip();
        entry.job = Some(Job { started: now, tags });
        Work::Batch(frames)
    }

    /// Whether some frame waits that a worker could look at.
    pub(super) fn has_work(&self) -> bool {
        !self.retries.is_empty() || !self.batcher.is_empty()
    }

    /// A worker is done with its batch, of which it gives back what is tried again. False when it was left behind meanwhile.
    pub(super) fn complete(
        &mut self,
        worker: u64,
        frames: &mut Vec<DecodedFrame>,
        processed: Processed,
        now: Instant,
    ) -> bool {
        let Some(mut job) = self.workers.get_mut(&worker).and_then(|it| it.job.take()) else {
            return false;
        };
        self.counts.panics += processed.panics;
        let Some(results) = processed.results else {
            let ready = job.tags.into_iter().zip(frames.drain(..));
            self.retries
                .extend(ready.map(|(tag, frame)| Ready { tag, frame }));
            return true;
        };
        let process = now.saturating_duration_since(job.started);
        let encode: Duration = results.iter().map(|made| made.encode).sum();
        for (tag, made) in job.tags.iter_mut().zip(results) {
            tag.stages.process = process.saturating_sub(encode);
            tag.stages.encode = made.encode;
            self.emit(tag, tag.result(made));
        }
        true
    }

    /// Gives up a worker's batch: its frames get `error`. Its interrupters.
    pub(super) fn abandon(&mut self, worker: u64, error: &str, now: Instant) -> Vec<Interrupter> {
        let Some(Worker { interrupters, job }) = self.workers.remove(&worker) else {
            return Vec::new();
        };
        let mut held = 0;
        if let Some(mut job) = job {
            for tag in &mut job.tags {
                held += tag.charge_bytes;
                tag.stages.process = now.saturating_duration_since(job.started);
                self.counts.timed_out += 1;
                self.emit(tag, tag.failure(error.to_owned()));
            }
        }
        self.budget.recharge(0, held);
        self.abandoned.insert(worker, held);
        interrupters
    }

    /// A worker's thread ends. Whether it was one that was left behind.
    pub(super) fn worker_ended(&mut self, worker: u64) -> bool {
        self.workers.remove(&worker);
        let held = self.abandoned.remove(&worker);
        self.budget.recharge(held.unwrap_or(0), 0);
        held.is_some()
    }

    fn emit(&mut self, tag: &FrameTag, result: FrameResult) {
        let charge = result.size_bytes();
        self.budget.recharge(tag.charge_bytes, charge);
        if let Err(error) = self.results.insert(tag.index, (result, charge)) {
            tracing::error!(%error, "a frame has two results");
        }
    }

    /// The next result in order, if it is there. Its frame's place is free from here on.
    pub(super) fn next_result(&mut self) -> Option<FrameResult> {
        let (result, charge) = self.results.pop()?;
        self.budget.leave(charge);
        self.counts.results += 1;
        self.counts.with_errors += u64::from(!result.errors.is_empty());
        Some(result)
    }

    /// Stops everything. What interrupts the processors, and what is to be dropped.
    pub(super) fn stop(&mut self) -> (Vec<Interrupter>, impl Sized + use<>) {
        self.stopped = true;
        let workers = std::mem::take(&mut self.workers);
        let interrupters = workers.into_values().flat_map(|it| it.interrupters);
        let held = (
            std::mem::take(&mut self.encoded),
            std::mem::replace(&mut self.ordered, Sequencer::new(0, 0)),
            std::mem::replace(&mut self.batcher, Batcher::new(1, Duration::ZERO)),
            std::mem::take(&mut self.retries),
            std::mem::replace(&mut self.results, Sequencer::new(0, 0)),
            self.last_picture.take(),
        );
        (interrupters.collect(), held)
    }

    pub(super) fn stats(&self) -> PipelineStats {
        PipelineStats {
            frames: self.budget.frames(),
            bytes: self.budget.bytes(),
            waiting_for_decoder: self.encoded.len(),
            waiting_for_worker: self.batcher.len() + self.retries.len(),
            waiting_for_order: self.results.len(),
            busy_workers: self.workers.values().filter(|it| it.job.is_some()).count(),
            abandoned: self.abandoned.len(),
            ..self.counts
        }
    }
}

fn full(frame: EncodedFrame, reason: FullReason) -> Full {
    Full {
        frame: Box::new(frame),
        reason,
    }
}

/// The frame with its content.
pub(super) fn opened(frame: &EncodedFrame, content: FrameContent) -> DecodedFrame {
    let (width, height) = content.dimensions().unwrap_or((frame.width, frame.height));
    DecodedFrame {
        index: frame.index,
        source_id: frame.source_id,
        pts: frame.pts,
        width,
        height,
        content,
        payload_bytes: frame.payload.len(),
        previous: None,
    }
}
