//! The thread that carries the datagrams: all sockets in one `poll`, everything received into the paths, everything due
//! out of them.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::clients::{Client, Clients, Datagram};
use super::control::{Route, Routes, Shared};

/// Datagrams read from one socket before the others have their turn, and sent before any is read: no larger bursts than
/// came, for a receiver with a small buffer.
const BATCH: usize = 16;
/// No datagram is larger.
const MAX_DATAGRAM_BYTES: usize = 64 << 10;
/// How soon a new route, and the end, are noticed. A datagram that is due is never late by it.
const LONGEST_WAIT: Duration = Duration::from_millis(10);

pub(super) struct Relay {
    shared: Arc<Shared>,
    new_routes: Routes,
    routes: Vec<Route>,
    clients: Clients,
    buffer: Vec<u8>,
    /// Due datagrams, with whether they go up.
    due: Vec<(bool, Datagram)>,
}

impl Relay {
    pub(super) fn new(shared: Arc<Shared>, new_routes: Routes) -> Self {
        Self {
            shared,
            new_routes,
            routes: Vec::new(),
            clients: Clients::default(),
            buffer: vec![0; MAX_DATAGRAM_BYTES],
            due: Vec::with_capacity(2 * BATCH),
        }
    }

    pub(super) fn run(mut self) {
        while !self.shared.is_stopped() {
            self.routes.extend(self.new_routes.try_iter());
            let ready = self.wait();
            // Clients that a route brings come after those that were waited for.
            let (from_routes, from_servers) = ready.split_at(self.routes.len().min(ready.len()));
            for at in indices(from_servers) {
                self.receive_from_server(at);
            }
            for at in indices(from_routes) {
                self.receive_from_clients(at);
            }
            self.send_due();
            let moves = self.shared.lock().moves;
            let routes = &self.routes;
            self.clients.move_to(moves, |route| routes[route].server);
            self.clients.expire(Instant::now());
            self.shared.lock().counts.clients = self.clients.all().len();
        }
    }

    /// Waits for a datagram to come or to be due; tells which sockets have one, the routes' first.
    fn wait(&self) -> Vec<bool> {
        let next_due = {
            let state = self.shared.lock();
            [state.up.next_due(), state.down.next_due()]
                .into_iter()
                .flatten()
                .min()
        };
        let wait = next_due.map_or(LONGEST_WAIT, |due| {
            due.saturating_duration_since(Instant::now())
                .min(LONGEST_WAIT)
        });
        let mut sockets: Vec<PollFd<'_>> = self
            .routes
            .iter()
            .map(|route| &route.socket)
            .chain(self.clients.all().iter().map(|client| &client.upstream))
            .map(|socket| PollFd::new(socket, PollFlags::IN))
            .collect();
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: wait.subsec_nanos().into(),
        };
        match poll(&mut sockets, Some(&timeout)) {
            Ok(_) => sockets.iter().map(|it| !it.revents().is_empty()).collect(),
            Err(_interrupted) => {
                // Were it anything worse, this must not take the whole processor.
                thread::sleep(wait.min(Duration::from_millis(1)));
                Vec::new()
            }
        }
    }

    fn receive_from_clients(&mut self, route_index: usize) {
        let route = &self.routes[route_index];
        for _ in 0..BATCH {
            let received = match route.socket.recv_from(&mut self.buffer) {
                Ok(received) => received,
                Err(error) if is_of_an_earlier_send(&error) => continue,
                Err(_none) => return,
            };
            let (len, address) = received;
            if self.shared.lock().is_blocked(route.server) {
                continue;
            }
            let now = Instant::now();
            let client = self.clients.at(now, route_index, address, route.server);
            let mut state = self.shared.lock();
            match client {
                Ok(client) => {
                    let bytes = self.buffer[..len].to_vec();
                    state.up.push(now, Datagram { client, bytes });
                }
                Err(_no_room) => state.counts.refused += 1,
            }
        }
    }

    fn receive_from_server(&mut self, client_index: usize) {
        for _ in 0..BATCH {
            let client = &self.clients.all()[client_index];
            let len = match client.upstream.recv(&mut self.buffer) {
                Ok(len) => len,
                Err(error) if is_of_an_earlier_send(&error) => continue,
                Err(_none) => return,
            };
            if self
                .shared
                .lock()
                .is_blocked(self.routes[client.route].server)
            {
                continue;
            }
            let datagram = Datagram {
                client: client.id,
                bytes: self.buffer[..len].to_vec(),
            };
            let now = Instant::now();
            self.clients.touch(now, client_index);
            self.shared.lock().down.push(now, datagram);
        }
    }

    fn send_due(&mut self) {
        {
            let now = Instant::now();
            let state = &mut *self.shared.lock();
            for _ in 0..BATCH {
                let up = state.up.pop(now).map(|datagram| (true, datagram));
                let down = state.down.pop(now).map(|datagram| (false, datagram));
                if up.is_none() && down.is_none() {
                    break;
                }
                self.due.extend([up, down].into_iter().flatten());
            }
        }
        let mut unsent = 0;
        for (is_up, datagram) in self.due.drain(..) {
            let client = self.clients.get(datagram.client);
            let sent = client.is_some_and(|client| {
                let sent = || send(&self.routes, client, is_up, &datagram.bytes);
                sent()
                    .or_else(|error| match error {
                        // It tells of an earlier datagram, and this one has not been sent.
                        error if is_of_an_earlier_send(&error) => sent(),
                        error => Err(error),
                    })
                    .is_ok()
            });
            unsent += u64::from(!sent);
        }
        if unsent > 0 {
            self.shared.lock().counts.unsent += unsent;
        }
    }
}

fn indices(ready: &[bool]) -> impl Iterator<Item = usize> + '_ {
    ready
        .iter()
        .enumerate()
        .filter_map(|(at, &ready)| ready.then_some(at))
}

fn send(routes: &[Route], client: &Client, is_up: bool, bytes: &[u8]) -> io::Result<usize> {
    let to: SocketAddr = client.address;
    if is_up {
        client.upstream.send(bytes)
    } else {
        routes[client.route].socket.send_to(bytes, to)
    }
}

/// Nobody listens there, or nobody yet: the system reports it with whatever is done next on the socket.
fn is_of_an_earlier_send(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
    )
}
