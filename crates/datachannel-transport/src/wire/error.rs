//! Why bytes are not a message.
//!
//! Fed by the decoder; reaches the caller inside [`ProtocolError`](crate::ProtocolError).

use super::meta::MetaError;

/// What is wrong with a message, by the names of `docs/wire.md`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Longer than any message may be.
    #[error("message of {len} B: at most {max} B are taken")]
    TooLong {
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The message ends before this element does, or the element claims more than is there.
    #[error("message ends inside {element}")]
    Truncated {
        /// The element.
        element: &'static str,
    },
    /// The element is of another type.
    #[error("{element} begins with byte {found:#04x}, which is not its type")]
    WrongType {
        /// The element.
        element: &'static str,
        /// The MessagePack marker found there.
        found: u8,
    },
    /// An integer does not fit its type.
    #[error("{element} is negative or larger than its type holds")]
    WrongSign {
        /// The element.
        element: &'static str,
    },
    /// A value or a length is beyond its limit.
    #[error("{element} is {value}: at most {max} is allowed")]
    OutOfRange {
        /// The element.
        element: &'static str,
        /// Its value or length.
        value: u64,
        /// The limit.
        max: u64,
    },
    /// Text is not UTF-8.
    #[error("{element} is not UTF-8")]
    NotUtf8 {
        /// The element.
        element: &'static str,
    },
    /// A statistic is not a finite number.
    #[error("a value in client_stats is not finite")]
    NotFinite,
    /// Another version of the format.
    #[error("wire version {0}: this side speaks version 1 only")]
    Version(u64),
    /// The array is shorter than its kind asks for.
    #[error("{kind} has {found} elements, at least {least} are needed")]
    TooFewElements {
        /// The message kind by name.
        kind: &'static str,
        /// Elements found.
        found: u64,
        /// Elements needed.
        least: u64,
    },
    /// Something follows the array.
    #[error("{0} B follow the message's array")]
    TrailingBytes(usize),
    /// A role that is neither 0 nor 1.
    #[error("role {0}: 0 is the frames' sender, 1 their receiver")]
    Role(u64),
    /// The first chunk of a frame describes nothing.
    #[error("chunk at offset 0 of frame {sequence} has no meta")]
    MetaMissing {
        /// The frame.
        sequence: u64,
    },
    /// A later chunk of a frame describes it again.
    #[error("chunk at offset {offset} of frame {sequence} has meta, which only offset 0 has")]
    MetaUnexpected {
        /// The frame.
        sequence: u64,
        /// Where the chunk begins.
        offset: u32,
    },
    /// A chunk without payload in a frame that has some.
    #[error("chunk at offset {offset} of frame {sequence} is empty, the frame is not")]
    EmptyChunk {
        /// The frame.
        sequence: u64,
        /// Where the chunk begins.
        offset: u32,
    },
    /// A chunk reaches beyond its frame.
    #[error("chunk of frame {sequence} ends at {end}, the frame at {frame_bytes} B")]
    PastEnd {
        /// The frame.
        sequence: u64,
        /// Where the chunk ends.
        end: u64,
        /// The frame's length.
        frame_bytes: u32,
    },
    /// A frame that is given up has a payload.
    #[error("frame {sequence} is given up but declares {frame_bytes} B")]
    GivenUpNotEmpty {
        /// The frame.
        sequence: u64,
        /// The frame's length.
        frame_bytes: u32,
    },
    /// The frame's description contradicts itself or its length.
    #[error("frame {sequence}: {source}")]
    Meta {
        /// The frame.
        sequence: u64,
        /// The contradiction.
        source: MetaError,
    },
}
