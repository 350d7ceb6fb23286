//! Figures about one session and about the whole endpoint, read by the application for its metrics.

use core::net::SocketAddr;
use std::time::Duration;

use crate::{CloseReason, SessionState};

/// A snapshot of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStats {
    /// What it is doing.
    pub state: SessionState,
    /// How long it has existed.
    pub age: Duration,
    /// Round-trip time, smoothed, from SCTP's acknowledgements of messages that had nothing queued before them; so it
    /// includes the message's own serialisation. `None` before the first.
    pub rtt: Option<Duration>,
    /// The address the peer was last heard from.
    pub remote_address: Option<SocketAddr>,
    /// Bytes written to channels and not yet acknowledged.
    pub buffered_bytes: usize,
    /// Channels open.
    pub channels: usize,
    /// UDP payload bytes sent, with DTLS, SCTP and ICE.
    pub bytes_sent: u64,
    /// UDP payload bytes received.
    pub bytes_received: u64,
    /// Datagrams sent.
    pub packets_sent: u64,
    /// Datagrams received.
    pub packets_received: u64,
    /// Messages written to channels.
    pub messages_sent: u64,
    /// Bytes of those messages.
    pub message_bytes_sent: u64,
    /// Messages delivered to the handler.
    pub messages_received: u64,
    /// Bytes of those messages.
    pub message_bytes_received: u64,
    /// Datagrams the peer sent that the stack could not use.
    pub packets_unusable: u64,
}

/// Counters of a whole endpoint since it was bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointStats {
    /// Sessions alive now.
    pub sessions: u64,
    /// Sessions ever started.
    pub sessions_started: u64,
    /// Datagrams received.
    pub datagrams_received: u64,
    /// System calls that received them; fewer than datagrams where the kernel coalesces (GRO, recvmmsg).
    pub receive_calls: u64,
    /// Datagrams sent.
    pub datagrams_sent: u64,
    /// System calls that sent them; fewer than datagrams where the kernel segments (GSO).
    pub send_calls: u64,
    /// Datagrams from an address that no session is known to have, dropped.
    pub dropped_unknown_address: u64,
    /// Connectivity checks for a ufrag that no session has, dropped.
    pub dropped_unknown_ufrag: u64,
    /// Connectivity checks that failed their session's integrity check, or came from one address too many, dropped.
    pub dropped_unverified: u64,
    /// Datagrams too large for the receive buffer or otherwise unreadable, dropped.
    pub dropped_malformed: u64,
    /// Datagrams not sent: the system refused them, or too many waited for a full socket.
    pub dropped_unsent: u64,
    /// Channels that peers opened and that were closed again: too many, or the handler's refusal.
    pub channels_refused: u64,
    /// Sessions closed because they never connected.
    pub closed_not_connected: u64,
    /// Sessions closed because their peer was silent for too long.
    pub closed_silent: u64,
    /// Sessions closed because their transport failed: a certificate of somebody else's, an association that broke.
    pub closed_transport: u64,
    /// Sessions closed because their peer kept opening channels beyond the limit.
    pub closed_too_many_channels: u64,
    /// Sessions discarded because of a bug here: their code panicked.
    pub closed_internal: u64,
}

impl EndpointStats {
    /// Datagrams received and dropped: of no session, unverified or malformed.
    #[must_use]
    pub fn datagrams_dropped(&self) -> u64 {
        self.dropped_unknown_address
            + self.dropped_unknown_ufrag
            + self.dropped_unverified
            + self.dropped_malformed
    }

    /// A session ended. What either side wished is nothing to count.
    pub(crate) fn count_closed(&mut self, reason: &CloseReason) {
        match reason {
            CloseReason::ConnectTimeout(_) => self.closed_not_connected += 1,
            CloseReason::Silent(_) => self.closed_silent += 1,
            CloseReason::Transport(_) => self.closed_transport += 1,
            CloseReason::TooManyChannels { .. } => self.closed_too_many_channels += 1,
            CloseReason::Internal => self.closed_internal += 1,
            CloseReason::Local | CloseReason::Peer | CloseReason::EndpointClosed => {}
        }
    }
}
