//! Which JPEG quality a viewer gets: the one it asked for, or one that its link is seen to carry.
//!
//! Fed by the viewer's counts of sent and dropped frames; feeds the fan-out's choice of rendition.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use jpeg_optimizer::{Quality, QualityLevel};
use serde::Serialize;

/// A stream's or viewer's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum QualityChoice {
    /// JPEG quality 50.
    Low,
    /// JPEG quality 70.
    Medium,
    /// JPEG quality 90.
    High,
    /// Medium, lower while frames are dropped, higher after a quiet while. The default.
    #[default]
    Auto,
}

impl QualityChoice {
    /// The names that parse.
    pub const ACCEPTED: &'static str = "low, medium, high or auto";

    /// The level for a client whose link is not measured: `auto` is then medium.
    #[must_use]
    pub fn fixed_level(self) -> QualityLevel {
        match self {
            Self::Low => QualityLevel::Low,
            Self::Medium | Self::Auto => QualityLevel::Medium,
            Self::High => QualityLevel::High,
        }
    }
}

impl fmt::Display for QualityChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Auto => "auto",
        })
    }
}

/// A quality nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a quality; accepted: {accepted}", accepted = QualityChoice::ACCEPTED)]
pub struct UnknownQuality(pub String);

impl FromStr for QualityChoice {
    type Err = UnknownQuality;

    fn from_str(text: &str) -> Result<Self, UnknownQuality> {
        match text {
            "low" => Ok(Self::Low),
            "medium" => Ok(Self::Medium),
            "high" => Ok(Self::High),
            "auto" => Ok(Self::Auto),
            other => Err(UnknownQuality(other.to_owned())),
        }
    }
}

/// What one client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QualityWish {
    /// By name.
    Named(QualityChoice),
    /// By number; it gets the nearest level that is configured, so that encodes stay shared.
    Number(Quality),
}

/// A client's wish that cannot be met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QualityWishError {
    /// A number, and no quality.
    #[error("quality {got} is out of range; accepted: {accepted}", accepted = QualityWish::ACCEPTED)]
    OutOfRange { got: String },
    /// Neither a name nor a number.
    #[error("{got:?} is not a quality; accepted: {accepted}", accepted = QualityWish::ACCEPTED)]
    Unknown { got: String },
}

impl QualityWish {
    /// What parses.
    pub(crate) const ACCEPTED: &'static str = "low, medium, high, auto, or a number from 1 to 100";

    /// Whether it stays the same whatever the client's bitrate.
    pub(crate) fn is_fixed(self) -> bool {
        self != Self::Named(QualityChoice::Auto)
    }
}

impl fmt::Display for QualityWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(choice) => choice.fmt(f),
            Self::Number(quality) => quality.fmt(f),
        }
    }
}

impl FromStr for QualityWish {
    type Err = QualityWishError;

    fn from_str(text: &str) -> Result<Self, QualityWishError> {
        if let Ok(choice) = text.parse() {
            return Ok(Self::Named(choice));
        }
        let got = text.to_owned();
        if !text.parse::<f64>().is_ok_and(f64::is_finite) {
            return Err(QualityWishError::Unknown { got });
        }
        let quality = text.parse().ok().and_then(|it| Quality::new(it).ok());
        quality
            .map(Self::Number)
            .ok_or(QualityWishError::OutOfRange { got })
    }
}

/// How long drops are counted before the level is judged again.
const WINDOW: Duration = Duration::from_secs(2);
/// Quiet time before a higher level is tried. Doubles (to [`MAX_PATIENCE`]) each time the higher level failed.
const PATIENCE: Duration = Duration::from_secs(8);
/// The longest wait before a higher level is tried again.
const MAX_PATIENCE: Duration = Duration::from_secs(128);
/// Share of dropped frames that counts as a link that cannot carry the level.
const TOO_MANY_DROPS: f64 = 0.1;

/// Chooses one of the three levels for one viewer. Pure: `now` is an argument.
///
/// Down one level when more than a tenth of a window's frames were dropped; up one level after a
/// quiet while, whose length doubles each time the higher level did not hold (so it does not oscillate).
#[derive(Debug, Clone)]
pub struct AutoQuality {
    level: QualityLevel,
    window_start: Option<Instant>,
    offered: u64,
    dropped: u64,
    quiet_since: Option<Instant>,
    patience: Duration,
    climbed: bool,
}

impl Default for AutoQuality {
    fn default() -> Self {
        Self {
            level: QualityLevel::Medium,
            window_start: None,
            offered: 0,
            dropped: 0,
            quiet_since: None,
            patience: PATIENCE,
            climbed: false,
        }
    }
}

impl AutoQuality {
    /// The level to send at.
    #[must_use]
    pub fn level(&self) -> QualityLevel {
        self.level
    }

    /// One frame was offered to the viewer's link; `dropped` says whether it pushed out an older one.
    pub fn observe(&mut self, now: Instant, dropped: bool) {
        self.offered += 1;
        self.dropped += u64::from(dropped);
        let start = *self.window_start.get_or_insert(now);
        if now.saturating_duration_since(start) < WINDOW {
            return;
        }
        let share = self.dropped as f64 / self.offered as f64;
        (self.window_start, self.offered, self.dropped) = (Some(now), 0, 0);
        if share > TOO_MANY_DROPS {
            self.step_down(now);
        } else {
            self.maybe_step_up(now, share);
        }
    }

    fn step_down(&mut self, now: Instant) {
        self.level = match self.level {
            QualityLevel::High => QualityLevel::Medium,
            _ => QualityLevel::Low,
        };
        if self.climbed {
            self.patience = (self.patience * 2).min(MAX_PATIENCE);
        }
        self.climbed = false;
        self.quiet_since = Some(now);
    }

    fn maybe_step_up(&mut self, now: Instant, share: f64) {
        let since = *self.quiet_since.get_or_insert(now);
        if share > 0.0 {
            self.quiet_since = Some(now);
        } else if now.saturating_duration_since(since) >= self.patience
            && self.level != QualityLevel::High
        {
            self.level = match self.level {
                QualityLevel::Low => QualityLevel::Medium,
                _ => QualityLevel::High,
            };
            self.climbed = true;
            self.quiet_since = Some(now);
        }
    }
}
