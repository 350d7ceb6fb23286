#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod cache;
pub mod driver;
mod encoder;
mod entries;
mod error;
mod ladder;
mod quality;
mod rendition;
mod stats;

pub use cache::{
    CacheConfig, DEFAULT_MAX_BYTES, DEFAULT_MAX_FRAMES, EncodeCache, EncodeParams, EncodedJpeg,
    StreamKey,
};
pub use encoder::JpegEncoder;
pub use error::EncodeError;
pub use ladder::{LadderError, QualityLadder};
pub use quality::{Quality, QualityError, QualityLevel};
pub use rendition::{Renderer, fit_within};
pub use stats::{EncodeStats, Percentiles, WINDOW_ENCODES};
