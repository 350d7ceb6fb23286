//! A client that is sent a clip frame by frame, on a clock of its own, with targets that change.

use std::time::{Duration, Instant};

use frame_buffer::FrameId;
use jpeg_optimizer::{Bitrate, ClientConfig, ClientQuality, QualityPolicy, SentFrame};

use super::Clip;

/// Targets, as shares of the clip's bitrate at quality 70: within what qualities 30 to 90 come to.
pub(crate) const TARGETS: [f64; 5] = [1.0, 0.7, 1.35, 0.8, 1.1];
/// How long each of them holds.
pub(crate) const PHASE: Duration = Duration::from_secs(15);
/// The time that a policy is given to arrive.
pub(crate) const SETTLE: Duration = Duration::from_secs(5);

/// One target, and what was sent after [`SETTLE`].
#[derive(Debug, Clone)]
pub(crate) struct Phase {
    /// Bits per second wanted.
    pub(crate) target_bps: f64,
    /// Mean over the settled time.
    pub(crate) mean_bps: f64,
    /// Standard deviation of its one-second bitrates over their mean.
    pub(crate) spread: f64,
    /// Time from the change until the bitrate over 30 frames was within 10 %, and stayed for 30 frames.
    pub(crate) landed_after: Option<Duration>,
    /// Frames of another quality than the one before.
    pub(crate) changes: u64,
}

impl Phase {
    /// Distance of the mean from the target, as a share of it.
    pub(crate) fn error(&self) -> f64 {
        (self.mean_bps / self.target_bps - 1.0).abs()
    }
}

/// Plays the clip through all targets.
pub(crate) fn play(clip: &Clip, policy: Box<dyn QualityPolicy>) -> Vec<Phase> {
    let mut client = ClientQuality::new(ClientConfig::default(), policy);
    let base = clip.bps(jpeg_optimizer::Quality::default());
    let interval = Duration::from_secs_f64(1.0 / clip.fps);
    let frames = (PHASE.as_secs_f64() * clip.fps) as u64;
    let mut now = Instant::now();
    let mut number = 0;
    let mut phases = Vec::new();
    for share in TARGETS {
        let target = Bitrate::clamped(base * share);
        client.set_target(Some(target));
        let changes = client.stats().quality_changes;
        let mut sent = Vec::new();
        for _ in 0..frames {
            let mut bytes = 0;
            if let Some(quality) = client.next_quality(now) {
                bytes = clip.bytes(number, quality);
                client.sent(SentFrame {
                    frame: FrameId(number),
                    at: now,
                    bytes,
                    quality,
                });
            }
            sent.push(bytes as f64 * 8.0);
            number += 1;
            now += interval;
        }
        let changes = client.stats().quality_changes - changes;
        phases.push(judge(clip, target, &sent, changes));
    }
    phases
}

fn judge(clip: &Clip, target: Bitrate, sent: &[f64], changes: u64) -> Phase {
    let target_bps = target.bps() as f64;
    let settled = &sent[(SETTLE.as_secs_f64() * clip.fps) as usize..];
    let second = clip.fps.round() as usize;
    let mean_of = |bits: &[f64]| bits.iter().sum::<f64>() * clip.fps / bits.len() as f64;
    let mean_bps = mean_of(settled);
    let seconds: Vec<f64> = settled.chunks_exact(second).map(mean_of).collect();
    let squares: f64 = seconds.iter().map(|bps| (bps - mean_bps).powi(2)).sum();
    let right = |start: usize| {
        let window = sent.get(start..start + 30);
        window.is_some_and(|bits| (mean_of(bits) / target_bps - 1.0).abs() <= 0.1)
    };
    let landed = (0..sent.len()).find(|&start| (start..start + 30).all(right));
    Phase {
        target_bps,
        mean_bps,
        spread: (squares / seconds.len() as f64).sqrt() / mean_bps,
        landed_after: landed.map(|frames| Duration::from_secs_f64(frames as f64 / clip.fps)),
        changes,
    }
}
