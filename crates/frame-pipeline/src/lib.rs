#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod batcher;
mod bgr;
mod budget;
mod config;
pub mod driver;
mod frame;
mod output;
mod processor;
mod processors;
mod raw;
mod result;
mod sequencer;
mod stats;
mod submit;

pub use batcher::{Batcher, Taken};
pub use config::{
    BATCH_RANGE, DECODERS_RANGE, DEFAULT_BATCH_WAIT, DEFAULT_FRAME_TIMEOUT, DEFAULT_MAX_BYTES,
    DEFAULT_MAX_FRAMES, MAX_FRAMES_RANGE, PipelineConfig, PipelineError, WORKERS_RANGE,
};
pub use frame::{ContentError, DecodedFrame, EncodedFrame, FrameContent, FrameKind};
pub use output::DataOutput;
pub use processor::{
    DecoderFactory, EncoderFactory, Fields, FrameDecoder, FrameProcessor, Interrupter, Output,
    PictureEncoder, ProcessorError, ProcessorFactory,
};
pub use processors::{BUILTIN_PROCESSORS, ProcessorSpecError, builtin};
pub use raw::RawDecoder;
pub use result::{EncodedPicture, FrameResult, StageTimes};
pub use sequencer::{SequenceError, Sequencer};
pub use stats::PipelineStats;
pub use submit::{Full, FullReason};
