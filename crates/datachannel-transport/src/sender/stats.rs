//! A sender in figures.
//!
//! Fed by the machine as it works; shown by the service.

use serde::{Deserialize, Serialize};

use crate::link::{RttSummary, TimingSummary};
use crate::wire::{ClientStats, Window};

/// Counters since the link was made. At every moment
/// `frames_offered = frames_acked + frames_given_up + Σ frames_dropped_* + frames_queued + frames_in_flight`,
/// where given-up frames that are still under way count as in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderCounters {
    /// Frames taken from the caller.
    pub frames_offered: u64,
    /// Frames handed back because there was no room.
    pub frames_full: u64,
    /// Frames never taken.
    pub frames_refused: u64,
    /// Frames of which the last chunk was handed to a lane for the first time.
    pub frames_sent: u64,
    /// Frames delivered.
    pub frames_acked: u64,
    /// Frames begun again, after a lane's death or a refusal.
    pub frames_resent: u64,
    /// Frames replaced by an empty one after too many refusals, and acknowledged.
    pub frames_given_up: u64,
    /// Realtime: replaced by a newer one.
    pub frames_dropped_replaced: u64,
    /// Realtime: past their deadline.
    pub frames_dropped_deadline: u64,
    /// Realtime: on a lane that died.
    pub frames_dropped_lane: u64,
    /// Realtime: passed over by the receiver.
    pub frames_dropped_passed_over: u64,
    /// Realtime: refused by the receiver.
    pub frames_dropped_refused: u64,
    /// Chunks handed to lanes.
    pub chunks_sent: u64,
    /// Bytes of all messages handed to lanes.
    pub bytes_sent: u64,
    /// Payload bytes in them, each sending counted.
    pub payload_bytes_sent: u64,
    /// Payload bytes of delivered frames.
    pub payload_bytes_acked: u64,
    /// Messages of another epoch, ignored.
    pub wrong_epoch: u64,
    /// Messages of an unknown kind, ignored.
    pub unknown_messages: u64,
    /// Pairs and errors for what was settled already, ignored. With several lanes some are normal.
    pub stale_acks: u64,
    /// Pings beyond 4 unanswered, and pongs to no ping of ours, ignored.
    pub ping_excess: u64,
    /// Messages that broke the protocol.
    pub protocol_errors: u64,
    /// Messages after a goodbye, ignored.
    pub after_goodbye: u64,
}

/// A sender's figures now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SenderStats {
    /// What was counted.
    #[serde(flatten)]
    pub counters: SenderCounters,
    /// Frames waiting to begin.
    pub frames_queued: u64,
    /// Their payload bytes.
    pub bytes_queued: u64,
    /// Frames begun and not settled.
    pub frames_in_flight: u64,
    /// Their payload bytes.
    pub bytes_in_flight: u64,
    /// What may be under way now: the smaller of what was granted and the sender's own limit.
    pub window: Option<Window>,
    /// Lanes open.
    pub lanes: u64,
    /// The first sequence number not in use.
    pub next_sequence: u64,
    /// Whether the EOF was confirmed.
    pub finished: bool,
    /// Last chunk → ack, smoothed.
    pub ack_rtt: Option<RttSummary>,
    /// Ping → pong, smoothed, over all lanes.
    pub ping_rtt: Option<RttSummary>,
    /// Last chunk → ack, ms.
    pub ack_ms: TimingSummary,
    /// Offered → last chunk handed to the lane, ms.
    pub send_ms: TimingSummary,
    /// The receiver's own figures, as it last reported them.
    pub client: Option<ClientStats>,
    /// Events that went because nobody asked for them.
    pub events_lost: u64,
}
