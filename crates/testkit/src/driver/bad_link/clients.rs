//! Who talks through a bad link: one socket towards the server for each client, so that the server tells them apart.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::socket::RelaySocket;

/// Clients at a time.
const MAX_CLIENTS: usize = 256;
/// A client that is silent, and is told nothing, for so long makes room. WebRTC peers check each other every 2.5 s.
const IDLE: Duration = Duration::from_secs(60);

/// What is under way, to or from a client.
#[derive(Debug, Clone)]
pub(super) struct Datagram {
    pub(super) client: u64,
    pub(super) bytes: Vec<u8>,
}

impl AsRef<[u8]> for Datagram {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: u64,
    /// The route it came by, by its index.
    pub(super) route: usize,
    pub(super) address: SocketAddr,
    pub(super) server: SocketAddr,
    /// Towards the server.
    pub(super) upstream: RelaySocket,
    last_active: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Clients {
    all: Vec<Client>,
    next_id: u64,
    /// How often all of them have moved.
    moves: u32,
}

impl Clients {
    pub(super) fn all(&self) -> &[Client] {
        &self.all
    }

    /// The client at this address, a new one if there is room.
    ///
    /// # Errors
    /// There is none for it, or the system has no socket.
    pub(super) fn at(
        &mut self,
        now: Instant,
        route: usize,
        address: SocketAddr,
        server: SocketAddr,
    ) -> io::Result<u64> {
        let is_it = |it: &&mut Client| it.route == route && it.address == address;
        if let Some(client) = self.all.iter_mut().find(is_it) {
            client.last_active = now;
            return Ok(client.id);
        }
        if self.all.len() >= MAX_CLIENTS {
            return Err(io::Error::other("too many clients"));
        }
        let id = self.next_id;
        self.next_id += 1;
        self.all.push(Client {
            id,
            route,
            address,
            server,
            upstream: upstream(server, self.moves)?,
            last_active: now,
        });
        Ok(id)
    }

    /// Gives everybody another socket towards the server, once for each new count of `moves`.
    pub(super) fn move_to(&mut self, moves: u32, server_of: impl Fn(usize) -> SocketAddr) {
        if moves == self.moves {
            return;
        }
        self.moves = moves;
        for client in &mut self.all {
            // Without another socket it stays where it is.
            if let Ok(moved) = upstream(server_of(client.route), moves) {
                client.upstream = moved;
            }
        }
    }

    /// The client is told something.
    pub(super) fn touch(&mut self, now: Instant, at: usize) {
        self.all[at].last_active = now;
    }

    pub(super) fn get(&self, id: u64) -> Option<&Client> {
        self.all.iter().find(|client| client.id == id)
    }

    pub(super) fn expire(&mut self, now: Instant) {
        self.all
            .retain(|client| now.saturating_duration_since(client.last_active) < IDLE);
    }
}

/// A socket that reaches the server, at an address that depends on how often clients have moved; what others send to it is not the
/// relay's business.
fn upstream(server: SocketAddr, moves: u32) -> io::Result<RelaySocket> {
    let own = match (server.ip(), server.ip().is_loopback()) {
        (IpAddr::V4(_), true) => Ipv4Addr::LOCALHOST.into(),
        (IpAddr::V4(_), false) => Ipv4Addr::UNSPECIFIED.into(),
        (IpAddr::V6(_), true) => Ipv6Addr::LOCALHOST.into(),
        (IpAddr::V6(_), false) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let elsewhere = match own {
        IpAddr::V4(Ipv4Addr::LOCALHOST) => {
            IpAddr::from(Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + moves))
        }
        other => other,
    };
    // All of 127.0.0.0/8 is this machine's on Linux, and one address alone elsewhere: there the port changes.
    let socket = RelaySocket::bind(SocketAddr::new(elsewhere, 0));
    socket.or_else(|_| RelaySocket::bind(SocketAddr::new(own, 0)))
}
