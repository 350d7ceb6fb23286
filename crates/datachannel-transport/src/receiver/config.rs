//! How a receiver behaves: each setting with its default, range and cost.
//!
//! Fed by whoever makes the link; read once by [`FrameReceiver::new`](crate::FrameReceiver::new).

use std::time::{Duration, Instant};

use crate::limits::{
    DEFAULT_MAX_FRAME_BYTES, INITIAL_WINDOW_BYTES, INITIAL_WINDOW_FRAMES, MAX_FRAME_BYTES,
    MAX_MESSAGE_BYTES, MAX_SEQUENCE, MAX_WINDOW_BYTES, MAX_WINDOW_FRAMES, MIN_LANE_MESSAGE_BYTES,
};
use crate::link::ConfigError;
use crate::sender::{ResumePoint, check_interval};
use crate::wire::Window;

/// In which order frames are handed out. Must be the sender's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiverMode {
    /// As they become whole, by rising sequence, never waiting for a gap.
    Realtime,
    /// All of them, in order, exactly once.
    EveryFrame,
}

/// When a frame counts as delivered, so that the sender lets go of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confirm {
    /// When `poll_frame` has handed it out.
    #[default]
    OnPoll,
    /// When the application says so with [`confirm`](crate::FrameReceiver::confirm): a worker that dies before
    /// is sent the frame again. Until then the frame takes room in the window. Every-frame mode only; in realtime
    /// mode it is as `OnPoll`.
    Explicit,
}

/// Settings of a [`FrameReceiver`](crate::FrameReceiver).
#[derive(Clone, Copy, Debug)]
pub struct ReceiverConfig {
    /// In which order frames are handed out.
    pub mode: ReceiverMode,
    /// When a frame counts as delivered. Default: when it is handed out.
    pub confirm: Confirm,
    /// The link's epoch, if it is agreed upon beforehand. Default `None`: that of the first hello or chunk.
    pub epoch: Option<u32>,
    /// When the clock showed 0 that answers pings.
    pub clock_origin: Instant,
    /// What may be under way: frames begun and not delivered, and their payload bytes, which
    /// is the receiver's hard memory bound. Default 32 frames, 64 MiB; range 2–4,096 frames; at least
    /// `max_frame_bytes` and 64 KiB, at most 4 GiB.
    pub window: Window,
    /// Largest frame taken, in bytes. Default 32 MiB, range 1 B–1 GiB. Larger ones are refused.
    pub max_frame_bytes: u32,
    /// Longest message taken, announced in the hello, in bytes. Default 1 MiB, range 2,048 B–1 MiB; each
    /// lane's own limit applies too.
    pub max_message_bytes: usize,
    /// How often each lane is asked for its round trip and clock. Default 1 s; `None` = never.
    pub ping_interval: Option<Duration>,
    /// Where to start. Default: a new link.
    pub resume: ResumePoint,
}

impl ReceiverConfig {
    /// Defaults for watching.
    #[must_use]
    pub fn realtime(clock_origin: Instant) -> Self {
        Self {
            mode: ReceiverMode::Realtime,
            ..Self::every_frame(clock_origin)
        }
    }

    /// Defaults for processing.
    #[must_use]
    pub fn every_frame(clock_origin: Instant) -> Self {
        Self {
            mode: ReceiverMode::EveryFrame,
            confirm: Confirm::OnPoll,
            epoch: None,
            clock_origin,
            window: Window {
                frames: 32,
                bytes: 64 << 20,
            },
            max_frame_bytes: DEFAULT_MAX_FRAME_BYTES,
            max_message_bytes: MAX_MESSAGE_BYTES,
            ping_interval: Some(Duration::from_secs(1)),
            resume: ResumePoint::default(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let frame = self.max_frame_bytes.into();
        ConfigError::check("max_frame_bytes", frame, 1, MAX_FRAME_BYTES.into())?;
        let frames = self.window.frames.into();
        let least_frames = INITIAL_WINDOW_FRAMES.into();
        ConfigError::check(
            "window.frames",
            frames,
            least_frames,
            MAX_WINDOW_FRAMES.into(),
        )?;
        let least_bytes = INITIAL_WINDOW_BYTES.max(frame);
        ConfigError::check(
            "window.bytes",
            self.window.bytes,
            least_bytes,
            MAX_WINDOW_BYTES,
        )?;
        let (least, most) = (MIN_LANE_MESSAGE_BYTES as u64, MAX_MESSAGE_BYTES as u64);
        ConfigError::check(
            "max_message_bytes",
            self.max_message_bytes as u64,
            least,
            most,
        )?;
        check_interval(self.ping_interval)?;
        ConfigError::check(
            "resume.next_sequence",
            self.resume.next_sequence,
            0,
            MAX_SEQUENCE,
        )
    }
}
