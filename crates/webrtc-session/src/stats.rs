//! Figures about one session and about the whole endpoint, read by the application for its metrics.

use core::net::SocketAddr;
use std::time::Duration;

use crate::SessionState;

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
}
