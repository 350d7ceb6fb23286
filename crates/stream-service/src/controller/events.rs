//! `/events`: a stream's metrics as server-sent events, once a second.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::HeaderValue;

use super::problem::Problem;
use super::routes::App;
use super::streams::find;
use crate::model::snapshot;
use crate::model::stream::Stream;

/// Time between two events.
const PERIOD: Duration = Duration::from_secs(1);

struct Feed {
    stream: Arc<Stream>,
    ticks: tokio::time::Interval,
    over: bool,
}

/// The first event comes at once; `ended` is the last, when the stream is deleted.
pub(super) async fn events(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let stream = find(&app, &id)?;
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let feed = Feed {
        stream,
        ticks,
        over: false,
    };
    let sse = Sse::new(stream::unfold(feed, next_event)).keep_alive(KeepAlive::default());
    let mut response = sse.into_response();
    // nginx would otherwise hold events back to fill its buffer.
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

async fn next_event(mut feed: Feed) -> Option<(Result<Event, Infallible>, Feed)> {
    if feed.over {
        return None;
    }
    tokio::select! {
        _ = feed.ticks.tick() => {}
        () = feed.stream.stopped() => {}
    }
    if feed.stream.is_stopped() {
        feed.over = true;
        let data = serde_json::json!({ "id": feed.stream.id, "reason": "the stream was stopped" });
        return Some((
            Ok(Event::default().event("ended").data(data.to_string())),
            feed,
        ));
    }
    let metrics = snapshot::metrics(&feed.stream, Instant::now()).await;
    let data = serde_json::to_string(&metrics).unwrap_or_else(|_| "{}".to_owned());
    Some((Ok(Event::default().event("metrics").data(data)), feed))
}
