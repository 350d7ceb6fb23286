//! A whole run: opens the input and the ledger, starts lanes, reading and writing, and sums up.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use datachannel_transport::{TimingSummary, TimingWindow};
use jpeg_optimizer::Quality;
use media_source::PacingClock;
use webrtc_session::driver::Endpoint;
use webrtc_session::{EndpointConfig, SessionConfig};

use super::dial::Dialer;
use super::lanes::{Keepers, Lanes};
use super::ledger::{Ledger, LedgerError, Resumed, Tally};
use super::link::{LinkFailure, Record, SendLink, Start};
use super::options::{LaneWish, PayloadEncoding, Progress, SendOptions, SendTiming, Summary};
use super::payloads::{Payload, PayloadError, Payloads};
use crate::lanes::sizes::LOOPBACK_MTU_BYTES;
use crate::process::protocol::{ProcessMode, QUIC_LANE, SOCKET_LANE};

/// Records between the link and the ledger's thread.
const RECORDS: usize = 1024;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// How long the goodbye may take at the end.
const GOODBYE_WAIT: Duration = Duration::from_millis(500);
/// From here on one association's window and its losses, not the machine, are what limits it.
const LONG_ROUND_TRIP: Duration = Duration::from_millis(5);
/// A QUIC connection that is silent for this long is over; a lane that says nothing is left sooner.
const QUIC_IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Where no lane opens for this long, or none is open any more, UDP may not pass.
const NOTHING_OPENS_AFTER: Duration = Duration::from_millis(1500);
/// Lanes where the round trip is long.
const LANES_OF_A_LONG_PATH: u8 = 8;
/// Where a link starts to count its epochs.
const FIRST_EPOCH: u32 = 1;

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
    /// The UDP socket cannot be had.
    #[error(transparent)]
    Socket(#[from] webrtc_session::BindError),
    /// The UDP socket of QUIC cannot be had.
    #[error(transparent)]
    QuicSocket(#[from] quic_session::BindError),
    /// It broke off: the summary says how far it came, and the ledger what is done.
    #[error("{reason}")]
    Broke {
        /// Why.
        reason: String,
        /// How far it came.
        summary: Box<Summary>,
    },
}

/// What the reading thread has done.
#[derive(Default)]
struct Reading {
    frames: AtomicU64,
    complete: AtomicBool,
    error: Mutex<Option<PayloadError>>,
    times: Mutex<TimingWindow>,
}

impl Reading {
    /// Reading a frame took that long.
    fn took(&self, time: Duration) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.add(time);
    }

    fn times(&self) -> TimingSummary {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.summary()
    }
}

/// Sends each frame of a video to a worker, and writes down each result. Returns when each frame has its result, when
/// `stop` is done and what was under way is finished, or when it cannot go on.
///
/// # Errors
/// [`SendError`]; `Broke` comes with a summary of what was done until then.
pub async fn send(
    options: SendOptions,
    stop: impl Future<Output = ()> + Send,
) -> Result<Summary, SendError> {
    let quality = check(&options)?;
    let payloads = Payloads::open(&options, quality)
        .await
        .map_err(SendError::Input)?;
    let (ledger, resumed) = Ledger::open(&options).map_err(SendError::Ledger)?;
    let total = payloads.frame_count();
    let usage = |error: datachannel_transport::ConfigError| SendError::Usage(error.to_string());
    let (records, written) = sync_channel(RECORDS);
    let (mut payloads, start) = begin(payloads, resumed, options.mode).await?;
    let link = SendLink::new(Instant::now(), FIRST_EPOCH, &options, start, records);
    let link = Arc::new(link.map_err(usage)?);
    let lanes = lanes_of(&options, &link)?;
    let began = Instant::now();

    let reading = Arc::new(Reading::default());
    let writing = spawn_writer(Arc::clone(&link), ledger, written);
    let reader = {
        let (link, reading, mode) = (Arc::clone(&link), Arc::clone(&reading), options.mode);
        std::thread::spawn(move || {
            let outcome = read(&mut payloads, resumed, mode, &link, &reading);
            if let Err(error) = outcome {
                link.fail(LinkFailure::Gone(error.to_string()));
                *reading.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        })
    };
    let lanes = Arc::new(lanes);
    let mut keepers = Keepers::new(lanes);
    match options.lanes {
        LaneWish::Auto => {
            keepers.grow(1);
            keepers.keep(QUIC_LANE);
        }
        LaneWish::Quic => keepers.keep(QUIC_LANE),
        LaneWish::Data(count) => keepers.grow(count),
        LaneWish::WebSocket => keepers.keep(SOCKET_LANE),
    }

    let run = Run {
        options: &options,
        link: &link,
        reading: &reading,
        resumed,
        total,
        began,
    };
    run.wait(stop, &mut keepers).await;
    link.goodbye();
    link.stop_reading();
    // Ends by itself: the link takes no more frames.
    let _ = tokio::task::spawn_blocking(move || reader.join()).await;
    leave(&link).await;
    drop(keepers);
    run.sum_up(writing.finish())
}

/// Goes to where the run begins, on a thread that may block.
async fn begin(
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

fn check(options: &SendOptions) -> Result<Quality, SendError> {
    if let LaneWish::Data(lanes) = options.lanes
        && !(1..=16).contains(&lanes)
    {
        return Err(SendError::Usage(format!("{lanes} lanes: choose 1 to 16")));
    }
    if options.encoding == PayloadEncoding::Source && options.mode == ProcessMode::Realtime {
        let why = "realtime drops frames, and access units need those before them: choose --encoding jpeg, or every-frame";
        return Err(SendError::Usage(why.to_owned()));
    }
    if options.pictures.is_some() && !options.output.has_pictures() {
        let why = "processed frames do not come back with --output data: choose --output both, or leave --pictures out";
        return Err(SendError::Usage(why.to_owned()));
    }
    Quality::new(options.output_quality).map_err(|error| SendError::Usage(error.to_string()))?;
    Quality::new(options.quality).map_err(|error| SendError::Usage(error.to_string()))
}

fn lanes_of(options: &SendOptions, link: &Arc<SendLink>) -> Result<Lanes, SendError> {
    let local = options.to.contains("//127.")
        || options.to.contains("//localhost")
        || options.to.contains("//[::1]");
    let bind: SocketAddr = if local {
        ([127, 0, 0, 1], 0).into()
    } else {
        ([0, 0, 0, 0], 0).into()
    };
    // A datagram that loopback carries whole costs as much as a smaller one.
    let session = if local {
        SessionConfig::own_host()
    } else {
        SessionConfig::own_peer()
    };
    let config = EndpointConfig::new(bind);
    let endpoint = Endpoint::bind(config)?;
    let name = random_name();
    let quic = match options.lanes {
        LaneWish::Auto | LaneWish::Quic => Some(quic_endpoint(options, bind)?),
        LaneWish::Data(_) | LaneWish::WebSocket => None,
    };
    let dialer = Dialer::new(options, endpoint, quic, Arc::clone(link), name, session)
        .map_err(SendError::Usage)?;
    Ok(Lanes {
        link: Arc::clone(link),
        dialer,
        wish: options.lanes,
        connect_timeout: options.connect_timeout,
        give_up_after: options.give_up_after,
        connected: AtomicBool::new(false),
    })
}

fn quic_endpoint(
    options: &SendOptions,
    bind: SocketAddr,
) -> Result<quic_session::Endpoint, quic_session::BindError> {
    let mut quic = quic_session::EndpointConfig::new(bind);
    quic.identity = quic_session::Identity::ClientOnly;
    quic.idle_timeout = QUIC_IDLE_TIMEOUT;
    quic.congestion = options.congestion.factory();
    if bind.ip().is_loopback() {
        quic.max_mtu_bytes = LOOPBACK_MTU_BYTES;
    }
    quic_session::Endpoint::bind(quic)
}

/// A number that no other sender of the same worker has: the standard library seeds its hashers at random.
fn random_name() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    let state = std::collections::hash_map::RandomState::new();
    state.build_hasher().finish()
}

/// Gives the goodbye a moment to leave.
async fn leave(link: &SendLink) {
    let until = Instant::now() + GOODBYE_WAIT;
    while !link.goodbye_is_out() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Reads the video to its end, on a thread of its own.
fn read(
    payloads: &mut Payloads,
    resumed: Resumed,
    mode: ProcessMode,
    link: &SendLink,
    reading: &Reading,
) -> Result<(), PayloadError> {
    if let Some(last) = resumed.last_frame {
        payloads.skip_through(last, resumed.last_hash)?;
    }
    let mut pace = Pace::default();
    loop {
        let began = Instant::now();
        let Some(payload) = payloads.next()? else {
            break;
        };
        reading.took(began.elapsed());
        match payload {
            Payload::Frame(frame) => {
                if mode == ProcessMode::Realtime {
                    pace.wait(Duration::from_micros(
                        u64::try_from(frame.meta.pts_us).unwrap_or(0),
                    ));
                }
                // An access unit that an earlier run has counted goes out again for the sake of later ones.
                let counts = resumed
                    .last_frame
                    .is_none_or(|last| frame.meta.source_id > last);
                if !link.offer(frame) {
                    return Ok(());
                }
                reading
                    .frames
                    .fetch_add(u64::from(counts), Ordering::Relaxed);
            }
            Payload::Damaged(reason) => link.unreadable(reason),
        }
    }
    reading.complete.store(true, Ordering::Relaxed);
    link.finish();
    Ok(())
}

/// Realtime frames are read at the video's own rate.
#[derive(Default)]
struct Pace {
    clock: Option<PacingClock>,
}

impl Pace {
    fn wait(&mut self, pts: Duration) {
        let now = Instant::now();
        let clock = self
            .clock
            .get_or_insert_with(|| PacingClock::start(now, pts));
        std::thread::sleep(clock.wait(now, pts));
    }
}

/// The ledger's thread.
struct Writing {
    thread: std::thread::JoinHandle<Result<Tally, LedgerError>>,
    stop: Arc<AtomicBool>,
}

impl Writing {
    fn finish(self) -> Result<Tally, LedgerError> {
        self.stop.store(true, Ordering::Release);
        match self.thread.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn spawn_writer(link: Arc<SendLink>, ledger: Ledger, records: Receiver<Record>) -> Writing {
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        let outcome = write(&link, ledger, &records, &stopping);
        if let Err(error) = &outcome {
            link.fail(LinkFailure::Gone(error.to_string()));
        }
        outcome
    });
    Writing { thread, stop }
}

fn write(
    link: &SendLink,
    mut ledger: Ledger,
    records: &Receiver<Record>,
    stop: &AtomicBool,
) -> Result<Tally, LedgerError> {
    loop {
        match records.recv_timeout(TELL_EVERY) {
            Ok(record) => {
                ledger.write(&record)?;
                for record in records.try_iter() {
                    ledger.write(&record)?;
                }
                ledger.flush()?;
                link.collect();
            }
            Err(RecvTimeoutError::Timeout) if !stop.load(Ordering::Acquire) => {}
            Err(_) => return Ok(ledger.tally),
        }
    }
}

/// What is known of a run while it lasts.
struct Run<'a> {
    options: &'a SendOptions,
    link: &'a SendLink,
    reading: &'a Reading,
    resumed: Resumed,
    total: Option<u64>,
    began: Instant,
}

impl Run<'_> {
    /// Until the link is over, or it was stopped and what was under way has its results.
    async fn wait(&self, stop: impl Future<Output = ()> + Send, keepers: &mut Keepers) {
        let mut stop = std::pin::pin!(stop);
        let mut stopping = false;
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
        }
        self.tell();
    }

    /// `auto`: a path that lets no lane through is tried with a WebSocket, and a long one gets more lanes, once its length
    /// is known.
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
        if figures.shortest_round_trip >= Some(LONG_ROUND_TRIP) {
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

    fn sum_up(&self, written: Result<Tally, LedgerError>) -> Result<Summary, SendError> {
        let tally = written.map_err(SendError::Ledger)?;
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
        match self.link.failure() {
            Some(failure) => Err(SendError::Broke {
                reason: failure.to_string(),
                summary: Box::new(summary),
            }),
            None => Ok(summary),
        }
    }
}
