//! What a lane's session is closed by, whichever endpoint it is at.
//!
//! Held by whoever gave a session its place: a worker's links, a stream's viewers.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use webrtc_session::SessionId;
use webrtc_session::driver::Endpoint;

/// What a lane's session is closed by.
#[derive(Debug, Clone)]
pub(crate) enum Seat {
    /// A session of data channels.
    Data(SessionId),
    /// A WebTransport session, which may be expected yet.
    Quic(Box<quic_session::Invitation>),
    /// A WebSocket, whose task this ends.
    Socket(Arc<Notify>),
}

/// Where a WebTransport session is expected, once, for half a minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QuicPlace {
    /// The UDP port at the host that was asked.
    pub(crate) port: u16,
    /// `/lane/TOKEN`.
    pub(crate) path: String,
    /// SHA-256 of the certificates that may be shown, hexadecimal (`serverCertificateHashes`). Empty: it is one that the
    /// client's system trusts.
    pub(crate) certificate_hashes: Vec<String>,
    /// What a client on the same machine names in place of `localhost`, where the socket is of IPv4 alone: browsers take
    /// that name for `::1` first, and for QUIC try no second address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) loopback_host: Option<String>,
    /// The link's epoch, where the server chose it: a client that knows it greets as it opens its channel, and has its first
    /// frame a round trip sooner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) epoch: Option<u32>,
}

impl QuicPlace {
    /// An invitation of the endpoint whose socket is at `own`.
    pub(crate) fn new(quic: &quic_session::Endpoint, own: SocketAddr, path: &str) -> Self {
        let hashes = quic.certificate_hashes();
        let ip = own.ip();
        let takes_loopback = ip == Ipv4Addr::LOCALHOST || ip == Ipv4Addr::UNSPECIFIED;
        Self {
            port: own.port(),
            path: path.to_owned(),
            certificate_hashes: hashes.iter().map(ToString::to_string).collect(),
            loopback_host: takes_loopback.then(|| Ipv4Addr::LOCALHOST.to_string()),
            epoch: None,
        }
    }

    /// The same, in a link of that epoch.
    pub(crate) fn of_link(self, epoch: u32) -> Self {
        Self {
            epoch: Some(epoch),
            ..self
        }
    }
}

/// What the endpoint of a lane's session says of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SeatStats {
    /// Written and not acknowledged, where the endpoint knows.
    pub(crate) buffered_bytes: usize,
    pub(crate) packets_sent: u64,
    pub(crate) remote: Option<SocketAddr>,
}

/// The UDP endpoints at which sessions are.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints {
    pub(crate) data: Endpoint,
    /// Where WebTransport is served.
    pub(crate) quic: Option<quic_session::Endpoint>,
}

impl Endpoints {
    /// Ends a session, or the wait for it: at once, or when it has said what it has to say, for at most `drain`. One that
    /// has ended meanwhile is what was wanted. Says whether there was one.
    pub(crate) async fn close(&self, seat: &Seat, drain: Option<Duration>) -> bool {
        match (seat, drain) {
            (Seat::Data(session), Some(drain)) => {
                self.data.close_after_drain(*session, drain).await.is_ok()
            }
            (Seat::Data(session), None) => self.data.close(*session).await.is_ok(),
            (Seat::Quic(invitation), drain) => {
                self.dismiss(invitation, drain);
                true
            }
            (Seat::Socket(end), _) => {
                end.notify_one();
                true
            }
        }
    }

    fn dismiss(&self, invitation: &quic_session::Invitation, drain: Option<Duration>) {
        let Some(quic) = &self.quic else {
            return;
        };
        quic.withdraw(invitation);
        // It may have ended by itself, or not have begun.
        let _ = match drain {
            Some(drain) => quic.close_after_drain(invitation.session, drain),
            None => quic.close(invitation.session),
        };
    }

    /// A session's figures; none for one that has just ended.
    pub(crate) async fn stats(&self, seat: &Seat) -> Option<SeatStats> {
        match seat {
            Seat::Data(session) => {
                let stats = self.data.stats(*session).await.ok()?;
                Some(SeatStats {
                    buffered_bytes: stats.buffered_bytes,
                    packets_sent: stats.packets_sent,
                    remote: stats.remote_address,
                })
            }
            Seat::Quic(invitation) => {
                let stats = self.quic.as_ref()?.stats(invitation.session).ok()?;
                Some(SeatStats {
                    buffered_bytes: 0,
                    packets_sent: stats.packets_sent,
                    remote: Some(stats.remote_address),
                })
            }
            Seat::Socket(_) => None,
        }
    }

    /// Ends all sessions.
    pub(crate) async fn shutdown(&self) {
        self.data.shutdown().await;
        if let Some(quic) = &self.quic {
            quic.shutdown().await;
        }
    }
}
