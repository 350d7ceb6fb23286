//! A stream for `<img>`: multipart MJPEG at the client's own quality or bitrate, and a snapshot.
//!
//! Fed by [`super::picture_feed`]; each part says its length, its place in the content and when it was shown.

use std::convert::Infallible;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jpeg_optimizer::EncodedJpeg;
use serde::Deserialize;

use super::picture_feed::PictureFeed;
use super::problem::Problem;
use super::routes::App;
use super::streams::find;
use super::viewer_lanes::rate_wish;
use super::whep::busy;
use crate::http_socket::SendSide;
use crate::pipeline::fanout::Released;

/// How long a snapshot waits for a stream's first frame.
const FIRST_FRAME_WAIT: Duration = Duration::from_secs(5);

#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    quality: Option<String>,
    kbps: Option<String>,
}

/// `{id}.mjpg` or `{id}.jpg`.
pub(super) async fn serve(
    State(app): State<App>,
    Path(file): Path<String>,
    wish: Result<Query<Wish>, QueryRejection>,
    socket: Option<Extension<ConnectInfo<SendSide>>>,
) -> Result<Response, Problem> {
    let Query(wish) = wish.map_err(|error| Problem::bad_request(error.body_text()))?;
    let wish = rate_wish(wish.quality.as_deref(), wish.kbps.as_deref())?;
    let (id, is_stream) = match (file.strip_suffix(".mjpg"), file.strip_suffix(".jpg")) {
        (Some(id), _) => (id, true),
        (None, Some(id)) => (id, false),
        (None, None) => {
            return Err(Problem::not_found(format!(
                "{file:?} is neither ID.mjpg (a stream) nor ID.jpg (a snapshot)"
            )));
        }
    };
    let socket = socket.filter(|_| is_stream);
    let socket = socket.map(|Extension(ConnectInfo(side))| (side, app.mjpeg_stall_limit));
    let feed = PictureFeed::join(find(&app, id)?, wish, socket);
    let feed = feed.map_err(|error| busy(error.to_string()))?;
    if is_stream {
        Ok(multipart(feed))
    } else {
        snapshot(feed).await
    }
}

const BOUNDARY: &str = "frameway-frame";

fn multipart(feed: PictureFeed) -> Response {
    let parts = stream::unfold(feed, |mut feed| async move {
        let (released, jpeg) = feed.next().await?;
        Some((Ok::<_, Infallible>(part(&released, &jpeg)), feed))
    });
    let kind = format!("multipart/x-mixed-replace; boundary={BOUNDARY}");
    let kind = HeaderValue::from_str(&kind)
        .unwrap_or(HeaderValue::from_static("multipart/x-mixed-replace"));
    let headers = [(header::CONTENT_TYPE, kind)];
    (StatusCode::OK, headers, Body::from_stream(parts)).into_response()
}

fn part(released: &Released, jpeg: &EncodedJpeg) -> Bytes {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: {:.6}\r\nX-Released: {:.6}\r\n\
         X-Frame-Id: {}\r\nX-Quality: {}\r\n\r\n",
        jpeg.bytes.len(),
        released.frame.pts.as_secs_f64(),
        unix_seconds(released.at),
        released.frame.id.0,
        jpeg.quality,
    );
    let mut part = BytesMut::with_capacity(head.len() + jpeg.bytes.len() + 2);
    part.extend_from_slice(head.as_bytes());
    part.extend_from_slice(&jpeg.bytes);
    part.extend_from_slice(b"\r\n");
    part.freeze()
}

/// A moment of this process's clock, as seconds since 1970.
fn unix_seconds(at: Instant) -> f64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let at = since_1970.unwrap_or_default().saturating_sub(at.elapsed());
    at.as_secs_f64()
}

async fn snapshot(mut feed: PictureFeed) -> Result<Response, Problem> {
    let id = feed.stream_id().to_owned();
    match tokio::time::timeout(FIRST_FRAME_WAIT, feed.next()).await {
        Ok(Some((_, jpeg))) => {
            let quality = HeaderValue::from(u16::from(jpeg.quality.get()));
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
            headers.insert(HeaderName::from_static("x-quality"), quality);
            Ok((headers, jpeg.bytes).into_response())
        }
        Ok(None) => Err(Problem::not_found(format!("the stream {id:?} was stopped"))),
        Err(_) => Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no-frame",
            "No frame yet",
            format!(
                "the stream {id:?} showed no frame within {FIRST_FRAME_WAIT:?}; see its state at /api/v1/streams/{id}"
            ),
        )),
    }
}
