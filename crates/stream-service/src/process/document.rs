//! A frame's result as it travels and as it is written down.
//!
//! Made by the worker from what the pipeline found; read by the sender's ledger and by whoever reads the results.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::snapshot::rfc3339;

/// Seconds in one unit of `pts`.
const TIME_BASE_SECONDS: f64 = 1e-6;

/// One frame's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ResultDocument {
    /// Which frame it is of.
    pub(crate) video_metadata: VideoMetadata,
    /// What the processors found, under each one's name.
    pub(crate) serialized_output_data: Map<String, Value>,
    /// What went wrong with this frame; empty when all is well.
    pub(crate) errors: Vec<String>,
}

/// Which frame a result is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct VideoMetadata {
    /// The frame's index at its source.
    pub(crate) frame_id: u64,
    /// When its last byte arrived at the worker: RFC 3339, UTC.
    pub(crate) received_at: String,
    /// Presentation time since the video's start, in units of `time_base`.
    pub(crate) pts: i64,
    /// Seconds a unit.
    pub(crate) time_base: f64,
    /// Frames a second by the video's own word; null where it has none.
    pub(crate) declared_fps: Option<f64>,
    /// Frames a second as they arrived, over the last two seconds.
    pub(crate) measured_fps: f64,
}

impl VideoMetadata {
    pub(crate) fn new(
        frame_id: u64,
        received_at: SystemTime,
        pts: Duration,
        frame_duration: Duration,
        measured_fps: f64,
    ) -> Self {
        Self {
            frame_id,
            received_at: rfc3339(received_at),
            pts: i64::try_from(pts.as_micros()).unwrap_or(i64::MAX),
            time_base: TIME_BASE_SECONDS,
            declared_fps: (!frame_duration.is_zero())
                .then(|| rounded(1.0 / frame_duration.as_secs_f64())),
            measured_fps: rounded(measured_fps),
        }
    }
}

/// To a thousandth: a frame's duration is known to the microsecond.
fn rounded(fps: f64) -> f64 {
    (fps * 1000.0).round() / 1000.0
}
