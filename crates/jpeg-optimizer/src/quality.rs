//! JPEG quality: a number with a range, and the three names that people choose from.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// JPEG quality as libjpeg counts it: 1 (smallest) to 100 (best).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Quality(u8);

impl Quality {
    /// Smallest files.
    pub const MIN: Self = Self(1);
    /// Best pictures.
    pub const MAX: Self = Self(100);
    /// The least that a client is sent by default.
    pub const DEFAULT_FLOOR: Self = Self(30);
    /// The best that a client is sent by default.
    pub const DEFAULT_CEILING: Self = Self(95);
    /// The least that a client is sent while its link is late.
    pub const LATE_FLOOR: Self = Self(10);

    /// A checked quality.
    ///
    /// # Errors
    /// [`QualityError::OutOfRange`] outside of 1 to 100.
    pub fn new(quality: u8) -> Result<Self, QualityError> {
        if (Self::MIN.0..=Self::MAX.0).contains(&quality) {
            Ok(Self(quality))
        } else {
            Err(QualityError::OutOfRange { got: quality })
        }
    }

    /// The number, 1 to 100.
    pub const fn get(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_level(level: QualityLevel) -> Self {
        Self(match level {
            QualityLevel::Low => 50,
            QualityLevel::Medium => 70,
            QualityLevel::High => 90,
        })
    }
}

impl Default for Quality {
    /// [`QualityLevel::Medium`].
    fn default() -> Self {
        QualityLevel::default().into()
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u8> for Quality {
    type Error = QualityError;

    fn try_from(quality: u8) -> Result<Self, QualityError> {
        Self::new(quality)
    }
}

impl From<Quality> for u8 {
    fn from(quality: Quality) -> Self {
        quality.0
    }
}

/// A quality by name.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum QualityLevel {
    /// Quality 50: about half the bytes of 70; visible blocks in smooth areas.
    Low,
    /// Quality 70.
    #[default]
    Medium,
    /// Quality 90: about twice the bytes of 70; hard to tell from the source.
    High,
}

impl QualityLevel {
    /// The levels, worst first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// The level's quality: 50, 70 or 90.
    pub const fn quality(self) -> Quality {
        Quality::from_level(self)
    }

    /// The level's name: `low`, `medium` or `high`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl From<QualityLevel> for Quality {
    fn from(level: QualityLevel) -> Self {
        level.quality()
    }
}

impl fmt::Display for QualityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for QualityLevel {
    type Err = QualityError;

    fn from_str(name: &str) -> Result<Self, QualityError> {
        Self::ALL
            .into_iter()
            .find(|level| level.name() == name)
            .ok_or_else(|| QualityError::UnknownLevel {
                got: name.to_owned(),
            })
    }
}

/// Not a quality.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QualityError {
    /// A number outside of 1 to 100.
    #[error("JPEG quality {got} is out of range: 1 to 100")]
    OutOfRange {
        /// The number.
        got: u8,
    },
    /// A name that is no level.
    #[error("unknown quality {got:?}: use low, medium or high")]
    UnknownLevel {
        /// The name.
        got: String,
    },
}
