//! The application's side of a session: the driver calls it with what happened and pulls from it what to send.

use std::time::{Duration, Instant};

use crate::ChannelId;
use crate::driver::SessionWaker;

/// What a session is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionState {
    /// Descriptions are exchanged, ICE, DTLS and SCTP are at work.
    Connecting,
    /// The encrypted connection stands; channels open next.
    Connected,
    /// Nothing was heard from the peer for a while; it may come back.
    Disconnected,
    /// Over. Nothing is called on the handler after this.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// This side closed it.
    #[error("closed here")]
    Local,
    /// The peer closed it.
    #[error("closed by the peer")]
    Peer,
    /// It never connected.
    #[error("not connected within {0:?}")]
    ConnectTimeout(Duration),
    /// The peer was not heard from for too long.
    #[error("the peer was silent for {0:?}")]
    Silent(Duration),
    /// The transport failed, for one because the DTLS handshake timed out or the certificate was another's.
    #[error("the transport failed: {0}")]
    Transport(String),
    /// The peer kept opening channels beyond the limit.
    #[error("the peer opened channels beyond the limit of {max_channels}")]
    TooManyChannels {
        /// The limit.
        max_channels: usize,
    },
    /// A bug: the session's own code panicked and the session was discarded.
    #[error("internal error, see the log")]
    Internal,
    /// The endpoint was shut down.
    #[error("the endpoint is shut down")]
    EndpointClosed,
}

/// A data channel that just opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelInfo {
    /// Its name from now on.
    pub id: ChannelId,
    /// The label its creator gave it.
    pub label: String,
    /// The sub-protocol its creator named; mostly empty.
    pub protocol: String,
    /// Whether messages arrive in order.
    pub ordered: bool,
    /// The largest message that can be sent on it, bytes: what the peer takes, and what fits the send buffer.
    pub max_message_bytes: usize,
    /// Bytes of a message that one datagram carries. Messages that are multiples of it leave no datagram short, and equal
    /// datagrams share a system call (UDP GSO).
    pub fragment_bytes: usize,
}

/// The handler's word on a channel that the peer opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelUse {
    /// Keep it.
    Accept,
    /// Close it again.
    Refuse,
}

/// How the peer's application sees a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// Bytes (PPID 53, RFC 8831 §8).
    Binary,
    /// UTF-8 text (PPID 51).
    Text,
}

/// One session's application logic.
///
/// Called by the endpoint's one task, so no call may block: a slow handler slows every session. Sending is by *pull*:
/// the driver asks for a message when a channel has room for one, so nothing queues up in the transport that could
/// still be replaced by something newer. After [`poll_message`](Self::poll_message) said `None`, it is asked again
/// when something happened to the session, or after a [`SessionWaker::wake`] (or [`Endpoint::wake`]).
///
/// [`Endpoint::wake`]: crate::driver::Endpoint::wake
pub trait SessionHandler: Send {
    /// Called once, before anything else. Keep the waker where new content is produced. Default: drops it.
    fn on_attached(&mut self, now: Instant, waker: SessionWaker) {
        let _ = (now, waker);
    }

    /// The session's state changed.
    fn on_state(&mut self, now: Instant, state: SessionState);

    /// A channel opened, by the peer or as asked for in `connect`.
    fn on_channel_open(&mut self, now: Instant, channel: ChannelInfo) -> ChannelUse;

    /// A message arrived on an accepted channel; `binary` is false for text.
    fn on_message(&mut self, now: Instant, channel: ChannelId, binary: bool, message: &[u8]);

    /// Appends one whole message of at most `room_bytes` to `out` (which is empty) and says its kind, or says `None`
    /// when it has nothing to send on this channel that fits. A message larger than `room_bytes` is dropped and logged.
    fn poll_message(
        &mut self,
        now: Instant,
        channel: ChannelId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind>;

    /// When [`on_timeout`](Self::on_timeout) is to be called next. Default: never.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) has come. Default: does nothing.
    fn on_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// An accepted channel closed. Default: does nothing.
    fn on_channel_closed(&mut self, now: Instant, channel: ChannelId) {
        let _ = (now, channel);
    }
}
