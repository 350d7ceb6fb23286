//! What a link tells others: the ledger, the run, whoever asks how far it is.
//!
//! Made by the link; nothing here decides.

use std::time::Duration;

use bytes::Bytes;
use datachannel_transport::ResumePoint;

use crate::lanes::choice::{ChoiceReason, LaneKind};

/// Where a link begins.
#[derive(Debug, Clone, Copy)]
pub(in crate::process::sender) struct Start {
    /// The first frame sent.
    pub(in crate::process::sender) point: ResumePoint,
    /// Every result below is known; not less than the first frame.
    pub(in crate::process::sender) answered: u64,
}

/// What the ledger is told.
#[derive(Debug)]
pub(in crate::process::sender) enum Record {
    /// A frame has its result.
    Result {
        frame: OpenFrame,
        /// The JSON text.
        document: Bytes,
        /// The processed frame, encoded.
        picture: Option<Bytes>,
    },
    /// Realtime: a frame will have none.
    Dropped {
        frame: OpenFrame,
        reason: &'static str,
    },
    /// The source could not give a frame.
    Unreadable { reason: String },
    /// The link is over.
    NoMore,
}

/// A frame that waits for its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::process::sender) struct OpenFrame {
    pub(in crate::process::sender) sequence: u64,
    pub(in crate::process::sender) source_id: u64,
    pub(in crate::process::sender) pts_us: i64,
    pub(in crate::process::sender) bytes: u64,
    /// XXH3-64 of the payload.
    pub(in crate::process::sender) hash: u64,
}

/// Why nothing more can be sent.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub(in crate::process::sender) enum LinkFailure {
    #[error("the worker broke the protocol: {0}")]
    Protocol(String),
    #[error("the two ends do not agree: {0}")]
    Mismatch(String),
    #[error("frame {frame} cannot be sent: {reason}")]
    Refused { frame: u64, reason: String },
    #[error("the worker refused the link: {0}")]
    Goodbye(String),
    #[error("{0}")]
    Gone(String),
}

/// A link in figures.
#[derive(Debug, Clone, Default)]
pub(in crate::process::sender) struct LinkFigures {
    pub(in crate::process::sender) sent: u64,
    pub(in crate::process::sender) acked: u64,
    pub(in crate::process::sender) bytes_acked: u64,
    pub(in crate::process::sender) results: u64,
    pub(in crate::process::sender) repeated: u64,
    pub(in crate::process::sender) resumed: u64,
    pub(in crate::process::sender) held: usize,
    pub(in crate::process::sender) lanes: usize,
    pub(in crate::process::sender) fps: f64,
    pub(in crate::process::sender) carrier: Option<(LaneKind, ChoiceReason)>,
    pub(in crate::process::sender) carrier_for: Duration,
    pub(in crate::process::sender) carrier_changes: u64,
    pub(in crate::process::sender) round_trip_ms: Option<f64>,
    pub(in crate::process::sender) shortest_round_trip: Option<Duration>,
    pub(in crate::process::sender) verified: bool,
}
