//! The HTTP side of a bad link: accepts connections, and gives each request to a thread of its own.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::control::{Shared, reset_on_close};
use super::exchange::Exchange;

/// How long a server may say nothing, and a client take nothing, in the middle of a stream too.
pub(super) const SILENCE: Duration = Duration::from_secs(120);
/// How soon the end is noticed.
const STOP_CHECK: Duration = Duration::from_millis(20);

pub(super) struct Proxy {
    listener: TcpListener,
    server: SocketAddr,
    /// Where UDP relays listen.
    relay_ip: IpAddr,
    shared: Arc<Shared>,
}

/// A listener that never blocks, and where it listens.
pub(super) fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl Proxy {
    pub(super) fn new(
        listener: TcpListener,
        server: SocketAddr,
        relay_ip: IpAddr,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            listener,
            server,
            relay_ip,
            shared,
        }
    }

    pub(super) fn run(self) {
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: STOP_CHECK.subsec_nanos().into(),
        };
        while !self.shared.is_stopped() {
            let mut sockets = [PollFd::new(&self.listener, PollFlags::IN)];
            let waited = poll(&mut sockets, Some(&timeout));
            match self.listener.accept() {
                Ok((client, _)) => self.accepted(client),
                // Out of file descriptors, say: it stays ready, and must not take the whole processor.
                Err(_) if waited.is_ok_and(|ready| ready > 0) => thread::sleep(STOP_CHECK),
                Err(_none) => {}
            }
        }
    }

    fn accepted(&self, client: TcpStream) {
        let registered = prepare(&client)
            .ok()
            .filter(|_| !self.shared.is_http_cut())
            .and_then(|stream| self.shared.connected(stream));
        let Some(id) = registered else {
            reset_on_close(&client);
            self.shared.lock().counts.requests_refused += 1;
            return;
        };
        let exchange = Exchange {
            id,
            server: self.server,
            relay_ip: self.relay_ip,
            shared: Arc::clone(&self.shared),
        };
        let thread = thread::Builder::new().name("bad-link-exchange".to_owned());
        if thread.spawn(move || exchange.run(client)).is_err() {
            self.shared.disconnected(id);
        }
    }
}

/// For one who waits for the client; a second handle comes back.
fn prepare(client: &TcpStream) -> io::Result<TcpStream> {
    client.set_nonblocking(false)?;
    client.set_nodelay(true)?;
    client.set_write_timeout(Some(SILENCE))?;
    client.try_clone()
}
