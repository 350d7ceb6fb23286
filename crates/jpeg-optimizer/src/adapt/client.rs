//! One client: its policy, its rung for the next frame, and what it has been sent.
//!
//! Fed by the fan-out with what was sent and by [`crate::target`] with what may be; feeds it with the quality of the
//! next frame.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::meter::{FrameWindow, Seconds};
use super::mixer::Mixer;
use super::thinning::Thinning;
use super::{Goal, QualityPolicy, SentFrame};
use crate::{Bitrate, Quality, QualityLadder, QualityRange, TargetBitrate};

/// What a client's quality moves on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientConfig {
    /// Qualities shared with others; default 90, 70, 50.
    pub ladder: QualityLadder,
    /// Default 30 to 95.
    pub range: QualityRange,
    /// What a client without a target gets, snapped to the ladder; default 70.
    pub quality: Quality,
}

/// What a client was sent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ClientStats {
    /// The policy's name.
    pub policy: &'static str,
    /// Bits per second that it is to get; `None` without a target.
    pub target_bps: Option<u64>,
    /// Bits per second over the last [`super::WINDOW_FRAMES`]; 0 before the second frame.
    pub bitrate_bps: f64,
    /// Standard deviation of its one-second bitrates over their mean, of the last [`super::WINDOW_SECONDS`] seconds.
    pub bitrate_variance_ratio: f64,
    /// Quality of the last frame.
    pub quality: Quality,
    /// Frames whose quality was not that of the one before.
    pub quality_changes: u64,
    /// Frames left out because even the worst quality cost more than the target.
    pub frames_left_out: u64,
    /// Frames sent.
    pub frames: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Time that a frame waits in the client's link, in milliseconds, as last told; 0 before.
    pub latency_ms: f64,
}

/// Chooses the quality of each frame for one client.
#[derive(Debug)]
pub struct ClientQuality {
    config: ClientConfig,
    policy: Box<dyn QualityPolicy>,
    target: Option<Bitrate>,
    floor: Quality,
    rungs: Vec<Quality>,
    mixer: Mixer,
    thinning: Thinning,
    window: FrameWindow,
    seconds: Seconds,
    sent: Option<Quality>,
    changes: u64,
    left_out: u64,
    frames: u64,
    bytes: u64,
    latency: Duration,
}

impl ClientQuality {
    /// A client without a target.
    pub fn new(config: ClientConfig, policy: Box<dyn QualityPolicy>) -> Self {
        Self {
            rungs: config.ladder.within(config.range),
            floor: config.range.floor(),
            config,
            policy,
            target: None,
            mixer: Mixer::default(),
            thinning: Thinning::default(),
            window: FrameWindow::default(),
            seconds: Seconds::default(),
            sent: None,
            changes: 0,
            left_out: 0,
            frames: 0,
            bytes: 0,
            latency: Duration::ZERO,
        }
    }

    /// From now on; `None`: the configured quality, whatever it costs.
    pub fn set_target(&mut self, target: Option<Bitrate>) {
        if self.target.is_none() {
            // What went out while nothing limited it is not owed.
            self.thinning.rest();
        }
        if self.target != target {
            self.target = target;
            self.mixer.reset();
        }
    }

    /// What it gets from now on while it has no target, snapped to the ladder.
    pub fn set_quality(&mut self, quality: Quality) {
        self.config.quality = quality;
    }

    /// Takes target, floor and latency from what governs this client's bitrate.
    pub fn follow(&mut self, target: &TargetBitrate) {
        self.set_target(target.target());
        self.set_floor(target.floor());
        self.latency = target.latency();
    }

    /// Lowers or restores the least quality (see [`crate::TargetBitrate::floor`]).
    pub fn set_floor(&mut self, floor: Quality) {
        if self.floor != floor {
            self.floor = floor;
            let range = self.config.range.with_floor(floor);
            self.rungs = self.config.ladder.within(range);
            self.mixer.reset();
        }
    }

    /// The quality to send the next frame with; `None`: leave it out, for even the worst quality is too much for the
    /// target.
    pub fn next_quality(&mut self, now: Instant) -> Option<Quality> {
        let Some(target) = self.target else {
            let snapped = self.config.ladder.snap(self.config.quality);
            let (floor, ceiling) = (self.config.range.floor(), self.config.range.ceiling());
            return Some(snapped.clamp(floor, ceiling));
        };
        let goal = Goal {
            target,
            rungs: &self.rungs,
        };
        let wanted = self.policy.wanted(&goal);
        let (worst, _) = goal.ends();
        if wanted > f64::from(worst.get()) {
            self.thinning.rest();
        } else if !self.thinning.takes(now, target) {
            self.policy
                .left_out(now, self.thinning.frame_bytes(), &goal);
            self.left_out += 1;
            return None;
        }
        Some(self.mixer.next(wanted, goal.rungs))
    }

    /// A frame was handed to the client's transport.
    pub fn sent(&mut self, frame: SentFrame) {
        self.thinning.sent(frame.bytes);
        self.window.push(frame.at, frame.bytes);
        self.seconds.push(frame.at, frame.bytes);
        let changed = self.sent.is_some_and(|last| last != frame.quality);
        self.changes += u64::from(changed);
        self.sent = Some(frame.quality);
        self.frames += 1;
        self.bytes += frame.bytes as u64;
        if let Some(target) = self.target {
            let goal = Goal {
                target,
                rungs: &self.rungs,
            };
            self.policy.observe(frame, &goal);
        }
    }

    /// What it was sent.
    pub fn stats(&self) -> ClientStats {
        ClientStats {
            policy: self.policy.name(),
            target_bps: self.target.map(Bitrate::bps),
            bitrate_bps: self.window.bps().unwrap_or(0.0),
            bitrate_variance_ratio: self.seconds.spread_ratio(),
            quality: self.sent.unwrap_or(self.config.quality),
            quality_changes: self.changes,
            frames_left_out: self.left_out,
            frames: self.frames,
            bytes: self.bytes,
            latency_ms: self.latency.as_secs_f64() * 1e3,
        }
    }
}
