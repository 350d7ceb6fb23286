//! The messages of wire format version 1 as types; `docs/wire.md` is their specification.
//!
//! Fed by the two machines (to encode) and by the decoder; payload and text are borrowed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::meta::FrameMeta;
use super::pairs::{Received, ReceivedPairs};

/// Numbers of the message kinds.
pub(crate) mod kind {
    pub(crate) const HELLO: u64 = 0;
    pub(crate) const CHUNK: u64 = 1;
    pub(crate) const ACK: u64 = 2;
    pub(crate) const EOF: u64 = 3;
    pub(crate) const FRAME_ERROR: u64 = 4;
    pub(crate) const PING: u64 = 5;
    pub(crate) const PONG: u64 = 6;
    pub(crate) const GOODBYE: u64 = 7;
    pub(crate) const CLIENT_STATS: u64 = 8;
    pub(crate) const EOF_ACK: u64 = 9;
}

/// A decoded message and the epoch it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope<'a> {
    /// Chosen by the frames' sender when the link is made.
    pub epoch: u32,
    /// What is said.
    pub message: Message<'a>,
}

/// Everything that version 1 can say.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Message<'a> {
    /// Who speaks, and what they take.
    Hello(Hello),
    /// A piece of a frame.
    Chunk(Chunk<'a>),
    /// What has arrived, and how much more may be under way.
    Ack(Ack<'a>),
    /// Every frame has been sent and acknowledged.
    Eof(FrameTotals),
    /// An attempt of a frame was refused.
    FrameError(FrameErrorReport<'a>),
    /// A question for the other side's clock.
    Ping {
        /// The asker's clock, in µs.
        t0_us: u64,
    },
    /// The answer to a ping.
    Pong {
        /// The ping's `t0_us` again.
        t0_us: u64,
        /// The answerer's clock when it answered, in µs.
        t1_us: u64,
    },
    /// Nothing more will come.
    Goodbye {
        /// Why, see [`GoodbyeCode`].
        code: GoodbyeCode,
        /// The same for a person; at most 256 B.
        text: &'a str,
    },
    /// The receiver's own figures.
    ClientStats(ClientStats),
    /// The receiver's own totals in answer to an EOF.
    EofAck {
        /// How many frames it delivered.
        frames: u64,
        /// [`HashChain`](crate::HashChain) over them in order; 0 in realtime mode.
        hash: u64,
    },
    /// A kind of a later revision: ignored and counted.
    Unknown {
        /// Its number.
        kind: u64,
    },
}

/// Which end of the frames speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Frames come from here.
    Sender,
    /// Frames go here.
    Receiver,
}

/// How much may be under way: frames started and not yet acknowledged as delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Frames; 0 pauses the sender.
    pub frames: u32,
    /// Payload bytes of those frames; 0 pauses the sender. One frame alone may exceed any other value.
    pub bytes: u64,
}

/// The first message on every lane, in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Which end speaks.
    pub role: Role,
    /// Longest message the speaker takes on this lane, in bytes.
    pub max_message_bytes: u64,
    /// From a receiver: its window. From a sender: the most it will ever use.
    pub window: Window,
    /// From a receiver: the first frame it has not delivered. From a sender: the first it has not
    /// seen acknowledged.
    pub next_sequence: u64,
}

/// A piece of one attempt of one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The frame's place on the link.
    pub sequence: u64,
    /// Which sending of it.
    pub attempt: u16,
    /// Length of the whole frame, in bytes.
    pub frame_bytes: u32,
    /// Where `payload` begins in the frame, in bytes.
    pub offset: u32,
    /// Present where `offset` is 0 and only there.
    pub meta: Option<ChunkMeta>,
    /// The piece.
    pub payload: &'a [u8],
}

/// What a frame's first chunk says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkMeta {
    /// The frame's description.
    pub frame: FrameMeta,
    /// The sender could not get this frame across and sends it empty, so that the order and the
    /// count stay whole.
    pub given_up: bool,
    /// XXH3-64 of the whole payload; 0 = not given.
    pub payload_hash: u64,
}

/// What has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// All frames below are done with; the one just below was delivered.
    pub next_sequence: u64,
    /// Attempts that arrived whole, above and below `next_sequence`.
    pub received: ReceivedPairs<'a>,
    /// How much may be under way from here on.
    pub window: Window,
}

/// Count, length and hash of all frames of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameTotals {
    /// How many frames.
    pub frames: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// [`HashChain`](crate::HashChain) over them in order; 0 in realtime mode.
    pub hash: u64,
}

/// Why an attempt of a frame was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FrameErrorCode {
    /// Chunks contradict each other. Asks for the frame again.
    Conflict,
    /// The payload's hash is not the one declared. Asks for the frame again.
    HashMismatch,
    /// Too many separate runs of bytes. Asks for the frame again.
    TooFragmented,
    /// Larger than the receiver takes. Sending it again is of no use.
    TooLarge,
    /// The frame arrived, but what it was for failed. Sending it again is of no use.
    Processing,
    /// A code of a later revision.
    Other(u16),
}

impl FrameErrorCode {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Conflict => 1,
            Self::HashMismatch => 2,
            Self::TooFragmented => 3,
            Self::TooLarge => 4,
            Self::Processing => 5,
            Self::Other(code) => code,
        }
    }

    /// The code with that number.
    #[must_use]
    pub const fn from_code(code: u16) -> Self {
        match code {
            1 => Self::Conflict,
            2 => Self::HashMismatch,
            3 => Self::TooFragmented,
            4 => Self::TooLarge,
            5 => Self::Processing,
            other => Self::Other(other),
        }
    }
}

/// A refused attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameErrorReport<'a> {
    /// Which attempt of which frame.
    pub refused: Received,
    /// Why.
    pub code: FrameErrorCode,
    /// The same for a person; at most 256 B.
    pub text: &'a str,
}

/// Why a side leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GoodbyeCode {
    /// All is done.
    Done,
    /// The stream was deleted.
    StreamDeleted,
    /// The process is going down; coming back later may help.
    ShuttingDown,
    /// The other side broke the protocol.
    ProtocolError,
    /// The stream failed.
    Failed,
    /// A code of a later revision.
    Other(u16),
}

impl GoodbyeCode {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Done => 0,
            Self::StreamDeleted => 1,
            Self::ShuttingDown => 2,
            Self::ProtocolError => 3,
            Self::Failed => 4,
            Self::Other(code) => code,
        }
    }

    /// The code with that number.
    #[must_use]
    pub const fn from_code(code: u16) -> Self {
        match code {
            0 => Self::Done,
            1 => Self::StreamDeleted,
            2 => Self::ShuttingDown,
            3 => Self::ProtocolError,
            4 => Self::Failed,
            other => Self::Other(other),
        }
    }
}

/// Figures that a receiver reports about itself: names to finite numbers, at most 32 of at most
/// 32 bytes each. Shown by the sender, never acted on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientStats {
    entries: BTreeMap<String, f64>,
}

impl ClientStats {
    /// No figures yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a figure. Returns whether it was taken: not when the name is longer than 32 bytes, the
    /// value is not finite, or 32 other figures are set.
    pub fn set(&mut self, name: &str, value: f64) -> bool {
        let room = self.entries.len() < crate::limits::MAX_STATS_ENTRIES
            || self.entries.contains_key(name);
        let taken = room && name.len() <= crate::limits::MAX_STATS_KEY_BYTES && value.is_finite();
        if taken {
            self.entries.insert(name.to_owned(), value);
        }
        taken
    }

    /// The figure of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.entries.get(name).copied()
    }

    /// All figures by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.entries
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
    }

    /// How many figures are set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
