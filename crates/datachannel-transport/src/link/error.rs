//! What can be wrong with a configuration or with what the other side says.
//!
//! Fed by both machines; tells their callers whether to go on.

use crate::wire::{DecodeError, Received};

/// A setting out of its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}: must be {least} to {most}")]
pub struct ConfigError {
    /// The setting.
    pub field: &'static str,
    /// Its value.
    pub value: u64,
    /// The smallest value allowed.
    pub least: u64,
    /// The largest value allowed.
    pub most: u64,
}

impl ConfigError {
    pub(crate) fn check(
        field: &'static str,
        value: u64,
        least: u64,
        most: u64,
    ) -> Result<(), Self> {
        if (least..=most).contains(&value) {
            return Ok(());
        }
        Err(Self {
            field,
            value,
            least,
            most,
        })
    }
}

/// The other side broke the protocol. The machine is as it was before the message; whether to close
/// the link or to go on is the caller's choice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The bytes are not a message.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A message that only the other role sends.
    #[error("{0} came from the side that never sends it: are both ends the same role?")]
    Unexpected(&'static str),
    /// The peer takes messages too short for this protocol.
    #[error(
        "hello says that at most {max_message_bytes} B are taken per message: at least {least} B are needed"
    )]
    HelloMessagesTooShort {
        /// What the hello says.
        max_message_bytes: u64,
        /// The least this protocol needs.
        least: usize,
    },
    /// An ack or an error for something that was never wholly sent.
    #[error("{what} for frame {} attempt {}, which was not sent (next frame is {next_sequence})", received.sequence, received.attempt)]
    Unsent {
        /// `ack` or `frame_error`.
        what: &'static str,
        /// What it names.
        received: Received,
        /// The first sequence number not in use.
        next_sequence: u64,
    },
    /// An `eof_ack` although no EOF was sent.
    #[error("eof_ack without an eof")]
    EofAckUnasked,
    /// A frame beyond the window that was granted.
    #[error(
        "frame {sequence} of {frame_bytes} B is beyond the window ({window_frames} frames, {window_bytes} B from frame {next_sequence})"
    )]
    BeyondWindow {
        /// The frame.
        sequence: u64,
        /// Its length.
        frame_bytes: u32,
        /// The first frame not delivered.
        next_sequence: u64,
        /// Frames granted.
        window_frames: u32,
        /// Bytes granted.
        window_bytes: u64,
    },
    /// A chunk of a frame at or beyond the end that an EOF declared.
    #[error("chunk of frame {sequence} after an eof at {frames} frames")]
    ChunkAfterEof {
        /// The frame.
        sequence: u64,
        /// The frames declared.
        frames: u64,
    },
    /// An EOF that does not match the frames delivered so far.
    #[error("eof at {frames} frames, but {delivered} were delivered")]
    EofMisplaced {
        /// The frames declared.
        frames: u64,
        /// The frames delivered.
        delivered: u64,
    },
    /// A second EOF that says something else.
    #[error("a second eof contradicts the first")]
    EofContradicts,
}
