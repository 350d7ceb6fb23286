//! A link in figures, for whoever asks the worker how it fares.

use std::time::Instant;

use datachannel_transport::{TimingSummary, TimingWindow};
use frame_pipeline::driver::Pipeline;
use frame_pipeline::{PipelineStats, StageTimes};

use super::WorkerLink;
use crate::process::protocol::ProcessMode;
use crate::process::worker::json::JsonCounters;

/// A link's figures.
#[derive(Debug, Clone, serde::Serialize)]
pub(in crate::process::worker) struct LinkSnapshot {
    pub(in crate::process::worker) mode: ProcessMode,
    pub(in crate::process::worker) lanes: usize,
    pub(in crate::process::worker) frames_received: u64,
    pub(in crate::process::worker) frames_processing: u64,
    pub(in crate::process::worker) results_made: u64,
    pub(in crate::process::worker) bytes_held: u64,
    pub(in crate::process::worker) window_frames: u32,
    pub(in crate::process::worker) fps: f64,
    /// How long frames spent where, ms.
    pub(in crate::process::worker) timing: StageTiming,
    pub(in crate::process::worker) pipeline: Option<PipelineStats>,
    /// Of a link that speaks JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::process::worker) json: Option<JsonCounters>,
}

/// Stages of the pipeline, each over its latest frames.
#[derive(Debug, Default)]
pub(super) struct StageWindows {
    decode: TimingWindow,
    queued: TimingWindow,
    process: TimingWindow,
}

/// The same in figures.
#[derive(Debug, Clone, serde::Serialize)]
pub(in crate::process::worker) struct StageTiming {
    decode_ms: TimingSummary,
    queued_ms: TimingSummary,
    process_ms: TimingSummary,
}

impl StageWindows {
    pub(super) fn add(&mut self, stages: &StageTimes) {
        self.decode.add(stages.decode);
        self.queued.add(stages.queued);
        self.process.add(stages.process);
    }

    fn summary(&self) -> StageTiming {
        StageTiming {
            decode_ms: self.decode.summary(),
            queued_ms: self.queued.summary(),
            process_ms: self.process.summary(),
        }
    }
}

impl WorkerLink {
    pub(in crate::process::worker) fn snapshot(&self, now: Instant) -> LinkSnapshot {
        let mut state = self.lock();
        let stats = state.frames.stats();
        let json = state.upstream.json();
        LinkSnapshot {
            json: json.map(|json| json.counters()),
            mode: state.mode,
            lanes: state.lanes.len(),
            frames_received: json.map_or(stats.counters.frames_delivered, |json| {
                json.counters().completed
            }),
            frames_processing: state.next_index - state.answered,
            results_made: state.answered,
            bytes_held: json.map_or(stats.bytes_open, |json| json.held_bytes() as u64),
            window_frames: stats.window.map_or(0, |window| window.frames),
            fps: state.arrivals.per_second(now),
            timing: state.stages.summary(),
            pipeline: self.pipeline.get().map(Pipeline::stats),
        }
    }
}
