//! A stream for `<img>`: multipart MJPEG at the client's own quality, and a snapshot.
//!
//! Newest frame wins: a client that reads slowly skips frames and costs the others nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use tokio::sync::watch;

use super::problem::Problem;
use super::routes::App;
use super::streams::find;
use crate::model::quality::QualityChoice;
use crate::model::stream::Stream;
use crate::pipeline::fanout::{Released, encode_for};

/// How long a snapshot waits for a stream's first frame.
const FIRST_FRAME_WAIT: Duration = Duration::from_secs(5);

#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    quality: Option<String>,
}

/// `{id}.mjpg` or `{id}.jpg`.
pub(super) async fn serve(
    State(app): State<App>,
    Path(file): Path<String>,
    Query(wish): Query<Wish>,
) -> Result<Response, Problem> {
    let quality: Option<QualityChoice> = match wish.quality.as_deref().map(str::parse) {
        None => None,
        Some(Ok(quality)) => Some(quality),
        Some(Err(error)) => {
            return Err(Problem::about_field(
                "quality",
                "out-of-range",
                "A parameter cannot be taken",
                error,
            ));
        }
    };
    if let Some(id) = file.strip_suffix(".mjpg") {
        Ok(multipart(Client::new(find(&app, id)?, quality)))
    } else if let Some(id) = file.strip_suffix(".jpg") {
        snapshot(Client::new(find(&app, id)?, quality)).await
    } else {
        Err(Problem::not_found(format!(
            "{file:?} is neither ID.mjpg (a stream) nor ID.jpg (a snapshot)"
        )))
    }
}

/// One HTTP client; while it lives, the stream counts as watched.
struct Client {
    stream: Arc<Stream>,
    quality: Option<QualityChoice>,
    frames: watch::Receiver<Option<Released>>,
}

impl Client {
    fn new(stream: Arc<Stream>, quality: Option<QualityChoice>) -> Self {
        let mut frames = stream.latest.subscribe();
        // The last frame counts as new to a client that has just come.
        frames.mark_changed();
        stream.begin_watching(None);
        Self {
            stream,
            quality,
            frames,
        }
    }

    /// The newest frame that this client has not had; `None` when the stream has stopped.
    async fn next(&mut self) -> Option<Released> {
        loop {
            if self.stream.is_stopped() {
                return None;
            }
            tokio::select! {
                changed = self.frames.changed() => changed.ok()?,
                () = self.stream.stopped() => return None,
            }
            let frame = self.frames.borrow_and_update().clone();
            if frame.is_some() {
                return frame;
            }
        }
    }

    async fn next_jpeg(&mut self) -> Option<(Released, Bytes)> {
        loop {
            let released = self.next().await?;
            let (stream, frame) = (Arc::clone(&self.stream), released.clone());
            let level = self
                .quality
                .unwrap_or_else(|| stream.quality())
                .fixed_level();
            // An encode takes milliseconds: not on the runtime's own threads.
            let encoded =
                tokio::task::spawn_blocking(move || encode_for(&stream, &frame, level)).await;
            match encoded.ok()? {
                Ok(jpeg) => return Some((released, jpeg)),
                Err(error) => {
                    tracing::warn!(stream = %self.stream.id, %error, "a frame was not encoded");
                }
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stream.end_watching();
    }
}

const BOUNDARY: &str = "frameway-frame";

fn multipart(client: Client) -> Response {
    let parts = stream::unfold(client, |mut client| async move {
        let (released, jpeg) = client.next_jpeg().await?;
        Some((Ok::<_, Infallible>(part(&released, &jpeg)), client))
    });
    let kind = format!("multipart/x-mixed-replace; boundary={BOUNDARY}");
    let kind = HeaderValue::from_str(&kind)
        .unwrap_or(HeaderValue::from_static("multipart/x-mixed-replace"));
    let headers = [(header::CONTENT_TYPE, kind)];
    (StatusCode::OK, headers, Body::from_stream(parts)).into_response()
}

fn part(released: &Released, jpeg: &Bytes) -> Bytes {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: {:.6}\r\nX-Frame-Id: {}\r\n\r\n",
        jpeg.len(),
        released.frame.pts.as_secs_f64(),
        released.frame.id.0,
    );
    let mut part = BytesMut::with_capacity(head.len() + jpeg.len() + 2);
    part.extend_from_slice(head.as_bytes());
    part.extend_from_slice(jpeg);
    part.extend_from_slice(b"\r\n");
    part.freeze()
}

async fn snapshot(mut client: Client) -> Result<Response, Problem> {
    let id = client.stream.id.clone();
    match tokio::time::timeout(FIRST_FRAME_WAIT, client.next_jpeg()).await {
        Ok(Some((_, jpeg))) => Ok(([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response()),
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
