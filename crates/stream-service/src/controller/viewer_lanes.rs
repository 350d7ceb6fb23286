//! A viewer's lanes: how each new session finds its viewer, and the two that are not WHEP: WebTransport and WebSocket.
//!
//! Fed by the page; feeds [`crate::model::viewer`]. A page that opens several lanes gives its link a number, the same in each
//! request; the lanes' messages are one link then.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use datachannel_transport::LaneId;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use tokio::sync::Notify;

use super::origin::refuse_foreign;
use super::problem::Problem;
use super::routes::App;
use super::streams::find;
use super::whep::{busy, parse_quality};
use crate::lanes::choice::LaneKind;
use crate::lanes::end::LinkEnd as _;
use crate::lanes::quic::{QuicLane, viewer_session_config};
use crate::lanes::seat::{QuicPlace, Seat};
use crate::lanes::socket::carry;
use crate::lanes::upgrade::{bounded, messages_of};
use crate::model::params::{ParamError, parse_kbps};
use crate::model::rate::ClientWish;
use crate::model::registry::GOODBYE_WAIT;
use crate::model::stream::{Place, Stream, ViewerWish};
use crate::model::viewer::Viewer;

/// The WebSocket sub-protocol of a lane. Beside it a page may name its token, for it cannot set other headers.
pub(super) const SOCKET_PROTOCOL: &str = "frameway.lane.1";

/// What the query of each of a viewer's lanes may say.
#[derive(Debug, Deserialize)]
pub(super) struct WishQuery {
    quality: Option<String>,
    kbps: Option<String>,
    link: Option<u64>,
}

/// What a client's query asks for.
pub(super) fn rate_wish(quality: Option<&str>, kbps: Option<&str>) -> Result<ClientWish, Problem> {
    let quality = quality.map(parse_quality).transpose()?;
    let kbps = kbps.map(parse_kbps).transpose()?;
    match quality {
        Some(fixed) if kbps.is_some() && fixed.is_fixed() => Err(Problem::from(ParamError {
            field: "kbps",
            problem: format!("given beside quality={fixed}, which is fixed"),
            accepted: "kbps alone, or with quality=auto".to_owned(),
        })),
        quality => Ok(ClientWish { quality, kbps }),
    }
}

/// A place for a session of that kind; the one of the same kind before it is closed.
pub(super) async fn join(
    app: &App,
    stream: &Arc<Stream>,
    kind: LaneKind,
    wish: &WishQuery,
) -> Result<Place, Problem> {
    let wish = ViewerWish {
        link: wish.link,
        rate: rate_wish(wish.quality.as_deref(), wish.kbps.as_deref())?,
    };
    let place = stream.join(kind, wish, app.registry.clock());
    let place = place.map_err(|error| busy(error.to_string()))?;
    if let Some(seat) = &place.replaced {
        stream.endpoints.close(seat, None).await;
    }
    Ok(place)
}

/// The session has its place, unless the stream was stopped meanwhile.
pub(super) async fn take_seat(
    app: &App,
    stream: &Stream,
    (viewer, lane): (&Viewer, LaneId),
    seat: Seat,
) -> Result<(), Problem> {
    let seated = viewer.seated(lane, seat.clone());
    if seated && !stream.is_stopped() {
        return Ok(());
    }
    app.registry.endpoints().close(&seat, None).await;
    viewer.closed(Instant::now(), lane, "the stream was stopped");
    let detail = format!("the stream {:?} was just stopped", stream.id);
    Err(Problem::not_found(detail))
}

/// Says where a WebTransport session of this viewer is expected.
pub(super) async fn invite(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    wish: Result<Query<WishQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    refuse_foreign(&headers)?;
    let Query(wish) = wish.map_err(|error| Problem::bad_request(error.body_text()))?;
    let stream = find(&app, &id)?;
    let Some(quic) = &app.registry.endpoints().quic else {
        let detail = "this server serves no QUIC; it does with --quic HOST:PORT";
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "no-quic",
            "No QUIC",
            detail,
        ));
    };
    let own = quic
        .local_addr()
        .map_err(|error| busy(format!("the QUIC socket has no address: {error}")))?;
    let Place { viewer, lane, .. } = join(&app, &stream, LaneKind::Quic, &wish).await?;
    let handler = Box::new(QuicLane::new(Arc::clone(&viewer), lane));
    let invitation = quic.invite_with(handler, viewer_session_config());
    let invitation = invitation.map_err(|error| {
        viewer.closed(Instant::now(), lane, "nobody could be invited");
        busy(error.to_string())
    })?;
    let place = QuicPlace::new(quic, own, &invitation.path).of_link(viewer.epoch);
    take_seat(
        &app,
        &stream,
        (&viewer, lane),
        Seat::Quic(Box::new(invitation)),
    )
    .await?;
    let location = [(
        header::LOCATION,
        format!("/whep/{}/{}", stream.id, viewer.id),
    )];
    Ok((StatusCode::CREATED, location, Json(place)).into_response())
}

/// A lane that is a WebSocket, where no UDP passes.
pub(super) async fn socket(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    wish: Result<Query<WishQuery>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    refuse_foreign(&headers)?;
    let Query(wish) = wish.map_err(|error| Problem::bad_request(error.body_text()))?;
    let upgrade = upgrade.map_err(|error| Problem::bad_request(error.body_text()))?;
    let stream = find(&app, &id)?;
    let Place { viewer, lane, .. } = join(&app, &stream, LaneKind::WebSocket, &wish).await?;
    let end = Arc::new(Notify::new());
    take_seat(
        &app,
        &stream,
        (&viewer, lane),
        Seat::Socket(Arc::clone(&end)),
    )
    .await?;
    let failed = Arc::clone(&viewer);
    let upgrade = bounded(upgrade)
        .protocols([SOCKET_PROTOCOL])
        .on_failed_upgrade(move |error: axum::Error| {
            failed.closed(Instant::now(), lane, &error.to_string());
        });
    Ok(upgrade.on_upgrade(move |socket| async move {
        let carried = carry(Arc::clone(&viewer), lane, messages_of(socket), Vec::new());
        tokio::pin!(carried);
        tokio::select! {
            () = &mut carried => return,
            () = end.notified() => {}
        }
        // The page hears a goodbye and closes; one that does not is not waited for.
        let _ = tokio::time::timeout(GOODBYE_WAIT, carried).await;
        viewer.closed(Instant::now(), lane, "closed here");
    }))
}
