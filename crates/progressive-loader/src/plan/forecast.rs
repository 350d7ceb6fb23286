//! When the reader runs dry.
//!
//! Fed by the reader with what it holds, how fast it consumes and how fast bytes come; feeds chunk
//! sizes, the sources' [`Demand`](crate::Demand) and the figures that are shown.

use std::time::Duration;

/// Beyond this it is not worth a number: a day.
const HORIZON_SECONDS: f64 = 86_400.0;

/// What the forecast is made from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forecast {
    /// Bytes held from the reader's position on, without a gap.
    pub held_ahead_bytes: u64,
    /// Bytes from the reader's position to the end of the content.
    pub rest_bytes: u64,
    /// Bytes per second that the reader consumes; `None` when not known.
    pub playback_bytes_per_second: Option<u64>,
    /// Bytes per second that come while something is asked for; `None` before anything came.
    pub bandwidth_bytes_per_second: Option<u64>,
}

impl Forecast {
    /// Until the reader has consumed all that came: `None` when bytes come as fast as they are
    /// consumed, when the content ends before, or when the rate of consumption is not known. With no
    /// bandwidth known, nothing is assumed to come.
    #[must_use]
    pub fn dry_in(&self) -> Option<Duration> {
        let playback = self.playback_bytes_per_second? as f64;
        let bandwidth = self.bandwidth_bytes_per_second.unwrap_or(0) as f64;
        if self.held_ahead_bytes >= self.rest_bytes || playback <= bandwidth {
            return None;
        }
        let dry_seconds = self.held_ahead_bytes as f64 / (playback - bandwidth);
        let end_seconds = self.rest_bytes as f64 / playback;
        (dry_seconds < end_seconds.min(HORIZON_SECONDS))
            .then(|| Duration::from_secs_f64(dry_seconds))
    }
}
