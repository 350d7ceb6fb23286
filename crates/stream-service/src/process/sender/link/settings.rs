//! How the two machines of a link are set up: what they hold, how often they ask.
//!
//! Read by the link when it is made, and when it is made anew.

use std::time::{Duration, Instant};

use datachannel_transport::{
    FrameReceiver, Mode, ReceiverConfig, ResumePoint, SenderConfig, Window,
};
use media_source::{MAX_GROUP_BYTES, MAX_GROUP_UNITS};

use crate::lanes::sizes::MAX_MESSAGE_BYTES;
use crate::process::protocol::{MAX_PICTURE_BYTES, MIN_UNITS_WINDOW, ProcessMode};
use crate::process::sender::options::SendOptions;

/// Largest result taken.
const MAX_RESULT_BYTES: u32 = 16 << 20;
/// Most access units held: with a group, what a link holds at most.
const MAX_HELD_UNITS: usize = 4096 - MAX_GROUP_UNITS as usize;
/// What a link holds at most.
const MAX_QUEUED_BYTES: u64 = 4 << 30;
/// Realtime: a frame that waits for longer is too old.
const REALTIME_DEADLINE: Duration = Duration::from_millis(500);
/// How often a lane is asked whether it lives.
const PING_INTERVAL: Duration = Duration::from_millis(500);

/// The frames' sender. `max_window` is what may be under way or wait; beside it, a group of access units fits the queue.
pub(super) fn sender(
    now: Instant,
    epoch: u32,
    options: &SendOptions,
    resume: ResumePoint,
) -> SenderConfig {
    let mut config = match options.mode {
        ProcessMode::EveryFrame => SenderConfig::every_frame(epoch, now),
        ProcessMode::Realtime => SenderConfig::realtime(epoch, now),
    };
    let units = options.encoding.is_access_units();
    let (mut held_frames, mut queued_frames) = (options.max_held_frames, options.max_held_frames);
    let mut queued_bytes = options.max_held_bytes;
    if units {
        // A group that is sent again waits beside what was under way.
        held_frames = held_frames.clamp(MIN_UNITS_WINDOW as usize, MAX_HELD_UNITS);
        queued_frames = held_frames + MAX_GROUP_UNITS as usize;
        queued_bytes = queued_bytes
            .saturating_add(MAX_GROUP_BYTES)
            .min(MAX_QUEUED_BYTES);
    }
    config.mode = match options.mode {
        ProcessMode::EveryFrame => Mode::EveryFrame {
            max_queued_frames: queued_frames,
            max_queued_bytes: queued_bytes,
        },
        ProcessMode::Realtime => Mode::Realtime {
            max_queued: 1,
            deadline: Some(REALTIME_DEADLINE),
        },
    };
    config.max_window = Window {
        frames: u32::try_from(held_frames).unwrap_or(u32::MAX),
        bytes: options.max_held_bytes,
    };
    config.resume = resume;
    config.max_message_bytes = MAX_MESSAGE_BYTES;
    config.ping_interval = Some(PING_INTERVAL);
    config
}

/// Processed frames as they come: numbered as the results are.
pub(super) fn pictures(
    now: Instant,
    epoch: u32,
    first: u64,
) -> Result<FrameReceiver, datachannel_transport::ConfigError> {
    answers(now, epoch, first, MAX_PICTURE_BYTES, 64)
}

/// Results as they come: numbered as their frames are.
pub(super) fn results(
    now: Instant,
    epoch: u32,
    first: u64,
) -> Result<FrameReceiver, datachannel_transport::ConfigError> {
    answers(now, epoch, first, MAX_RESULT_BYTES, 256)
}

/// So many under way, and two of the largest.
fn answers(
    now: Instant,
    epoch: u32,
    first: u64,
    max_frame_bytes: u32,
    frames: u32,
) -> Result<FrameReceiver, datachannel_transport::ConfigError> {
    let mut config = ReceiverConfig::every_frame(now);
    config.epoch = Some(epoch);
    config.max_frame_bytes = max_frame_bytes;
    config.window = Window {
        frames,
        bytes: 2 * u64::from(max_frame_bytes),
    };
    config.ping_interval = Some(PING_INTERVAL);
    config.resume.next_sequence = first;
    FrameReceiver::new(config)
}
