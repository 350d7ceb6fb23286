//! The worker's HTTP: offers in, answers out, and how it fares.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use axum::{Json, Router, middleware};
use datachannel_transport::LaneId;
use http::{HeaderValue, StatusCode, Uri, header};
use webrtc_session::{AcceptError, SessionConfig};

use super::links::{JoinError, Links};
use super::metrics::exposition;
use super::quic::invite;
use super::socket::socket;
use crate::controller::{Problem, Token, content_type, read_body, require_token};
use crate::lanes::data::DataLane;
use crate::lanes::end::LinkEnd as _;
use crate::lanes::figures::figures;
use crate::lanes::seat::{Endpoints, Seat};
use crate::process::protocol::{LinkQuery, NEXT_PATH, OFFER_PATH, QUIC_PATH, SOCKET_PATH};

/// The largest session description, in bytes.
const MAX_SDP_BYTES: usize = 64 * 1024;

/// How long a session that is closed may still send what it has, its goodbye for one.
pub(super) const DRAIN: Duration = Duration::from_secs(1);

/// What the handlers share.
#[derive(Clone)]
pub(super) struct App {
    pub(super) links: Arc<Links>,
    pub(super) endpoints: Endpoints,
    pub(super) processors: Arc<[String]>,
}

impl App {
    /// Ends the sessions whose lanes another has taken over, and those whose link another has, once they have said goodbye.
    pub(super) async fn vacate(&self, replaced: Vec<Seat>, superseded: Vec<Seat>) {
        for seat in superseded {
            // It may have ended by itself.
            self.endpoints.close(&seat, Some(DRAIN)).await;
        }
        for seat in replaced {
            self.endpoints.close(&seat, None).await;
        }
    }
}

pub(super) fn router(app: App, token: Option<String>) -> Router {
    Router::new()
        .route("/", get(status))
        .route(OFFER_PATH, post(offer).get(known))
        .route(NEXT_PATH, post(next))
        .route("/whip/frames/{lane}", delete(close))
        .route(QUIC_PATH, post(invite))
        .route(SOCKET_PATH, any(socket))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(unknown_route)
        .layer(middleware::from_fn_with_state(
            Token(token.map(Arc::from)),
            require_token,
        ))
        .with_state(app)
}

async fn offer(
    State(app): State<App>,
    query: Result<Query<LinkQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let kind = content_type(request.headers());
    if kind != "application/sdp" {
        return Err(Problem::unsupported_media_type(&kind, "application/sdp"));
    }
    let body = read_body(request, MAX_SDP_BYTES).await?;
    let sdp = str::from_utf8(&body)
        .map_err(|_| Problem::bad_request("the session description is not UTF-8"))?;
    let place = app
        .links
        .join(Instant::now(), &query)
        .map_err(|error| refused(&error))?;
    let lane = place.lane;
    app.vacate(place.replaced, place.superseded).await;
    let handler = Box::new(DataLane::new(Arc::clone(&place.port), lane));
    let accepted = app
        .endpoints
        .data
        .accept_with(sdp, handler, SessionConfig::own_peer())
        .await;
    let accepted = match accepted {
        Ok(accepted) => accepted,
        Err(error) => {
            place
                .port
                .closed(Instant::now(), lane, "its offer was refused");
            return Err(unusable(&error));
        }
    };
    app.links.seated(lane, Seat::Data(accepted.session));
    let location = format!("{OFFER_PATH}/{}", lane.0);
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/sdp"),
        ),
        (header::LOCATION, header_value(&location)),
    ];
    Ok((StatusCode::CREATED, headers, accepted.answer_sdp).into_response())
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// Whether a link is known: a sender that hears nothing asks before it waits any longer.
async fn known(
    State(app): State<App>,
    query: Result<Query<LinkQuery>, QueryRejection>,
) -> Result<StatusCode, Problem> {
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    app.links.knows(&query).map_err(|error| refused(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// A sender's next video, over the lanes that it has.
async fn next(
    State(app): State<App>,
    query: Result<Query<LinkQuery>, QueryRejection>,
) -> Result<StatusCode, Problem> {
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let links = Arc::clone(&app.links);
    // Starts and ends threads, which may block.
    let made = tokio::task::spawn_blocking(move || links.take_over(Instant::now(), &query));
    let made = made
        .await
        .unwrap_or_else(|stopped| Err(JoinError::Pipeline(stopped.to_string())));
    made.map_err(|error| refused(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn close(State(app): State<App>, Path(lane): Path<u32>) -> Result<Response, Problem> {
    let closed = match app.links.session(LaneId(lane)) {
        Some(seat) => app.endpoints.close(&seat, Some(DRAIN)).await,
        None => false,
    };
    if closed {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Err(Problem::not_found(format!(
        "there is no session {lane} here"
    )))
}

/// What the worker is doing: for a person, and for a script.
async fn status(State(app): State<App>) -> Response {
    let links = app.links.snapshots(Instant::now());
    Json(serde_json::json!({
        "service": "frame-worker",
        "processors": *app.processors,
        "offers": OFFER_PATH,
        "links": links,
    }))
    .into_response()
}

async fn ready(State(app): State<App>) -> Response {
    if app.endpoints.data.is_running() {
        return "ready\n".into_response();
    }
    let detail = "the UDP socket's task has ended; restart the worker";
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not-ready",
        "Not ready",
        detail,
    )
    .into_response()
}

/// Prometheus' text format.
async fn metrics(State(app): State<App>) -> Response {
    let links = app.links.snapshots(Instant::now());
    let made = app.links.made();
    let endpoints = figures(&app.endpoints);
    let text = exposition(&links, made, app.links.broken(), endpoints);
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (kind, text).into_response()
}

async fn unknown_route(uri: Uri) -> Response {
    let detail = format!(
        "there is no {:?} here; offers go to POST {OFFER_PATH}, the state is at /",
        uri.path()
    );
    Problem::not_found(detail).into_response()
}

pub(super) fn refused(error: &JoinError) -> Problem {
    let text = error.to_string();
    match error {
        JoinError::Unknown { .. } => {
            Problem::new(StatusCode::NOT_FOUND, "unknown-link", "Unknown link", text)
        }
        JoinError::TooMany => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Busy", text),
        JoinError::BadQuery(_) => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "out-of-range",
            "A parameter cannot be taken",
            text,
        ),
        JoinError::Pipeline(_) => Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "pipeline",
            "The pipeline cannot be started",
            text,
        ),
    }
}

fn unusable(error: &AcceptError) -> Problem {
    let text = error.to_string();
    match error {
        AcceptError::Busy { .. } => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Busy", text)
        }
        AcceptError::EndpointClosed => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not-ready",
            "Not ready",
            text,
        ),
        _ => Problem::new(
            StatusCode::BAD_REQUEST,
            "bad-offer",
            "The offer cannot be used",
            text,
        ),
    }
}
