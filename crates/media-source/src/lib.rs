#![doc = include_str!("../README.md")]
//!
//! # Map of the crate, along the data path
//!
//! | module | is |
//! |---|---|
//! | `uri` | what a person writes: `test:`, a path, a CID, a URL |
//! | [`driver`] | files, the loader, the runtime: from a [`VideoUri`] to a source |
//! | `sniff`, `open` | which container the first bytes are of, and its demuxer |
//! | `mp4` | the boxes, sample tables, fragments and edit list of MP4 |
//! | `h264` | access units, as they are or as pictures in presentation order, and pictures to access units, by openh264 |
//! | `mjpeg` | AVI, multipart, plain JPEGs, decoded by jpeg-optimizer |
//! | `pattern` | the test pattern |
//! | `source`, `looped`, `pacing` | the trait of them all; without an end; when a frame is due |
#![deny(unsafe_code)]

pub mod driver;
mod error;
mod h264;
mod input;
mod looped;
mod mjpeg;
mod mp4;
mod open;
mod pacing;
mod pattern;
mod rate;
mod sniff;
mod source;
mod uri;

pub use error::{DecodeError, OpenError};
pub use h264::{
    AccessUnit, AccessUnits, DecodedUnit, END_OF_SEQUENCE, H264Decoder, H264EncodeError,
    H264Encoder, H264Error, H264Unit, MAX_GROUP_BYTES, MAX_GROUP_UNITS, MAX_REORDERED_UNITS,
};
pub use jpeg_optimizer::{JpegDecoder, JpegError};
pub use looped::Looped;
pub use open::{open_access_units, open_reader, open_reader_at};
pub use pacing::PacingClock;
pub use pattern::{PatternOptions, TestPattern};
pub use rate::DEFAULT_FRAME_RATE;
pub use source::{FrameSource, ReadSeek, VideoInfo};
pub use uri::{UriError, VideoUri};
