//! Frames, processors and a pipeline whose results can be waited for.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use frame_pipeline::driver::{Pipeline, Stages};
use frame_pipeline::{
    DecodedFrame, EncodedFrame, FrameKind, FrameProcessor, FrameResult, Full, Interrupter, Output,
    PipelineConfig, ProcessorError, ProcessorFactory, RawDecoder,
};

/// Longer than anything here takes on a busy machine: a test that waits for it has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// Longer than any test: what waits for it waits for something else.
pub(crate) const NEVER: Duration = Duration::from_secs(100_000);

pub(crate) fn config(workers: usize) -> PipelineConfig {
    PipelineConfig {
        workers,
        decoders: 2,
        frame_timeout: None,
        ..PipelineConfig::default()
    }
}

/// A BGR frame of 16x8 pixels, all of one gray.
pub(crate) fn gray(index: u64, gray: u8) -> EncodedFrame {
    let payload = Bytes::from(vec![gray; 16 * 8 * 3]);
    frame(index, FrameKind::Bgr, (16, 8), payload)
}

/// Bytes that only processors read.
pub(crate) fn opaque(index: u64, bytes: usize) -> EncodedFrame {
    frame(
        index,
        FrameKind::Opaque,
        (0, 0),
        Bytes::from(vec![7; bytes]),
    )
}

pub(crate) fn frame(
    index: u64,
    kind: FrameKind,
    (width, height): (u32, u32),
    payload: Bytes,
) -> EncodedFrame {
    EncodedFrame {
        index,
        source_id: 1000 + index,
        pts: Duration::from_millis(40) * index as u32,
        kind,
        width,
        height,
        payload,
        received_at: SystemTime::UNIX_EPOCH + Duration::from_secs(index),
        failed: None,
    }
}

/// A pipeline and its results.
pub(crate) struct Rig {
    pub(crate) pipeline: Pipeline,
    pub(crate) results: Receiver<FrameResult>,
}

impl Rig {
    pub(crate) fn start(
        config: PipelineConfig,
        processors: Vec<Arc<dyn ProcessorFactory>>,
    ) -> Self {
        let stages = Stages {
            decoder: Arc::new(RawDecoder::default()),
            processors,
            encoder: None,
        };
        Self::start_stages(config, stages)
    }

    pub(crate) fn start_stages(config: PipelineConfig, stages: Stages) -> Self {
        let (sender, results) = channel();
        let on_result = Box::new(move |result| {
            let _ = sender.send(result);
        });
        Self {
            pipeline: Pipeline::start_stages(config, stages, 0, on_result).unwrap(),
            results,
        }
    }

    /// Submits, again after each result where the pipeline is full; those results come back.
    pub(crate) fn submit(&self, mut frame: EncodedFrame) -> Vec<FrameResult> {
        let mut results = Vec::new();
        while let Err(Full {
            frame: back,
            reason,
        }) = self.pipeline.submit(frame)
        {
            assert!(reason.is_temporary(), "{reason}");
            results.push(self.next());
            frame = *back;
        }
        results
    }

    pub(crate) fn next(&self) -> FrameResult {
        self.results.recv_timeout(DEADLINE).expect("a result")
    }

    /// Runs all frames through, and returns their results.
    pub(crate) fn run(&self, frames: impl IntoIterator<Item = EncodedFrame>) -> Vec<FrameResult> {
        let (mut results, mut submitted) = (Vec::new(), 0);
        for frame in frames {
            results.extend(self.submit(frame));
            submitted += 1;
        }
        self.pipeline.finish();
        while results.len() < submitted {
            results.push(self.next());
        }
        results
    }
}

fn channel() -> (SyncSender<FrameResult>, Receiver<FrameResult>) {
    sync_channel(10_000)
}

/// A processor from a function of the batch.
pub(crate) struct Fn<F>(&'static str, F);

impl<F> ProcessorFactory for Fn<F>
where
    F: Clone + Send + Sync + 'static + FnMut(&[DecodedFrame]) -> Vec<Result<Output, String>>,
{
    fn name(&self) -> &str {
        self.0
    }

    fn make(&self) -> Result<Box<dyn FrameProcessor>, ProcessorError> {
        Ok(Box::new(FnProcessor(self.1.clone())))
    }
}

struct FnProcessor<F>(F);

impl<F> FrameProcessor for FnProcessor<F>
where
    F: Send + FnMut(&[DecodedFrame]) -> Vec<Result<Output, String>>,
{
    fn process(&mut self, batch: &[DecodedFrame]) -> Vec<Result<Output, String>> {
        (self.0)(batch)
    }

    fn interrupter(&self) -> Option<Interrupter> {
        None
    }
}

/// A processor from a function of the batch.
pub(crate) fn processor<F>(name: &'static str, process: F) -> Arc<dyn ProcessorFactory>
where
    F: Clone + Send + Sync + 'static + FnMut(&[DecodedFrame]) -> Vec<Result<Output, String>>,
{
    Arc::new(Fn(name, process))
}

/// A processor from a function of one frame.
pub(crate) fn per_frame<F>(name: &'static str, process: F) -> Arc<dyn ProcessorFactory>
where
    F: Clone + Send + Sync + 'static + FnMut(&DecodedFrame) -> Result<Output, String>,
{
    let mut process = process;
    processor(name, move |batch| batch.iter().map(&mut process).collect())
}

pub(crate) fn one(field: &str, value: impl Into<serde_json::Value>) -> Output {
    Output::from_iter([(field.to_owned(), value.into())])
}

/// Holds processors until it is opened, and counts how many it holds.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<(usize, bool)>, Condvar)>);

impl Gate {
    /// Waits until the gate is open.
    pub(crate) fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.0 += 1;
        changed.notify_all();
        let mut state = changed.wait_while(state, |(_, open)| !*open).unwrap();
        state.0 -= 1;
        changed.notify_all();
    }

    /// Waits until `count` are held.
    pub(crate) fn wait_for(&self, count: usize) {
        let (state, changed) = &*self.0;
        let state = state.lock().unwrap();
        let (_state, waited) = changed
            .wait_timeout_while(state, DEADLINE, |(held, _)| *held < count)
            .unwrap();
        assert!(!waited.timed_out(), "nobody came to the gate");
    }

    pub(crate) fn open(&self) {
        let (state, changed) = &*self.0;
        state.lock().unwrap().1 = true;
        changed.notify_all();
    }
}
