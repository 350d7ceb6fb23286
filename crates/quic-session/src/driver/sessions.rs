//! Which sessions there are, for the handle to find them by name.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::control::Control;
use super::totals::{SessionCounters, Totals};
use crate::{SessionId, SessionStats};

/// A session as seen from outside of its task.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) control: Arc<Control>,
    pub(super) connection: quinn::Connection,
    pub(super) counters: Arc<SessionCounters>,
    pub(super) since: Instant,
}

impl Seen {
    pub(super) fn stats(&self, now: Instant) -> SessionStats {
        let stats = self.connection.stats();
        let counters = &self.counters;
        let mut remote_address = self.connection.remote_address();
        remote_address.set_ip(remote_address.ip().to_canonical());
        SessionStats {
            age: now.saturating_duration_since(self.since),
            rtt: stats.path.rtt,
            min_rtt: stats.path.min_rtt,
            cwnd_bytes: stats.path.cwnd,
            congestion_events: stats.path.congestion_events,
            mtu_bytes: stats.path.current_mtu,
            remote_address,
            migrations: counters.migrations.get(),
            bytes_sent: stats.udp_tx.bytes,
            bytes_received: stats.udp_rx.bytes,
            packets_sent: stats.udp_tx.datagrams,
            packets_received: stats.udp_rx.datagrams,
            packets_lost: stats.path.lost_packets,
            channels: counters.channels.get() as usize,
            messages_sent: counters.messages_sent.get(),
            message_bytes_sent: counters.message_bytes_sent.get(),
            messages_received: counters.messages_received.get(),
            message_bytes_received: counters.message_bytes_received.get(),
            frame_streams_sent: counters.frame_streams_sent.get(),
            frame_streams_received: counters.frame_streams_received.get(),
            streams_reset: counters.streams_reset.get(),
            streams_reset_by_peer: counters.streams_reset_by_peer.get(),
            streams_refused: counters.streams_refused.get(),
        }
    }
}

/// All sessions of an endpoint.
#[derive(Default)]
pub(super) struct Sessions {
    open: Mutex<HashMap<SessionId, Seen>>,
    named: AtomicU64,
}

impl Sessions {
    /// A name that no session had.
    pub(super) fn name(&self) -> SessionId {
        SessionId(self.named.fetch_add(1, Ordering::Relaxed))
    }

    /// Lists a session until the guard drops, however its task ends.
    pub(super) fn list(self: &Arc<Self>, id: SessionId, seen: Seen, totals: &Totals) -> Listed {
        let connection = seen.connection.clone();
        self.lock().insert(id, seen);
        totals.sessions_started.add(1);
        Listed {
            sessions: Arc::clone(self),
            id,
            connection,
        }
    }

    pub(super) fn get(&self, id: SessionId) -> Option<Seen> {
        self.lock().get(&id).cloned()
    }

    pub(super) fn all(&self) -> Vec<Seen> {
        self.lock().values().cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Seen>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's place in the list.
pub(super) struct Listed {
    sessions: Arc<Sessions>,
    id: SessionId,
    connection: quinn::Connection,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.id);
        if std::thread::panicking() {
            // Its handler's: nobody else says goodbye.
            tracing::error!(session = %self.id, "a session's task panicked");
            self.connection.close(0_u32.into(), b"internal error");
        }
    }
}
