//! Serves the requests of the endpoint's handles, on the endpoint's task.

use std::time::{Duration, Instant};

use super::inbox::{Full, Request};
use super::run::Driver;
use super::socket::UdpIo;
use super::transmit::SessionOutbox;
use super::wake::SessionWaker;
use crate::session::Session;
use crate::{CloseReason, SessionError, SessionId, SessionState, SessionStats};

impl Driver {
    pub(super) fn serve(&mut self, now: Instant, request: Request) {
        // A reply that cannot be sent is one nobody waits for any more.
        match request {
            Request::Insert {
                session,
                socket,
                reply,
            } => {
                let _ = reply.send(self.insert(now, session, socket));
            }
            Request::Answer {
                session,
                answer,
                reply,
            } => {
                let _ = reply
                    .send(self.change(now, session, |session, _| session.apply_answer(answer)));
            }
            Request::OfferRestart { session, reply } => {
                let _ = reply
                    .send(self.change(now, session, |session, _| session.make_restart_offer()));
            }
            Request::Restart {
                session,
                offer,
                reply,
            } => {
                let answer = self.change(now, session, |session, _| session.apply_restart(offer));
                self.relearn_ufrag(session);
                let _ = reply.send(answer);
            }
            Request::Candidates {
                session,
                fragment,
                reply,
            } => {
                let _ = reply.send(
                    self.change(now, session, |session, _| session.add_candidates(&fragment)),
                );
            }
            Request::Close {
                session,
                reason,
                reply,
            } => {
                let _ = reply.send(self.close(now, session, reason));
            }
            Request::CloseAfterDrain {
                session,
                max_wait,
                reply,
            } => {
                let _ = reply.send(self.close_after_drain(now, session, max_wait));
            }
            Request::Stats { session, reply } => {
                let _ = reply.send(self.stats(now, session));
            }
            Request::Shutdown { reply } => self.shutdown = Some(Some(reply)),
        }
    }

    fn stats(&self, now: Instant, session: SessionId) -> Result<SessionStats, SessionError> {
        let slot = self.sessions.slot_of(session);
        let known = slot.and_then(|slot| self.sessions.get(slot));
        known
            .map(|known| known.stats(now))
            .ok_or(SessionError::Unknown { session })
    }

    fn close(
        &mut self,
        now: Instant,
        session: SessionId,
        reason: CloseReason,
    ) -> Result<(), SessionError> {
        self.change(now, session, |session, outbox| {
            session.finish(now, reason, outbox);
            Ok(())
        })
    }

    fn close_after_drain(
        &mut self,
        now: Instant,
        session: SessionId,
        max_wait: Duration,
    ) -> Result<(), SessionError> {
        self.change(now, session, |session, _| {
            session.close_after_drain(now, max_wait);
            Ok(())
        })
    }

    fn insert(
        &mut self,
        now: Instant,
        session: Box<Session>,
        socket: Option<UdpIo>,
    ) -> Result<SessionId, Full> {
        if self.sessions.alive() >= self.max_sessions {
            return Err(Full {
                max_sessions: self.max_sessions,
            });
        }
        let socket = socket.map_or(0, |socket| self.add_socket(socket));
        let id = self.sessions.insert(session, socket);
        let slot = id.slot();
        if let Some(owner) = self.socket_owners.get_mut(socket) {
            *owner = slot;
        }
        self.stats.sessions_started += 1;
        self.relearn_ufrag(id);
        let waker = SessionWaker::new(self.board.clone(), id);
        self.with_session(slot, now, |session, outbox, _| {
            session.handler.on_attached(now, waker);
            session.handler.on_state(now, SessionState::Connecting);
            session.drain(now, outbox);
        });
        self.sessions.make_ready(slot);
        Ok(id)
    }

    fn add_socket(&mut self, socket: UdpIo) -> usize {
        let free = self
            .sockets
            .iter()
            .position(Option::is_none)
            .unwrap_or_else(|| {
                self.sockets.push(None);
                self.sockets.len() - 1
            });
        self.sockets[free] = Some(socket);
        self.socket_owners.resize(self.sockets.len(), 0);
        free
    }

    /// Only sessions on the shared socket are told apart by ufrag.
    fn relearn_ufrag(&mut self, id: SessionId) {
        let Some(slot) = self.sessions.slot_of(id) else {
            return;
        };
        if self.sessions.socket(slot) == 0
            && let Some(session) = self.sessions.get_mut(slot)
        {
            self.demux.set_ufrag(slot, &session.local_ufrag());
        }
    }

    fn change<T>(
        &mut self,
        now: Instant,
        session: SessionId,
        change: impl FnOnce(&mut Session, &mut SessionOutbox<'_>) -> Result<T, SessionError>,
    ) -> Result<T, SessionError> {
        let unknown = SessionError::Unknown { session };
        let Some(slot) = self.sessions.slot_of(session) else {
            return Err(unknown);
        };
        let changed = self.with_session(slot, now, |session, outbox, _| {
            let changed = change(session, outbox);
            session.drain(now, outbox);
            Some(changed)
        });
        self.sessions.make_ready(slot);
        changed.unwrap_or(Err(unknown))
    }
}

impl Session {
    fn close_after_drain(&mut self, now: Instant, max_wait: std::time::Duration) {
        if self.channels.len() == 0 {
            self.drain_until = Some(now);
        } else {
            self.drain_until = Some(now + max_wait);
            self.channels.want_pull();
        }
    }
}
