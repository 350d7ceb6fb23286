//! A UDP relay between connecting sessions and a server, so that tests can cut the path, move it to another address,
//! and put noise on it from the very address the server knows the peer by.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use webrtc_session::{ChannelSpec, Endpoint, SessionConfig, SessionId};

use super::{Peer, scripted};

pub struct Relay {
    inner: Arc<UdpSocket>,
    outer: Mutex<Outer>,
    clients: Arc<Mutex<Vec<SocketAddr>>>,
    server: SocketAddr,
}

struct Outer {
    socket: Arc<UdpSocket>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Outer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Relay {
    pub async fn to(server: SocketAddr) -> Self {
        let inner = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let clients = Arc::default();
        let outer = Mutex::new(open(&inner, &clients, server).await);
        Self {
            inner,
            outer,
            clients,
            server,
        }
    }

    /// The answer, with the relay in the server's place.
    pub fn rewrite(&self, answer: &str) -> String {
        let port = |address: SocketAddr| format!(" {} typ host", address.port());
        answer.replace(&port(self.server), &port(self.inner.local_addr().unwrap()))
    }

    /// From now on the server sees another source address.
    pub async fn move_to_another_address(&self) {
        let outer = open(&self.inner, &self.clients, self.server).await;
        *self.outer.lock().unwrap() = outer;
    }

    /// From now on nothing passes.
    pub fn cut(&self) {
        self.outer
            .lock()
            .unwrap()
            .tasks
            .iter()
            .for_each(JoinHandle::abort);
    }

    /// A datagram to the server from the peer's address.
    pub async fn inject(&self, datagram: &[u8]) {
        let socket = Arc::clone(&self.outer.lock().unwrap().socket);
        socket.send_to(datagram, self.server).await.unwrap();
    }
}

/// Clients' datagrams go out by one socket; what comes back goes to every client, as none can be told by its address.
async fn open(
    inner: &Arc<UdpSocket>,
    clients: &Arc<Mutex<Vec<SocketAddr>>>,
    server: SocketAddr,
) -> Outer {
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let up = {
        let (inner, outer, clients) = (Arc::clone(inner), Arc::clone(&socket), Arc::clone(clients));
        tokio::spawn(async move {
            let mut buffer = vec![0; 2048];
            while let Ok((length, client)) = inner.recv_from(&mut buffer).await {
                remember(&clients, client);
                let _ = outer.send_to(&buffer[..length], server).await;
            }
        })
    };
    let down = {
        let (inner, outer, clients) = (Arc::clone(inner), Arc::clone(&socket), Arc::clone(clients));
        tokio::spawn(async move {
            let mut buffer = vec![0; 2048];
            while let Ok((length, _)) = outer.recv_from(&mut buffer).await {
                let clients = clients.lock().unwrap().clone();
                for client in clients {
                    let _ = inner.send_to(&buffer[..length], client).await;
                }
            }
        })
    };
    Outer {
        socket,
        tasks: vec![up, down],
    }
}

fn remember(clients: &Mutex<Vec<SocketAddr>>, client: SocketAddr) {
    let mut known = clients.lock().unwrap();
    if !known.contains(&client) {
        known.push(client);
    }
}

/// Two sessions with the relay between them, and their channel open.
pub struct Relayed {
    pub server_session: SessionId,
    pub server_peer: Peer,
    pub client_peer: Peer,
}

/// Connects them; `config` is the server's session's.
pub async fn connect(
    server: &Endpoint,
    client: &Endpoint,
    relay: &Relay,
    config: SessionConfig,
) -> Relayed {
    let (client_handler, mut client_peer) = scripted();
    let (server_handler, mut server_peer) = scripted();
    let (offer, pending) = client
        .connect(client_handler, &[ChannelSpec::reliable("data")])
        .await
        .unwrap();
    let accepted = server
        .accept_with(&offer, server_handler, config)
        .await
        .unwrap();
    pending
        .accept_answer(&relay.rewrite(&accepted.answer_sdp))
        .await
        .unwrap();
    client_peer.channel("data").await;
    server_peer.channel("data").await;
    Relayed {
        server_session: accepted.session,
        server_peer,
        client_peer,
    }
}
