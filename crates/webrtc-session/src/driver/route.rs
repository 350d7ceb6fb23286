//! From a received batch to the sessions: by ufrag, by address, or by the socket where a session has its own. The part
//! of the loop that strangers' datagrams reach, so nothing here allocates for one that is dropped.

use std::time::Instant;

use str0m::net::{Protocol, Receive};

use super::run::Driver;
use super::socket::{ReceiveBuffers, Received};
use crate::demux::Owners;
use crate::session::Session;
use crate::stun::{Kind, classify};

/// Datagrams given to a session before its output is drained. str0m's DTLS holds 30; draining in between lets SCTP
/// acknowledge.
const DATAGRAMS_PER_DRAIN: usize = 16;

/// The session whose datagrams are being delivered, and how many since its last drain.
#[derive(Debug, Default)]
struct Run {
    slot: Option<usize>,
    datagrams: usize,
}

impl Driver {
    /// Delivers the datagrams of the last receive.
    pub(super) fn route_received(&mut self, now: Instant, socket: usize) {
        let buffers = std::mem::replace(&mut self.buffers, ReceiveBuffers::placeholder());
        let mut run = Run::default();
        for received in buffers.datagrams() {
            self.stats.datagrams_received += 1;
            if socket == 0 {
                self.route_shared(now, received, &mut run);
            } else if let Some(slot) = self.owner_of(socket) {
                self.route_own(now, slot, received, &mut run);
            }
        }
        self.end_run(now, &mut run);
        self.buffers = buffers;
    }

    fn owner_of(&self, socket: usize) -> Option<usize> {
        self.socket_owners.get(socket).copied()
    }

    /// A session's own socket: everything is for it, unless it comes from where its peer cannot be.
    fn route_own(&mut self, now: Instant, slot: usize, received: Received<'_>, run: &mut Run) {
        if self.is_from_peer(now, slot, received) {
            self.deliver(now, slot, received, run);
        } else {
            self.stats.dropped_unknown_address += 1;
        }
    }

    fn route_shared(&mut self, now: Instant, received: Received<'_>, run: &mut Run) {
        match classify(received.bytes) {
            Kind::Check { ufrag } => match self.demux.by_ufrag(ufrag) {
                Some(slot) => self.route_check(now, slot, received, run),
                None => self.stats.dropped_unknown_ufrag += 1,
            },
            kind => match self.demux.by_address(&received.source) {
                Some(owners) => self.route_by_address(now, owners, kind, received, run),
                None => self.stats.dropped_unknown_address += 1,
            },
        }
    }

    /// A check is believed once its integrity is verified; then its source is an address of that session.
    fn route_check(&mut self, now: Instant, slot: usize, received: Received<'_>, run: &mut Run) {
        let verified = self.is_from_peer(now, slot, received);
        let known = self.demux.knows(slot, &received.source);
        let mut may_roam = || self.sessions.get_mut(slot).is_some_and(Session::may_roam);
        if verified && (known || may_roam()) {
            self.demux.learn(slot, received.source);
            self.deliver(now, slot, received, run);
        } else {
            self.stats.dropped_unverified += 1;
        }
    }

    /// One owner is the rule. Where several sessions share an address (behind one NAT port, or a peer that reuses its
    /// socket), DTLS has nothing to tell them apart: a handshake is the newest unconnected session's, and a protected
    /// record goes to each that str0m says accepts it; the wrong ones fail to decrypt it and drop it (RFC 6347 §4.1.2.7).
    fn route_by_address(
        &mut self,
        now: Instant,
        owners: Owners,
        kind: Kind<'_>,
        received: Received<'_>,
        run: &mut Run,
    ) {
        if let [only] = owners.as_slice() {
            self.deliver(now, *only, received, run);
            return;
        }
        let connecting = |slot: &&usize| {
            self.sessions
                .get(**slot)
                .is_some_and(|session| session.is_connecting())
        };
        if kind == Kind::Handshake
            && let Some(slot) = owners.as_slice().iter().find(connecting).copied()
        {
            self.deliver(now, slot, received, run);
            return;
        }
        for slot in owners.as_slice() {
            if self.is_from_peer(now, *slot, received) {
                self.deliver(now, *slot, received, run);
            }
        }
    }

    /// Does str0m take this datagram for one of this session's?
    fn is_from_peer(&self, now: Instant, slot: usize, received: Received<'_>) -> bool {
        let Some(session) = self.sessions.get(slot) else {
            return false;
        };
        let Some(destination) = self.destination(slot, received) else {
            return false;
        };
        Receive::new(Protocol::Udp, received.source, destination, received.bytes)
            .is_ok_and(|receive| session.accepts(now, receive))
    }

    /// The candidate of ours that the datagram came in by.
    fn destination(&self, slot: usize, received: Received<'_>) -> Option<std::net::SocketAddr> {
        let io = self.sockets.get(self.sessions.socket(slot))?.as_ref()?;
        io.local.candidate_for(received.local_ip, received.source)
    }

    fn deliver(&mut self, now: Instant, slot: usize, received: Received<'_>, run: &mut Run) {
        let Some(destination) = self.destination(slot, received) else {
            return;
        };
        if run.slot != Some(slot) || run.datagrams >= DATAGRAMS_PER_DRAIN {
            self.end_run(now, run);
            run.slot = Some(slot);
        }
        run.datagrams += 1;
        self.with_session(slot, now, |session, _, _| {
            session.receive(now, received.source, destination, received.bytes);
        });
    }

    fn end_run(&mut self, now: Instant, run: &mut Run) {
        if let Some(slot) = std::mem::take(run).slot {
            self.with_session(slot, now, |session, outbox, _| session.drain(now, outbox));
            self.sessions.make_ready(slot);
        }
    }
}
