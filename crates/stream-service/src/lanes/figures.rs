//! What a QUIC endpoint let in, refused and closed, as `GET /metrics` of the server and of the worker say it.
//!
//! Fed by the endpoint's counters. No label takes a value that a peer chooses.

use quic_session::EndpointStats;

/// A figure by itself or by reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figure {
    /// Without what comes before it in each program, and without the `_total` of a counter.
    pub(crate) name: &'static str,
    /// Without a full stop.
    pub(crate) help: &'static str,
    pub(crate) value: FigureValue,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FigureValue {
    Gauge(u64),
    Counter(u64),
    /// A counter for each value of the label `reason`.
    ByReason(Vec<(&'static str, u64)>),
}

/// All of an endpoint's.
pub(crate) fn figures(stats: &EndpointStats) -> Vec<Figure> {
    use FigureValue::{ByReason, Counter, Gauge};
    let figure = |name, help, value| Figure { name, help, value };
    vec![
        figure(
            "quic_sessions",
            "WebTransport sessions that are open",
            Gauge(stats.sessions),
        ),
        figure(
            "quic_invitations",
            "WebTransport sessions that are expected",
            Gauge(stats.invitations),
        ),
        figure(
            "quic_handshakes",
            "Connections that are no session yet",
            Gauge(stats.handshakes),
        ),
        figure(
            "quic_sessions_started",
            "WebTransport sessions ever open",
            Counter(stats.sessions_started),
        ),
        figure(
            "quic_migrations",
            "Times that a session's peer was found at another address",
            Counter(stats.migrations),
        ),
        figure(
            "quic_certificates_renewed",
            "Times that another certificate was shown",
            Counter(stats.certificates_renewed),
        ),
        figure(
            "quic_datagrams_dropped",
            "Datagrams that cannot be QUIC",
            Counter(stats.dropped_not_quic),
        ),
        figure(
            "quic_retries",
            "Connections that were asked to prove their address",
            Counter(stats.retries_sent),
        ),
        figure(
            "quic_refused",
            "Connections that became no session",
            ByReason(vec![
                ("busy", stats.refused_busy),
                ("handshake", stats.handshakes_failed),
                ("timeout", stats.handshakes_timed_out),
                ("malformed", stats.refused_malformed),
                ("path", stats.refused_path),
                ("token", stats.refused_token),
            ]),
        ),
        figure(
            "quic_invitations_expired",
            "Sessions that were expected and did not come in time",
            Counter(stats.invitations_expired),
        ),
        figure(
            "quic_closed",
            "Sessions closed for what their peer did",
            ByReason(vec![
                ("protocol", stats.closed_protocol),
                ("not_reading", stats.closed_not_reading),
                ("silent", stats.closed_silent),
                ("transport", stats.closed_transport),
            ]),
        ),
        figure(
            "quic_streams_refused",
            "Streams that never ended, or belonged to no channel",
            Counter(stats.streams_refused),
        ),
    ]
}
