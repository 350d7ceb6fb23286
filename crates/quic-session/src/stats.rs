//! Figures about one session and about the whole endpoint, read by the application for its metrics.

use core::net::SocketAddr;
use std::time::Duration;

/// A snapshot of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStats {
    /// How long it has existed.
    pub age: Duration,
    /// Round-trip time, smoothed (RFC 9002 §5.3).
    pub rtt: Duration,
    /// The smallest round trip seen on this path.
    pub min_rtt: Duration,
    /// The congestion window, bytes.
    pub cwnd_bytes: u64,
    /// Times that the congestion controller was told of loss.
    pub congestion_events: u64,
    /// UDP payload bytes that datagrams on this path may have.
    pub mtu_bytes: u16,
    /// The address the peer is at.
    pub remote_address: SocketAddr,
    /// Times that it was found at another (connection migration, RFC 9000 §9).
    pub migrations: u64,
    /// UDP payload bytes sent.
    pub bytes_sent: u64,
    /// UDP payload bytes received.
    pub bytes_received: u64,
    /// Datagrams sent.
    pub packets_sent: u64,
    /// Datagrams received.
    pub packets_received: u64,
    /// Packets sent and taken for lost, on this path.
    pub packets_lost: u64,
    /// Channels open.
    pub channels: usize,
    /// Messages given to streams.
    pub messages_sent: u64,
    /// Bytes of those messages.
    pub message_bytes_sent: u64,
    /// Messages delivered to the handler.
    pub messages_received: u64,
    /// Bytes of those messages.
    pub message_bytes_received: u64,
    /// Frame streams opened here.
    pub frame_streams_sent: u64,
    /// Frame streams that the peer opened.
    pub frame_streams_received: u64,
    /// Frame streams reset here: stale frames, and frames given up before they were whole.
    pub streams_reset: u64,
    /// Frame streams that the peer reset.
    pub streams_reset_by_peer: u64,
    /// Streams of the peer that were stopped: they never ended, or belonged to no channel.
    pub streams_refused: u64,
}

/// Counters of a whole endpoint since it was bound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointStats {
    /// Sessions alive now.
    pub sessions: u64,
    /// Sessions ever started, accepted and connected.
    pub sessions_started: u64,
    /// Invitations that wait to be taken.
    pub invitations: u64,
    /// Invitations that nobody took in time.
    pub invitations_expired: u64,
    /// Handshakes under way now.
    pub handshakes: u64,
    /// Peers that were asked to prove their address before anything else (Retry, RFC 9000 §8.1.2).
    pub retries_sent: u64,
    /// Connections refused because too many handshakes were under way.
    pub refused_busy: u64,
    /// Connections whose TLS or QUIC handshake failed: another certificate than the peer expected, for one.
    pub handshakes_failed: u64,
    /// Connections that made no session in time.
    pub handshakes_timed_out: u64,
    /// Connections whose HTTP/3 could not be understood.
    pub refused_malformed: u64,
    /// Requests for a path that names no token.
    pub refused_path: u64,
    /// Requests with a token that is unknown, used or no longer good.
    pub refused_token: u64,
    /// Sessions ended because the peer broke the protocol.
    pub closed_protocol: u64,
    /// Sessions ended because the peer took nothing.
    pub closed_not_reading: u64,
    /// Sessions ended because the peer was silent.
    pub closed_silent: u64,
    /// Sessions ended because their transport failed: a malformed capsule, an HTTP/3 stream that broke off.
    pub closed_transport: u64,
    /// Times that a session's peer was found at another address (connection migration, RFC 9000 §9).
    pub migrations: u64,
    /// Streams stopped, over all sessions: they never ended, or belonged to no channel.
    pub streams_refused: u64,
    /// Certificates that took over from another.
    pub certificates_renewed: u64,
    /// Datagrams dropped that cannot be QUIC: too short, or without its fixed bit (RFC 9000 §17).
    pub dropped_not_quic: u64,
}
