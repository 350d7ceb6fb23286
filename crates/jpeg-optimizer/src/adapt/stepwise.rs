//! Quality in steps, by how far the bitrate of a window of frames is from its target.
//!
//! Needs to know nothing of the content, and takes a few windows to arrive. Above 1.2 times the target −15, above 1.05
//! −5, below 0.8 +10, below 0.95 +5, else it holds. So that it does not swing about the target, a step that turns
//! around is half as long as those before it, and once the bitrate is right it moves again only when it has left a
//! somewhat wider band.

use std::time::Instant;

use crate::Bitrate;
use crate::adapt::meter::{FrameWindow, WINDOW_FRAMES};
use crate::adapt::{Goal, QualityPolicy, SentFrame};

/// Where it starts.
const START: f64 = 70.0;
/// Frames that show that a bitrate is far off; fine steps take the whole window.
const COARSE_FRAMES: usize = 10;
/// The shortest steps are these many times the usual ones: below, quality moves by less than one.
const MIN_SCALE: f64 = 0.2;
/// The band that is left before it moves again, as ratios to the target.
const HOLD: std::ops::RangeInclusive<f64> = 0.92..=1.08;
/// A target that changes by more than this begins anew.
const SAME_TARGET: f64 = 0.02;

/// The stepwise policy of one client.
#[derive(Debug, Clone)]
pub struct Stepwise {
    quality: f64,
    window: FrameWindow,
    target: Option<Bitrate>,
    /// 1 at first, halved with each reversal.
    scale: f64,
    /// Sign of the last step; 0 before the first.
    direction: f64,
    holds: bool,
}

impl Stepwise {
    /// A policy that starts at quality 70.
    pub fn new() -> Self {
        Self {
            quality: START,
            window: FrameWindow::default(),
            target: None,
            scale: 1.0,
            direction: 0.0,
            holds: false,
        }
    }

    fn follow(&mut self, target: Bitrate) {
        let changed = self
            .target
            .is_none_or(|old| (target.bps() as f64 / old.bps() as f64 - 1.0).abs() > SAME_TARGET);
        if changed {
            self.target = Some(target);
            (self.scale, self.direction, self.holds) = (1.0, 0.0, false);
        }
    }

    /// The step that this ratio of bitrate to target asks for, before it is scaled.
    fn step_for(&self, ratio: f64) -> Option<f64> {
        let whole = self.window.intervals() >= WINDOW_FRAMES;
        if self.holds && HOLD.contains(&ratio) {
            return None;
        }
        match ratio {
            _ if ratio > 1.2 => Some(-15.0),
            _ if ratio < 0.8 => Some(10.0),
            _ if !whole => None,
            _ if ratio > 1.05 => Some(-5.0),
            _ if ratio < 0.95 => Some(5.0),
            _ => None,
        }
    }

    fn account(&mut self, at: Instant, bytes: usize, goal: &Goal<'_>) {
        self.follow(goal.target);
        self.window.push(at, bytes);
        if self.window.intervals() < COARSE_FRAMES {
            return;
        }
        let Some(bps) = self.window.bps() else {
            return;
        };
        let ratio = bps / goal.target.bps() as f64;
        match self.step_for(ratio) {
            Some(step) => self.take_step(step, goal),
            None => self.holds |= self.window.intervals() >= WINDOW_FRAMES,
        }
    }

    fn take_step(&mut self, step: f64, goal: &Goal<'_>) {
        let direction = step.signum();
        if self.direction * direction < 0.0 {
            self.scale = (self.scale / 2.0).max(MIN_SCALE);
        } else if self.direction * direction > 0.0 {
            // Twice the same way: the content has changed, not the sign of a small error.
            self.scale = (self.scale * 1.5).min(1.0);
        }
        self.direction = direction;
        self.holds = false;
        self.quality = goal.clamp(self.quality + step * self.scale);
        // What was sent before says nothing about the new quality.
        self.window.clear();
    }
}

impl Default for Stepwise {
    fn default() -> Self {
        Self::new()
    }
}

impl QualityPolicy for Stepwise {
    fn name(&self) -> &'static str {
        "stepwise"
    }

    fn observe(&mut self, frame: SentFrame, goal: &Goal<'_>) {
        self.account(frame.at, frame.bytes, goal);
    }

    fn left_out(&mut self, at: Instant, bytes: usize, goal: &Goal<'_>) {
        self.account(at, bytes, goal);
    }

    fn wanted(&mut self, goal: &Goal<'_>) -> f64 {
        self.follow(goal.target);
        self.quality = goal.clamp(self.quality);
        self.quality
    }
}
