//! Every bound of this crate in one place; `docs/limits.md` is the same table in prose.
//!
//! Fed by nothing. The codec, both machines and their configurations read their ranges here, and
//! `tests/limits.rs` tries each one at its value and just above.

use std::time::Duration;

/// The only wire version spoken.
pub const WIRE_VERSION: u64 = 1;

/// Longest message that is decoded or made, in bytes. Above what browsers take (262,144 B in
/// Chromium, which the *lane's* limit expresses) and below what would make one message a burden.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// Shortest message limit that a lane may have, in bytes: the largest control message (client
/// statistics, 32 entries of 32-byte keys) needs 1,390.
pub const MIN_LANE_MESSAGE_BYTES: usize = 2048;

/// Shortest message limit for chunks that may be configured, in bytes: header, `meta` and a payload
/// that is not all header.
pub const MIN_CHUNK_MESSAGE_BYTES: usize = 256;

/// Default message limit for chunks, in bytes. 16 KiB fills Chromium's 128 KiB receive buffer in
/// small enough steps (48–52 MB/s measured) and is what every data-channel stack interoperates with.
pub const DEFAULT_CHUNK_MESSAGE_BYTES: usize = 16 * 1024;

/// A chunk that does not end its frame is a message of at least this many bytes (a quarter of the lane's
/// limit, if that is less): below it the lane is asked to come back with more room, for a lane that empties
/// packet by packet would otherwise be filled with crumbs.
pub const MIN_PARTIAL_MESSAGE_BYTES: usize = 4096;

/// What a message with a chunk is never made shorter than because the path is slow, in bytes: about what one
/// datagram of 1,200 B carries beside the headers of UDP, DTLS and SCTP. Less would cost more than it sends.
pub const MIN_PATH_MESSAGE_BYTES: usize = 1100;

/// Default time that one message with a chunk may take to send. What follows on a data channel waits for the
/// message before it (SCTP sends messages whole, RFC 9260 §6.9); 10 ms is not seen in a round trip over a slow path,
/// and 16 KiB in 10 ms is 1.6 MB/s.
pub const DEFAULT_CHUNK_TIME: Duration = Duration::from_millis(10);

/// Frames by whose acks a lane's goodput is judged.
pub const GOODPUT_SAMPLES: usize = 8;

/// Lanes open at once on one link.
pub const MAX_LANES: usize = 16;

/// Largest payload of one frame that may be configured, in bytes.
pub const MAX_FRAME_BYTES: u32 = 1 << 30;

/// Default limit on one frame's payload, in bytes: a 4K picture in raw BGR (24.9 MB) fits.
pub const DEFAULT_MAX_FRAME_BYTES: u32 = 32 << 20;

/// Largest picture width and height, in luma samples, that `meta` may declare.
pub const MAX_DIMENSION: u32 = 16_384;

/// Largest sequence number: 2^53 − 1, the largest integer that JavaScript counts exactly.
pub const MAX_SEQUENCE: u64 = (1 << 53) - 1;

/// `[sequence, attempt]` pairs in one ack.
pub const MAX_RECEIVED_PAIRS: usize = 64;

/// UTF-8 bytes of text in a goodbye or a frame error.
pub const MAX_TEXT_BYTES: usize = 256;

/// Entries in one `client_stats` message.
pub const MAX_STATS_ENTRIES: usize = 32;

/// UTF-8 bytes of one key in `client_stats`.
pub const MAX_STATS_KEY_BYTES: usize = 32;

/// Frames open at once (started or received, not yet acknowledged as delivered) that a window may be
/// configured to; a peer that grants more is held to the sender's own limit.
pub const MAX_WINDOW_FRAMES: u32 = 4096;

/// Payload bytes of the frames open at once that a window may be configured to.
pub const MAX_WINDOW_BYTES: u64 = 4 << 30;

/// Frames that a sender may start before the receiver's first hello or ack grants a window.
pub const INITIAL_WINDOW_FRAMES: u32 = 2;

/// Payload bytes that a sender may start before the receiver grants a window (one frame alone may
/// be larger).
pub const INITIAL_WINDOW_BYTES: u64 = 64 * 1024;

/// Separate runs of bytes held of one frame whose chunks arrive out of order; one more and the
/// attempt is refused and asked for again. A lane would have to shuffle 16 MiB of 16 KiB chunks to get
/// there; the list takes 8 KiB.
pub const MAX_RUNS_PER_FRAME: usize = 1024;

/// Attempts of one frame that the receiver may refuse before the sender gives the frame up.
pub const MAX_REFUSALS_PER_FRAME: u8 = 4;

/// Pings waiting for their answer on one lane; the oldest is forgotten.
pub const MAX_PINGS_OPEN: usize = 4;

/// Pongs owed on one lane; further pings are dropped and counted.
pub const MAX_PONGS_OWED: usize = 4;

/// Events kept for a caller that does not ask for them; the oldest is dropped and counted.
pub const MAX_EVENTS: usize = 8192;

/// Samples that one [`TimingWindow`](crate::TimingWindow) remembers.
pub const TIMING_SAMPLES: usize = 256;

/// Samples that one [`ClockOffset`](crate::ClockOffset) remembers.
pub const CLOCK_SAMPLES: usize = 16;
