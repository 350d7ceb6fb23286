//! What a sender takes and what it tells its caller.
//!
//! Fed by the caller (frames) and by the machine (events); feeds ledgers and progress.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::wire::{FrameErrorCode, FrameMeta, FrameTotals, GoodbyeCode, MetaError, Window};

/// A frame to be sent. Cloning shares the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingFrame {
    /// What it is.
    pub meta: FrameMeta,
    /// Its bytes.
    pub payload: Bytes,
}

/// What became of an offered frame.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a frame that was not taken is inside"]
pub enum Offer {
    /// It waits for its turn.
    Queued,
    /// Realtime: it waits, and the oldest waiting frame, or all that waited, are gone for it.
    Replaced {
        /// `source_id` of the newest that is gone; an event tells of each.
        dropped: u64,
    },
    /// Every frame: no room; offer it again when something was acknowledged.
    Full(OutgoingFrame),
    /// It will never be taken.
    Refused {
        /// The frame.
        frame: OutgoingFrame,
        /// Why.
        reason: RefuseReason,
    },
}

/// Why a frame is never taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefuseReason {
    /// `finish` or `goodbye` was called, or the peer said goodbye.
    #[error("the link takes no more frames: it was finished, or one side said goodbye")]
    Closed,
    /// The payload is beyond what this sender may hold.
    #[error("frame of {bytes} B: at most {limit} B are taken (max_frame_bytes, max_queued_bytes)")]
    TooLarge {
        /// Its length.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The description is wrong.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// All 2^53 sequence numbers are used.
    #[error("no sequence numbers are left on this link: open a new one")]
    SequencesExhausted,
}

/// Why a realtime frame was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DropReason {
    /// A newer frame took its place before it began to travel.
    Replaced,
    /// Its deadline passed before it began to travel.
    Deadline,
    /// Its lane died and a newer frame existed.
    LaneDied,
    /// The receiver moved on to a later frame without confirming it.
    PassedOver,
    /// The receiver refused it.
    Refused,
}

/// What happened, for the caller's ledger.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SenderEvent {
    /// The receiver answered on a lane.
    PeerHello {
        /// The first frame it has not delivered.
        next_sequence: u64,
        /// What it grants.
        window: Window,
    },
    /// A frame was delivered.
    Acked {
        /// Its place on the link.
        sequence: u64,
        /// Its index at the source.
        source_id: u64,
        /// Last chunk handed to the lane → ack, where one sending can be told from another.
        rtt: Option<Duration>,
    },
    /// A realtime frame will not be delivered.
    Dropped {
        /// Its index at the source.
        source_id: u64,
        /// Why.
        reason: DropReason,
    },
    /// The receiver refused an attempt, or failed at what the frame was for.
    FrameError {
        /// The frame's place on the link.
        sequence: u64,
        /// Its index at the source, while the sender still holds it.
        source_id: Option<u64>,
        /// Why.
        code: FrameErrorCode,
        /// The peer's words, at most 256 B: show them as text, never as markup.
        text: String,
        /// The frame is given up and an empty one takes its place.
        given_up: bool,
    },
    /// The receiver confirmed the EOF.
    Finished {
        /// What was sent.
        totals: FrameTotals,
        /// The receiver's count and hash are the same.
        verified: bool,
    },
    /// The receiver left.
    PeerGoodbye {
        /// Why.
        code: GoodbyeCode,
        /// The peer's words, at most 256 B: show them as text, never as markup.
        text: String,
    },
}
