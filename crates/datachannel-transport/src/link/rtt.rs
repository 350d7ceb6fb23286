//! Smoothed round-trip time.
//!
//! Fed by acks and pongs; feeds the figures and, later, the window.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// SRTT and RTTVAR after RFC 6298 §2 (α = 1/8, β = 1/4).
#[derive(Clone, Copy, Debug, Default)]
pub struct RttEstimator {
    state: Option<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    srtt: Duration,
    rttvar: Duration,
    last: Duration,
    min: Duration,
}

/// An [`RttEstimator`] in figures, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RttSummary {
    /// Smoothed.
    pub srtt_ms: f64,
    /// Mean deviation, smoothed.
    pub rttvar_ms: f64,
    /// The latest sample.
    pub last_ms: f64,
    /// The smallest sample ever.
    pub min_ms: f64,
}

impl RttEstimator {
    /// No sample yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a sample. Samples of what was sent more than once must not come here (Karn's algorithm,
    /// RFC 6298 §3) unless the answer says which sending it means.
    pub fn add(&mut self, sample: Duration) {
        self.state = Some(match self.state {
            None => State {
                srtt: sample,
                rttvar: sample / 2,
                last: sample,
                min: sample,
            },
            Some(State {
                srtt, rttvar, min, ..
            }) => State {
                rttvar: (rttvar * 3 + srtt.abs_diff(sample)) / 4,
                srtt: (srtt * 7 + sample) / 8,
                last: sample,
                min: min.min(sample),
            },
        });
    }

    /// The smoothed round trip; `None` before the first sample.
    #[must_use]
    pub fn srtt(&self) -> Option<Duration> {
        self.state.map(|state| state.srtt)
    }

    /// All figures; `None` before the first sample.
    #[must_use]
    pub fn summary(&self) -> Option<RttSummary> {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        self.state.map(
            |State {
                 srtt,
                 rttvar,
                 last,
                 min,
             }| RttSummary {
                srtt_ms: ms(srtt),
                rttvar_ms: ms(rttvar),
                last_ms: ms(last),
                min_ms: ms(min),
            },
        )
    }
}
