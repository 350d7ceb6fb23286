//! The service as a whole: one HTTP socket, one UDP socket, the streams between them.
//!
//! Used by the binaries and by whoever embeds the service; wires [`crate::model`] to [`crate::controller`].

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jpeg_optimizer::StreamingConfig;
use progressive_loader::driver::{IpfsOptions, OpenOptions, Store};
use quic_session::CongestionControl;
use tokio::net::TcpListener;
use webrtc_session::EndpointConfig;
use webrtc_session::driver::Endpoint;

use crate::controller::{App, router};
use crate::http_socket::SendSide;
use crate::https::{HttpListener, certificate};
use crate::lanes::seat::Endpoints;
use crate::lanes::sizes::LOOPBACK_MTU_BYTES;
use crate::model::params::StreamParams;
use crate::model::registry::{CreateError, Registry};
use crate::pipeline::open::SourceSettings;

/// Longer than a link is usually gone when it comes back, as on a train; a socket and a frame cost little meanwhile.
const MJPEG_STALL_LIMIT: Duration = Duration::from_secs(30);

/// What the service binds and serves.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// Address of the page and the API. Port 0 picks one. Default `127.0.0.1:8080`.
    pub http: SocketAddr,
    /// Address of the one UDP socket that carries all media. Port 0 picks one. Default `127.0.0.1:0`.
    pub udp: SocketAddr,
    /// Address of the UDP socket of WebTransport. Port 0 picks one. Default `127.0.0.1:0`; `None`: it is not served.
    pub quic: Option<SocketAddr>,
    /// The certificate that it shows. Default: self-signed, told to pages by its hash. One from files is shown by HTTP too, which
    /// is HTTPS then.
    pub identity: quic_session::Identity,
    /// How QUIC decides what may be in flight. Default fair.
    pub congestion: CongestionControl,
    /// Addresses that browsers are told to send media to. Default: those of this machine that `udp` covers.
    pub advertised: Vec<IpAddr>,
    /// How JPEG encodes are shared and viewers' qualities chosen. Default: 5 frames, levels 90, 70, 50, adaptive.
    pub optimizer: StreamingConfig,
    /// An MJPEG client that takes nothing of what waits for it for so long is closed. Default 30 s.
    pub mjpeg_stall_limit: Duration,
    /// Where CIDs are looked up. Default: nowhere.
    pub store: Option<Store>,
    /// Where else they are looked up: daemons and gateways. Default: nowhere.
    pub ipfs: IpfsOptions,
    /// What every request but `/healthz` must carry as a bearer token. Default: nothing is asked for, and
    /// [`Service::bind`] then refuses an `http` address other than loopback unless `insecure` is set.
    pub token: Option<String>,
    /// Serve other machines without a token.
    pub insecure: bool,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            http: SocketAddr::from(([127, 0, 0, 1], 8080)),
            udp: SocketAddr::from(([127, 0, 0, 1], 0)),
            quic: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            identity: quic_session::Identity::SelfSigned { names: Vec::new() },
            congestion: CongestionControl::default(),
            advertised: Vec::new(),
            optimizer: StreamingConfig::default(),
            mjpeg_stall_limit: MJPEG_STALL_LIMIT,
            store: None,
            ipfs: IpfsOptions::default(),
            token: None,
            insecure: false,
        }
    }
}

/// Why the service did not start, or stopped serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The HTTP address cannot be had.
    #[error(
        "cannot listen on {address} (HTTP): {source}; stop what uses the port, or choose another with --http HOST:PORT (port 0 picks a free one)"
    )]
    Http {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The UDP address cannot be had.
    #[error(
        "cannot use {address} (UDP): {source}; stop what uses the port, or choose another with --udp HOST:PORT (port 0 picks a free one)"
    )]
    Udp {
        /// The address asked for.
        address: SocketAddr,
        /// What the socket said.
        source: webrtc_session::BindError,
    },
    /// WebTransport cannot be served.
    #[error(
        "QUIC: {0}; choose another address with --quic HOST:PORT (port 0 picks a free one), or none with --no-quic"
    )]
    Quic(#[from] quic_session::BindError),
    /// The certificate cannot be shown.
    #[error(transparent)]
    Certificate(#[from] quic_session::IdentityError),
    /// A daemon or gateway cannot be used.
    #[error("an origin of contents cannot be used: {0}")]
    Origins(#[from] progressive_loader::OpenError),
    /// Other machines could use the server without a token.
    #[error(
        "{address} can be reached from other machines and there is no token: give --token-file FILE, listen on 127.0.0.1, or accept the risk with --insecure"
    )]
    Exposed {
        /// The address asked for.
        address: SocketAddr,
    },
    /// Serving HTTP broke off.
    #[error("serving HTTP broke off: {0}")]
    Serve(std::io::Error),
}

/// A bound service; [`run`](Self::run) serves it.
#[derive(Debug)]
pub struct Service {
    listener: HttpListener,
    http_address: SocketAddr,
    registry: Arc<Registry>,
    token: Option<String>,
    mjpeg_stall_limit: Duration,
}

impl Service {
    /// Takes both sockets. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// An address that cannot be had, or one that other machines reach while there is no token.
    pub async fn bind(config: ServiceConfig) -> Result<Self, ServiceError> {
        let mut udp = EndpointConfig::new(config.udp);
        udp.advertised = config.advertised;
        let guarded = config.token.is_some() || config.insecure;
        let Sockets {
            listener,
            http_address,
            endpoint,
        } = sockets(config.http, &config.identity, guarded, udp).await?;
        let quic = config
            .quic
            .map(|bind| quic_endpoint(bind, config.identity, config.congestion));
        let endpoints = Endpoints {
            data: endpoint,
            quic: quic.transpose()?,
        };
        let open = OpenOptions {
            store: config.store,
            ipfs: config.ipfs,
            ..OpenOptions::default()
        };
        let settings = SourceSettings {
            open: open.connect()?,
        };
        let registry = Arc::new(Registry::new(
            settings,
            config.optimizer,
            endpoints,
            Instant::now(),
        ));
        Ok(Self {
            listener,
            http_address,
            registry,
            token: config.token,
            mjpeg_stall_limit: config.mjpeg_stall_limit,
        })
    }

    /// Where the page is.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// The page's address as a browser takes it: `http://HOST:PORT`, or with `https`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.listener.scheme(), self.http_address)
    }

    /// Starts a stream; returns its id.
    ///
    /// # Errors
    /// The source cannot be played, or there are too many streams.
    pub async fn add_stream(&self, params: StreamParams) -> Result<String, CreateError> {
        Ok(self.registry.create(params).await?.id.clone())
    }

    /// Serves until `shutdown` is done; then stops every stream, says goodbye to every viewer and returns.
    ///
    /// # Errors
    /// The HTTP socket broke.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServiceError> {
        let registry = Arc::clone(&self.registry);
        let app = router(App::new(registry, self.token, self.mjpeg_stall_limit));
        let registry = Arc::clone(&self.registry);
        let drain = async move {
            shutdown.await;
            // Ends every event stream and every multipart answer, which would otherwise hold the server open.
            registry.delete_all().await;
        };
        let app = app.into_make_service_with_connect_info::<SendSide>();
        let served = axum::serve(self.listener, app).with_graceful_shutdown(drain);
        tokio::select! {
            result = served => result.map_err(ServiceError::Serve)?,
            () = drained_for_too_long(&self.registry) => {}
        }
        self.registry.endpoints().shutdown().await;
        Ok(())
    }
}

/// What a service listens on.
pub(crate) struct Sockets {
    pub(crate) listener: HttpListener,
    pub(crate) http_address: SocketAddr,
    pub(crate) endpoint: Endpoint,
}

/// Takes both sockets; an `address` that other machines reach only if it is `guarded`, by a token or by somebody's word.
pub(crate) async fn sockets(
    address: SocketAddr,
    identity: &quic_session::Identity,
    guarded: bool,
    udp: EndpointConfig,
) -> Result<Sockets, ServiceError> {
    if !guarded && !address.ip().to_canonical().is_loopback() {
        return Err(ServiceError::Exposed { address });
    }
    let certificate = certificate(identity)?;
    let http_error = |source| ServiceError::Http { address, source };
    let listener = TcpListener::bind(address).await.map_err(http_error)?;
    let http_address = listener.local_addr().map_err(http_error)?;
    let listener = HttpListener::new(listener, certificate).map_err(http_error)?;
    let address = udp.bind;
    let endpoint = Endpoint::bind(udp).map_err(|source| ServiceError::Udp { address, source })?;
    Ok(Sockets {
        listener,
        http_address,
        endpoint,
    })
}

/// Takes the socket of WebTransport.
pub(crate) fn quic_endpoint(
    bind: SocketAddr,
    identity: quic_session::Identity,
    congestion: CongestionControl,
) -> Result<quic_session::Endpoint, quic_session::BindError> {
    let mut config = quic_session::EndpointConfig::new(bind);
    config.resend_at_once = true;
    config.identity = identity;
    config.congestion = congestion.factory();
    if bind.ip().is_loopback() {
        config.max_mtu_bytes = LOOPBACK_MTU_BYTES;
    }
    quic_session::Endpoint::bind(config)
}

/// How long open requests may keep a stopped server alive.
const MAX_DRAIN: Duration = Duration::from_secs(3);

async fn drained_for_too_long(registry: &Registry) {
    registry.stopping().await;
    tokio::time::sleep(MAX_DRAIN).await;
    tracing::warn!("requests still open after {MAX_DRAIN:?}; closing them");
}
