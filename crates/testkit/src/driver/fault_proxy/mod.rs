//! Stands before an HTTP server and spoils its answers on demand, as servers of other people do: late, cut, wrong, refused.
//!
//! Fed with connections by a test's client; passes requests on to one server. Faults are set while it runs, by request or for
//! all; what went through is counted. A link of a certain rate and delay can be put between.

mod exchange;
mod link;

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use link::Link;
pub use link::LinkShape;

/// Connections at a time; further ones are closed.
const MAX_CONNECTIONS: usize = 256;
/// The requests that are remembered, the newest.
const MAX_REMEMBERED: usize = 16_384;

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// It comes so much later.
    Delay(Duration),
    /// The connection breaks after so many bytes of its body.
    Cut(u64),
    /// It claims to be whole after so many bytes of its body.
    Truncate(u64),
    /// One bit of its body's byte at this place is another.
    Flip(u64),
    /// The server is not told of the `Range`, so the answer is the whole.
    IgnoreRange,
    /// It never comes; the connection stays open.
    Hang,
    /// Nothing more comes after so many bytes of its body; the connection stays open.
    Stall(u64),
    /// This status instead, and in `Retry-After` these seconds.
    Status(u16, Option<u32>),
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRequest {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The `Range` header.
    pub range: Option<String>,
    /// The `Accept` header.
    pub accept: Option<String>,
}

/// What went through so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProxyCounts {
    /// Connections accepted.
    pub connections: u64,
    /// Requests read.
    pub requests: u64,
    /// Bytes of bodies sent to clients.
    pub body_bytes: u64,
    /// How often all connections were cut.
    pub kills: u64,
}

/// The proxy. It stops when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    link: Link,
}

#[derive(Debug, Default)]
struct State {
    server: Option<SocketAddr>,
    always: Fault,
    /// For the next requests, one each.
    next: VecDeque<Fault>,
    kill_every_bytes: Option<u64>,
    since_kill_bytes: u64,
    down: bool,
    stopped: bool,
    clients: Vec<(u64, TcpStream)>,
    next_id: u64,
    seen: VecDeque<SeenRequest>,
    counts: ProxyCounts,
}

impl FaultProxy {
    /// Listens on loopback, before `server`.
    ///
    /// # Errors
    /// There is no port.
    pub fn start(server: SocketAddr) -> io::Result<Self> {
        Self::over(server, LinkShape::default())
    }

    /// The same, at the far end of a link.
    ///
    /// # Errors
    /// There is no port.
    pub fn over(server: SocketAddr, shape: LinkShape) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let state = State {
            server: Some(server),
            ..State::default()
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            link: Link::new(shape),
        });
        let serving = Arc::clone(&shared);
        thread::Builder::new()
            .name("fault proxy".to_owned())
            .spawn(move || serve(&listener, &serving))?;
        Ok(Self { address, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://HOST:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What is wrong with each answer from now on.
    pub fn always(&self, fault: Fault) {
        self.shared.lock().always = fault;
    }

    /// What is wrong with the next answers, one each; those after them are as [`always`](Self::always) says.
    pub fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.lock().next.extend(faults);
    }

    /// Passes requests on to another server from now on: the old one was started again at another port.
    pub fn server(&self, server: SocketAddr) {
        self.shared.lock().server = Some(server);
    }

    /// Cuts all connections.
    pub fn kill(&self) {
        self.shared.lock().kill();
    }

    /// Cuts all connections each time that so many bytes of bodies have gone through.
    pub fn kill_every(&self, bytes: Option<u64>) {
        self.shared.lock().kill_every_bytes = bytes;
    }

    /// Closes every new connection, or no longer; with the first those that there are, too.
    pub fn down(&self, down: bool) {
        let mut state = self.shared.lock();
        state.down = down;
        if down {
            state.kill();
        }
    }

    /// What went through so far.
    #[must_use]
    pub fn counts(&self) -> ProxyCounts {
        self.shared.lock().counts
    }

    /// The requests so far, the newest 16,384.
    #[must_use]
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.shared.lock().seen.iter().cloned().collect()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        state.kill();
        drop(state);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let Ok(client) = client else { continue };
        let Some(id) = shared.lock().accepted(&client) else {
            if shared.lock().stopped {
                return;
            }
            continue;
        };
        let of_client = Arc::clone(shared);
        thread::spawn(move || {
            exchange::run(&client, &of_client);
            of_client.lock().clients.retain(|(it, _)| *it != id);
        });
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The connection's number; `None` for one that is to be closed.
    fn accepted(&mut self, client: &TcpStream) -> Option<u64> {
        if self.stopped || self.down || self.clients.len() >= MAX_CONNECTIONS {
            return None;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.counts.connections += 1;
        self.clients.push((id, client.try_clone().ok()?));
        Some(id)
    }

    /// What to do with a request.
    fn requested(&mut self, request: SeenRequest) -> Fault {
        self.counts.requests += 1;
        if self.seen.len() == MAX_REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back(request);
        self.next.pop_front().unwrap_or(self.always)
    }

    fn sent(&mut self, bytes: u64) {
        self.counts.body_bytes += bytes;
        self.since_kill_bytes += bytes;
        if self
            .kill_every_bytes
            .is_some_and(|every| self.since_kill_bytes >= every)
        {
            self.kill();
        }
    }

    fn kill(&mut self) {
        self.since_kill_bytes = 0;
        self.counts.kills += 1;
        for (_, client) in self.clients.drain(..) {
            // Fails for one that the client has closed.
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}
