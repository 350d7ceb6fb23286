#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod limits;
mod link;
mod receiver;
mod sender;
pub mod wire;

pub use link::{
    ClockOffset, ConfigError, HashChain, LaneError, LaneId, LaneLimits, LinkClock, ProtocolError,
    RttEstimator, RttSummary, TimingSummary, TimingWindow, payload_hash,
};
pub use receiver::{
    Confirm, CreditSizer, FrameReceiver, ReceivedFrame, ReceiverConfig, ReceiverCounters,
    ReceiverEvent, ReceiverMode, ReceiverStats,
};
pub use sender::{
    DropReason, FrameSender, Mode, Offer, OutgoingFrame, RefuseReason, ResumePoint, SenderConfig,
    SenderCounters, SenderEvent, SenderStats,
};
pub use wire::{
    ClientStats, Encoding, FrameErrorCode, FrameMeta, FrameTotals, GoodbyeCode, MetaError, Window,
};
