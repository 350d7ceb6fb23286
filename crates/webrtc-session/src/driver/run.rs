//! The endpoint's loop: requests, wake-ups, timers, datagrams, then each session's turn; then sleep until one of them
//! comes. Owns all state of the endpoint; feeds and is fed by everything else in `driver`.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::inbox::Request;
use super::sessions::{Sessions, guarded};
use super::socket::ReceiveBuffers;
use super::transmit::{SessionOutbox, Sockets, Transmitter};
use super::wake::WakeBoard;
use crate::deadlines::Deadlines;
use crate::demux::Demux;
use crate::session::Session;
use crate::{CloseReason, EndpointStats, SessionState};

/// Requests served in one turn.
const REQUESTS_PER_TURN: usize = 16;

/// A socket that fails to receive other than for want of datagrams is tried again after this.
const RECEIVE_RETRY: Duration = Duration::from_millis(5);

pub(super) struct Driver {
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) board: Arc<WakeBoard>,
    pub(super) published: Arc<Mutex<EndpointStats>>,
    pub(super) max_sessions: usize,
    pub(super) sessions: Sessions,
    pub(super) demux: Demux,
    pub(super) deadlines: Deadlines,
    pub(super) sockets: Sockets,
    /// The slot of the session that a socket belongs to; the first is everyone's.
    pub(super) socket_owners: Vec<usize>,
    pub(super) transmitter: Transmitter,
    pub(super) stats: EndpointStats,
    pub(super) buffers: ReceiveBuffers,
    scratch: Vec<u8>,
    slots: Vec<usize>,
    receive_failed: bool,
    pub(super) shutdown: Option<Option<oneshot::Sender<()>>>,
}

impl Driver {
    pub(super) fn new(
        requests: mpsc::Receiver<Request>,
        board: Arc<WakeBoard>,
        published: Arc<Mutex<EndpointStats>>,
        max_sessions: usize,
        sockets: Sockets,
    ) -> Self {
        Self {
            requests,
            board,
            published,
            max_sessions,
            sessions: Sessions::default(),
            demux: Demux::default(),
            deadlines: Deadlines::default(),
            socket_owners: vec![0; sockets.len()],
            sockets,
            transmitter: Transmitter::default(),
            stats: EndpointStats::default(),
            buffers: ReceiveBuffers::new(),
            scratch: Vec::new(),
            slots: Vec::new(),
            receive_failed: false,
            shutdown: None,
        }
    }

    /// Runs until the last handle is gone or asks for the end.
    pub(super) async fn run(mut self) {
        while self.shutdown.is_none() {
            if self.turn() {
                tokio::task::yield_now().await;
            } else {
                self.sleep().await;
            }
        }
        self.end();
    }

    /// Does what there is to do, each kind up to its bound. `false` when nothing is left.
    fn turn(&mut self) -> bool {
        let now = Instant::now();
        let mut busy = self.serve_requests(now);
        busy |= self.take_wakes();
        busy |= self.run_timers(now);
        busy |= self.receive_all(now);
        self.give_turns(now);
        self.transmitter.flush(&self.sockets, &mut self.stats);
        self.publish();
        busy || (self.sessions.ready_count() > 0 && !self.transmitter.is_blocked())
    }

    fn serve_requests(&mut self, now: Instant) -> bool {
        for served in 0..REQUESTS_PER_TURN {
            match self.requests.try_recv() {
                Ok(request) => self.serve(now, request),
                Err(mpsc::error::TryRecvError::Empty) => return served > 0,
                Err(mpsc::error::TryRecvError::Disconnected) => {
                    self.shutdown.get_or_insert(None);
                    return true;
                }
            }
        }
        true
    }

    fn take_wakes(&mut self) -> bool {
        let mut slots = std::mem::take(&mut self.slots);
        slots.clear();
        self.board.take(&mut slots);
        for slot in &slots {
            if let Some(session) = self.sessions.get_mut(*slot) {
                session.channels.want_pull();
                self.sessions.make_ready(*slot);
            }
        }
        let woken = !slots.is_empty();
        self.slots = slots;
        woken
    }

    fn run_timers(&mut self, now: Instant) -> bool {
        let mut slots = std::mem::take(&mut self.slots);
        slots.clear();
        self.deadlines.due(now, &mut slots);
        for slot in &slots {
            self.with_session(*slot, now, |session, outbox, _| {
                session.handle_timeout(now, outbox);
            });
            self.sessions.make_ready(*slot);
        }
        let due = !slots.is_empty();
        self.slots = slots;
        due
    }

    fn receive_all(&mut self, now: Instant) -> bool {
        let mut received = 0;
        self.receive_failed = false;
        for socket in 0..self.sockets.len() {
            let Some(Some(io)) = self.sockets.get(socket) else {
                continue;
            };
            match io.receive(&mut self.buffers) {
                Ok(filled) => {
                    received += filled;
                    self.stats.receive_calls += 1;
                    self.route_received(now, socket);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    tracing::debug!(%error, socket, "receive failed");
                    self.receive_failed = true;
                }
            }
        }
        received > 0
    }

    /// Each waiting session's pull, once; those that want more queue again behind the others.
    fn give_turns(&mut self, now: Instant) {
        for _ in 0..self.sessions.ready_count() {
            if self.transmitter.is_blocked() {
                return;
            }
            let Some(slot) = self.sessions.next_ready() else {
                return;
            };
            let more = self.with_session(slot, now, |session, outbox, scratch| {
                session.pull(now, outbox, scratch)
            });
            self.settle(slot, now);
            if more {
                self.sessions.make_ready(slot);
            }
        }
    }

    /// After a session's turn: frees it if it closed, else notes when it wants to be called.
    fn settle(&mut self, slot: usize, now: Instant) {
        let Some(session) = self.sessions.get_mut(slot) else {
            return;
        };
        self.stats.channels_refused += session.channels.take_refused();
        let deadline = session.deadline(now);
        self.deadlines.set(slot, deadline);
        if session.is_closed() {
            self.release(slot);
        }
    }

    fn release(&mut self, slot: usize) {
        self.demux.forget(slot);
        self.deadlines.set(slot, None);
        if let Some(SessionState::Closed { reason }) =
            self.sessions.get(slot).map(|session| &session.state)
        {
            self.stats.count_closed(reason);
        }
        let socket = self.sessions.socket(slot);
        if socket > 0 {
            // Its last words must leave by it.
            self.transmitter.flush(&self.sockets, &mut self.stats);
            self.sockets[socket] = None;
        }
        self.sessions.remove(slot);
    }

    /// Runs a step of a session with what it needs around it.
    pub(super) fn with_session<T: Default>(
        &mut self,
        slot: usize,
        now: Instant,
        step: impl FnOnce(&mut Session, &mut SessionOutbox<'_>, &mut Vec<u8>) -> T,
    ) -> T {
        let socket = self.sessions.socket(slot);
        let Some(session) = self.sessions.get_mut(slot) else {
            return T::default();
        };
        let Self {
            transmitter,
            sockets,
            stats,
            scratch,
            ..
        } = self;
        let mut outbox = SessionOutbox {
            transmitter,
            sockets,
            stats,
            socket,
        };
        guarded(session, now, |session| step(session, &mut outbox, scratch))
    }

    fn publish(&mut self) {
        self.stats.sessions = self.sessions.alive() as u64;
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&self.stats);
    }

    async fn sleep(&mut self) {
        if self.receive_failed {
            tokio::time::sleep(RECEIVE_RETRY).await;
            return;
        }
        let deadline = self.deadlines.next();
        let timer = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let blocked = self.transmitter.blocked_socket();
        let request = tokio::select! {
            request = self.requests.recv() => request,
            () = self.board.woken() => return,
            () = any_socket(&self.sockets, blocked) => return,
            () = timer => return,
        };
        match request {
            Some(request) => self.serve(Instant::now(), request),
            None => self.shutdown = Some(None),
        }
    }

    fn end(mut self) {
        let now = Instant::now();
        for slot in self.sessions.occupied() {
            self.with_session(slot, now, |session, outbox, _| {
                session.finish(now, CloseReason::EndpointClosed, outbox);
            });
            self.release(slot);
        }
        self.transmitter.flush(&self.sockets, &mut self.stats);
        self.publish();
        if let Some(Some(reply)) = self.shutdown.take() {
            // The caller may have stopped waiting.
            let _ = reply.send(());
        }
    }
}

/// Resolves when a socket can be read, or the one that sends wait for can be written.
async fn any_socket(sockets: &Sockets, blocked: Option<usize>) {
    std::future::poll_fn(|cx| {
        let readable = sockets
            .iter()
            .flatten()
            .filter(|io| io.poll_readable(cx).is_ready())
            .count()
            > 0;
        let blocked = blocked.and_then(|index| sockets.get(index)?.as_ref());
        let writable = blocked.is_some_and(|io| io.poll_writable(cx).is_ready());
        if readable || writable {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
