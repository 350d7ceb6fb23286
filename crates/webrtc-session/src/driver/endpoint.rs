//! The handle to an endpoint: what applications call. Checks and parses what strangers sent here, on the caller's task,
//! and hands the result to the endpoint's task.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::addresses::{LocalAddresses, loopback_mtu_bytes};
use super::inbox::{Full, INBOX_REQUESTS, Reply, Request};
use super::run::Driver;
use super::socket::UdpIo;
use super::wake::WakeBoard;
use crate::negotiation::{ChannelSpec, Identity, answer_offer, make_offer};
use crate::offer::{Role, inspect};
use crate::session::Session;
use crate::{
    AcceptError, BindError, CloseReason, ConnectError, EndpointConfig, EndpointStats,
    SessionConfig, SessionError, SessionHandler, SessionId, SessionStats, trickle,
};

/// One UDP socket and the sessions behind it. Cheap to clone; when the last clone is dropped its sessions are closed.
#[derive(Clone)]
pub struct Endpoint {
    shared: Arc<Shared>,
}

struct Shared {
    requests: mpsc::Sender<Request>,
    board: Arc<WakeBoard>,
    stats: Arc<Mutex<EndpointStats>>,
    identity: Identity,
    local: LocalAddresses,
    address: SocketAddr,
    config: EndpointConfig,
    /// Of the loopback interface, when the endpoint was bound.
    loopback_mtu_bytes: usize,
}

/// An offer that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// The new session.
    pub session: SessionId,
    /// The answer, to be sent to the peer.
    pub answer_sdp: String,
    /// The largest message the session can send, bytes.
    pub max_message_bytes: usize,
    /// The kinds (`audio`, `video`) of the offer's media sections: all of them are answered as inactive, for sessions
    /// carry data channels alone.
    pub inactive_media: Vec<String>,
}

impl Endpoint {
    /// Binds the socket and starts the endpoint's task on the current tokio runtime.
    ///
    /// # Errors
    /// [`BindError`]: a setting out of range, no runtime, an address that cannot be bound or advertised.
    pub fn bind(config: EndpointConfig) -> Result<Self, BindError> {
        config.validate()?;
        let runtime = Handle::try_current().map_err(|_| BindError::NoRuntime)?;
        let identity = Identity::generate().ok_or(BindError::Certificate)?;
        let socket = UdpIo::bind(config.bind, &config.advertised, config.socket_buffer_bytes)?;
        let (requests, inbox) = mpsc::channel(INBOX_REQUESTS);
        let board = Arc::new(WakeBoard::new(config.max_sessions));
        let stats = Arc::new(Mutex::new(EndpointStats::default()));
        let (address, local) = (socket.bound(), socket.local.clone());
        tracing::info!(%address, candidates = ?local.candidates(), "UDP socket");
        let sockets = vec![Some(socket)];
        let driver = Driver::new(
            inbox,
            Arc::clone(&board),
            Arc::clone(&stats),
            config.max_sessions,
            sockets,
        );
        runtime.spawn(driver.run());
        Ok(Self {
            shared: Arc::new(Shared {
                requests,
                board,
                stats,
                identity,
                local,
                address,
                config,
                loopback_mtu_bytes: loopback_mtu_bytes(),
            }),
        })
    }

    /// The address the shared socket is bound to.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.address
    }

    /// The addresses that peers are told.
    #[must_use]
    pub fn candidates(&self) -> &[SocketAddr] {
        self.shared.local.candidates()
    }

    /// Answers an offer, with the endpoint's session settings. The session lives from here on; it closes by itself if
    /// the peer does not connect.
    ///
    /// # Errors
    /// [`AcceptError`]: the offer cannot be used, or there is no room for another session.
    pub async fn accept(
        &self,
        offer_sdp: &str,
        handler: Box<dyn SessionHandler>,
    ) -> Result<Accepted, AcceptError> {
        self.accept_with(offer_sdp, handler, self.shared.config.session.clone())
            .await
    }

    /// As [`accept`](Self::accept), with settings for this session alone.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept), and for settings out of range.
    pub async fn accept_with(
        &self,
        offer_sdp: &str,
        handler: Box<dyn SessionHandler>,
        mut config: SessionConfig,
    ) -> Result<Accepted, AcceptError> {
        config.validate()?;
        config.fit_loopback(self.shared.loopback_mtu_bytes);
        let max_sessions = self.shared.config.max_sessions;
        if self.totals().sessions >= max_sessions as u64 {
            return Err(AcceptError::Busy { max_sessions });
        }
        let offer = inspect(offer_sdp, Role::Offer)?;
        let inactive_media = offer.media.clone();
        let Shared {
            identity, local, ..
        } = &*self.shared;
        let (session, answer_sdp) = answer_offer(
            Instant::now(),
            identity,
            local.candidates(),
            config,
            handler,
            offer,
        )?;
        let max_message_bytes = session.channels.max_message_bytes();
        match self.insert(session, None).await {
            Ok(Ok(session)) => Ok(Accepted {
                session,
                answer_sdp,
                max_message_bytes,
                inactive_media,
            }),
            Ok(Err(Full { max_sessions })) => Err(AcceptError::Busy { max_sessions }),
            Err(_) => Err(AcceptError::EndpointClosed),
        }
    }

    /// Begins a connection: makes an offer for these channels. It goes by a UDP socket of its own, as a browser's
    /// would, because DTLS 1.2 cannot tell apart two sessions between the same two sockets.
    ///
    /// # Errors
    /// [`ConnectError`]: no socket, no room for another session, or no channel asked for.
    pub async fn connect(
        &self,
        handler: Box<dyn SessionHandler>,
        channels: &[ChannelSpec],
    ) -> Result<(String, PendingSession), ConnectError> {
        self.connect_with(handler, channels, self.shared.config.session.clone())
            .await
    }

    /// As [`connect`](Self::connect), with settings for this session alone.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect), and for settings out of range.
    pub async fn connect_with(
        &self,
        handler: Box<dyn SessionHandler>,
        channels: &[ChannelSpec],
        mut config: SessionConfig,
    ) -> Result<(String, PendingSession), ConnectError> {
        config.validate().map_err(BindError::from)?;
        config.fit_loopback(self.shared.loopback_mtu_bytes);
        if channels.is_empty() || channels.len() > config.max_channels {
            return Err(ConnectError::Channels {
                channels: channels.len(),
                max_channels: config.max_channels,
            });
        }
        let endpoint = &self.shared.config;
        let address = SocketAddr::new(endpoint.bind.ip(), 0);
        let socket = UdpIo::bind(address, &[], endpoint.socket_buffer_bytes)?;
        let candidates = socket.local.candidates();
        let (session, offer) = make_offer(
            Instant::now(),
            &self.shared.identity,
            candidates,
            config,
            handler,
            channels,
        )
        .ok_or(ConnectError::NoOffer)?;
        match self.insert(session, Some(socket)).await {
            Ok(Ok(session)) => Ok((
                offer,
                PendingSession {
                    endpoint: self.clone(),
                    session,
                },
            )),
            Ok(Err(Full { max_sessions })) => Err(ConnectError::Busy { max_sessions }),
            Err(_) => Err(ConnectError::EndpointClosed),
        }
    }

    async fn insert(
        &self,
        session: Box<Session>,
        socket: Option<UdpIo>,
    ) -> Result<Result<SessionId, Full>, SessionError> {
        let (reply, answer) = oneshot::channel();
        self.request(Request::Insert {
            session,
            socket,
            reply,
        })
        .await?;
        answer.await.map_err(|_| SessionError::EndpointClosed)
    }

    /// Offers an ICE restart for a session that this endpoint connected: after a change of network its checks start
    /// over, with fresh credentials, while its channels and what is in them live on.
    ///
    /// # Errors
    /// [`SessionError`]: no such session.
    pub async fn offer_restart(
        &self,
        session: SessionId,
    ) -> Result<(String, PendingSession), SessionError> {
        let offer = self
            .ask(|reply| Request::OfferRestart { session, reply })
            .await?;
        Ok((
            offer,
            PendingSession {
                endpoint: self.clone(),
                session,
            },
        ))
    }

    /// Answers a new offer from a session's peer on the living connection. With new ICE credentials in it this is an ICE
    /// restart: the peer's network changed and its checks start over, while channels and what is in them live on.
    ///
    /// # Errors
    /// [`SessionError`]: no such session, or the offer cannot be used; the session goes on as it was.
    pub async fn restart(
        &self,
        session: SessionId,
        offer_sdp: &str,
    ) -> Result<String, SessionError> {
        let offer = inspect(offer_sdp, Role::Offer)?;
        self.ask(|reply| Request::Restart {
            session,
            offer,
            reply,
        })
        .await
    }

    /// Adds candidates that the peer trickled (`application/trickle-ice-sdpfrag`, RFC 8840). Candidates that UDP cannot
    /// use, and names under `.local`, are skipped: an ICE-lite endpoint learns its peer's address from the peer's
    /// checks.
    ///
    /// # Errors
    /// [`SessionError`]: no such session, no such fragment, or other ICE credentials than the session's.
    pub async fn add_remote_candidates(
        &self,
        session: SessionId,
        sdpfrag: &str,
    ) -> Result<(), SessionError> {
        let fragment = trickle::parse(sdpfrag)?;
        self.ask(|reply| Request::Candidates {
            session,
            fragment,
            reply,
        })
        .await
    }

    /// Closes a session now. The peer is told; what is still buffered is lost.
    ///
    /// # Errors
    /// [`SessionError::Unknown`] when there is none.
    pub async fn close(&self, session: SessionId) -> Result<(), SessionError> {
        self.ask(|reply| Request::Close {
            session,
            reason: CloseReason::Local,
            reply,
        })
        .await
    }

    /// Closes a session once its handler has nothing more to send and the peer has acknowledged everything, or after
    /// `max_wait`. Returns at once. For a goodbye: have the handler send it, call this.
    ///
    /// # Errors
    /// [`SessionError::Unknown`] when there is none.
    pub async fn close_after_drain(
        &self,
        session: SessionId,
        max_wait: Duration,
    ) -> Result<(), SessionError> {
        self.ask(|reply| Request::CloseAfterDrain {
            session,
            max_wait,
            reply,
        })
        .await
    }

    /// Has the driver ask the session's handler for messages soon. Cheap, coalesced, callable from any thread; does
    /// nothing for a session that has closed.
    pub fn wake(&self, session: SessionId) {
        self.shared.board.wake(session.slot());
    }

    /// A session's figures.
    ///
    /// # Errors
    /// [`SessionError::Unknown`] when there is none.
    pub async fn stats(&self, session: SessionId) -> Result<SessionStats, SessionError> {
        self.ask(|reply| Request::Stats { session, reply }).await
    }

    /// The endpoint's counters, as of its last turn.
    #[must_use]
    pub fn totals(&self) -> EndpointStats {
        self.shared
            .stats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the endpoint's task runs, so that sessions can be accepted.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.shared.requests.is_closed()
    }

    /// Closes all sessions and ends the endpoint's task; returns when it has ended.
    pub async fn shutdown(&self) {
        let (reply, ended) = oneshot::channel();
        if self.request(Request::Shutdown { reply }).await.is_ok() {
            // Dropped without an answer, the task has ended too.
            let _ = ended.await;
        }
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, SessionError> {
        let (reply, answer) = oneshot::channel();
        self.request(request(reply)).await?;
        answer.await.map_err(|_| SessionError::EndpointClosed)?
    }

    async fn request(&self, request: Request) -> Result<(), SessionError> {
        self.shared
            .requests
            .send(request)
            .await
            .map_err(|_| SessionError::EndpointClosed)
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("address", &self.shared.address)
            .finish_non_exhaustive()
    }
}

/// A connection whose offer waits for its answer. Dropped without one, it times out.
#[derive(Debug)]
pub struct PendingSession {
    endpoint: Endpoint,
    session: SessionId,
}

impl PendingSession {
    /// The session's name, valid already.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Takes the peer's answer; ICE, DTLS and SCTP begin.
    ///
    /// # Errors
    /// [`SessionError`]: the answer cannot be used, or the session is gone.
    pub async fn accept_answer(self, answer_sdp: &str) -> Result<SessionId, SessionError> {
        let Self { endpoint, session } = self;
        let answer = inspect(answer_sdp, Role::Answer)?;
        endpoint
            .ask(|reply| Request::Answer {
                session,
                answer,
                reply,
            })
            .await?;
        Ok(session)
    }
}
