//! A model that takes its time, a frame that breaks it, and one that hangs it: what comes out.
//!
//! Run with `cargo run -p frameway-examples --example frame_pipeline [WORKERS]`. It puts 200 frames
//! through `stats` and a processor of its own on 4 workers, unless told otherwise, and prints the
//! results that are worth a look.

#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use bytes::Bytes;
use frame_pipeline::driver::Pipeline;
use frame_pipeline::{
    DecodedFrame, EncodedFrame, FrameKind, FrameProcessor, FrameResult, Full, Output,
    PipelineConfig, ProcessorError, ProcessorFactory, RawDecoder, builtin,
};

const FRAMES: u64 = 200;
const SIZE: (u32, u32) = (320, 180);

/// Stands in for a model.
struct Model;

impl ProcessorFactory for Model {
    fn name(&self) -> &str {
        "model"
    }

    fn make(&self) -> Result<Box<dyn FrameProcessor>, ProcessorError> {
        Ok(Box::new(Self))
    }
}

impl FrameProcessor for Model {
    fn process(&mut self, batch: &[DecodedFrame]) -> Vec<Result<Output, String>> {
        // A batch of eight costs less than eight frames.
        sleep(Duration::from_millis(8 + 2 * batch.len() as u64));
        batch.iter().map(look_at).collect()
    }
}

fn look_at(frame: &DecodedFrame) -> Result<Output, String> {
    match frame.index {
        50 => return Err("this picture is beyond the model".to_owned()),
        100 => sleep(Duration::from_secs(3)), // Hangs: its batch gets an error.
        _ => {}
    }
    assert!(frame.index != 75, "the model has a bug"); // Panics: this frame gets an error.
    let label = if frame.index.is_multiple_of(2) {
        "cat"
    } else {
        "dog"
    };
    Ok(Output::from_iter([("label".to_owned(), label.into())]))
}

fn main() -> Result<()> {
    let workers = std::env::args().nth(1).map(|it| it.parse()).transpose();
    let config = PipelineConfig {
        workers: workers.context("WORKERS is a number")?.unwrap_or(4),
        batch: 8,
        frame_timeout: Some(Duration::from_secs(1)),
        ..PipelineConfig::default()
    };
    let (sender, results) = sync_channel(config.max_frames);
    let pipeline = Pipeline::start(
        config,
        Arc::new(RawDecoder::default()),
        vec![builtin("stats")?, Arc::new(Model)],
        0,
        Box::new(move |result| {
            let _ = sender.send(result);
        }),
    )?;

    let start = Instant::now();
    let mut received = 0;
    for index in 0..FRAMES {
        received += submit(&pipeline, frame(index), &results)?;
    }
    pipeline.finish();
    while received < FRAMES {
        show(&results.recv()?);
        received += 1;
    }
    let elapsed = start.elapsed();
    println!(
        "\n{FRAMES} frames in {elapsed:.1?}: {:#?}",
        pipeline.stats()
    );
    Ok(())
}

/// Submits the frame, taking results as long as the pipeline is full; how many.
fn submit(
    pipeline: &Pipeline,
    mut frame: EncodedFrame,
    results: &Receiver<FrameResult>,
) -> Result<u64> {
    let mut received = 0;
    while let Err(full) = pipeline.submit(frame) {
        if !full.reason.is_temporary() {
            return Err(full.into());
        }
        let Full { frame: back, .. } = full;
        show(&results.recv()?);
        received += 1;
        frame = *back;
    }
    Ok(received)
}

fn show(result: &FrameResult) {
    if result.errors.is_empty() && !result.index.is_multiple_of(40) {
        return;
    }
    let output = serde_json::Value::Object(result.output.clone());
    println!(
        "frame {:>3}  {output}  {}",
        result.index,
        result.errors.join("; ")
    );
}

/// A bright bar that moves over gray.
fn frame(index: u64) -> EncodedFrame {
    let (width, height) = SIZE;
    let bar = index % u64::from(width);
    let row = (0..u64::from(width)).flat_map(|x| [if x.abs_diff(bar) < 10 { 230 } else { 90 }; 3]);
    EncodedFrame {
        index,
        source_id: index,
        pts: Duration::from_millis(40 * index),
        kind: FrameKind::Bgr,
        width,
        height,
        payload: Bytes::from(row.collect::<Vec<u8>>().repeat(height as usize)),
        received_at: SystemTime::now(),
        failed: None,
    }
}
