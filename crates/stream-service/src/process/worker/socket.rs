//! WebSockets as lanes of a link: the upgrade, and the library's messages as lanes know them.
//!
//! Called by `routes`; the lane itself is `socket_lane`.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::ready;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use http::HeaderMap;
use tokio::sync::Notify;

use super::links::{Place, Seat};
use super::origin::refuse_foreign;
use super::routes::{App, refused};
use crate::controller::Problem;
use crate::process::lane::LinkEnd as _;
use crate::process::protocol::{LinkQuery, MAX_MESSAGE_BYTES};
use crate::process::socket_lane::{SocketMessage, carry};

/// The largest WebSocket message: one of the wire format and its channel's byte.
const MAX_SOCKET_MESSAGE_BYTES: usize = MAX_MESSAGE_BYTES + 1;

/// A lane of a link that is a WebSocket: where no UDP passes.
pub(super) async fn socket(
    State(app): State<App>,
    headers: HeaderMap,
    query: Result<Query<LinkQuery>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    refuse_foreign(&headers)?;
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let upgrade = upgrade.map_err(|error| Problem::bad_request(error.body_text()))?;
    if query.link.is_none() {
        let detail = "a WebSocket is one lane of a link: name it, with link=NUMBER";
        return Err(Problem::bad_request(detail));
    }
    let place = app.links.join(Instant::now(), &query);
    let Place {
        link,
        lane,
        replaced,
        superseded,
    } = place.map_err(|error| refused(&error))?;
    app.vacate(replaced, superseded).await;
    let end = Arc::new(Notify::new());
    app.links.seated(lane, Seat::Socket(Arc::clone(&end)));
    let failed = Arc::clone(&link);
    let upgrade = upgrade
        .max_message_size(MAX_SOCKET_MESSAGE_BYTES)
        .max_frame_size(MAX_SOCKET_MESSAGE_BYTES)
        .on_failed_upgrade(move |error: axum::Error| {
            failed.closed(Instant::now(), lane, &error.to_string());
        });
    Ok(upgrade.on_upgrade(move |socket| async move {
        let carried = carry(Arc::clone(&link), lane, messages_of(socket), Vec::new());
        tokio::select! {
            () = carried => {}
            () = end.notified() => link.closed(Instant::now(), lane, "closed here"),
        }
    }))
}

/// The library's messages as lanes know them.
fn messages_of(
    socket: WebSocket,
) -> impl Stream<Item = Result<SocketMessage, axum::Error>>
+ Sink<SocketMessage, Error = axum::Error>
+ Send
+ 'static {
    let read = socket.map(|message| {
        message.map(|message| match message {
            Message::Text(text) => SocketMessage::Text(text.as_str().to_owned()),
            Message::Binary(bytes) => SocketMessage::Binary(bytes),
            Message::Close(_) => SocketMessage::Close,
            Message::Ping(_) | Message::Pong(_) => SocketMessage::Other,
        })
    });
    read.with(|message| {
        ready(Ok(match message {
            SocketMessage::Text(text) => Message::Text(text.into()),
            SocketMessage::Binary(bytes) => Message::Binary(bytes),
            SocketMessage::Other => Message::Pong(Bytes::new()),
            SocketMessage::Close => Message::Close(None),
        }))
    })
}
