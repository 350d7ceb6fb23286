//! A bad network between two real processes: what one sends to the other is delayed, lost, doubled, cut.
//!
//! [`BadLink::to_udp`] stands before a UDP address. WebRTC peers tell each other their addresses, past any such relay;
//! so [`BadLink::to_http`] stands before the HTTP server of one of them, passes requests on, and writes itself into the
//! answers' candidates. What passes and when is [`DatagramPath`](crate::DatagramPath)'s to say, one for each way.

mod clients;
mod control;
mod exchange;
mod http;
mod relay;
mod socket;
mod tunnel;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::LinkConfig;
pub use control::{BadLinkStats, LinkControl, Ways};
use control::{Routes, Shared};

/// How a bad link begins.
#[derive(Debug, Clone, Copy)]
pub struct BadLinkConfig {
    /// Where it listens. Default 127.0.0.1 and a free port. [`BadLink::to_http`] has the HTTP side here, and the UDP
    /// side at free ports of the same address.
    pub listen: SocketAddr,
    /// From the client to the server. Default [`LinkConfig::datagrams`].
    pub up: LinkConfig,
    /// From the server to the client. Default [`LinkConfig::datagrams`].
    pub down: LinkConfig,
    /// Of all chances. The same datagrams at the same times meet the same fate. Default 1.
    pub seed: u64,
}

impl Default for BadLinkConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            up: LinkConfig::datagrams(),
            down: LinkConfig::datagrams(),
            seed: 1,
        }
    }
}

impl BadLinkConfig {
    /// The same both ways.
    pub fn both(config: LinkConfig) -> Self {
        Self {
            up: config,
            down: config,
            ..Self::default()
        }
    }
}

/// Why there is no bad link.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadLinkError {
    /// The address is not free, or not this machine's.
    #[error("cannot listen on {address}: {source}; 127.0.0.1:0 finds a free port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Peers are told the address, and this one tells them nothing.
    #[error(
        "cannot listen on {address}: peers are told the address, so it must be a particular one"
    )]
    Unspecified {
        /// The address.
        address: SocketAddr,
    },
    /// A thread could not be started.
    #[error("cannot start a thread: {source}")]
    Thread {
        /// What the system said.
        source: io::Error,
    },
}

/// A running bad link. It ends, with the connections through it, when dropped.
#[derive(Debug)]
pub struct BadLink {
    address: SocketAddr,
    control: LinkControl,
    threads: Vec<JoinHandle<()>>,
}

impl BadLink {
    /// Relays datagrams to and from `server`, for up to 256 clients. The server sees each at a port of its own.
    ///
    /// # Errors
    /// [`BadLinkError`] when the address to listen on is taken, or the system is out of threads.
    pub fn to_udp(server: SocketAddr, config: BadLinkConfig) -> Result<Self, BadLinkError> {
        let (shared, routes) = Shared::new(&config);
        let address =
            shared
                .add_route(server, config.listen)
                .map_err(|source| BadLinkError::Listen {
                    address: config.listen,
                    source,
                })?;
        Self::start(address, shared, routes)
    }

    /// Passes HTTP/1.1 requests on to `server`, and rewrites the candidates in its `application/sdp` answers, so that
    /// the datagrams go through this link as well. Candidates that are not host, UDP, IPv4 and loopback are dropped.
    /// HTTP itself is not impaired, but can be cut; so it is with WebSockets, which pass as any upgrade does.
    ///
    /// The answering peer must be ICE-lite, as Frameway's servers are: one that checks by itself would find the way
    /// around.
    ///
    /// # Errors
    /// [`BadLinkError`] when the address to listen on is taken or unspecified, or the system is out of threads.
    pub fn to_http(server: SocketAddr, config: BadLinkConfig) -> Result<Self, BadLinkError> {
        let address = config.listen;
        if address.ip().is_unspecified() {
            return Err(BadLinkError::Unspecified { address });
        }
        let (listener, address) =
            http::listen(address).map_err(|source| BadLinkError::Listen { address, source })?;
        let (shared, routes) = Shared::new(&config);
        let mut link = Self::start(address, Arc::clone(&shared), routes)?;
        let proxy = http::Proxy::new(listener, server, address.ip(), shared);
        link.threads.push(spawn("bad-link-http", || proxy.run())?);
        Ok(link)
    }

    fn start(
        address: SocketAddr,
        shared: Arc<Shared>,
        routes: Routes,
    ) -> Result<Self, BadLinkError> {
        let relay = relay::Relay::new(Arc::clone(&shared), routes);
        let thread = spawn("bad-link-udp", || relay.run())?;
        Ok(Self {
            address,
            control: LinkControl::new(shared),
            threads: vec![thread],
        })
    }

    /// The address to use in place of the server's.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the link while it runs; clone it for another thread.
    pub fn control(&self) -> &LinkControl {
        &self.control
    }
}

impl Drop for BadLink {
    fn drop(&mut self) {
        self.control.stop();
        for thread in self.threads.drain(..) {
            // It ends the same if it panicked.
            let _ = thread.join();
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, BadLinkError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(|source| BadLinkError::Thread { source })
}
