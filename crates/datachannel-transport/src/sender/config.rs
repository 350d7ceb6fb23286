//! How a sender behaves: each setting with its default, range and cost.
//!
//! Fed by whoever makes the link; read once by [`FrameSender::new`](crate::FrameSender::new).

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::limits::{
    DEFAULT_CHUNK_MESSAGE_BYTES, DEFAULT_CHUNK_TIME, DEFAULT_MAX_FRAME_BYTES, MAX_FRAME_BYTES,
    MAX_MESSAGE_BYTES, MAX_SEQUENCE, MAX_WINDOW_BYTES, MAX_WINDOW_FRAMES, MIN_CHUNK_MESSAGE_BYTES,
};
use crate::link::ConfigError;
use crate::wire::Window;

/// What to do when frames come faster than they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// The newest wins: a waiting frame is replaced by a newer one, and a frame whose lane died is sent
    /// again only while none newer exists. For people who watch.
    Realtime {
        /// Frames that may wait beside the one that each lane is sending, so that a receiver which pauses loses
        /// none of them. Where frames have waited for a second without a break the lanes carry less than is
        /// offered, and the newest alone waits. Default 1, range 1–64.
        max_queued: usize,
        /// A frame that has not begun to travel this long after it was offered is dropped. Default none.
        deadline: Option<Duration>,
    },
    /// Every frame, in order, exactly once; what does not fit goes back to the caller. For results.
    EveryFrame {
        /// Frames held, waiting or not acknowledged. Default 64, range 1–4,096.
        max_queued_frames: usize,
        /// Their payload bytes: the sender's hard memory bound. Default 64 MiB, range 1 B–4 GiB.
        max_queued_bytes: u64,
    },
}

/// Where a link starts when it continues an earlier one. All 0 for a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumePoint {
    /// The first frame that was not delivered.
    pub next_sequence: u64,
    /// Payload bytes of all frames below it.
    pub bytes: u64,
    /// [`HashChain`](crate::HashChain) over all frames below it.
    pub hash: u64,
}

/// Settings of a [`FrameSender`](crate::FrameSender).
#[derive(Clone, Copy, Debug)]
pub struct SenderConfig {
    /// What to do under pressure.
    pub mode: Mode,
    /// Tells this link's messages from an earlier one's; anything not used before between these two ends.
    pub epoch: u32,
    /// When the clock showed 0 by which `released_us` is counted.
    pub clock_origin: Instant,
    /// Longest message that carries a chunk, in bytes. Default 16 KiB, range 256 B–1 MiB; each lane's own
    /// and its peer's limit apply too.
    pub max_message_bytes: usize,
    /// How long one such message may take on its lane's path: where pongs and acks show a slow path, messages are
    /// shorter, down to 1,100 B, so that what follows on the lane does not wait for long. Default 10 ms, range
    /// 1 ms–1 s; `None` = always as long as may be. Without pings the path is not known.
    pub max_chunk_time: Option<Duration>,
    /// Most that may be under way whatever the receiver grants. Default 64 frames, 64 MiB; range 1–4,096
    /// frames, 1 B–4 GiB. In realtime mode this is the memory bound.
    pub max_window: Window,
    /// Largest payload taken, in bytes. Default 32 MiB, range 1 B–1 GiB.
    pub max_frame_bytes: u32,
    /// Whether realtime frames carry the hash of their payload too. Default no; in every-frame mode all
    /// do, for the EOF proves them by it.
    pub hash_frames: bool,
    /// How often each lane is asked for its round trip. Default 1 s; `None` = never.
    pub ping_interval: Option<Duration>,
    /// Where to start. Default: a new link.
    pub resume: ResumePoint,
}

impl SenderConfig {
    /// Defaults for watching: newest wins, one frame waits, no deadline.
    #[must_use]
    pub fn realtime(epoch: u32, clock_origin: Instant) -> Self {
        let mode = Mode::Realtime {
            max_queued: 1,
            deadline: None,
        };
        Self::with_mode(mode, epoch, clock_origin)
    }

    /// Defaults for processing: every frame, 64 frames or 64 MiB held.
    #[must_use]
    pub fn every_frame(epoch: u32, clock_origin: Instant) -> Self {
        let mode = Mode::EveryFrame {
            max_queued_frames: 64,
            max_queued_bytes: 64 << 20,
        };
        Self::with_mode(mode, epoch, clock_origin)
    }

    fn with_mode(mode: Mode, epoch: u32, clock_origin: Instant) -> Self {
        Self {
            mode,
            epoch,
            clock_origin,
            max_message_bytes: DEFAULT_CHUNK_MESSAGE_BYTES,
            max_chunk_time: Some(DEFAULT_CHUNK_TIME),
            max_window: Window {
                frames: 64,
                bytes: 64 << 20,
            },
            max_frame_bytes: DEFAULT_MAX_FRAME_BYTES,
            hash_frames: false,
            ping_interval: Some(Duration::from_secs(1)),
            resume: ResumePoint::default(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match self.mode {
            Mode::Realtime { max_queued, .. } => {
                ConfigError::check("max_queued", max_queued as u64, 1, 64)?;
            }
            Mode::EveryFrame {
                max_queued_frames,
                max_queued_bytes,
            } => {
                let frames = max_queued_frames as u64;
                ConfigError::check("max_queued_frames", frames, 1, MAX_WINDOW_FRAMES.into())?;
                ConfigError::check("max_queued_bytes", max_queued_bytes, 1, MAX_WINDOW_BYTES)?;
            }
        }
        let least = MIN_CHUNK_MESSAGE_BYTES as u64;
        let message = self.max_message_bytes as u64;
        ConfigError::check(
            "max_message_bytes",
            message,
            least,
            MAX_MESSAGE_BYTES as u64,
        )?;
        let chunk_ms = self
            .max_chunk_time
            .unwrap_or(DEFAULT_CHUNK_TIME)
            .as_millis();
        ConfigError::check("max_chunk_time (ms)", chunk_ms as u64, 1, 1000)?;
        let frames = self.max_window.frames.into();
        ConfigError::check("max_window.frames", frames, 1, MAX_WINDOW_FRAMES.into())?;
        ConfigError::check(
            "max_window.bytes",
            self.max_window.bytes,
            1,
            MAX_WINDOW_BYTES,
        )?;
        let frame = self.max_frame_bytes.into();
        ConfigError::check("max_frame_bytes", frame, 1, MAX_FRAME_BYTES.into())?;
        check_interval(self.ping_interval)?;
        ConfigError::check(
            "resume.next_sequence",
            self.resume.next_sequence,
            0,
            MAX_SEQUENCE,
        )
    }
}

/// A ping interval of 0 would make every poll a ping.
pub(crate) fn check_interval(interval: Option<Duration>) -> Result<(), ConfigError> {
    let millis = interval.map_or(1000, |interval| interval.as_millis() as u64);
    ConfigError::check("ping_interval (ms)", millis, 10, 3_600_000)
}
