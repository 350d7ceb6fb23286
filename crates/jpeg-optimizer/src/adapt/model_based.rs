//! Quality by what a frame of this stream is known to cost: lands on a target in one step.
//!
//! Inverts the stream's [`SizeModel`] for the bytes that a frame may have now. What was sent too much or too little is
//! made up for over the next window, so that an error of the model does not stay in the bitrate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::adapt::meter::{FrameWindow, WINDOW_FRAMES};
use crate::adapt::{Goal, QualityPolicy, SentFrame, SizeModel};
use crate::{Bitrate, Quality};

/// Before two frames were seen.
const USUAL_INTERVAL: Duration = Duration::from_millis(33);
/// What can be owed at most, in seconds of the target: more would show as a bitrate off its target later.
const MAX_OWED_SECONDS: f64 = 0.5;
/// A longer silence is a pause, which is not made up for.
const PAUSE: Duration = Duration::from_secs(1);

/// The model-based policy of one client.
#[derive(Debug)]
pub struct ModelBased {
    model: Arc<SizeModel>,
    window: FrameWindow,
    last: Option<Instant>,
    target: Option<Bitrate>,
    /// Bytes that may still be sent for the time passed; negative when too much was.
    owed_bytes: f64,
}

impl ModelBased {
    /// A policy on what is known of its stream; all clients of a stream at one size share a model.
    pub fn new(model: Arc<SizeModel>) -> Self {
        Self {
            model,
            window: FrameWindow::default(),
            last: None,
            target: None,
            owed_bytes: 0.0,
        }
    }

    fn follow(&mut self, target: Bitrate) {
        if self.target != Some(target) {
            self.target = Some(target);
            // What was owed was another target's.
            self.owed_bytes = 0.0;
        }
    }

    fn account(&mut self, at: Instant, bytes: usize, target: Bitrate) {
        self.follow(target);
        let last = self.last.replace(at);
        match last.map(|last| at.saturating_duration_since(last)) {
            Some(passed) if passed < PAUSE => {
                let rate = target.bytes_per_second();
                let owed = self.owed_bytes + rate * passed.as_secs_f64() - bytes as f64;
                let bound = MAX_OWED_SECONDS * rate;
                self.owed_bytes = owed.clamp(-bound, bound);
            }
            _ => {
                self.window.clear();
                self.owed_bytes = 0.0;
            }
        }
        self.window.push(at, bytes);
    }

    fn budget_bytes(&self, target: Bitrate) -> f64 {
        let interval = self.window.interval().unwrap_or(USUAL_INTERVAL);
        let share = target.bytes_per_second() * interval.as_secs_f64();
        (share + self.owed_bytes / WINDOW_FRAMES as f64).max(0.0)
    }

    /// Bytes at each rung, growing from rung to rung as they do in truth.
    fn costs(&self, rungs: &[Quality]) -> Option<Vec<(f64, f64)>> {
        let mut least = 0.0;
        rungs
            .iter()
            .map(|&rung| {
                let bytes = self.model.bytes(rung)?.max(least);
                least = bytes + 1.0;
                Some((f64::from(rung.get()), bytes))
            })
            .collect()
    }
}

impl QualityPolicy for ModelBased {
    fn name(&self) -> &'static str {
        "model"
    }

    fn observe(&mut self, frame: SentFrame, goal: &Goal<'_>) {
        self.model.learn(frame.frame, frame.quality, frame.bytes);
        self.account(frame.at, frame.bytes, goal.target);
    }

    fn left_out(&mut self, at: Instant, bytes: usize, goal: &Goal<'_>) {
        self.account(at, bytes, goal.target);
    }

    fn wanted(&mut self, goal: &Goal<'_>) -> f64 {
        self.follow(goal.target);
        let budget = self.budget_bytes(goal.target);
        let Some(costs) = self.costs(goal.rungs) else {
            // Nothing is known: the middle, which the first frame corrects.
            return goal.clamp(f64::from(Quality::default().get()));
        };
        let pair = costs.windows(2).find(|pair| budget <= pair[1].1);
        let Some(&[(q0, b0), (q1, b1)]) = pair else {
            return goal.clamp(f64::from(Quality::MAX.get()));
        };
        // Between two rungs frames are mixed, and bytes are linear in the share of each.
        goal.clamp(q0 + (budget - b0) / (b1 - b0) * (q1 - q0))
    }
}
