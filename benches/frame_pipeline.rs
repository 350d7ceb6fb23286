//! What a frame costs on its way through the pipeline: threads, batches, order, and the processors that look at pixels.
//! `cargo bench -p frameway-benches --bench frame_pipeline`. The time is per frame, with the pipeline kept full.

#![allow(missing_docs, clippy::expect_used)]

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use frame_pipeline::driver::Pipeline;
use frame_pipeline::{
    EncodedFrame, FrameKind, FrameResult, PipelineConfig, ProcessorFactory, RawDecoder, builtin,
};

/// A JPEG of 720p, about.
const OPAQUE_BYTES: usize = 100_000;
const BATCHES: [usize; 3] = [1, 8, 32];

/// A pipeline that is fed one kind of frame.
struct Rig {
    pipeline: Pipeline,
    results: Receiver<FrameResult>,
    frame: EncodedFrame,
    submitted: u64,
    received: u64,
}

impl Rig {
    fn start(config: PipelineConfig, processor: &str, frame: EncodedFrame) -> Self {
        let (sender, results) = sync_channel(config.max_frames);
        let processors: Vec<Arc<dyn ProcessorFactory>> =
            vec![builtin(processor).expect("a built-in processor")];
        let on_result = Box::new(move |result| drop(sender.send(result)));
        let decoder = Arc::new(RawDecoder::default());
        let pipeline = Pipeline::start(config, decoder, processors, 0, on_result);
        Self {
            pipeline: pipeline.expect("settings in range"),
            results,
            frame,
            submitted: 0,
            received: 0,
        }
    }

    /// `frames` frames from the first submitted to the last result.
    fn run(&mut self, frames: u64) -> Duration {
        let start = Instant::now();
        let end = self.submitted + frames;
        while self.received < end {
            if self.submitted < end && self.submit() {
                continue;
            }
            let result = self.results.recv().expect("a result for each frame");
            assert!(result.errors.is_empty(), "{:?}", result.errors);
            self.received += 1;
        }
        start.elapsed()
    }

    fn submit(&mut self) -> bool {
        self.frame.index = self.submitted;
        let taken = self.pipeline.submit(self.frame.clone()).is_ok();
        self.submitted += u64::from(taken);
        taken
    }
}

fn frame(kind: FrameKind, (width, height): (u32, u32), payload: Vec<u8>) -> EncodedFrame {
    EncodedFrame {
        index: 0,
        source_id: 0,
        pts: Duration::ZERO,
        kind,
        width,
        height,
        payload: Bytes::from(payload),
        received_at: SystemTime::now(),
        failed: None,
    }
}

/// 720p in I420, of which no two neighbours are the same.
fn picture() -> EncodedFrame {
    let bytes = 1280 * 720 * 3 / 2;
    let noise = (0..bytes).map(|at: usize| (at.wrapping_mul(2_654_435_761) >> 13) as u8);
    frame(FrameKind::I420, (1280, 720), noise.collect())
}

fn config(workers: usize, batch: usize) -> PipelineConfig {
    PipelineConfig {
        workers,
        batch,
        // No frame of a run's last, partial batch shall wait for longer than the frames take.
        batch_wait: Duration::from_micros(100),
        ..PipelineConfig::default()
    }
}

fn pipeline(c: &mut Criterion) {
    let opaque = frame(FrameKind::Opaque, (0, 0), vec![7; OPAQUE_BYTES]);
    for (processor, name, frame) in [
        ("none", "none, 100 kB opaque", opaque),
        ("stats", "stats, 720p I420", picture()),
    ] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(1));
        for workers in [1, 2] {
            for batch in BATCHES {
                let mut rig = Rig::start(config(workers, batch), processor, frame.clone());
                let id = BenchmarkId::new(format!("{workers} workers, batch"), batch);
                group.bench_function(id, |b| b.iter_custom(|frames| rig.run(frames)));
            }
        }
        group.finish();
    }
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
