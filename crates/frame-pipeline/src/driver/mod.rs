//! The threads: decoders, workers, one that hands out results, one that watches the time.
//!
//! They share one state behind a mutex (`state.rs`) and sleep on condition variables. What decides
//! is the crate's pure parts; here is who calls them, and what happens when someone else's code
//! panics or does not return.

mod caught;
mod decode;
mod deliver;
mod encode;
mod shared;
mod slots;
mod state;
mod watchdog;
mod worker;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::{
    DecoderFactory, EncodedFrame, EncoderFactory, FrameResult, Full, PipelineConfig, PipelineError,
    PipelineStats, ProcessorFactory,
};
use shared::Shared;
use slots::Slots;
use state::{Needs, State};

/// Receives results, one per frame, in index order.
pub type OnResult = Box<dyn FnMut(FrameResult) + Send>;

/// What runs on a pipeline's threads.
#[derive(Clone)]
pub struct Stages {
    /// Makes pixels of payloads.
    pub decoder: Arc<dyn DecoderFactory>,
    /// What is run on each frame, in this order; at least one.
    pub processors: Vec<Arc<dyn ProcessorFactory>>,
    /// Makes bytes of the pictures that frames are to be shown as, for their results. `None`: results have no picture. With
    /// one every frame is decoded, whatever the processors need.
    pub encoder: Option<Arc<dyn EncoderFactory>>,
}

/// The machine's cores that this process may use; 1 where the system does not say.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Frames in, results out in the same order, threads in between.
///
/// Dropping it stops it soon: frames in it get no result, a processor that is at work is
/// interrupted if it can be, and left behind otherwise.
pub struct Pipeline {
    shared: Arc<Shared>,
    deliverer: Option<JoinHandle<()>>,
}

impl Pipeline {
    /// Starts the threads. The first instance of each processor is made here, so that one that
    /// cannot start says so; the other workers make theirs on their own threads.
    ///
    /// `first_index` is the index of the first frame: 0, or where a stream resumes. `on_result` is
    /// called on a thread of the pipeline, in index order, exactly once per submitted frame, after
    /// the frame's place in the pipeline is free again. While it runs no other result is handed
    /// out, so results wait in the pipeline, and frames are refused when it is full. A panic in it
    /// is logged and costs that result.
    ///
    /// # Errors
    /// [`PipelineError`] when a setting is out of range, there is no processor or one cannot
    /// start, or the system refuses a thread.
    pub fn start(
        config: PipelineConfig,
        decoder: Arc<dyn DecoderFactory>,
        processors: Vec<Arc<dyn ProcessorFactory>>,
        first_index: u64,
        on_result: OnResult,
    ) -> Result<Self, PipelineError> {
        let stages = Stages {
            decoder,
            processors,
            encoder: None,
        };
        Self::start_stages(config, stages, first_index, on_result)
    }

    /// As [`start`](Self::start), with an encoder too.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_stages(
        config: PipelineConfig,
        stages: Stages,
        first_index: u64,
        on_result: OnResult,
    ) -> Result<Self, PipelineError> {
        let Stages {
            decoder,
            processors,
            encoder,
        } = stages;
        config.check()?;
        if processors.is_empty() {
            return Err(PipelineError::NoProcessor);
        }
        let mut first = Slots::new(processors.clone());
        first.make_all()?;
        let needs = Needs {
            pixels: encoder.is_some() || first.any(|processor| processor.needs_pixels()),
            previous: first.any(|processor| processor.needs_previous()),
        };
        let state = State::new(&config, needs, first_index);
        let shared = Arc::new(Shared::new(config, processors, encoder, state));
        // From here on a failure drops the pipeline, which stops what has started.
        let mut pipeline = Self {
            shared: Arc::clone(&shared),
            deliverer: None,
        };
        pipeline.deliverer = Some(deliver::spawn(&shared, on_result)?);
        if needs.pixels {
            for lane in 0..shared.config.decoders {
                decode::spawn(&shared, lane, Arc::clone(&decoder))?;
            }
        }
        worker::spawn(&shared, Some(first))?;
        for _ in 1..shared.config.workers {
            worker::spawn(&shared, None)?;
        }
        if let Some(timeout) = shared.config.frame_timeout {
            watchdog::spawn(&shared, timeout)?;
        }
        Ok(pipeline)
    }

    /// Takes a frame; never blocks. Frames come in the order of their index, without gaps.
    ///
    /// # Errors
    /// [`Full`] hands the frame back: the pipeline is full, the frame is not the next, or
    /// [`finish`](Self::finish) was called.
    pub fn submit(&self, frame: EncodedFrame) -> Result<(), Full> {
        let mut state = self.shared.lock();
        let for_all_decoders = state::is_for_one_decoder(&frame);
        let goes = state.submit(frame, Instant::now())?;
        drop(state);
        match goes {
            state::Goes::ToDecoder if for_all_decoders => self.shared.decode_ready.notify_all(),
            state::Goes::ToDecoder => self.shared.decode_ready.notify_one(),
            state::Goes::On => self.shared.notify_advanced(),
        }
        Ok(())
    }

    /// What it has done and what it holds.
    pub fn stats(&self) -> PipelineStats {
        self.shared.lock().stats()
    }

    /// No more frames come: partial batches go at once, and more frames are refused. Results of
    /// the frames that are in it still come.
    pub fn finish(&self) {
        self.shared.lock().finish();
        self.shared.work_ready.notify_all();
    }
}

impl Drop for Pipeline {
    /// Waits for a call of `on_result` that is under way, so that none is after; not for
    /// processors. When `on_result` itself drops the pipeline, there is nothing to wait for.
    fn drop(&mut self) {
        for interrupt in self.shared.stop() {
            caught::interrupt(&interrupt);
        }
        if let Some(deliverer) = self.deliverer.take()
            && deliverer.thread().id() != thread::current().id()
            && deliverer.join().is_err()
        {
            tracing::error!("the thread that hands out results panicked");
        }
    }
}
