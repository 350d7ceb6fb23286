//! Bits per second, with a range: what a client may be given.
//!
//! Fed by configuration, by queries (`?kbps=`) and by measurements; feeds targets and policies.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A bitrate in bits per second: 10 kbit/s to 1 Gbit/s.
///
/// In configuration it is a number of bits per second, or text with a suffix: `800k`, `2.5M`, `4 Mbit/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u64", try_from = "RawBitrate")]
pub struct Bitrate(u64);

/// Not a bitrate that a client can be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BitrateError {
    /// Outside of 10 kbit/s to 1 Gbit/s.
    #[error(
        "a target of {got_bps} bit/s is out of range: 10 kbit/s to 1 Gbit/s (a plain number is bits per second; \
         800k and 2.5M are understood)"
    )]
    OutOfRange {
        /// What was given, in bits per second.
        got_bps: i128,
    },
    /// Text that is no bitrate.
    #[error("{got:?} is no bitrate: write bits per second, or 800k, or 2.5M")]
    Unreadable {
        /// The text, its first 64 characters.
        got: String,
    },
}

impl Bitrate {
    /// 10 kbit/s: a thumbnail each second.
    pub const MIN: Self = Self(10_000);
    /// 1 Gbit/s: 8K at the best quality.
    pub const MAX: Self = Self(1_000_000_000);

    /// A checked bitrate.
    ///
    /// # Errors
    /// [`BitrateError::OutOfRange`] outside of [`MIN`](Self::MIN) to [`MAX`](Self::MAX).
    pub const fn new(bits_per_second: u64) -> Result<Self, BitrateError> {
        if bits_per_second < Self::MIN.0 || bits_per_second > Self::MAX.0 {
            return Err(BitrateError::OutOfRange {
                got_bps: bits_per_second as i128,
            });
        }
        Ok(Self(bits_per_second))
    }

    /// The same from kilobits per second, as `?kbps=` has them.
    ///
    /// # Errors
    /// [`BitrateError::OutOfRange`].
    pub const fn from_kbps(kilobits_per_second: u64) -> Result<Self, BitrateError> {
        Self::new(kilobits_per_second.saturating_mul(1000))
    }

    /// The nearest bitrate in range, for what was measured.
    pub fn clamped(bits_per_second: f64) -> Self {
        // A float that is none becomes 0 by `as`, and then the least.
        Self(bits_per_second as u64).clamp(Self::MIN, Self::MAX)
    }

    /// Bits per second.
    pub const fn bps(self) -> u64 {
        self.0
    }

    /// Bytes per second.
    pub(crate) fn bytes_per_second(self) -> f64 {
        self.0 as f64 / 8.0
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1_000_000 {
            write!(f, "{:.0} kbit/s", self.0 as f64 / 1e3)
        } else {
            write!(f, "{:.2} Mbit/s", self.0 as f64 / 1e6)
        }
    }
}

impl FromStr for Bitrate {
    type Err = BitrateError;

    fn from_str(text: &str) -> Result<Self, BitrateError> {
        let unreadable = || BitrateError::Unreadable {
            got: text.chars().take(64).collect(),
        };
        let lower = text.trim().to_ascii_lowercase();
        let number_end = lower
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(lower.len());
        let (number, unit) = lower.split_at(number_end);
        let unit = unit.trim();
        let factor = match unit.trim_end_matches("bit/s").trim_end_matches("bps") {
            "" => 1.0,
            "k" => 1e3,
            "m" => 1e6,
            "g" => 1e9,
            _ => return Err(unreadable()),
        };
        let number: f64 = number.parse().map_err(|_| unreadable())?;
        // Saturates where it does not fit.
        Self::new((number * factor).round() as u64)
    }
}

/// A bitrate as it was written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(
    untagged,
    expecting = "no bitrate: write bits per second, or 800k, or 2.5M"
)]
pub enum RawBitrate {
    /// Bits per second.
    Number(i64),
    /// Bits per second, as `5e6`.
    Float(f64),
    /// With a suffix.
    Text(String),
}

impl From<Bitrate> for u64 {
    fn from(bitrate: Bitrate) -> Self {
        bitrate.0
    }
}

impl TryFrom<RawBitrate> for Bitrate {
    type Error = BitrateError;

    fn try_from(written: RawBitrate) -> Result<Self, BitrateError> {
        let got_bps = match written {
            RawBitrate::Number(bps) => i128::from(bps),
            // What is no number becomes 0, and what does not fit the most: neither is in range.
            RawBitrate::Float(bps) => bps.round() as i128,
            RawBitrate::Text(text) => return text.parse(),
        };
        u64::try_from(got_bps)
            .map_err(|_| BitrateError::OutOfRange { got_bps })
            .and_then(Self::new)
    }
}
