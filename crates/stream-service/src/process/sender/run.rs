//! One video's run: what is asked for is checked, where it begins is found, its end is waited for and summed up.
//!
//! Called by `connections`, whose lanes it has for as long as it lasts.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jpeg_optimizer::Quality;

use super::dial::check_address;
use super::lanes::{Keepers, Lanes};
use super::ledger::{End, Ledger, LedgerError, Resumed, Tally};
use super::link::{LinkFailure, SendLink, Start};
use super::options::{LaneWish, Progress, SendOptions, SendTiming, Summary};
use super::payloads::{PayloadError, Payloads};
use super::reading::Reading;
use crate::lanes::choice::LaneKind;
use crate::process::protocol::{PictureEncoding, ProcessMode, SOCKET_LANE};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// From here on one association's window and its losses, not the machine, are what limits it.
const LONG_ROUND_TRIP: Duration = Duration::from_millis(5);
/// Where no lane opens for this long, or none is open any more, UDP may not pass.
const NOTHING_OPENS_AFTER: Duration = Duration::from_millis(1500);
/// What is under way when a run is to stop is given this long while the worker cannot be reached.
const STOP_WITHOUT_LANE_AFTER: Duration = Duration::from_secs(5);
/// Data channels that carry for longer are not soon left for QUIC, which needs no more of them beside it.
const QUIC_TAKES_OVER_WITHIN: Duration = Duration::from_secs(1);
/// Lanes where the round trip is long.
const LANES_OF_A_LONG_PATH: u8 = 8;

/// Why a run did not begin, or broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// A setting that cannot be: bad usage.
    #[error("{0}")]
    Usage(String),
    /// The input cannot be opened.
    #[error(transparent)]
    Input(PayloadError),
    /// The ledger or the results cannot be used.
    #[error(transparent)]
    Ledger(LedgerError),
    /// Told to stop before there was anything to sum up.
    #[error("stopped before the video and its connections were open")]
    Stopped,
    /// The UDP socket cannot be had.
    #[error(transparent)]
    Socket(#[from] webrtc_session::BindError),
    /// The UDP socket of QUIC cannot be had.
    #[error(transparent)]
    QuicSocket(#[from] quic_session::BindError),
    /// The video cannot be read on; the connections are as they were.
    #[error("{reason}")]
    Unreadable {
        /// Why.
        reason: String,
        /// How far it came.
        summary: Box<Summary>,
    },
    /// It broke off: the summary says how far it came, and the ledger what is done.
    #[error("{reason}")]
    Broke {
        /// Why.
        reason: String,
        /// How far it came.
        summary: Box<Summary>,
    },
}

/// The summary of a video whose ledger has its end: nothing is sent.
pub(super) fn finished(tally: &Tally) -> Summary {
    Summary {
        frames: tally.results + tally.dropped,
        sent: tally.results,
        acked: tally.results,
        results: tally.results,
        pictures: tally.pictures,
        errors: tally.errors + tally.unreadable,
        dropped: tally.dropped,
        resumed: 1,
        verified: true,
        complete: true,
        ..Summary::default()
    }
}

/// Goes to where the run begins, on a thread that may block.
pub(super) async fn begin(
    mut payloads: Payloads,
    resumed: Resumed,
    mode: ProcessMode,
) -> Result<(Payloads, Start), SendError> {
    if mode == ProcessMode::Realtime {
        let start = Start {
            point: datachannel_transport::ResumePoint::default(),
            answered: 0,
        };
        return Ok((payloads, start));
    }
    let begun = tokio::task::spawn_blocking(move || {
        let point = payloads.begin(&resumed)?;
        let answered = resumed.point.next_sequence;
        Ok((payloads, Start { point, answered }))
    });
    begun
        .await
        .unwrap_or_else(|stopped| {
            // Only a runtime that shuts down, or a defect here, keeps it from finishing.
            Err(PayloadError::Begin(stopped.to_string()))
        })
        .map_err(SendError::Input)
}

pub(super) fn check(options: &SendOptions) -> Result<Quality, SendError> {
    if let LaneWish::Data(lanes) = options.lanes
        && !(1..=16).contains(&lanes)
    {
        return Err(SendError::Usage(format!("{lanes} lanes: choose 1 to 16")));
    }
    if options.encoding.is_access_units() && options.mode == ProcessMode::Realtime {
        let why = "realtime drops frames, and access units need those before them: choose --encoding jpeg, or every-frame";
        return Err(SendError::Usage(why.to_owned()));
    }
    check_address(&options.to).map_err(SendError::Usage)?;
    if options.output_encoding == PictureEncoding::H264 && options.mode == ProcessMode::Realtime {
        let why = "realtime drops frames, and H.264 needs those before them: choose --output-encoding jpeg, or every-frame";
        return Err(SendError::Usage(why.to_owned()));
    }
    if options.pictures.is_some() && !options.output.has_pictures() {
        let why = "processed frames do not come back with --output data: choose --output both, or leave --pictures out";
        return Err(SendError::Usage(why.to_owned()));
    }
    Quality::new(options.output_quality).map_err(|error| SendError::Usage(error.to_string()))?;
    Quality::new(options.quality).map_err(|error| SendError::Usage(error.to_string()))
}

/// What is known of a run while it lasts.
pub(super) struct Run<'a> {
    pub(super) options: &'a SendOptions,
    pub(super) link: &'a SendLink,
    pub(super) reading: &'a Reading,
    pub(super) resumed: Resumed,
    pub(super) total: Option<u64>,
    pub(super) began: Instant,
    /// Lanes that videos before this one had opened.
    pub(super) lanes_before: u64,
    pub(super) lanes: &'a Lanes,
}

impl Run<'_> {
    /// Until the link is over, or it was stopped and what was under way has its results.
    pub(super) async fn wait(&self, stop: impl Future<Output = ()> + Send, keepers: &mut Keepers) {
        let mut stop = std::pin::pin!(stop);
        let mut stopping = false;
        let mut without_lane_since = None;
        while !self.link.is_over() {
            tokio::select! {
                () = &mut stop, if !stopping => {
                    stopping = true;
                    self.link.stop_reading();
                }
                () = self.link.changed.notified() => {}
                () = tokio::time::sleep(TELL_EVERY) => {
                    self.tell();
                    self.suit_lanes(keepers);
                }
            }
            if stopping {
                self.stop_without_lane(&mut without_lane_since);
            }
        }
        self.tell();
    }

    /// A run that is to stop does not wait for a worker that is away: nothing is lost that the ledger would not ask for again.
    fn stop_without_lane(&self, since: &mut Option<Instant>) {
        if self.link.has_lane() {
            *since = None;
            return;
        }
        let waited = since.get_or_insert_with(Instant::now).elapsed();
        let never = self.lanes.opened.load(Ordering::Relaxed) == 0;
        if never || waited >= STOP_WITHOUT_LANE_AFTER {
            let why = "stopped while the worker could not be reached; with --ledger the same command goes on from there";
            self.link.fail(LinkFailure::Gone(why.to_owned()));
        }
    }

    /// `auto`: a path that lets no lane through is tried with a WebSocket, and a long one gets more data channels, once its
    /// length is known and QUIC has not taken over.
    fn suit_lanes(&self, keepers: &mut Keepers) {
        self.link.choose(Instant::now());
        if self.options.lanes != LaneWish::Auto {
            return;
        }
        if self.link.has_lane() {
            keepers.seen_lane = Instant::now();
        } else if keepers.seen_lane.elapsed() >= NOTHING_OPENS_AFTER {
            keepers.keep(SOCKET_LANE);
        }
        if self.options.mode == ProcessMode::Realtime {
            return;
        }
        let figures = self.link.figures(Instant::now());
        let by_data = matches!(figures.carrier, Some((LaneKind::Data, _)));
        let is_long = figures.shortest_round_trip >= Some(LONG_ROUND_TRIP);
        if is_long && by_data && figures.carrier_for >= QUIC_TAKES_OVER_WITHIN {
            keepers.grow(LANES_OF_A_LONG_PATH);
        }
    }

    fn tell(&self) {
        let Some(tell) = &self.options.on_progress else {
            return;
        };
        let figures = self.link.figures(Instant::now());
        let earlier = self.resumed.tally;
        tell(&Progress {
            frames_total: self.total,
            frames_read: self.frames(),
            results: earlier.results + figures.results,
            errors: earlier.errors,
            dropped: earlier.dropped,
            bytes: figures.bytes_acked,
            seconds: self.began.elapsed().as_secs_f64(),
            fps: figures.fps,
            lanes: figures.lanes,
            carrier: figures.carrier.map(|(kind, _)| kind),
            carrier_because: figures.carrier.map(|(_, reason)| reason),
            held: figures.held,
            resumed: figures.resumed,
            round_trip_ms: figures.round_trip_ms,
        });
    }

    /// Frames read, those of the run that this one continues included.
    fn frames(&self) -> u64 {
        let earlier = self.resumed.tally;
        earlier.results + earlier.dropped + self.reading.frames.load(Ordering::Relaxed)
    }

    pub(super) fn sum_up(
        &self,
        written: Result<Ledger, LedgerError>,
    ) -> Result<Summary, SendError> {
        let mut ledger = written.map_err(SendError::Ledger)?;
        let tally = ledger.tally;
        let figures = self.link.figures(Instant::now());
        let (send_ms, ack_ms) = self.link.timing();
        let earlier = self.resumed.tally;
        let seconds = self.began.elapsed().as_secs_f64();
        let frames = self.frames();
        let answered = tally.results + tally.dropped;
        let continued = self.resumed != Resumed::default();
        let summary = Summary {
            frames,
            sent: earlier.results + figures.sent,
            acked: earlier.results + figures.acked,
            results: tally.results,
            pictures: tally.pictures,
            errors: tally.errors + tally.unreadable,
            lost: frames.saturating_sub(answered),
            duplicated: answered.saturating_sub(frames),
            repeated: figures.repeated,
            dropped: tally.dropped,
            resumed: figures.resumed + u64::from(continued),
            carrier: figures.carrier.map(|(kind, _)| kind),
            carrier_changes: figures.carrier_changes,
            lanes_opened: self.lanes.opened.load(Ordering::Relaxed) - self.lanes_before,
            bytes: figures.bytes_acked,
            seconds: (seconds * 1000.0).round() / 1000.0,
            fps: (figures.results as f64 / seconds * 100.0).round() / 100.0,
            timing: SendTiming {
                read_ms: self.reading.times(),
                send_ms,
                ack_ms,
            },
            verified: figures.verified,
            complete: self.reading.complete.load(Ordering::Relaxed),
        };
        let Some(failure) = self.link.failure() else {
            if summary.is_whole() {
                ledger.end(self.end(&tally)).map_err(SendError::Ledger)?;
            }
            return Ok(summary);
        };
        let (reason, summary) = (failure.to_string(), Box::new(summary));
        Err(match self.reading.broke() {
            true => SendError::Unreadable { reason, summary },
            false => SendError::Broke { reason, summary },
        })
    }

    fn end(&self, tally: &Tally) -> End {
        let all = self.link.query();
        let every_frame = self.options.mode == ProcessMode::EveryFrame;
        End {
            frames: tally.results + tally.dropped,
            bytes: all.bytes,
            hash: every_frame.then(|| format!("{:016x}", all.hash)),
        }
    }
}
