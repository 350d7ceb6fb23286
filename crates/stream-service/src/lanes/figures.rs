//! What the endpoints of QUIC and of data channels let in, refused and closed, as `GET /metrics` of the server and of the worker say it.
//!
//! Fed by the endpoints' counters. No label takes a value that a peer chooses.

use quic_session::EndpointStats;

use super::seat::Endpoints;

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

/// All of what they count.
pub(crate) fn figures(endpoints: &Endpoints) -> Vec<Figure> {
    let mut figures = data_figures(&endpoints.data.totals());
    if let Some(quic) = &endpoints.quic {
        figures.extend(quic_figures(&quic.totals()));
    }
    figures
}

/// What the endpoint of data channels refused and closed.
fn data_figures(stats: &webrtc_session::EndpointStats) -> Vec<Figure> {
    let closed = [
        ("not_connected", stats.closed_not_connected),
        ("silent", stats.closed_silent),
        ("transport", stats.closed_transport),
        ("channels", stats.closed_too_many_channels),
        ("internal", stats.closed_internal),
    ];
    vec![
        counter(
            "datagrams_dropped",
            "UDP datagrams received and dropped: of no session, unverified or malformed",
            stats.datagrams_dropped(),
        ),
        counter(
            "channels_refused",
            "Data channels closed again: too many, or of no use here",
            stats.channels_refused,
        ),
        by_reason(
            "sessions_closed",
            "WebRTC sessions closed for what their peer did, or for a bug (internal)",
            closed,
        ),
    ]
}

/// All of a QUIC endpoint's.
fn quic_figures(stats: &EndpointStats) -> Vec<Figure> {
    [sessions(stats), refusals(stats)]
        .into_iter()
        .flatten()
        .collect()
}

fn gauge(name: &'static str, help: &'static str, value: u64) -> Figure {
    let value = FigureValue::Gauge(value);
    Figure { name, help, value }
}

fn counter(name: &'static str, help: &'static str, value: u64) -> Figure {
    let value = FigureValue::Counter(value);
    Figure { name, help, value }
}

fn by_reason(
    name: &'static str,
    help: &'static str,
    values: impl Into<Vec<(&'static str, u64)>>,
) -> Figure {
    let value = FigureValue::ByReason(values.into());
    Figure { name, help, value }
}

fn sessions(stats: &EndpointStats) -> [Figure; 6] {
    [
        gauge(
            "quic_sessions",
            "WebTransport sessions that are open",
            stats.sessions,
        ),
        gauge(
            "quic_invitations",
            "WebTransport sessions that are expected",
            stats.invitations,
        ),
        gauge(
            "quic_handshakes",
            "Connections that are no session yet",
            stats.handshakes,
        ),
        counter(
            "quic_sessions_started",
            "WebTransport sessions ever open",
            stats.sessions_started,
        ),
        counter(
            "quic_migrations",
            "Times that a session's peer was found at another address",
            stats.migrations,
        ),
        counter(
            "quic_certificates_renewed",
            "Times that another certificate was shown",
            stats.certificates_renewed,
        ),
    ]
}

fn refusals(stats: &EndpointStats) -> [Figure; 6] {
    let refused = [
        ("busy", stats.refused_busy),
        ("handshake", stats.handshakes_failed),
        ("timeout", stats.handshakes_timed_out),
        ("malformed", stats.refused_malformed),
        ("path", stats.refused_path),
        ("token", stats.refused_token),
    ];
    let closed = [
        ("protocol", stats.closed_protocol),
        ("not_reading", stats.closed_not_reading),
        ("silent", stats.closed_silent),
        ("transport", stats.closed_transport),
    ];
    [
        counter(
            "quic_datagrams_dropped",
            "Datagrams that cannot be QUIC",
            stats.dropped_not_quic,
        ),
        counter(
            "quic_retries",
            "Connections that were asked to prove their address",
            stats.retries_sent,
        ),
        by_reason(
            "quic_refused",
            "Connections that became no session",
            refused,
        ),
        counter(
            "quic_invitations_expired",
            "Sessions that were expected and did not come in time",
            stats.invitations_expired,
        ),
        by_reason(
            "quic_closed",
            "Sessions closed for what their peer did",
            closed,
        ),
        counter(
            "quic_streams_refused",
            "Streams that never ended, or belonged to no channel",
            stats.streams_refused,
        ),
    ]
}
