//! A link in figures, for whoever asks the worker how it fares.

use std::time::Instant;

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
    /// Of a link that speaks JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::process::worker) json: Option<JsonCounters>,
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
        }
    }
}
