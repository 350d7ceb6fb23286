//! What came of several videos together: the last line on stdout.

use serde::Serialize;
use stream_service::Summary;

/// Sums over all videos; the names are those of a single one's summary.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Totals {
    /// Videos asked for.
    pub(crate) videos: usize,
    /// Videos whose frames each have their result.
    pub(crate) whole: usize,
    frames: u64,
    sent: u64,
    acked: u64,
    results: u64,
    pictures: u64,
    errors: u64,
    lost: u64,
    duplicated: u64,
    repeated: u64,
    dropped: u64,
    resumed: u64,
    lanes_opened: u64,
    bytes: u64,
    seconds: f64,
    fps: f64,
    verified: bool,
    complete: bool,
}

impl Totals {
    pub(crate) fn new(videos: usize) -> Self {
        Self {
            videos,
            verified: true,
            complete: true,
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, summary: &Summary) {
        self.whole += usize::from(summary.is_whole());
        self.frames += summary.frames;
        self.sent += summary.sent;
        self.acked += summary.acked;
        self.results += summary.results;
        self.pictures += summary.pictures;
        self.errors += summary.errors;
        self.lost += summary.lost;
        self.duplicated += summary.duplicated;
        self.repeated += summary.repeated;
        self.dropped += summary.dropped;
        self.resumed += summary.resumed;
        self.lanes_opened += summary.lanes_opened;
        self.bytes += summary.bytes;
        self.verified &= summary.verified;
        self.complete &= summary.complete;
        // Of videos that an earlier run had finished no time was spent.
        let here = summary.fps * summary.seconds + self.fps * self.seconds;
        self.seconds = round(self.seconds + summary.seconds, 1000.0);
        self.fps = if self.seconds > 0.0 {
            round(here / self.seconds, 100.0)
        } else {
            0.0
        };
    }

    /// A video of which nothing can be said.
    pub(crate) fn add_failed(&mut self) {
        self.verified = false;
        self.complete = false;
    }
}

fn round(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}
