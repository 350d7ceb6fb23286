//! How many bytes a frame of one stream has at each quality, learned from its own JPEGs.
//!
//! Fed with the length of every JPEG made, of whatever client; feeds the model-based policy. The logarithm of a frame's
//! length is a level (what the content costs now), a curve that JPEGs have in common, and a correction of that curve
//! for each quality. The level follows within a few frames, the corrections slowly.

use std::sync::{Mutex, MutexGuard, PoisonError};

use frame_buffer::FrameId;

use crate::Quality;

/// Length relative to quality 70, by quality: the middle one of two filmed clips and the test pattern at 640x360. Only
/// where the search starts: corrections replace it.
const CURVE: [(f64, f64); 12] = [
    (1.0, 0.44),
    (10.0, 0.48),
    (20.0, 0.59),
    (30.0, 0.69),
    (40.0, 0.76),
    (50.0, 0.82),
    (60.0, 0.89),
    (70.0, 1.0),
    (80.0, 1.19),
    (90.0, 1.68),
    (95.0, 2.45),
    (100.0, 4.77),
];
/// Share of an error that the level takes: content is followed within about five frames.
const LEVEL_GAIN: f64 = 0.2;
/// Share of an error that a quality's correction takes once it is known.
const CORRECTION_GAIN: f64 = 0.05;

/// Frames that clients of one stream may be apart.
const LAG_FRAMES: u64 = 120;

/// Length as a function of quality, for one stream at one size; shared by its clients.
#[derive(Debug, Default)]
pub struct SizeModel {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Logarithm of the length at quality 70; `None` before the first JPEG.
    level: Option<f64>,
    /// By quality 1 to 100, at its index.
    corrections: [Correction; 101],
    /// The newest frame, and a bit for each quality that it was learned at.
    newest: Option<(FrameId, u128)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Correction {
    log: f64,
    seen: u32,
}

impl Default for State {
    fn default() -> Self {
        Self {
            level: None,
            corrections: [Correction::default(); 101],
            newest: None,
        }
    }
}

impl SizeModel {
    /// A model that knows the common curve alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns that a frame had `bytes` at `quality`; once for each, however many clients it went to.
    pub fn learn(&self, frame: FrameId, quality: Quality, bytes: usize) {
        let log = (bytes.max(1) as f64).ln();
        let mut state = self.lock();
        if !state.is_news(frame, quality) {
            return;
        }
        let expected = state.log_bytes(quality);
        let correction = &mut state.corrections[usize::from(quality.get())];
        correction.seen = correction.seen.saturating_add(1);
        let fresh = 1.0 / f64::from(correction.seen);
        let Some(expected) = expected else {
            state.level = Some(log - log_curve(quality));
            return;
        };
        // What a quality shows for the first time is its own; later it says more and more about the content.
        let error = log - expected;
        correction.log += error * fresh.max(CORRECTION_GAIN);
        if let Some(level) = &mut state.level {
            *level += error * LEVEL_GAIN * (1.0 - fresh);
        }
    }

    /// Bytes to expect of a frame at `quality`; `None` before the first JPEG was seen.
    pub fn bytes(&self, quality: Quality) -> Option<f64> {
        self.lock().log_bytes(quality).map(f64::exp)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_news(&mut self, frame: FrameId, quality: Quality) -> bool {
        let bit = 1_u128 << quality.get();
        match &mut self.newest {
            Some((newest, learned)) if *newest == frame => {
                let is_news = *learned & bit == 0;
                *learned |= bit;
                is_news
            }
            // A client that lags; far behind, frames are counted anew.
            Some((newest, _)) if frame < *newest && newest.0 - frame.0 <= LAG_FRAMES => false,
            newest => {
                *newest = Some((frame, bit));
                true
            }
        }
    }

    fn log_bytes(&self, quality: Quality) -> Option<f64> {
        let correction = self.corrections[usize::from(quality.get())];
        Some(self.level? + log_curve(quality) + correction.log)
    }
}

/// Logarithm of the common curve, linear between its points.
fn log_curve(quality: Quality) -> f64 {
    let quality = f64::from(quality.get());
    let pair = CURVE
        .windows(2)
        .find(|pair| quality <= pair[1].0)
        .unwrap_or(&CURVE[CURVE.len() - 2..]);
    let [(q0, r0), (q1, r1)] = [pair[0], pair[1]];
    let share = (quality - q0) / (q1 - q0);
    r0.ln() + share * (r1.ln() - r0.ln())
}
