//! One MJPEG client: its rate, and what it was sent.
//!
//! Fed by [`crate::controller`] with each part that the client is given and with samples of its socket; read by
//! [`super::snapshot`]. The lock is held for one frame's figures.

use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use frame_buffer::FrameId;
use jpeg_optimizer::{ClientStats, EncodedJpeg, LinkSample, Quality, SentFrame};
use serde::Serialize;

use super::rate::{ClientRate, StreamRate};
use super::stream::lock;
use super::viewer::ViewerId;

/// One MJPEG client.
#[derive(Debug)]
pub(crate) struct PictureClient {
    pub(crate) id: ViewerId,
    since: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rate: ClientRate,
    totals: PictureTotals,
}

/// What is counted of MJPEG clients, present or gone.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct PictureTotals {
    /// JPEGs handed to the socket.
    pub(crate) frames_sent: u64,
    /// Their bytes.
    pub(crate) bytes_sent: u64,
    /// Frames left out, for they show what the client sees already.
    pub(crate) same_frames: u64,
    /// Frames left out, for even the worst quality is too much for the client's bitrate.
    pub(crate) frames_left_out: u64,
    /// Frames whose quality was not that of the one before.
    pub(crate) quality_changes: u64,
    /// Clients closed because they had stopped reading.
    pub(crate) stalled: u64,
}

impl PictureTotals {
    pub(crate) fn add(&mut self, other: &Self) {
        self.frames_sent += other.frames_sent;
        self.bytes_sent += other.bytes_sent;
        self.same_frames += other.same_frames;
        self.frames_left_out += other.frames_left_out;
        self.quality_changes += other.quality_changes;
        self.stalled += other.stalled;
    }
}

/// One MJPEG client at one moment, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct PictureSnapshot {
    id: String,
    connected_seconds: f64,
    rate: ClientStats,
    same_frames: u64,
}

impl PictureClient {
    pub(crate) fn new(id: ViewerId, rate: ClientRate, now: Instant) -> Self {
        Self {
            id,
            since: now,
            state: Mutex::new(State {
                rate,
                totals: PictureTotals::default(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The quality of its next frame; `None`: its bitrate has no room for this one.
    pub(crate) fn wants(&self, now: Instant, of_stream: StreamRate) -> Option<Quality> {
        self.state().rate.next(now, of_stream)
    }

    /// A look at its socket.
    pub(crate) fn observe(&self, now: Instant, sample: LinkSample) {
        self.state().rate.observe(now, sample);
    }

    /// A frame is on its way; `late`: others were passed over since the one before.
    pub(crate) fn sent(&self, now: Instant, frame: FrameId, jpeg: &EncodedJpeg, late: bool) {
        let mut state = self.state();
        let bytes = jpeg.bytes.len();
        let sent = SentFrame {
            frame,
            at: now,
            bytes,
            quality: jpeg.quality,
        };
        state.rate.sent(sent, late);
        state.totals.frames_sent += 1;
        state.totals.bytes_sent += bytes as u64;
    }

    /// A frame was left out that shows what the one before showed.
    pub(crate) fn shows_the_same(&self) {
        self.state().totals.same_frames += 1;
    }

    /// It is closed, for it reads nothing.
    pub(crate) fn stalled(&self) {
        self.state().totals.stalled += 1;
    }

    pub(crate) fn totals(&self) -> PictureTotals {
        let state = self.state();
        let rate = state.rate.stats();
        PictureTotals {
            quality_changes: rate.quality_changes,
            frames_left_out: rate.frames_left_out,
            ..state.totals
        }
    }

    pub(crate) fn snapshot(&self, now: Instant) -> PictureSnapshot {
        let state = self.state();
        PictureSnapshot {
            id: self.id.to_string(),
            connected_seconds: now.saturating_duration_since(self.since).as_secs_f64(),
            rate: state.rate.stats(),
            same_frames: state.totals.same_frames,
        }
    }
}
