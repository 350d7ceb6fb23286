//! A receiver in figures, and what it tells its caller.
//!
//! Fed by the machine as it works; shown by the service.

use serde::{Deserialize, Serialize};

use crate::link::{RttSummary, TimingSummary};
use crate::wire::{FrameTotals, GoodbyeCode, Window};

/// Counters since the link was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverCounters {
    /// Frames handed out, given-up ones included.
    pub frames_delivered: u64,
    /// Of these, empty ones in place of frames the sender gave up.
    pub frames_given_up: u64,
    /// Payload bytes handed out.
    pub payload_bytes_delivered: u64,
    /// Attempts refused: contradictions, wrong hash, too large.
    pub attempts_refused: u64,
    /// Partly received attempts replaced by a later attempt.
    pub attempts_replaced: u64,
    /// Realtime: frames that were not whole when a later one was, or made room for later ones.
    pub frames_superseded: u64,
    /// Chunks taken.
    pub chunks_received: u64,
    /// Chunks of what was held or delivered already.
    pub chunks_duplicate: u64,
    /// Chunks of an attempt that a later one has replaced, or of a refused one.
    pub chunks_stale: u64,
    /// Realtime: chunks of frames older than one already whole.
    pub chunks_late: u64,
    /// Bytes of all messages taken.
    pub bytes_received: u64,
    /// Messages of another epoch, ignored.
    pub wrong_epoch: u64,
    /// Messages of an unknown kind, ignored.
    pub unknown_messages: u64,
    /// Pings beyond 4 unanswered, and pongs to no ping of ours, ignored.
    pub ping_excess: u64,
    /// Messages that broke the protocol.
    pub protocol_errors: u64,
    /// Messages after a goodbye, ignored.
    pub after_goodbye: u64,
}

/// A receiver's figures now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReceiverStats {
    /// What was counted.
    #[serde(flatten)]
    pub counters: ReceiverCounters,
    /// The first frame not handed out.
    pub next_sequence: u64,
    /// Frames held, whole or not.
    pub frames_open: u64,
    /// Of these, whole and waiting for `poll_frame` or for those before them.
    pub frames_whole: u64,
    /// Payload bytes that the held frames declare.
    pub bytes_open: u64,
    /// What is granted.
    pub window: Option<Window>,
    /// Lanes open.
    pub lanes: u64,
    /// Ping → pong, smoothed, over all lanes.
    pub ping_rtt: Option<RttSummary>,
    /// The sender's clock minus ours, in µs.
    pub clock_offset_us: Option<i64>,
    /// First chunk → whole, ms.
    pub assembly_ms: TimingSummary,
    /// Events that went because nobody asked for them.
    pub events_lost: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ReceiverEvent {
    /// The sender said hello; its epoch is the link's.
    Linked {
        /// The link's epoch.
        epoch: u32,
        /// The first frame the sender has not seen acknowledged.
        next_sequence: u64,
    },
    /// All frames were sent.
    Eof {
        /// What the sender counted.
        totals: FrameTotals,
        /// This side's count and hash are the same. In realtime mode only that no more frames were
        /// delivered than sent.
        verified: bool,
    },
    /// The sender left.
    PeerGoodbye {
        /// Why.
        code: GoodbyeCode,
        /// The peer's words, at most 256 B: show them as text, never as markup.
        text: String,
    },
}
