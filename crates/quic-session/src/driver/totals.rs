//! Counters: of the endpoint, and of each session. Counted where things happen, read as [`EndpointStats`] and
//! [`SessionStats`](crate::SessionStats).

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{CloseReason, EndpointStats};

/// A counter that several tasks may count with.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, count: u64) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Of the whole endpoint.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) sessions_started: Counter,
    pub(super) invitations_expired: Counter,
    pub(super) handshakes: Counter,
    pub(super) retries_sent: Counter,
    pub(super) refused_busy: Counter,
    pub(super) handshakes_failed: Counter,
    pub(super) handshakes_timed_out: Counter,
    pub(super) refused_malformed: Counter,
    pub(super) refused_path: Counter,
    pub(super) refused_token: Counter,
    pub(super) closed_protocol: Counter,
    pub(super) closed_not_reading: Counter,
    pub(super) closed_silent: Counter,
    pub(super) closed_transport: Counter,
    pub(super) migrations: Counter,
    pub(super) streams_refused: Counter,
    pub(super) certificates_renewed: Counter,
    pub(super) dropped_not_quic: Counter,
}

impl Totals {
    pub(super) fn closed(&self, reason: &CloseReason) {
        match reason {
            CloseReason::Protocol(_) | CloseReason::TooManyChannels { .. } => {
                self.closed_protocol.add(1);
            }
            CloseReason::PeerDoesNotRead(_) => self.closed_not_reading.add(1),
            CloseReason::Silent(_) => self.closed_silent.add(1),
            CloseReason::Transport(_) => self.closed_transport.add(1),
            _ => {}
        }
    }

    pub(super) fn snapshot(&self, sessions: usize, invitations: usize) -> EndpointStats {
        EndpointStats {
            sessions: sessions as u64,
            sessions_started: self.sessions_started.get(),
            invitations: invitations as u64,
            invitations_expired: self.invitations_expired.get(),
            handshakes: self.handshakes.get(),
            retries_sent: self.retries_sent.get(),
            refused_busy: self.refused_busy.get(),
            handshakes_failed: self.handshakes_failed.get(),
            handshakes_timed_out: self.handshakes_timed_out.get(),
            refused_malformed: self.refused_malformed.get(),
            refused_path: self.refused_path.get(),
            refused_token: self.refused_token.get(),
            closed_protocol: self.closed_protocol.get(),
            closed_not_reading: self.closed_not_reading.get(),
            closed_silent: self.closed_silent.get(),
            closed_transport: self.closed_transport.get(),
            migrations: self.migrations.get(),
            streams_refused: self.streams_refused.get(),
            certificates_renewed: self.certificates_renewed.get(),
            dropped_not_quic: self.dropped_not_quic.get(),
        }
    }
}

/// Of one session.
#[derive(Debug, Default)]
pub(super) struct SessionCounters {
    pub(super) migrations: Counter,
    pub(super) channels: Counter,
    pub(super) messages_sent: Counter,
    pub(super) message_bytes_sent: Counter,
    pub(super) messages_received: Counter,
    pub(super) message_bytes_received: Counter,
    pub(super) frame_streams_sent: Counter,
    pub(super) frame_streams_received: Counter,
    pub(super) streams_reset: Counter,
    pub(super) streams_reset_by_peer: Counter,
    pub(super) streams_refused: Counter,
}
