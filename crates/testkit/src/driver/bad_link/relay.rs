//! The thread that carries the datagrams: all sockets in one `poll`, everything received into the paths, everything due
//! out of them.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::clients::{Clients, Datagram};
use super::control::{Route, Routes, Shared};
use super::socket::{ReceiveBuffers, Segments};

/// Datagrams that go each way before any is read: no larger bursts than came, for a receiver with a small buffer.
const BATCH: usize = 64;
/// How soon a new route, and the end, are noticed. A datagram that is due is never late by it.
const LONGEST_WAIT: Duration = Duration::from_millis(10);

pub(super) struct Relay {
    shared: Arc<Shared>,
    new_routes: Routes,
    routes: Vec<Route>,
    clients: Clients,
    buffers: ReceiveBuffers,
    segments: Segments,
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
            buffers: ReceiveBuffers::new(),
            segments: Segments::default(),
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
            .map(|route| &route.socket.io)
            .chain(self.clients.all().iter().map(|client| &client.upstream.io))
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
        let Ok(received) = route.socket.receive(&mut self.buffers) else {
            return;
        };
        if self.shared.lock().is_blocked(route.server) {
            return;
        }
        let now = Instant::now();
        for (address, bytes) in received {
            let client = self.clients.at(now, route_index, address, route.server);
            let mut state = self.shared.lock();
            match client {
                Ok(client) => {
                    let bytes = bytes.to_vec();
                    state.up.push(now, Datagram { client, bytes });
                }
                Err(_no_room) => state.counts.refused += 1,
            }
        }
    }

    fn receive_from_server(&mut self, client_index: usize) {
        let client = &self.clients.all()[client_index];
        let (id, server) = (client.id, client.server);
        let Ok(received) = client.upstream.receive(&mut self.buffers) else {
            return;
        };
        let now = Instant::now();
        {
            let mut state = self.shared.lock();
            if state.is_blocked(server) {
                return;
            }
            for (_, bytes) in received.filter(|(address, _)| *address == server) {
                let bytes = bytes.to_vec();
                state.down.push(now, Datagram { client: id, bytes });
            }
        }
        self.clients.touch(now, client_index);
    }

    fn send_due(&mut self) {
        {
            let now = Instant::now();
            let state = &mut *self.shared.lock();
            for _ in 0..BATCH {
                let Some(datagram) = state.up.pop(now) else {
                    break;
                };
                self.due.push((true, datagram));
            }
            for _ in 0..BATCH {
                let Some(datagram) = state.down.pop(now) else {
                    break;
                };
                self.due.push((false, datagram));
            }
        }
        let unsent: u64 = self
            .due
            .chunk_by(|(up, one), (other_up, other)| up == other_up && one.client == other.client)
            .map(|run| send(&self.routes, &self.clients, &mut self.segments, run))
            .sum();
        self.due.clear();
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

/// Sends datagrams of one client and one way, in as few calls as it takes; how many did not leave.
fn send(
    routes: &[Route],
    clients: &Clients,
    segments: &mut Segments,
    run: &[(bool, Datagram)],
) -> u64 {
    let Some(&(is_up, ref first)) = run.first() else {
        return 0;
    };
    let Some(client) = clients.get(first.client) else {
        return run.len() as u64;
    };
    let (socket, to) = if is_up {
        (&client.upstream, client.server)
    } else {
        (&routes[client.route].socket, client.address)
    };
    let (most, mut unsent) = (socket.max_segments(), 0);
    segments.clear();
    for (_, datagram) in run {
        if !segments.push(&datagram.bytes, most) {
            unsent += socket.send(to, segments);
            segments.clear();
            segments.push(&datagram.bytes, most);
        }
    }
    if !segments.is_empty() {
        unsent += socket.send(to, segments);
        segments.clear();
    }
    unsent
}
