//! Connections to a worker: opened for a video, kept for the next one, closed when nothing has come for a while.
//!
//! Called by whoever sends videos; each goes through `run`, over the lanes that `lanes` keeps up.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::TryFutureExt as _;
use quic_session::CongestionControl;
use webrtc_session::driver::Endpoint;
use webrtc_session::{EndpointConfig, SessionConfig};

use super::dial::{DialError, Dialer};
use super::lanes::{Keepers, Lanes};
use super::ledger::Ledger;
use super::link::{LinkFailure, SendLink};
use super::options::{LaneWish, SendOptions, Summary};
use super::payloads::Payloads;
use super::reading::{Reading, spawn_reader};
use super::run::{Run, SendError, begin, check, finished};
use super::writing::spawn_writer;
use crate::lanes::port::Port;
use crate::lanes::sizes::LOOPBACK_MTU_BYTES;
use crate::process::protocol::{QUIC_LANE, SOCKET_LANE};

/// Records between the link and the ledger's thread.
const RECORDS: usize = 1024;
/// Pause between requests to the worker to go on with the next video.
const RETRY: Duration = Duration::from_millis(100);
/// How long connections are kept for the next video.
const IDLE_LIMIT: Duration = Duration::from_secs(30);
/// How long the goodbye may take at the end.
const GOODBYE_WAIT: Duration = Duration::from_millis(500);
/// A QUIC connection that is silent for this long is over; a lane that says nothing is left sooner.
const QUIC_IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Where a link starts to count its epochs.
const FIRST_EPOCH: u32 = 1;

/// Sends each frame of a video to a worker, and writes down each result. Returns when each frame has its result, when
/// `stop` is done and what was under way is finished, or when it cannot go on. Several videos are better sent with
/// [`Connections`].
///
/// # Errors
/// [`SendError`]; `Broke` comes with a summary of what was done until then.
pub async fn send(
    options: SendOptions,
    stop: impl Future<Output = ()> + Send,
) -> Result<Summary, SendError> {
    let mut connections = Connections::new();
    let outcome = connections.send(options, stop).await;
    connections.close().await;
    outcome
}

/// Sends videos one after another over the same connections.
///
/// The first one opens them. A video with another worker, token, kind of lanes or congestion control, or the first that
/// wants processed frames back, opens its own in their place. They are closed when nothing was sent for the idle limit, and
/// opened again by the next video.
#[derive(Default)]
pub struct Connections {
    open: Option<Open>,
    idle_limit: Option<Duration>,
}

/// What decides whether connections serve a video.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kind {
    to: String,
    token: Option<String>,
    authorities: Vec<Vec<u8>>,
    lanes: LaneWish,
    congestion: CongestionControl,
    with_pictures: bool,
    connect_timeout: Duration,
    give_up_after: Duration,
}

impl Kind {
    fn of(options: &SendOptions) -> Self {
        Self {
            to: options.to.clone(),
            token: options.token.clone(),
            authorities: options.authorities.clone(),
            lanes: options.lanes,
            congestion: options.congestion,
            with_pictures: options.output.has_pictures(),
            connect_timeout: options.connect_timeout,
            give_up_after: options.give_up_after,
        }
    }
}

struct Open {
    kind: Kind,
    lanes: Arc<Lanes>,
    keepers: Keepers,
}

impl Connections {
    /// None yet, with an idle limit of 30 s.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Closes them when nothing was sent for this long. Default 30 s; a worker keeps its side for 5 min.
    #[must_use]
    pub fn with_idle_limit(mut self, limit: Duration) -> Self {
        self.idle_limit = Some(limit);
        self
    }

    /// Sends a video, as [`send`] does.
    ///
    /// # Errors
    /// [`SendError`]; connections that `Broke` are closed, and the next video opens new ones.
    pub async fn send(
        &mut self,
        options: SendOptions,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Summary, SendError> {
        let quality = check(&options)?;
        let mut stop = std::pin::pin!(stop);
        let opening = Payloads::open(&options, quality).map_err(SendError::Input);
        let payloads = unless(&mut stop, opening).await?;
        let (ledger, resumed) = Ledger::open(&options).map_err(SendError::Ledger)?;
        if resumed.ended && options.skip_finished {
            return Ok(finished(&resumed.tally));
        }
        let total = payloads.frame_count();
        let (records, written) = sync_channel(RECORDS);
        let (payloads, start) = begin(payloads, resumed, options.mode).await?;
        self.close_unless(&Kind::of(&options)).await;
        let began = Instant::now();
        let link = SendLink::new(began, self.next_epoch(), &options, start, records.clone());
        let link = Arc::new(link.map_err(|error| SendError::Usage(error.to_string()))?);
        let reading = Arc::new(Reading::default());
        let writing = spawn_writer(Arc::clone(&link), ledger, records, written);
        let reader = spawn_reader(
            payloads,
            resumed,
            options.mode,
            Arc::clone(&link),
            Arc::clone(&reading),
        );
        let lanes_before = self.lanes_opened();
        let (lanes, keepers) = match unless(&mut stop, self.carry(&options, &link)).await {
            Ok(open) => (Arc::clone(&open.lanes), &mut open.keepers),
            Err(error) => {
                link.fail(LinkFailure::Gone(error.to_string()));
                stop_reading(&link, reader).await;
                let _ = writing.finish();
                return Err(error);
            }
        };
        let run = Run {
            options: &options,
            link: &link,
            reading: &reading,
            resumed,
            total,
            began,
            lanes_before,
            lanes: &lanes,
        };
        run.wait(stop, keepers).await;
        lanes.begin_idling();
        stop_reading(&link, reader).await;
        let summary = run.sum_up(writing.finish());
        if link.failure().is_some() && !reading.broke() {
            self.close().await;
        }
        summary
    }

    /// Says goodbye to the worker, and closes them.
    pub async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            let link = open.lanes.port.link();
            link.goodbye();
            leave(&link).await;
        }
    }

    /// Connections of another kind are of no use.
    async fn close_unless(&mut self, kind: &Kind) {
        if self.open.as_ref().is_some_and(|open| open.kind != *kind) {
            self.close().await;
        }
    }

    fn next_epoch(&self) -> u32 {
        let before = self.open.as_ref().map(|open| open.lanes.port.link());
        before.map_or(FIRST_EPOCH, |link| link.epoch().wrapping_add(1))
    }

    fn lanes_opened(&self) -> u64 {
        let open = self.open.as_ref();
        open.map_or(0, |open| open.lanes.opened.load(Ordering::Relaxed))
    }

    /// Gives the link lanes: those of the link before it, or new ones.
    async fn carry(
        &mut self,
        options: &SendOptions,
        link: &Arc<SendLink>,
    ) -> Result<&mut Open, SendError> {
        let idle_limit = self.idle_limit.unwrap_or(IDLE_LIMIT);
        match self.open.take() {
            Some(mut open) => {
                open.keepers.seen_lane = Instant::now();
                open.lanes.end_idling();
                link.choose_as(&open.lanes.port.link());
                take_over(&open.lanes, link).await;
                link.begin_choosing(Instant::now());
                Ok(self.open.insert(open))
            }
            None => Ok(self.open.insert(Open::new(options, link, idle_limit)?)),
        }
    }
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.open.as_ref().map(|open| &open.kind.to);
        f.debug_struct("Connections")
            .field("to", &kind)
            .finish_non_exhaustive()
    }
}

/// What comes of it, unless it is to be stopped first.
async fn unless<T>(
    stop: impl Future<Output = ()>,
    outcome: impl Future<Output = Result<T, SendError>>,
) -> Result<T, SendError> {
    tokio::select! {
        outcome = outcome => outcome,
        () = stop => Err(SendError::Stopped),
    }
}

/// Until the reading thread has ended, which it does by itself: the link takes no more frames.
async fn stop_reading(link: &SendLink, reader: JoinHandle<()>) {
    link.stop_reading();
    let _ = tokio::task::spawn_blocking(move || reader.join()).await;
}

/// Until the worker has the next link, or cannot be asked for too long.
async fn take_over(lanes: &Lanes, link: &Arc<SendLink>) {
    let began = Instant::now();
    let mut outcome = lanes.dialer.take_over(link).await;
    while let Err(DialError::Later(why)) = outcome {
        if began.elapsed() >= lanes.give_up_after {
            let why = format!("given up after {:?}: {why}", lanes.give_up_after);
            return link.fail(LinkFailure::Gone(why));
        }
        tokio::time::sleep(RETRY).await;
        outcome = lanes.dialer.ask_again().await;
    }
    if let Err(error) = outcome {
        link.fail(LinkFailure::Gone(error.to_string()));
    }
}

impl Open {
    fn new(
        options: &SendOptions,
        link: &Arc<SendLink>,
        idle_limit: Duration,
    ) -> Result<Self, SendError> {
        let lanes = Arc::new(lanes_of(options, link, idle_limit)?);
        let mut keepers = Keepers::new(Arc::clone(&lanes));
        match options.lanes {
            LaneWish::Auto => {
                keepers.grow(1);
                keepers.keep(QUIC_LANE);
            }
            LaneWish::Quic => keepers.keep(QUIC_LANE),
            LaneWish::Data(count) => keepers.grow(count),
            LaneWish::WebSocket => keepers.keep(SOCKET_LANE),
        }
        Ok(Self {
            kind: Kind::of(options),
            lanes,
            keepers,
        })
    }
}

fn lanes_of(
    options: &SendOptions,
    link: &Arc<SendLink>,
    idle_limit: Duration,
) -> Result<Lanes, SendError> {
    let port = Arc::new(Port::new(Arc::clone(link)));
    let bind = local_address(&options.to);
    let local = bind.ip().is_loopback();
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
    let dialer = Dialer::new(options, endpoint, quic, Arc::clone(&port), name, session)
        .map_err(SendError::Usage)?;
    Ok(Lanes {
        port,
        dialer,
        wish: options.lanes,
        connect_timeout: options.connect_timeout,
        give_up_after: options.give_up_after,
        connected: AtomicBool::new(false),
        opened: AtomicU64::new(0),
        idle_limit,
        idle_since: Mutex::new(None),
    })
}

/// What sockets are bound to that are to reach that address: loopback for loopback, and of an IP address the family. Names
/// are reached by IPv4.
fn local_address(to: &str) -> SocketAddr {
    let url = reqwest::Url::parse(to).ok();
    let host = url.as_ref().and_then(reqwest::Url::host_str).unwrap_or("");
    let ip = match host {
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        host => match host.trim_matches(['[', ']']).parse() {
            Ok(IpAddr::V4(ip)) if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
            Ok(IpAddr::V6(ip)) if ip.is_loopback() => Ipv6Addr::LOCALHOST.into(),
            Ok(IpAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
            _ => Ipv4Addr::UNSPECIFIED.into(),
        },
    };
    SocketAddr::new(ip, 0)
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
