//! WHEP (draft-ietf-wish-whep): a viewer's offer becomes a session; PATCH trickles candidates, DELETE ends it.
//!
//! Fed by the page or any WHEP player; feeds [`crate::model::viewer`].

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use datachannel_transport::GoodbyeCode;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use webrtc_session::{AcceptError, SdpError, SessionError};

use super::problem::{Problem, content_type, read_body};
use super::routes::App;
use super::streams::find;
use super::viewer_lanes::{WishQuery, join, take_seat};
use crate::lanes::choice::LaneKind;
use crate::lanes::data::DataLane;
use crate::lanes::end::LinkEnd as _;
use crate::lanes::seat::Seat;
use crate::model::params::IceServer;
use crate::model::quality::QualityWish;
use crate::model::registry::GOODBYE_WAIT;
use crate::model::stream::{Place, Stream};
use crate::model::viewer::{Viewer, ViewerId};

/// The largest session description or fragment, in bytes.
const MAX_SDP_BYTES: usize = 64 * 1024;

/// Takes an offer in; answers with the description and the viewer's own resource.
pub(super) async fn offer(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(wish): Query<WishQuery>,
    request: Request,
) -> Result<Response, Problem> {
    let stream = find(&app, &id)?;
    let sdp = body_of_type(request, "application/sdp").await?;
    let place = join(&app, &stream, LaneKind::Data, &wish).await?;
    let Place { viewer, lane, .. } = place;
    let handler = Box::new(DataLane::new(Arc::clone(&viewer), lane));
    let endpoint = &app.registry.endpoints().data;
    let accepted = endpoint.accept(&sdp, handler).await.map_err(|error| {
        viewer.closed(Instant::now(), lane, "its offer was refused");
        refused(error)
    })?;
    take_seat(&app, &stream, (&viewer, lane), Seat::Data(accepted.session)).await?;
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/sdp"),
    );
    insert(
        &mut headers,
        header::LOCATION,
        &format!("/whep/{}/{}", stream.id, viewer.id),
    );
    insert(&mut headers, header::ETAG, &format!("\"{}-1\"", viewer.id));
    for server in &stream.params.ice_servers {
        append_links(&mut headers, server);
    }
    Ok((StatusCode::CREATED, headers, accepted.answer_sdp).into_response())
}

/// Says what may be posted (WHEP §4.1).
pub(super) async fn options(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let stream = find(&app, &id)?;
    let mut headers = HeaderMap::new();
    headers.insert("accept-post", HeaderValue::from_static("application/sdp"));
    for server in &stream.params.ice_servers {
        append_links(&mut headers, server);
    }
    Ok((StatusCode::NO_CONTENT, headers).into_response())
}

/// Trickled candidates (RFC 8840). The server is ICE-lite and learns a viewer's addresses from its checks, so they
/// are a help, not a need. A fragment with new credentials asks for a restart, which needs a new offer.
pub(super) async fn patch(
    State(app): State<App>,
    Path((id, viewer)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let stream = find(&app, &id)?;
    let viewer = find_viewer(&stream, &viewer)?;
    let fragment = body_of_type(request, "application/trickle-ice-sdpfrag").await?;
    let session = viewer.data_session().ok_or_else(|| gone(viewer.id))?;
    match app
        .registry
        .endpoints()
        .data
        .add_remote_candidates(session, &fragment)
        .await
    {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(SessionError::Sdp(error @ SdpError::OtherCredentials)) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "ice-restart",
            "ICE restart",
            error.to_string(),
        )),
        Err(SessionError::Sdp(error)) => Err(Problem::bad_request(error.to_string())),
        Err(_) => Err(gone(viewer.id)),
    }
}

/// Ends a viewer's session.
pub(super) async fn close(
    State(app): State<App>,
    Path((id, viewer)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let stream = find(&app, &id)?;
    close_viewer(&stream, &viewer, "closed by the viewer").await?;
    Ok(StatusCode::OK)
}

/// A person who opens the session's URL learns what it is.
pub(super) async fn not_a_page(Path((id, _)): Path<(String, String)>) -> Problem {
    let detail =
        format!("this is a WHEP session, which takes PATCH and DELETE; watch at /?stream={id}");
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "Method not allowed",
        detail,
    )
}

/// Says goodbye to one viewer and closes its session.
pub(super) async fn close_viewer(
    stream: &Arc<Stream>,
    viewer: &str,
    reason: &str,
) -> Result<(), Problem> {
    let viewer = find_viewer(stream, viewer)?;
    viewer.goodbye(Instant::now(), GoodbyeCode::Done, reason);
    for seat in viewer.seats() {
        stream.endpoints.close(&seat, Some(GOODBYE_WAIT)).await;
    }
    Ok(())
}

fn find_viewer(stream: &Stream, id: &str) -> Result<Arc<Viewer>, Problem> {
    let viewer = id.parse::<ViewerId>().ok().and_then(|id| stream.viewer(id));
    viewer.ok_or_else(|| {
        Problem::not_found(format!(
            "the stream {:?} has no connection {id:?}; it may have closed",
            stream.id
        ))
    })
}

fn gone(viewer: ViewerId) -> Problem {
    Problem::not_found(format!("the connection {viewer} has closed"))
}

pub(super) fn busy(detail: String) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "busy",
        "Too many viewers",
        detail,
    )
}

fn refused(error: AcceptError) -> Problem {
    match error {
        AcceptError::Busy { .. } | AcceptError::EndpointClosed => busy(error.to_string()),
        AcceptError::Sdp(SdpError::NoDataChannel { .. }) => {
            let detail = format!("{error}; label it \"frames\" (docs/wire.md)");
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "no-data-channel",
                "No data channel offered",
                detail,
            )
        }
        error => Problem::new(
            StatusCode::BAD_REQUEST,
            "bad-sdp",
            "The offer cannot be used",
            error.to_string(),
        ),
    }
}

pub(super) fn parse_quality(text: &str) -> Result<QualityWish, Problem> {
    text.parse::<QualityWish>().map_err(|error| {
        Problem::about_field(
            "quality",
            "out-of-range",
            "A parameter cannot be taken",
            error,
        )
    })
}

async fn body_of_type(request: Request, wanted: &str) -> Result<String, Problem> {
    let kind = content_type(request.headers());
    if kind != wanted {
        return Err(Problem::unsupported_media_type(&kind, wanted));
    }
    let body = read_body(request, MAX_SDP_BYTES).await?;
    String::from_utf8(body.into()).map_err(|_| Problem::bad_request("the body is not UTF-8 text"))
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// One `Link` per URL (WHIP, RFC 9725 §4.6, which WHEP takes over).
fn append_links(headers: &mut HeaderMap, server: &IceServer) {
    for url in &server.urls {
        let mut link = format!("<{url}>; rel=\"ice-server\"");
        if let (Some(user), Some(credential)) = (&server.username, &server.credential) {
            link.push_str(&format!(
                "; username=\"{user}\"; credential=\"{credential}\"; credential-type=\"password\""
            ));
        }
        if let Ok(value) = HeaderValue::from_str(&link) {
            headers.append(header::LINK, value);
        }
    }
}
