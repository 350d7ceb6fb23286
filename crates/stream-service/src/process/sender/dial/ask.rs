//! The requests that ask a worker for room for a lane, and what its answers mean.
//!
//! Called by `dial`; each is bounded in time by the HTTP client's own limits.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use datachannel_transport::LaneId;
use reqwest::StatusCode;
use webrtc_session::ChannelSpec;

use super::{AbortOnDrop, DialError, Dialer, Seat};
use crate::lanes::data::DataLane;
use crate::lanes::socket::{SocketChannel, carry};
use crate::process::protocol::{
    LinkQuery, OFFER_PATH, QUIC_LANE, QUIC_PATH, SOCKET_LANE, SOCKET_PATH,
};
use crate::process::sender::socket::{accepted, asking};

/// How rustls begins what it says of a certificate that it does not take.
const NOT_TRUSTED: &str = "invalid peer certificate: ";
/// What it says where the other end does not speak TLS.
const NO_TLS: &str = "InvalidContentType";

/// What a request can come to, other than room.
pub(super) enum Answer {
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

impl Dialer {
    /// A place for a WebTransport session.
    pub(super) async fn ask_for_quic(&self, attach: bool) -> Result<Seat, Answer> {
        let query = self.query(QUIC_LANE, attach).to_query();
        let request = self.http.post(format!("{}{QUIC_PATH}?{query}", self.to));
        let response = self.with_token(request).send().await;
        let response = response.map_err(|error| self.unreachable(&error))?;
        self.answer(response).await.map(Seat::Quic)
    }

    /// A WebSocket, which carries the lane from here on.
    pub(super) async fn ask_for_socket(&self, lane: LaneId, attach: bool) -> Result<Seat, Answer> {
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
        Ok(Seat::Socket(AbortOnDrop(task)))
    }

    /// The answer to an offer of data channels.
    pub(super) async fn ask_for_data(
        &self,
        lane: LaneId,
        number: u8,
        attach: bool,
    ) -> Result<Seat, Answer> {
        let handler = Box::new(DataLane::new(Arc::clone(&self.port), lane));
        let channels = self.channels();
        let channels: Vec<_> = channels
            .map(|(label, protocol)| ChannelSpec::reliable(label).speaking(protocol))
            .collect();
        let config = self.session.clone();
        let connecting = self.endpoint.connect_with(handler, &channels, config).await;
        let (offer, pending) = connecting.map_err(|error| never(error.to_string()))?;
        let session = pending.session();
        match self.send_offer(number, attach, offer).await {
            Ok(answer) => Ok(Seat::Data { pending, answer }),
            Err(error) => {
                // It never connected.
                let _ = self.endpoint.close(session).await;
                Err(error)
            }
        }
    }

    pub(super) fn with_token(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// What names the link and one of its lanes.
    pub(super) fn query(&self, number: u8, attach: bool) -> LinkQuery {
        LinkQuery {
            link: Some(self.link_name),
            lane: number,
            attach,
            ..self.port.link().query()
        }
    }

    /// The worker's answer to an offer.
    async fn send_offer(&self, number: u8, attach: bool, offer: String) -> Result<String, Answer> {
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
    pub(super) async fn answer(&self, response: reqwest::Response) -> Result<String, Answer> {
        let status = response.status();
        self.answered.store(true, Ordering::Relaxed);
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

    pub(super) fn unreachable(&self, error: &reqwest::Error) -> Answer {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let (to, cause) = (&self.to, cause.to_string());
        if let Some(reason) = cause.strip_prefix(NOT_TRUSTED) {
            let why = format!(
                "{to} shows a certificate that is not trusted here: {reason}; name its authority with --ca FILE, and the \
                 worker as the certificate does"
            );
            // A worker that was fine may get a better one.
            return if self.answered.load(Ordering::Relaxed) {
                later(why)
            } else {
                never(why)
            };
        }
        if cause.contains(NO_TLS) {
            let plain = to.replacen("https:", "http:", 1);
            return never(format!("{to} speaks no HTTPS; write {plain}"));
        }
        later(format!(
            "{to} cannot be reached: {cause}; is the worker running?"
        ))
    }

    /// Asks by HTTP whether the worker still has the link. `false`: it says no, or nobody listens there any more; when the
    /// path is cut too, nothing is known and it is `true`.
    pub(in crate::process::sender) async fn is_known(&self) -> bool {
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
}
