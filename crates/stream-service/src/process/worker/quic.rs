//! WebTransport sessions as lanes of a link: a sender is told where one is expected, and comes.
//!
//! Called by `routes`; the lane itself is `lanes::quic`.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use quic_session::InviteError;

use super::links::Place;
use super::routes::{App, refused};
use crate::controller::{Problem, refuse_foreign};
use crate::lanes::end::LinkEnd as _;
use crate::lanes::quic::{QuicLane, session_config};
use crate::lanes::seat::{QuicPlace, Seat};
use crate::process::protocol::{LinkQuery, OFFER_PATH};

/// A place in a link for a WebTransport session.
pub(super) async fn invite(
    State(app): State<App>,
    headers: HeaderMap,
    query: Result<Query<LinkQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    refuse_foreign(&headers)?;
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let Some(quic) = &app.endpoints.quic else {
        let detail = "this worker serves no QUIC; it does with --quic HOST:PORT";
        return Err(Problem::not_found(detail.to_owned()));
    };
    if query.link.is_none() {
        let detail = "a WebTransport session is one lane of a link: name it, with link=NUMBER";
        return Err(Problem::bad_request(detail));
    }
    let place = app.links.join(Instant::now(), &query);
    let Place {
        port,
        lane,
        replaced,
        superseded,
    } = place.map_err(|error| refused(&error))?;
    app.vacate(replaced, superseded).await;
    let handler = Box::new(QuicLane::new(Arc::clone(&port), lane));
    let own = quic.local_addr().map_err(|error| {
        Problem::bad_request(format!("the QUIC socket has no address: {error}"))
    })?;
    let invitation = quic.invite_with(handler, session_config());
    let invitation = invitation.map_err(|error| {
        port.closed(Instant::now(), lane, "nobody could be invited");
        unavailable(&error)
    })?;
    let place = QuicPlace::new(quic, own, &invitation.path);
    app.links.seated(lane, Seat::Quic(Box::new(invitation)));
    let location = [(header::LOCATION, format!("{OFFER_PATH}/{}", lane.0))];
    Ok((StatusCode::CREATED, location, Json(place)).into_response())
}

fn unavailable(error: &InviteError) -> Problem {
    let text = error.to_string();
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Busy", text)
}
