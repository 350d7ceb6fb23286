//! Opens a lane: a request to the worker by HTTP (`ask`), what it leads to, and the wait until all channels are open.
//!
//! Used by `lanes`; feeds `link` with the lane. Whether the worker knows the link decides between joining it and making it
//! anew (`protocol`).

mod ask;
mod next;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use datachannel_transport::LaneId;
use quic_session::{ConnectConfig, Trust};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use webrtc_session::driver::Endpoint;
use webrtc_session::{PendingSession, SessionConfig, SessionId};

use self::ask::Answer;
use super::link::SendLink;
use super::options::SendOptions;
use crate::lanes::end::LinkEnd as _;
use crate::lanes::port::Port;
use crate::lanes::quic::{QuicLane, session_config};
use crate::lanes::seat::QuicPlace;
use crate::process::protocol::{
    FRAMES_LABEL, PICTURES_LABEL, PICTURES_PROTOCOL, QUIC_LANE, RESULTS_LABEL, RESULTS_PROTOCOL,
    SOCKET_LANE,
};

/// The longest that an HTTP request may take.
const HTTP_TIMEOUT: Duration = Duration::from_secs(2);
/// A lane that does not open within this is dialled again: the path may have been dead when its first checks went out.
const OPEN_TIMEOUT: Duration = Duration::from_millis(1000);
/// A WebTransport session that does not stand within this is tried again: three lost first packets.
const QUIC_TIMEOUT: Duration = Duration::from_secs(3);
/// How often the wait looks for itself, should a notification have been missed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Why a lane did not open.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    /// Trying again may help.
    #[error("{0}")]
    Later(String),
    /// Trying again will not help.
    #[error("{0}")]
    Never(String),
}

/// A lane that is open.
#[derive(Debug)]
pub(super) struct OpenLane {
    pub(super) lane: LaneId,
    session: Session,
}

/// What carries it.
#[derive(Debug)]
enum Session {
    Data(SessionId),
    Quic(quic_session::SessionId),
    Socket(AbortOnDrop),
}

/// Room that the worker has made for a lane.
enum Seat {
    /// A session that waits for this answer.
    Data {
        pending: PendingSession,
        answer: String,
    },
    /// Where WebTransport is served, in its words.
    Quic(String),
    /// Being a lane already.
    Socket(AbortOnDrop),
}

/// A task that ends with its lane.
#[derive(Debug)]
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Opens lanes of a sender's links.
pub(super) struct Dialer {
    http: reqwest::Client,
    to: String,
    token: Option<String>,
    authorities: Vec<Vec<u8>>,
    /// The worker has answered once, so that what fails later may heal.
    answered: AtomicBool,
    endpoint: Endpoint,
    quic: Option<quic_session::Endpoint>,
    port: Arc<Port<SendLink>>,
    link_name: u64,
    /// Lanes have a channel for processed frames.
    pictures: bool,
    session: SessionConfig,
    lanes_made: AtomicU32,
    /// The epoch under which the worker has made the link; one request at a time may make it, and holds this for no longer.
    made: Mutex<Option<u32>>,
}

impl Dialer {
    /// A dialer for the links of `port`, which the worker will know as `link_name`.
    ///
    /// # Errors
    /// The address to send to is none.
    pub(super) fn new(
        options: &SendOptions,
        endpoint: Endpoint,
        quic: Option<quic_session::Endpoint>,
        port: Arc<Port<SendLink>>,
        link_name: u64,
        session: SessionConfig,
    ) -> Result<Self, String> {
        let to = check_address(&options.to)?;
        let http = client(&options.authorities)?;
        Ok(Self {
            http,
            to,
            token: options.token.clone(),
            authorities: options.authorities.clone(),
            answered: AtomicBool::new(false),
            endpoint,
            quic,
            port,
            link_name,
            pictures: options.output.has_pictures(),
            session,
            lanes_made: AtomicU32::new(0),
            made: Mutex::new(None),
        })
    }

    /// Opens the lane of that number.
    pub(super) async fn dial(&self, number: u8) -> Result<OpenLane, DialError> {
        let lane = LaneId(self.lanes_made.fetch_add(1, Ordering::Relaxed));
        let session = match self.ask(lane, number).await {
            // Others may ask meanwhile: where no UDP passes this takes until its time is over.
            Ok(seat) => self.take(lane, seat).await,
            Err(Answer::Unknown) => Err(DialError::Later("the worker was started anew".to_owned())),
            Err(Answer::Failed(error)) => Err(error),
        };
        let opened = match session {
            Ok(session) => self.opened(OpenLane { lane, session }).await,
            Err(error) => Err(error),
        };
        if opened.is_err() {
            self.drop_lane(lane);
        }
        opened
    }

    /// Has the worker make room for the lane in the link, or make the link; one request at a time, lest two make it.
    async fn ask(&self, lane: LaneId, number: u8) -> Result<Seat, Answer> {
        let mut made = self.made.lock().await;
        let link = self.port.link();
        let epoch = link.epoch();
        let attach = *made == Some(epoch);
        self.port.join(Instant::now(), lane, number);
        let asked = match number {
            QUIC_LANE => self.ask_for_quic(attach).await,
            SOCKET_LANE => self.ask_for_socket(lane, attach).await,
            _ => self.ask_for_data(lane, number, attach).await,
        };
        match &asked {
            Ok(_) => *made = Some(epoch),
            Err(Answer::Unknown) => {
                // The worker was started since. Whatever it had not confirmed goes out again.
                tracing::info!("the worker knows nothing of this link; beginning it anew");
                self.port.forget_lanes(Instant::now());
                link.relink(Instant::now());
                *made = None;
            }
            Err(Answer::Failed(_)) => {}
        }
        asked
    }

    /// Takes what the worker has made room for.
    async fn take(&self, lane: LaneId, seat: Seat) -> Result<Session, DialError> {
        match seat {
            Seat::Data { pending, answer } => {
                let session = pending.session();
                let accepted = pending.accept_answer(&answer).await;
                if let Err(error) = accepted {
                    // It never connected.
                    let _ = self.endpoint.close(session).await;
                    let why = format!("the worker's answer cannot be used: {error}");
                    return Err(DialError::Never(why));
                }
                Ok(Session::Data(session))
            }
            Seat::Quic(place) => self.connect_quic(lane, &place).await,
            Seat::Socket(task) => Ok(Session::Socket(task)),
        }
    }

    async fn connect_quic(&self, lane: LaneId, place: &str) -> Result<Session, DialError> {
        let Some(quic) = &self.quic else {
            return Err(DialError::Never("QUIC was not asked for".to_owned()));
        };
        let handler = Box::new(QuicLane::new(Arc::clone(&self.port), lane));
        let channels = self
            .channels()
            .map(|(label, protocol)| quic_session::ChannelSpec::new(label).with_protocol(protocol));
        let channels: Vec<_> = channels.collect();
        let (url, config) = self.webtransport(place).map_err(DialError::Never)?;
        let session = quic.connect(&url, config, handler, &channels).await;
        session
            .map(Session::Quic)
            .map_err(|error| DialError::Later(format!("{}: QUIC: {error}", self.to)))
    }

    /// Where to connect, and whom to trust there.
    fn webtransport(&self, place: &str) -> Result<(String, ConnectConfig), String> {
        let to = &self.to;
        let place: QuicPlace = serde_json::from_str(place).map_err(|error| {
            format!("{to} says in words unknown here where its QUIC is: {error}")
        })?;
        let mut url = reqwest::Url::parse(to).map_err(|error| error.to_string())?;
        let moved = url.set_scheme("https").is_ok() && url.set_port(Some(place.port)).is_ok();
        if !moved {
            return Err(format!("{to} has no host to go to by QUIC"));
        }
        url.set_path(&place.path);
        let hashes = place.certificate_hashes.iter().map(|hash| hash.parse());
        let hashes: Result<Vec<_>, quic_session::ParseHashError> = hashes.collect();
        let trust = match hashes.map_err(|error| format!("{to}: {error}"))? {
            none if none.is_empty() && self.authorities.is_empty() => Trust::System,
            none if none.is_empty() => Trust::SystemAnd(self.authorities.clone()),
            hashes => Trust::Hashes(hashes),
        };
        let mut config = ConnectConfig::new(trust);
        config.session = session_config();
        config.timeout = QUIC_TIMEOUT;
        Ok((url.into(), config))
    }

    /// A lane's channels: label, sub-protocol.
    fn channels(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let pictures = self.pictures.then_some((PICTURES_LABEL, PICTURES_PROTOCOL));
        [(FRAMES_LABEL, ""), (RESULTS_LABEL, RESULTS_PROTOCOL)]
            .into_iter()
            .chain(pictures)
    }

    /// Waits until its channels are open.
    async fn opened(&self, lane: OpenLane) -> Result<OpenLane, DialError> {
        let until = Instant::now() + OPEN_TIMEOUT;
        while !self.port.link().is_open(lane.lane) {
            if Instant::now() >= until {
                let to = &self.to;
                let why = match &lane.session {
                    Session::Data(_) => {
                        format!("{to} answers, but no UDP comes through within {OPEN_TIMEOUT:?}")
                    }
                    Session::Quic(_) => {
                        format!("{to} takes QUIC, and then says nothing for {OPEN_TIMEOUT:?}")
                    }
                    Session::Socket(_) => format!(
                        "{to} opens a WebSocket, and then says nothing for {OPEN_TIMEOUT:?}"
                    ),
                };
                self.close(lane.session).await;
                return Err(DialError::Later(why));
            }
            // Either way it is looked at again.
            let _ = tokio::time::timeout(LOOK_EVERY, self.port.link().changed.notified()).await;
        }
        Ok(lane)
    }

    /// Ends a lane's session.
    pub(super) async fn hang_up(&self, lane: OpenLane) {
        self.drop_lane(lane.lane);
        self.close(lane.session).await;
    }

    /// Gives a lane up: what it held goes to the others.
    fn drop_lane(&self, lane: LaneId) {
        self.port.closed(Instant::now(), lane, "given up");
    }

    async fn close(&self, session: Session) {
        match session {
            // It may have ended by itself.
            Session::Data(session) => drop(self.endpoint.close(session).await),
            Session::Quic(session) => {
                if let Some(quic) = &self.quic {
                    let _ = quic.close(session);
                }
            }
            Session::Socket(task) => drop(task),
        }
    }
}

/// The client of all requests to the worker.
fn client(authorities: &[Vec<u8>]) -> Result<reqwest::Client, String> {
    let authorities = authorities
        .iter()
        .map(|it| reqwest::Certificate::from_der(it));
    let authorities: Result<Vec<_>, _> = authorities.collect();
    let said = |error: reqwest::Error| format!("the certificates of --ca cannot be used: {error}");
    reqwest::Client::builder()
        .connect_timeout(HTTP_TIMEOUT)
        .timeout(HTTP_TIMEOUT)
        .tls_certs_merge(authorities.map_err(said)?)
        .build()
        .map_err(|error| error.to_string())
}

/// The worker's address, without a slash at its end. `Err` says what is none about it.
pub(super) fn check_address(to: &str) -> Result<String, String> {
    let to = to.trim_end_matches('/').to_owned();
    let no = |why: String| {
        format!("{to:?} is no address ({why}); write http://HOST:PORT, as frame-worker prints it")
    };
    let url = reqwest::Url::parse(&to).map_err(|error| no(error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(to),
        other => Err(no(format!("{other}: is neither http: nor https:"))),
    }
}
