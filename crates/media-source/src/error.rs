//! Why a video could not be opened, or a frame not be decoded.
//!
//! Every variant names the input (`name`: a path, URL or CID), and says what to do where something
//! can be done.

use std::io;
use std::time::Duration;

use frame_buffer::{FrameId, PictureError};

/// Why a video could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The bytes could not be reached at all.
    #[error("{source}")]
    Load {
        /// The input.
        name: String,
        /// What the loader said; it names the input itself.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The bytes stopped coming while the container was read.
    #[error("{name}: reading the container failed: {source}")]
    Read {
        /// The input.
        name: String,
        /// What the reader said.
        source: io::Error,
    },
    /// There is not one byte.
    #[error("{name} is empty (0 bytes): check that it was written or downloaded completely")]
    Empty {
        /// The input.
        name: String,
    },
    /// The first bytes are of no container known here.
    #[error(
        "{name} is not a video this build knows (it starts with {first_bytes}): accepted are MP4 or \
         MOV with H.264 or MJPEG, AVI with MJPEG, multipart/x-mixed-replace, JPEG"
    )]
    UnknownContainer {
        /// The input.
        name: String,
        /// The first bytes in hex.
        first_bytes: String,
    },
    /// The container or the codec is known, but cannot be decoded here.
    #[error("{name}: {codec} in {container} cannot be decoded by this build; {hint}")]
    UnsupportedCodec {
        /// The input.
        name: String,
        /// The codec, e.g. `H.265/HEVC (hvc1)`.
        codec: String,
        /// The container, e.g. `MP4`.
        container: String,
        /// What to do.
        hint: String,
    },
    /// The container holds other tracks, but no video.
    #[error("{name}: this {container} has no video track (it has {found}); give a file with one")]
    NoVideoTrack {
        /// The input.
        name: String,
        /// The container.
        container: String,
        /// What it holds instead.
        found: String,
    },
    /// The container is broken or cut off.
    #[error(
        "{name}: broken {container}: {what}; check that the file is complete, or repair it with: \
         ffmpeg -i INPUT -c copy OUTPUT"
    )]
    Malformed {
        /// The input.
        name: String,
        /// The container.
        container: String,
        /// What is wrong, and where.
        what: String,
    },
    /// It can be decoded, and not be sent as it is coded.
    #[error(
        "{name} has no access units to send as they are: {reason}, and only H.264 in MP4 that shows every frame can be; \
         send it decoded (frame-sender --encoding jpeg)"
    )]
    NoAccessUnits {
        /// The input.
        name: String,
        /// What it is instead.
        reason: String,
    },
    /// A declared amount is beyond what this crate takes on.
    #[error("{name}: {what} is {value}, and the limit is {limit}")]
    TooLarge {
        /// The input.
        name: String,
        /// What is too large.
        what: &'static str,
        /// How large it is.
        value: u64,
        /// The largest accepted.
        limit: u64,
    },
    /// A folder without JPEGs.
    #[error("{name} holds no .jpg or .jpeg file: put the frames there, one file each")]
    EmptyFolder {
        /// The folder.
        name: String,
    },
    /// A parameter of the test pattern, or a frame rate, is out of range.
    #[error("{field} = {value} is out of range: {accepted}")]
    OutOfRange {
        /// The parameter.
        field: &'static str,
        /// What was given.
        value: String,
        /// What is accepted.
        accepted: &'static str,
    },
    /// A decoder could not be made.
    #[error("{name}: the decoder could not be started: {reason}")]
    Decoder {
        /// The input.
        name: String,
        /// What the decoder said.
        reason: String,
    },
}

/// Why a frame could not be delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// This frame's data is damaged; the ones after it may well decode.
    #[error("{name}: frame {index} at {pts:?} cannot be decoded: {reason}")]
    Frame {
        /// The input.
        name: String,
        /// The frame's place in presentation order: the id that is skipped.
        index: FrameId,
        /// When it would have been shown.
        pts: Duration,
        /// What the decoder said.
        reason: String,
    },
    /// The bytes end before the last frame does.
    #[error(
        "{name} is cut off: the bytes end within frame {index}; frames before it were delivered"
    )]
    Truncated {
        /// The input.
        name: String,
        /// The first frame that is missing, in decode order.
        index: FrameId,
    },
    /// Reading failed.
    #[error("{name}: reading failed: {source}")]
    Read {
        /// The input.
        name: String,
        /// What the reader said.
        source: io::Error,
    },
    /// The container turns out to be broken on the way.
    #[error("{name}: broken {container}: {what}")]
    Malformed {
        /// The input.
        name: String,
        /// The container.
        container: &'static str,
        /// What is wrong, and where.
        what: String,
    },
    /// The video can be decoded, and from here on not be sent as it is coded.
    #[error(
        "{name}: access unit {index} cannot be sent as it is: {reason}; send the video decoded (frame-sender --encoding jpeg)"
    )]
    NotAsCoded {
        /// The input.
        name: String,
        /// Its place in decode order.
        index: FrameId,
        /// What stands against it.
        reason: String,
    },
    /// No picture of that size can be held.
    #[error("{name}: {source}")]
    Picture {
        /// The input.
        name: String,
        /// Which size.
        source: PictureError,
    },
    /// A decoder could not be made.
    #[error("{name}: the decoder could not be started: {reason}")]
    Decoder {
        /// The input.
        name: String,
        /// What the decoder said.
        reason: String,
    },
}

impl DecodeError {
    /// Whether only one frame is lost, so that the next call may deliver the next frame.
    pub fn is_recoverable(&self) -> bool {
        matches!(self, Self::Frame { .. })
    }
}

/// What is wrong inside a container; the caller adds the input's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) String);

impl Broken {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    pub(crate) fn opening(self, name: &str, container: &str) -> OpenError {
        OpenError::Malformed {
            name: name.to_owned(),
            container: container.to_owned(),
            what: self.0,
        }
    }

    pub(crate) fn decoding(self, name: &str, container: &'static str) -> DecodeError {
        DecodeError::Malformed {
            name: name.to_owned(),
            container,
            what: self.0,
        }
    }
}
