//! What can be wrong with what a client sent.
//!
//! Made by every other file of the module; read by `reply`, which tells the client, and as the error in a frame's result.

use super::limits::{
    MAX_CHUNKS, MAX_FRAME_BYTES, MAX_FRAME_ID, MAX_HELD_BYTES, MAX_HELD_FRAMES, MAX_MESSAGE_BYTES,
    MAX_OPEN_FRAMES, MAX_SIDE,
};

/// Why a message, a chunk or a frame is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(super) enum Fault {
    #[error(
        "a message of {bytes} bytes; at most {MAX_MESSAGE_BYTES} are taken: send smaller chunks"
    )]
    MessageTooLarge { bytes: usize },
    #[error("not a message of this protocol: {0}")]
    BadMessage(String),
    #[error("messages of type {0:?} are not known: send frame_chunk or frame_eof")]
    UnknownType(String),
    #[error("frame_id is {frame_id}; at most {MAX_FRAME_ID}")]
    BadFrameId { frame_id: u64 },
    #[error("chunk_index is {index} of total_chunks {total}: it counts from 0")]
    BadChunkIndex { index: u64, total: u64 },
    #[error("total_chunks is {total}; it must be 1 to {MAX_CHUNKS}: send larger chunks")]
    BadTotal { total: u64 },
    #[error("chunk {index}: its data is not base64 ({why})")]
    BadBase64 { index: u32, why: String },
    #[error("{0}")]
    Contradiction(&'static str),
    #[error("the frame has more than {MAX_FRAME_BYTES} bytes")]
    FrameTooLarge,
    #[error("encoding {0:?} is not known: send jpeg, raw_i420 or bgr")]
    UnknownEncoding(String),
    #[error("{width}x{height} pixels; a side has at most {MAX_SIDE}")]
    BadDimensions { width: u64, height: u64 },
    #[error(
        "{have} of {total} chunks came before the stream ended or {MAX_OPEN_FRAMES} other frames were open"
    )]
    Incomplete { have: usize, total: u32 },
    #[error(
        "{frames} frames with {bytes} bytes wait here (at most {MAX_HELD_FRAMES} and {MAX_HELD_BYTES}): \
         send it again, from chunk 0, after the next frame_ack"
    )]
    Busy { frames: usize, bytes: usize },
    #[error("the stream has ended: frame_eof came before this")]
    AfterEof,
    #[error("frame_eof says {what} {said}, but it was {got}")]
    WrongEof {
        what: &'static str,
        said: u64,
        got: u64,
    },
    #[error("a binary message on a link that speaks JSON, ignored")]
    Binary,
    #[error("{0}")]
    Closing(String),
}

impl Fault {
    /// What programs tell it by.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::MessageTooLarge { .. } => "message_too_large",
            Self::BadMessage(_) | Self::UnknownType(_) | Self::BadFrameId { .. } => "bad_message",
            Self::BadChunkIndex { .. } => "bad_chunk_index",
            Self::BadTotal { .. } => "bad_total_chunks",
            Self::BadBase64 { .. } => "bad_base64",
            Self::Contradiction(_) => "contradiction",
            Self::FrameTooLarge => "frame_too_large",
            Self::UnknownEncoding(_) => "unknown_encoding",
            Self::BadDimensions { .. } => "bad_dimensions",
            Self::Incomplete { .. } => "incomplete",
            Self::Busy { .. } => "busy",
            Self::AfterEof => "after_eof",
            Self::WrongEof { .. } => "wrong_eof",
            Self::Binary => "binary",
            Self::Closing(_) => "closing",
        }
    }

    /// Whether the same frame, sent again, may be taken: it will have no result otherwise.
    pub(super) fn is_temporary(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }
}
