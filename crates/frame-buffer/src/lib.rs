#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod config;
mod fill;
mod frame;
mod layout;
mod metrics;
mod picture;
mod pool;
mod range;
mod ring;

pub use config::{
    BufferConfig, ConfigError, DEFAULT_MAX_BYTES, DEFAULT_PREFETCH_THRESHOLD, DEFAULT_SIZE_FRAMES,
    OverflowPolicy, PREFETCH_THRESHOLD_RANGE, SIZE_RANGE_FRAMES,
};
pub use fill::FillState;
pub use frame::{FrameId, VideoFrame};
pub use layout::{PictureError, PictureSize, Plane, STRIDE_ALIGN_BYTES};
pub use metrics::{BufferHealth, BufferMetrics};
pub use picture::{Picture, PictureMut, PlaneView};
pub use pool::{DEFAULT_MAX_IDLE_BYTES, FramePool, IDLE_TAKES, PoolStats};
pub use range::ColorRange;
pub use ring::{Popped, PushOutcome, RingBuffer};
