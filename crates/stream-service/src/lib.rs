#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

mod controller;
mod http_socket;
mod https;
mod lanes;
mod model;
mod pipeline;
mod process;
mod service;

pub use jpeg_optimizer::{RawStreamingConfig, StreamingConfig, StreamingConfigError};
pub use lanes::choice::{ChoiceReason, LaneKind};
pub use model::params::{
    BUFFER_SIZE_FRAMES, CreateStream, FRAME_RATE, IceServer, PREFETCH_THRESHOLD, ParamError,
    PatchStream, SIDE_PIXELS, StreamChange, StreamParams,
};
pub use model::quality::{AutoQuality, QualityChoice, UnknownQuality};
pub use model::registry::{CreateError, MAX_STREAMS};
pub use model::stream::MAX_VIEWERS_PER_STREAM;
pub use pipeline::open::SourceError;
pub use process::protocol::{PictureEncoding, ProcessMode};
pub use process::sender::{
    Connections, LaneWish, LedgerError, OnProgress, PayloadEncoding, PayloadError, ProcessOutput,
    Progress, SendError, SendOptions, SendTiming, Summary, send,
};
pub use process::worker::{Worker, WorkerConfig, WorkerError};
pub use quic_session::{
    CongestionControl, Identity as ServerIdentity, IdentityError, UnknownControl, read_authorities,
};
pub use service::{Service, ServiceConfig, ServiceError};
