//! Opens a lane: an offer to the worker by HTTP, its answer, and the wait until both channels are open.
//!
//! Used by `lanes`; feeds `link` with the lane. Whether the worker knows the link decides between joining it and making it
//! anew (`protocol`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use datachannel_transport::LaneId;
use reqwest::StatusCode;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use webrtc_session::driver::Endpoint;
use webrtc_session::{ChannelSpec, SessionConfig, SessionId};

use quic_session::{ConnectConfig, Trust};

use super::link::SendLink;
use super::options::SendOptions;
use super::socket::{accepted, asking};
use crate::process::data_lane::DataLane;
use crate::process::lane::LinkEnd as _;
use crate::process::port::Port;
use crate::process::protocol::{
    FRAMES_LABEL, LinkQuery, NEXT_PATH, OFFER_PATH, PICTURES_LABEL, PICTURES_PROTOCOL, QUIC_LANE,
    QUIC_PATH, QuicPlace, RESULTS_LABEL, RESULTS_PROTOCOL, SOCKET_LANE, SOCKET_PATH,
};
use crate::process::quic_lane::{QuicLane, session_config};
use crate::process::socket_lane::{SocketChannel, carry};

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

/// A task that ends with its lane.
#[derive(Debug)]
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Opens lanes of one link.
pub(super) struct Dialer {
    http: reqwest::Client,
    to: String,
    token: Option<String>,
    endpoint: Endpoint,
    quic: Option<quic_session::Endpoint>,
    port: Arc<Port<SendLink>>,
    link_name: u64,
    /// Lanes have a channel for processed frames.
    pictures: bool,
    session: SessionConfig,
    lanes_made: AtomicU32,
    /// The epoch under which the worker has made the link; one offer at a time may make it.
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
        let http = reqwest::Client::builder()
            .connect_timeout(HTTP_TIMEOUT)
            .timeout(HTTP_TIMEOUT)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            http,
            to,
            token: options.token.clone(),
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
        let mut made = self.made.lock().await;
        let link = self.port.link();
        let epoch = link.epoch();
        let attach = *made == Some(epoch);
        self.port.join(Instant::now(), lane, number);
        let outcome = match number {
            QUIC_LANE => self.quic(lane, attach).await,
            SOCKET_LANE => self.socket(lane, attach).await,
            _ => self.offer(lane, number, attach).await,
        };
        match &outcome {
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
        drop(made);
        let opened = match outcome {
            Ok(session) => self.opened(OpenLane { lane, session }).await,
            Err(Answer::Unknown) => Err(DialError::Later("the worker was started anew".to_owned())),
            Err(Answer::Failed(error)) => Err(error),
        };
        if opened.is_err() {
            self.drop_lane(lane);
        }
        opened
    }

    /// Gives the lanes of the link that is done to `next`, here and at the worker, without opening any. Where the worker
    /// has no such link any more, they are dialled anew.
    pub(super) async fn take_over(&self, next: &Arc<SendLink>) -> Result<(), DialError> {
        let made = self.made.lock().await;
        let after = self.port.link().epoch();
        self.port.hand_over(Instant::now(), next, true);
        if *made != Some(after) {
            // No lane was ever open, or the worker had forgotten that link too.
            self.port.forget_lanes(Instant::now());
            self.port.unmute();
            return Ok(());
        }
        drop(made);
        self.ask_again().await
    }

    /// Asks the worker, until it answers, to give the lanes to the link that has them here.
    pub(super) async fn ask_again(&self) -> Result<(), DialError> {
        let mut made = self.made.lock().await;
        let epoch = self.port.link().epoch();
        let Some(after) = made.filter(|after| *after != epoch) else {
            // A lane that was dialled meanwhile has made it.
            self.port.unmute();
            return Ok(());
        };
        match self.ask_to_take_over(after).await {
            Ok(()) => *made = Some(epoch),
            Err(Answer::Unknown) => {
                *made = None;
                self.port.forget_lanes(Instant::now());
            }
            Err(Answer::Failed(error)) => return Err(error),
        }
        self.port.unmute();
        Ok(())
    }

    async fn ask_to_take_over(&self, after: u32) -> Result<(), Answer> {
        let query = LinkQuery {
            after: Some(after),
            ..self.query(0, false)
        };
        let url = format!("{}{NEXT_PATH}?{}", self.to, query.to_query());
        let response = self.with_token(self.http.post(url)).send().await;
        let response = response.map_err(|error| self.unreachable(&error))?;
        self.answer(response).await.map(drop)
    }

    /// A lane that goes by WebTransport.
    async fn quic(&self, lane: LaneId, attach: bool) -> Result<Session, Answer> {
        let Some(quic) = &self.quic else {
            return Err(never("QUIC was not asked for".to_owned()));
        };
        let query = self.query(QUIC_LANE, attach).to_query();
        let request = self.http.post(format!("{}{QUIC_PATH}?{query}", self.to));
        let response = self.with_token(request).send().await;
        let response = response.map_err(|error| self.unreachable(&error))?;
        let place = self.answer(response).await?;
        let handler = Box::new(QuicLane::new(Arc::clone(&self.port), lane));
        let channels = self
            .channels()
            .map(|(label, protocol)| quic_session::ChannelSpec::new(label).with_protocol(protocol));
        let channels: Vec<_> = channels.collect();
        let own = quic
            .local_addr()
            .map_err(|error| later(error.to_string()))?;
        let (url, config) = self.webtransport(&place, own).map_err(never)?;
        let session = quic.connect(&url, config, handler, &channels).await;
        session
            .map(Session::Quic)
            .map_err(|error| later(format!("{}: QUIC: {error}", self.to)))
    }

    /// Where to connect, and whom to trust there.
    fn webtransport(
        &self,
        place: &str,
        own: SocketAddr,
    ) -> Result<(String, ConnectConfig), String> {
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
            none if none.is_empty() => Trust::System,
            hashes => Trust::Hashes(hashes),
        };
        let mut config = ConnectConfig::new(trust);
        config.session = session_config(own);
        config.timeout = QUIC_TIMEOUT;
        Ok((url.into(), config))
    }

    /// A lane that is a WebSocket.
    async fn socket(&self, lane: LaneId, attach: bool) -> Result<Session, Answer> {
        let query = self.query(SOCKET_LANE, attach).to_query();
        let request = self.http.get(format!("{}{SOCKET_PATH}?{query}", self.to));
        let (request, proof) = asking(self.with_token(request));
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return self.answer(response).await.and_then(|_| {
                let to = &self.to;
                Err(never(format!(
                    "{to} does not speak WebSocket at {SOCKET_PATH}"
                )))
            });
        }
        let socket = accepted(response, &proof).await;
        let socket = socket.map_err(|why| later(format!("{}: {why}", self.to)))?;
        let channels = self.channels().map(|(label, protocol)| SocketChannel {
            label: label.to_owned(),
            protocol: protocol.to_owned(),
        });
        let carried = carry(Arc::clone(&self.port), lane, socket, channels.collect());
        let task = tokio::spawn(carried).abort_handle();
        Ok(Session::Socket(AbortOnDrop(task)))
    }

    /// A lane's channels: label, sub-protocol.
    fn channels(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let pictures = self.pictures.then_some((PICTURES_LABEL, PICTURES_PROTOCOL));
        [(FRAMES_LABEL, ""), (RESULTS_LABEL, RESULTS_PROTOCOL)]
            .into_iter()
            .chain(pictures)
    }

    async fn offer(&self, lane: LaneId, number: u8, attach: bool) -> Result<Session, Answer> {
        let handler = Box::new(DataLane::new(Arc::clone(&self.port), lane));
        let channels = self.channels();
        let channels: Vec<_> = channels
            .map(|(label, protocol)| ChannelSpec::reliable(label).speaking(protocol))
            .collect();
        let config = self.session.clone();
        let connecting = self.endpoint.connect_with(handler, &channels, config).await;
        let (offer, pending) = connecting.map_err(|error| never(error.to_string()))?;
        let session = pending.session();
        let answered = match self.ask(number, attach, offer).await {
            Ok(sdp) => pending
                .accept_answer(&sdp)
                .await
                .map_err(|error| never(format!("the worker's answer cannot be used: {error}"))),
            Err(error) => Err(error),
        };
        if answered.is_err() {
            // It never connected.
            let _ = self.endpoint.close(session).await;
        }
        answered.map(Session::Data)
    }

    fn with_token(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// What names the link and one of its lanes.
    fn query(&self, number: u8, attach: bool) -> LinkQuery {
        LinkQuery {
            link: Some(self.link_name),
            lane: number,
            attach,
            ..self.port.link().query()
        }
    }

    /// The worker's answer to an offer.
    async fn ask(&self, number: u8, attach: bool, offer: String) -> Result<String, Answer> {
        let query = self.query(number, attach).to_query();
        let request = self.http.post(format!("{}{OFFER_PATH}?{query}", self.to));
        let request = self.with_token(request);
        let response = request
            .header("content-type", "application/sdp")
            .body(offer)
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        self.answer(response).await
    }

    /// The body of a response that says yes.
    async fn answer(&self, response: reqwest::Response) -> Result<String, Answer> {
        let status = response.status();
        let body = response
            .text()
            .await
            .map_err(|error| self.unreachable(&error))?;
        match status {
            status if status.is_success() => Ok(body),
            StatusCode::NOT_FOUND if body.contains("unknown-link") => Err(Answer::Unknown),
            status if status.is_server_error() => Err(later(self.refusal(status, &body))),
            status => Err(never(self.refusal(status, &body))),
        }
    }

    fn refusal(&self, status: StatusCode, body: &str) -> String {
        let problem: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let detail = problem.get("detail").and_then(serde_json::Value::as_str);
        let to = &self.to;
        match detail {
            Some(detail) => format!("{to} answered {status}: {detail}"),
            None => format!("{to} answered {status}; is it a frame-worker?"),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Answer {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        later(format!(
            "{} cannot be reached: {cause}; is the worker running?",
            self.to
        ))
    }

    /// Asks by HTTP whether the worker still has the link. `false`: it says no, or nobody listens there any more; when the
    /// path is cut too, nothing is known and it is `true`.
    pub(super) async fn is_known(&self) -> bool {
        let query = LinkQuery {
            link: Some(self.link_name),
            epoch: self.port.link().epoch(),
            ..LinkQuery::default()
        };
        let url = format!("{}{OFFER_PATH}?{}", self.to, query.to_query());
        match self.with_token(self.http.get(url)).send().await {
            Ok(response) => response.status().is_success(),
            Err(error) => !error.is_connect() || error.is_timeout(),
        }
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

/// What an offer can come to, other than an answer.
enum Answer {
    /// The worker does not know the link.
    Unknown,
    Failed(DialError),
}

fn later(why: String) -> Answer {
    Answer::Failed(DialError::Later(why))
}

fn never(why: String) -> Answer {
    Answer::Failed(DialError::Never(why))
}
