#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod adapt;
mod bitrate;
mod buffers;
mod cache;
mod codec;
mod config;
mod decode;
pub mod driver;
mod encoder;
mod entries;
mod error;
mod identity;
mod ladder;
mod quality;
mod rendition;
mod stats;
mod target;

pub use adapt::{
    ClientConfig, ClientQuality, ClientStats, Goal, ModelBased, QualityPolicy, SentFrame,
    SizeModel, Stepwise, WINDOW_FRAMES, WINDOW_SECONDS,
};
pub use bitrate::{Bitrate, BitrateError, RawBitrate};
pub use cache::{
    CacheConfig, DEFAULT_MAX_BYTES, DEFAULT_MAX_FRAMES, EncodeCache, EncodeParams, EncodedJpeg,
    StreamKey,
};
pub use config::{
    MAX_CACHE_BYTES, MAX_CACHE_FRAMES, MIN_CACHE_BYTES, RawStreamingConfig, StreamingConfig,
    StreamingConfigError, StreamingDocument,
};
pub use decode::{
    ChromaSampling, DecodeLimits, DecodeScale, JpegDecoder, JpegError, JpegHeader,
    MAX_DECODE_BYTES, MAX_DECODE_PIXELS, MAX_DECODE_SCANS,
};
pub use encoder::JpegEncoder;
pub use error::EncodeError;
pub use identity::{ContentHash, IdentifyBy, SameFrames};
pub use ladder::{LadderError, MAX_RUNGS, QualityLadder, QualityRange, RangeError};
pub use quality::{Quality, QualityError, QualityLevel};
pub use rendition::{Renderer, fit_within};
pub use stats::{EncodeStats, Percentiles, WINDOW_ENCODES};
pub use target::{LinkSample, TargetBitrate, TargetConfig, TcpMeter, TcpQueue};
