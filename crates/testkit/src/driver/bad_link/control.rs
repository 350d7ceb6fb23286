//! What the threads of a bad link share, and the handle that changes it while they run.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::sockopt;

use super::BadLinkConfig;
use super::clients::Datagram;
use super::socket::RelaySocket;
use crate::datagram_path::Cut;
use crate::{DatagramPath, LinkConfig, PathStats};

/// UDP ports that one server may name in its answers; the candidates of further ones are dropped.
const MAX_ROUTES: usize = 16;
/// HTTP connections at a time; further ones are reset. A page has about six.
const MAX_CONNECTIONS: usize = 64;
/// What the system is asked to hold before a socket is read: at 100 MB/s, 80 ms of not being scheduled.
const SOCKET_BUFFER_BYTES: usize = 8 << 20;

/// A socket for clients and the server behind it.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) socket: RelaySocket,
    pub(super) server: SocketAddr,
}

pub(super) type Routes = Receiver<Route>;

/// Which ways a change is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ways {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
    /// Both.
    Both,
}

/// What became of everything so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BadLinkStats {
    /// Datagrams from clients to the server.
    pub up: PathStats,
    /// Datagrams from the server to clients.
    pub down: PathStats,
    /// Clients that were heard of in the last minute.
    pub clients: usize,
    /// Datagrams of clients beyond the 256th; they are in no other count.
    pub refused: u64,
    /// Datagrams among those forwarded that the system did not take, or whose client had expired.
    pub unsent: u64,
    /// UDP addresses of the server that are relayed to.
    pub servers: usize,
    /// HTTP requests passed on.
    pub requests: u64,
    /// Of these, the ones that the server answered with another protocol, WebSocket for one.
    pub upgrades: u64,
    /// HTTP connections refused: cut, too many, or no request.
    pub requests_refused: u64,
    /// Datagrams of WebTransport dropped while that is blocked; they are in no other count.
    pub blocked: u64,
    /// Candidates rewritten in answers.
    pub candidates_rewritten: u64,
    /// Candidates dropped from answers.
    pub candidates_dropped: u64,
}

/// The paths and counts, under one lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) up: DatagramPath<Datagram>,
    pub(super) down: DatagramPath<Datagram>,
    /// Counts that are not the paths'.
    pub(super) counts: BadLinkStats,
    http_cut: Option<Cut>,
    /// Servers and the addresses that stand for them.
    routes: Vec<(SocketAddr, SocketAddr)>,
    /// Those of them that serve WebTransport, and whether nothing of theirs passes.
    webtransport: Vec<SocketAddr>,
    webtransport_blocked: bool,
    /// How often clients have moved.
    pub(super) moves: u32,
    /// Client's and server's streams of the HTTP connections.
    connections: HashMap<u64, Vec<TcpStream>>,
    next_connection: u64,
}

impl State {
    fn is_http_cut(&self, now: Instant) -> bool {
        self.http_cut.is_some_and(|cut| cut.holds(now))
    }

    /// Whether nothing to or from this server passes; counts what does not.
    pub(super) fn is_blocked(&mut self, server: SocketAddr) -> bool {
        let blocked = self.webtransport_blocked && self.webtransport.contains(&server);
        self.counts.blocked += u64::from(blocked);
        blocked
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    new_routes: SyncSender<Route>,
    stopped: AtomicBool,
}

impl Shared {
    pub(super) fn new(config: &BadLinkConfig) -> (Arc<Self>, Routes) {
        let (new_routes, routes) = sync_channel(MAX_ROUTES);
        let state = State {
            up: DatagramPath::new(config.up, config.seed),
            // Another seed, lest both ways lose the same.
            down: DatagramPath::new(config.down, !config.seed),
            counts: BadLinkStats::default(),
            http_cut: None,
            routes: Vec::new(),
            webtransport: Vec::new(),
            webtransport_blocked: false,
            moves: 0,
            connections: HashMap::new(),
            next_connection: 0,
        };
        let shared = Self {
            state: Mutex::new(state),
            new_routes,
            stopped: AtomicBool::new(false),
        };
        (Arc::new(shared), routes)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(super) fn is_http_cut(&self) -> bool {
        self.is_stopped() || self.lock().is_http_cut(Instant::now())
    }

    /// The address that stands for this server's: the one there is, or a new one.
    pub(super) fn add_route(
        &self,
        server: SocketAddr,
        listen: SocketAddr,
    ) -> io::Result<SocketAddr> {
        let mut state = self.lock();
        if let Some((_, address)) = state.routes.iter().find(|(it, _)| *it == server) {
            return Ok(*address);
        }
        if state.routes.len() >= MAX_ROUTES {
            return Err(io::Error::other("too many servers behind one link"));
        }
        let socket = RelaySocket::bind(listen)?;
        let address = socket.io.local_addr()?;
        // It has room for as many as there may be.
        self.new_routes
            .try_send(Route { socket, server })
            .map_err(io::Error::other)?;
        state.routes.push((server, address));
        Ok(address)
    }

    /// The same of a server of WebTransport.
    pub(super) fn add_webtransport(
        &self,
        server: SocketAddr,
        listen: SocketAddr,
    ) -> io::Result<SocketAddr> {
        let address = self.add_route(server, listen)?;
        let mut state = self.lock();
        if !state.webtransport.contains(&server) {
            state.webtransport.push(server);
        }
        Ok(address)
    }

    /// Takes note of an HTTP connection, so that a cut reaches it; `None` when there are too many.
    pub(super) fn connected(&self, stream: TcpStream) -> Option<u64> {
        let mut state = self.lock();
        if state.connections.len() >= MAX_CONNECTIONS {
            return None;
        }
        let id = state.next_connection;
        state.next_connection += 1;
        state.connections.insert(id, vec![stream]);
        Some(id)
    }

    /// The server's side of a connection.
    ///
    /// # Errors
    /// There has been a cut since the client connected.
    pub(super) fn connected_on(&self, id: u64, stream: TcpStream) -> io::Result<()> {
        let mut state = self.lock();
        if self.is_stopped() || state.is_http_cut(Instant::now()) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if let Some(streams) = state.connections.get_mut(&id) {
            streams.push(stream);
        }
        Ok(())
    }

    pub(super) fn disconnected(&self, id: u64) {
        self.lock().connections.remove(&id);
    }
}

/// A socket that never blocks, with as large a buffer as the system grants.
pub(super) fn udp_socket(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    #[cfg(target_os = "linux")]
    if sockopt::set_socket_recv_buffer_size_force(&socket, SOCKET_BUFFER_BYTES).is_ok() {
        return Ok(socket);
    }
    // A small one loses datagrams under load, as any network does.
    let _ = sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER_BYTES);
    Ok(socket)
}

/// Closing this stream will reset the connection rather than end it.
pub(super) fn reset_on_close(stream: &TcpStream) {
    // Were it refused, the peer would see an end instead of a reset.
    let _ = sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}

/// Changes a running link, from any thread.
#[derive(Debug, Clone)]
pub struct LinkControl {
    shared: Arc<Shared>,
}

impl LinkControl {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Impairs datagrams that come from here on in this manner.
    pub fn set(&self, ways: Ways, config: LinkConfig) {
        self.each(ways, |path| path.reconfigure(config));
    }

    /// Drops the datagrams under way and all that come, until [`LinkControl::restore`]. With `cut_http` the HTTP
    /// connections through the link are reset as well, and so are new ones.
    pub fn cut(&self, ways: Ways, cut_http: bool) {
        self.cut_lasting(ways, None, cut_http);
    }

    /// The same for a time.
    pub fn cut_for(&self, ways: Ways, lasting: Duration, cut_http: bool) {
        self.cut_lasting(ways, Some(lasting), cut_http);
    }

    fn cut_lasting(&self, ways: Ways, lasting: Option<Duration>, cut_http: bool) {
        let now = Instant::now();
        self.each(ways, |path| path.cut(now, lasting));
        if cut_http {
            self.reset_http(Cut::lasting(now, lasting));
        }
    }

    /// Drops whatever goes to or from ports of WebTransport, as a firewall that takes QUIC for a threat; the rest passes.
    pub fn block_webtransport(&self, blocked: bool) {
        self.shared.lock().webtransport_blocked = blocked;
    }

    /// Has the server see each client at another address from now on, as when a router forgets its mapping or a phone
    /// changes networks: another port, and another address where the server is on this machine. What the server sends to the
    /// former ones goes nowhere. Clients notice nothing.
    pub fn move_clients(&self) {
        self.shared.lock().moves += 1;
    }

    /// Ends any cut: both ways, and HTTP's.
    pub fn restore(&self) {
        self.each(Ways::Both, DatagramPath::restore);
        self.shared.lock().http_cut = None;
    }

    /// What became of everything so far.
    pub fn stats(&self) -> BadLinkStats {
        let state = self.shared.lock();
        BadLinkStats {
            up: state.up.stats(),
            down: state.down.stats(),
            servers: state.routes.len(),
            ..state.counts
        }
    }

    fn each(&self, ways: Ways, change: impl Fn(&mut DatagramPath<Datagram>)) {
        let mut state = self.shared.lock();
        if ways != Ways::Down {
            change(&mut state.up);
        }
        if ways != Ways::Up {
            change(&mut state.down);
        }
    }

    /// Each connection's thread closes its streams as soon as it finds them shut.
    fn reset_http(&self, cut: Cut) {
        let mut state = self.shared.lock();
        state.http_cut = Some(cut);
        for streams in state.connections.values() {
            for (at, stream) in streams.iter().enumerate() {
                reset_on_close(stream);
                // The client, which is the first, is to see a reset and not an end, so its half stays open until then.
                let half = if at == 0 {
                    Shutdown::Read
                } else {
                    Shutdown::Both
                };
                // It may be gone already.
                let _ = stream.shutdown(half);
            }
        }
    }

    pub(super) fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.reset_http(Cut::UntilRestored);
    }
}
