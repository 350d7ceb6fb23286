//! Opens a WebSocket to the worker, by the same HTTP client as everything else, so that proxies and certificates are the same.
//!
//! Used by `dial`; the lane itself is `lanes::socket`.

use std::hash::{BuildHasher as _, Hasher as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::future::ready;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::lanes::sizes::MAX_MESSAGE_BYTES;
use crate::lanes::socket::SocketMessage;

/// Makes a request one that asks for a WebSocket (RFC 6455 §4.1); and what its answer must prove.
pub(super) fn asking(request: reqwest::RequestBuilder) -> (reqwest::RequestBuilder, String) {
    // It keeps caches from answering, and need not be secret.
    let state = std::hash::RandomState::new();
    let bits = [0, 1].map(|salt| {
        let mut hasher = state.build_hasher();
        hasher.write_u8(salt);
        hasher.finish().to_le_bytes()
    });
    let key = STANDARD.encode(bits.concat());
    let request = request
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, &key);
    (request, derive_accept_key(key.as_bytes()))
}

/// The messages of a response that accepted.
///
/// # Errors
/// Says what is wrong with it.
pub(super) async fn accepted(
    response: reqwest::Response,
    proof: &str,
) -> Result<
    impl Stream<Item = Result<SocketMessage, Error>>
    + Sink<SocketMessage, Error = Error>
    + Send
    + 'static,
    String,
> {
    let given = response.headers().get(SEC_WEBSOCKET_ACCEPT);
    if given.is_none_or(|given| given.as_bytes() != proof.as_bytes()) {
        return Err("its answer does not prove that it speaks WebSocket".to_owned());
    }
    let upgraded = response.upgrade().await;
    let upgraded = upgraded.map_err(|error| error.to_string())?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES + 1))
        .max_frame_size(Some(MAX_MESSAGE_BYTES + 1));
    let socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;
    Ok(messages_of(socket))
}

/// The library's messages as lanes know them.
pub(crate) fn messages_of<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    socket: WebSocketStream<S>,
) -> impl Stream<Item = Result<SocketMessage, Error>> + Sink<SocketMessage, Error = Error> + Send + 'static
{
    let read = socket.map(|message| {
        message.map(|message| match message {
            Message::Text(text) => SocketMessage::Text(text.as_str().to_owned()),
            Message::Binary(bytes) => SocketMessage::Binary(bytes),
            Message::Close(_) => SocketMessage::Close,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => SocketMessage::Other,
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
