//! How fast bytes come and go, and what follows from it for the next fetch.
//!
//! Fed by the reader's fetches and reads; feeds the window's chunk size, the source's demand and the
//! figures that are shown. The arithmetic is [`plan`](crate::plan)'s.

use crate::plan::{Bandwidth, Forecast, chunk_bytes};
use crate::progress::RateMeter;
use crate::source::ByteSource;
use crate::window::Window;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// Waking a thread takes some microseconds; a reader that waits is woken for what comes in so many of them.
const WAKE_EVERY: Duration = Duration::from_micros(400);
/// At most, in bytes.
const WORTH_WAKING_BYTES: f64 = (512 << 10) as f64;
/// A reader that reads for less than this says nothing about its rate.
const TELLING: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Pace {
    range: RangeInclusive<u64>,
    usual_chunk_bytes: u64,
    bandwidth: Bandwidth,
    /// Since when nothing has come that was waited for.
    waiting_since: Option<Instant>,
    consumption: RateMeter,
    reading_since: Option<Instant>,
}

impl Pace {
    pub(super) fn new(source: &dyn ByteSource) -> Self {
        Self {
            range: source.chunk_range(),
            usual_chunk_bytes: source.preferred_chunk_bytes(),
            bandwidth: Bandwidth::new(),
            waiting_since: None,
            consumption: RateMeter::default(),
            reading_since: None,
        }
    }

    /// Something is asked for, while nothing else was on its way.
    pub(super) fn starts(&mut self, now: Instant) {
        self.waiting_since = Some(now);
    }

    pub(super) fn arrived(&mut self, now: Instant, bytes: u64) {
        let since = self.waiting_since.replace(now).unwrap_or(now);
        let took = now.saturating_duration_since(since);
        self.bandwidth.record(bytes, took);
    }

    /// Whether the link is a fast one, as far as is known.
    pub(super) fn is_fast(&self) -> bool {
        self.bandwidth.is_fast()
    }

    /// How much must have come before a reader that waits is woken; less is told when nothing comes for a moment.
    pub(super) fn worth_waking_bytes(&self) -> u64 {
        let rate = self.bandwidth.bytes_per_second().unwrap_or_default();
        (rate as f64 * WAKE_EVERY.as_secs_f64()).min(WORTH_WAKING_BYTES) as u64
    }

    pub(super) fn consumed(&mut self, now: Instant, bytes: u64) {
        self.reading_since.get_or_insert(now);
        self.consumption.record(now, bytes);
    }

    /// What is to come for a reader whose rate is `told`, or measured.
    pub(super) fn forecast(
        &mut self,
        now: Instant,
        window: &Window,
        size_bytes: u64,
        told: Option<u64>,
    ) -> Forecast {
        let telling = self
            .reading_since
            .is_some_and(|since| now.saturating_duration_since(since) >= TELLING);
        let measured = telling.then(|| self.consumption.bytes_per_second(now));
        Forecast {
            held_ahead_bytes: window.held_ahead_bytes(),
            rest_bytes: size_bytes.saturating_sub(window.position()),
            playback_bytes_per_second: told.or(measured),
            bandwidth_bytes_per_second: self.bandwidth.bytes_per_second(),
        }
    }

    pub(super) fn chunk_bytes(&self, forecast: &Forecast) -> u64 {
        chunk_bytes(
            &self.range,
            self.usual_chunk_bytes,
            forecast.bandwidth_bytes_per_second,
            forecast.dry_in(),
        )
    }
}
