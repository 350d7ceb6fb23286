//! The handle to an endpoint: what applications call.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use quinn::TokioRuntime;
use tokio::runtime::Handle;

use super::accept::{self, Invited};
use super::control::Order;
use super::identity::CertificateResolver;
use super::sessions::Sessions;
use super::totals::Totals;
use super::{connect, socket, transport};
use crate::invitations::Invitations;
use crate::limits::TOKEN_BYTES;
use crate::{
    BindError, CertificateHash, ChannelSpec, CloseReason, ConnectConfig, ConnectError,
    EndpointConfig, EndpointStats, IdentityError, InviteError, SessionConfig, SessionError,
    SessionHandler, SessionId, SessionStats, Token,
};

/// How often certificates and invitations are looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// One UDP socket and the sessions behind it. Cheap to clone; when the last clone is dropped its sessions are closed.
#[derive(Clone)]
pub struct Endpoint {
    shared: Arc<Shared>,
}

/// What the handle and the endpoint's tasks have in common.
pub(super) struct Common {
    pub(super) config: EndpointConfig,
    pub(super) sessions: Arc<Sessions>,
    pub(super) totals: Arc<Totals>,
    invitations: Mutex<Invitations<Invited>>,
    closed: AtomicBool,
}

impl Common {
    pub(super) fn invitations(&self) -> MutexGuard<'_, Invitations<Invited>> {
        self.invitations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn open_or_awaited(&self) -> usize {
        self.sessions.len() + self.invitations().len()
    }
}

struct Shared {
    quinn: quinn::Endpoint,
    common: Arc<Common>,
    resolver: Option<Arc<CertificateResolver>>,
}

/// A place for one session, until it is taken or its time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invitation {
    /// The session's name, from when it is taken.
    pub session: SessionId,
    /// What whoever connects must name.
    pub token: Token,
    /// The path to ask for: `/lane/TOKEN`.
    pub path: String,
}

impl Endpoint {
    /// Binds the socket and starts the endpoint's tasks on the current tokio runtime.
    ///
    /// # Errors
    /// [`BindError`]: a setting out of range, no runtime, an address that cannot be bound, no certificate.
    pub fn bind(config: EndpointConfig) -> Result<Self, BindError> {
        config.validate()?;
        let runtime = Handle::try_current().map_err(|_| BindError::NoRuntime)?;
        let resolver = CertificateResolver::new(&config.identity, SystemTime::now())?.map(Arc::new);
        let server = resolver
            .clone()
            .map(|resolver| transport::server(&config, resolver));
        let server = server.transpose().map_err(BindError::Tls)?;
        let totals = Arc::new(Totals::default());
        let socket_error = |source| BindError::Socket {
            address: config.bind,
            source,
        };
        let socket =
            socket::open(config.bind, config.socket_buffer_bytes, &totals).map_err(socket_error)?;
        let quinn = quinn::Endpoint::new_with_abstract_socket(
            transport::endpoint(&config),
            server,
            socket,
            Arc::new(TokioRuntime),
        )
        .map_err(socket_error)?;
        let common = Arc::new(Common {
            invitations: Mutex::new(Invitations::new(config.invitation_lifetime)),
            sessions: Arc::default(),
            closed: AtomicBool::new(false),
            totals,
            config,
        });
        runtime.spawn(accept::run(quinn.clone(), Arc::clone(&common)));
        let shared = Arc::new(Shared {
            quinn,
            common,
            resolver,
        });
        runtime.spawn(keep_house(Arc::downgrade(&shared)));
        Ok(Self { shared })
    }

    /// The address the socket is bound to.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.shared.quinn.local_addr()
    }

    /// SHA-256 of the certificate that is shown and of its successor; tell peers both. None where the certificate is from
    /// files, or there is none.
    #[must_use]
    pub fn certificate_hashes(&self) -> Vec<CertificateHash> {
        let resolver = self.shared.resolver.as_ref();
        resolver.map_or_else(Vec::new, |resolver| resolver.hashes())
    }

    /// Shows the same certificate to others, an HTTP server for one.
    #[must_use]
    pub fn certificate_resolver(&self) -> Option<Arc<CertificateResolver>> {
        self.shared.resolver.clone()
    }

    /// Lets the next certificate take over if `now` its time has come. The endpoint does this by itself; sessions live on.
    ///
    /// # Errors
    /// [`IdentityError`]: no new one could be made; the present ones stay.
    pub fn renew_certificate_if_due(&self, now: SystemTime) -> Result<bool, IdentityError> {
        self.shared.renew_if_due(now)
    }

    /// Makes room for one session, with the endpoint's session settings: whoever connects and names the token gets it.
    ///
    /// # Errors
    /// [`InviteError`]: no room, or nobody can connect to this endpoint.
    pub fn invite(&self, handler: Box<dyn SessionHandler>) -> Result<Invitation, InviteError> {
        self.invite_with(handler, self.shared.common.config.session.clone())
    }

    /// As [`invite`](Self::invite), with settings for this session alone.
    ///
    /// # Errors
    /// As for [`invite`](Self::invite), and for settings out of range.
    pub fn invite_with(
        &self,
        handler: Box<dyn SessionHandler>,
        config: SessionConfig,
    ) -> Result<Invitation, InviteError> {
        config.validate()?;
        let Shared {
            common, resolver, ..
        } = &*self.shared;
        if resolver.is_none() {
            return Err(InviteError::ClientOnly);
        }
        if common.closed.load(Ordering::Relaxed) {
            return Err(InviteError::EndpointClosed);
        }
        let token = random_token()?;
        let session = common.sessions.name();
        let max_sessions = common.config.max_sessions;
        let room = max_sessions.saturating_sub(common.sessions.len());
        let invited = Invited {
            session,
            handler,
            config,
        };
        self.shared.expire_invitations();
        let added = common
            .invitations()
            .add(Instant::now(), token, invited, room);
        added.map_err(|_| InviteError::Busy { max_sessions })?;
        Ok(Invitation {
            session,
            token,
            path: token.path(),
        })
    }

    /// Withdraws an invitation; one that was taken stays a session.
    pub fn withdraw(&self, invitation: &Invitation) {
        let common = &self.shared.common;
        common.invitations().take(Instant::now(), &invitation.token);
    }

    /// Connects to a lane's address (`https://HOST:PORT/lane/TOKEN`) and opens these channels.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(
        &self,
        url: &str,
        config: ConnectConfig,
        handler: Box<dyn SessionHandler>,
        channels: &[ChannelSpec],
    ) -> Result<SessionId, ConnectError> {
        let Shared { common, quinn, .. } = &*self.shared;
        if common.closed.load(Ordering::Relaxed) {
            return Err(ConnectError::EndpointClosed);
        }
        let max_sessions = common.config.max_sessions;
        if common.open_or_awaited() >= max_sessions {
            return Err(ConnectError::Busy { max_sessions });
        }
        connect::connect(quinn, common, url, config, handler, channels).await
    }

    /// Closes a session now. The peer is told; what is not delivered is lost.
    ///
    /// # Errors
    /// [`SessionError::Unknown`] when there is none.
    pub fn close(&self, session: SessionId) -> Result<(), SessionError> {
        self.order(session, Order::Close(CloseReason::Local))
    }

    /// Closes a session once its handler has nothing more to send and the peer has acknowledged everything, or after
    /// `max_wait`. Returns at once. For a goodbye: have the handler send it, call this.
    ///
    /// # Errors
    /// [`SessionError::Unknown`] when there is none.
    pub fn close_after_drain(
        &self,
        session: SessionId,
        max_wait: Duration,
    ) -> Result<(), SessionError> {
        self.order(session, Order::CloseAfterDrain(Instant::now() + max_wait))
    }

    fn order(&self, session: SessionId, order: Order) -> Result<(), SessionError> {
        let seen = self.shared.common.sessions.get(session);
        let seen = seen.ok_or(SessionError::Unknown(session))?;
        seen.control.order(order);
        Ok(())
    }

    /// A session's figures.
    ///
    /// # Errors
    /// [`SessionError::Unknown`] when there is none.
    pub fn stats(&self, session: SessionId) -> Result<SessionStats, SessionError> {
        let seen = self.shared.common.sessions.get(session);
        let seen = seen.ok_or(SessionError::Unknown(session))?;
        Ok(seen.stats(Instant::now()))
    }

    /// The endpoint's counters.
    #[must_use]
    pub fn totals(&self) -> EndpointStats {
        let common = &self.shared.common;
        let invitations = common.invitations().len();
        common.totals.snapshot(common.sessions.len(), invitations)
    }

    /// Moves to another address of this machine; sessions that this endpoint connected follow (RFC 9000 §9).
    ///
    /// # Errors
    /// [`BindError::Socket`]: the address cannot be bound; nothing changes.
    pub fn rebind(&self, bind: SocketAddr) -> Result<(), BindError> {
        let Shared { common, quinn, .. } = &*self.shared;
        let bytes = common.config.socket_buffer_bytes;
        let socket = socket::open(bind, bytes, &common.totals);
        let moved = socket.and_then(|socket| quinn.rebind_abstract(socket));
        moved.map_err(|source| BindError::Socket {
            address: bind,
            source,
        })
    }

    /// Closes all sessions, tells the peers, and returns when they know or a second has passed.
    pub async fn shutdown(&self) {
        let Shared { common, quinn, .. } = &*self.shared;
        self.shared.end();
        let gone = async {
            while common.sessions.len() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            quinn.wait_idle().await;
        };
        // Either way the socket closes now.
        let _ = tokio::time::timeout(Duration::from_secs(1), gone).await;
        quinn.close(0_u32.into(), b"");
    }
}

impl Shared {
    fn renew_if_due(&self, now: SystemTime) -> Result<bool, IdentityError> {
        let Some(resolver) = &self.resolver else {
            return Ok(false);
        };
        let renewed = resolver.renew_if_due(now)?;
        if renewed {
            self.common.totals.certificates_renewed.add(1);
            tracing::info!(hashes = ?resolver.hashes(), "the next certificate takes over");
        }
        Ok(renewed)
    }

    fn expire_invitations(&self) {
        let now = Instant::now();
        let expired = self.common.invitations().expire(now);
        self.common
            .totals
            .invitations_expired
            .add(expired.len() as u64);
        for invited in expired {
            invited.end(CloseReason::NotTaken(
                self.common.config.invitation_lifetime,
            ));
        }
    }

    /// No new sessions; those there are, and who awaits one, are told to end.
    fn end(&self) {
        self.common.closed.store(true, Ordering::Relaxed);
        self.quinn.set_server_config(None);
        for seen in self.common.sessions.all() {
            seen.control
                .order(Order::Close(CloseReason::EndpointClosed));
        }
        // Taken out first: handlers may ask the endpoint something.
        let awaited = self.common.invitations().clear();
        for invited in awaited {
            invited.end(CloseReason::EndpointClosed);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.end();
        self.quinn.close(0_u32.into(), b"");
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("address", &self.shared.quinn.local_addr())
            .finish_non_exhaustive()
    }
}

fn random_token() -> Result<Token, InviteError> {
    let mut bits = [0; TOKEN_BYTES];
    aws_lc_rs::rand::fill(&mut bits).map_err(|_| InviteError::Random)?;
    Ok(Token::from_random(bits))
}

/// Renews certificates and drops old invitations, while the endpoint is there.
async fn keep_house(shared: std::sync::Weak<Shared>) {
    let mut every = tokio::time::interval(HOUSEKEEPING);
    loop {
        every.tick().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        shared.expire_invitations();
        if let Err(error) = shared.renew_if_due(SystemTime::now()) {
            tracing::error!(%error, "the certificate cannot be renewed; the present one stays");
        }
    }
}
