//! The application's side of a session: the driver calls it with what happened and pulls from it what to send.

use std::time::{Duration, Instant};

use crate::ChannelId;
use crate::driver::SessionWaker;

/// What a session is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionState {
    /// The WebTransport session stands; channels open next.
    Connected,
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
    #[error("closed by the peer ({code}: {text:?})")]
    Peer {
        /// As in `docs/wire.md`, "QUIC lane".
        code: u32,
        /// The peer's own words: show them as text.
        text: String,
    },
    /// Nobody came with the token in time.
    #[error("nobody connected within {0:?}")]
    NotTaken(Duration),
    /// The peer was not heard from for too long.
    #[error("the peer was silent for {0:?}")]
    Silent(Duration),
    /// What there was to send could not be, for this long, though the peer was there.
    #[error("the peer took nothing for {0:?}")]
    PeerDoesNotRead(Duration),
    /// The transport failed.
    #[error("the transport failed: {0}")]
    Transport(String),
    /// The peer broke the framing of streams.
    #[error("the peer broke the protocol: {0}")]
    Protocol(String),
    /// The peer kept opening channels in vain.
    #[error("the peer opened {max_refused} channels in vain")]
    TooManyChannels {
        /// The limit.
        max_refused: u32,
    },
    /// The endpoint was shut down.
    #[error("the endpoint is shut down")]
    EndpointClosed,
}

impl CloseReason {
    /// The code that tells the peer, as in `docs/wire.md`.
    pub(crate) fn code(&self) -> u32 {
        match self {
            Self::Protocol(_) | Self::TooManyChannels { .. } => 2,
            Self::PeerDoesNotRead(_) => 3,
            Self::EndpointClosed => 1,
            Self::Transport(_) => 4,
            _ => 0,
        }
    }
}

/// A channel to open when connecting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelSpec {
    /// Its label, at most 64 bytes.
    pub label: String,
    /// The sub-protocol spoken on it, at most 64 bytes; mostly empty.
    pub protocol: String,
}

impl ChannelSpec {
    /// A channel of that label.
    #[must_use]
    pub fn new(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            protocol: String::new(),
        }
    }

    /// Names the sub-protocol.
    #[must_use]
    pub fn with_protocol(mut self, protocol: &str) -> Self {
        protocol.clone_into(&mut self.protocol);
        self
    }
}

/// A channel that just opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelInfo {
    /// Its name from now on.
    pub id: ChannelId,
    /// The label its creator gave it.
    pub label: String,
    /// The sub-protocol its creator named; mostly empty.
    pub protocol: String,
    /// The largest message that is taken, and sent, on it, bytes.
    pub max_message_bytes: usize,
}

/// The handler's word on a channel that the peer opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelUse {
    /// Keep it.
    Accept,
    /// Close it again.
    Refuse,
}

/// One session's application logic: the same calls as of a session of data channels, but that messages are those of
/// the wire format alone and there is no text.
///
/// Called by the session's one task, so no call may block. Sending is by *pull*: the driver asks for a message when the
/// channel has room for one. After [`poll_message`](Self::poll_message) said no, it is asked again when something
/// happened to the session, or after a [`SessionWaker::wake`].
///
/// Each channel's frames are to be said one after the other, all chunks of one before the first of the next.
pub trait SessionHandler: Send {
    /// Called once, before anything else. Keep the waker where new content is produced. Default: drops it.
    fn on_attached(&mut self, now: Instant, waker: SessionWaker) {
        let _ = (now, waker);
    }

    /// The session's state changed.
    fn on_state(&mut self, now: Instant, state: SessionState);

    /// A channel opened, by the peer or as asked for in `connect`.
    fn on_channel_open(&mut self, now: Instant, channel: ChannelInfo) -> ChannelUse;

    /// A message arrived on an accepted channel. Messages of different frames come in no particular order.
    fn on_message(&mut self, now: Instant, channel: ChannelId, message: &[u8]);

    /// Whether frames of this channel are read. While it says no they wait, in the end at the peer; asked again when
    /// something happened or after a wake. Default: always.
    ///
    /// Control messages are read in any case. But all channels share the connection's receive window: where a channel
    /// stands still until another one moves, let the wire format's credit do this instead.
    fn takes_frames(&self, channel: ChannelId) -> bool {
        let _ = channel;
        true
    }

    /// Appends one whole message of at most `room_bytes` to `out` (which is empty) and says whether it did. A message
    /// larger than `room_bytes` is dropped and logged.
    fn poll_message(
        &mut self,
        now: Instant,
        channel: ChannelId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> bool;

    /// The sequence number of a frame that is of no use any more: its stream is reset, and what of it is not delivered
    /// is sent no more. Asked until it says `None`, whenever messages are asked for. The last 64 frames can be named;
    /// one that has arrived whole already stays so. Default: none is.
    fn poll_stale(&mut self, now: Instant, channel: ChannelId) -> Option<u64> {
        let _ = (now, channel);
        None
    }

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
