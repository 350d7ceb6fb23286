//! What is to be sent: gathers the sessions' datagrams into batches and sends them; while a socket is full they wait
//! here, bounded. Fed by `session` through [`Outbox`], feeds `socket`.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use super::socket::UdpIo;
use crate::EndpointStats;
use crate::segments::{Batch, Path};

/// Batches that wait for a full socket: 4 MiB at most. When more come the newest is dropped, as a full router would;
/// SCTP and DTLS send again.
const MAX_WAITING: usize = 64;

/// The endpoint's sockets by index, 0 being the shared one.
pub(super) type Sockets = Vec<Option<UdpIo>>;

#[derive(Debug, Default)]
pub(super) struct Transmitter {
    current: Batch,
    waiting: VecDeque<Batch>,
    spare: Vec<Batch>,
}

impl Transmitter {
    /// Does anything wait for a full socket?
    pub(super) fn is_blocked(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The socket that the first waiting batch needs.
    pub(super) fn blocked_socket(&self) -> Option<usize> {
        self.waiting.front()?.path().map(|path| path.socket)
    }

    fn push(&mut self, path: Path, datagram: &[u8], sockets: &Sockets, stats: &mut EndpointStats) {
        let Some(Some(socket)) = sockets.get(path.socket) else {
            stats.dropped_unsent += 1;
            return;
        };
        let max_segments = socket.max_segments();
        if !self.current.try_push(path, datagram, max_segments) {
            self.flush(sockets, stats);
            // An empty batch takes any datagram.
            let _ = self.current.try_push(path, datagram, max_segments);
        }
    }

    /// Sends what has gathered, and what had to wait.
    pub(super) fn flush(&mut self, sockets: &Sockets, stats: &mut EndpointStats) {
        while let Some(batch) = self.waiting.front() {
            if !attempt(batch, sockets, stats) {
                break;
            }
            if let Some(sent) = self.waiting.pop_front() {
                self.recycle(sent);
            }
        }
        if self.current.path().is_none() {
            return;
        }
        if self.waiting.is_empty() && attempt(&self.current, sockets, stats) {
            self.current.clear();
        } else if self.waiting.len() < MAX_WAITING {
            let next = self.spare.pop().unwrap_or_default();
            self.waiting
                .push_back(std::mem::replace(&mut self.current, next));
        } else {
            stats.dropped_unsent += self.current.segments() as u64;
            self.current.clear();
        }
    }

    fn recycle(&mut self, mut batch: Batch) {
        batch.clear();
        self.spare.push(batch);
    }
}

/// `false` when the socket is full and the batch must wait.
fn attempt(batch: &Batch, sockets: &Sockets, stats: &mut EndpointStats) -> bool {
    let Some(path) = batch.path() else {
        return true;
    };
    let Some(Some(socket)) = sockets.get(path.socket) else {
        stats.dropped_unsent += batch.segments() as u64;
        return true;
    };
    match socket.send(batch) {
        Ok(()) => {
            stats.datagrams_sent += batch.segments() as u64;
            stats.send_calls += 1;
            true
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
        Err(error) => {
            tracing::debug!(destination = %path.destination, %error, "datagrams not sent");
            stats.dropped_unsent += batch.segments() as u64;
            true
        }
    }
}

/// The outbox of one session for one turn.
pub(super) struct SessionOutbox<'a> {
    pub(super) transmitter: &'a mut Transmitter,
    pub(super) sockets: &'a Sockets,
    pub(super) stats: &'a mut EndpointStats,
    pub(super) socket: usize,
}

impl crate::session::Outbox for SessionOutbox<'_> {
    fn send(&mut self, source: SocketAddr, destination: SocketAddr, datagram: &[u8]) {
        let io = self.sockets.get(self.socket).and_then(Option::as_ref);
        let source = io.and_then(|io| io.local.source_ip(source));
        let path = Path {
            socket: self.socket,
            source,
            destination,
        };
        self.transmitter
            .push(path, datagram, self.sockets, self.stats);
    }
}
