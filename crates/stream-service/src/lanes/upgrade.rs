//! The HTTP server's WebSocket, with its messages as lanes know them.
//!
//! Fed by routes that take upgrades; feeds [`super::socket`].

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use bytes::Bytes;
use futures_util::future::ready;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};

use super::sizes::MAX_MESSAGE_BYTES;
use super::socket::SocketMessage;

/// The largest WebSocket message: one of the wire format and its channel's byte.
const MAX_SOCKET_MESSAGE_BYTES: usize = MAX_MESSAGE_BYTES + 1;

/// An upgrade that takes messages of a lane and no larger ones.
pub(crate) fn bounded(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .max_message_size(MAX_SOCKET_MESSAGE_BYTES)
        .max_frame_size(MAX_SOCKET_MESSAGE_BYTES)
}

/// The library's messages as lanes know them.
pub(crate) fn messages_of(
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
