//! The worker as a whole: one HTTP socket, one UDP socket, the links between them.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use frame_pipeline::{PipelineConfig, ProcessorFactory};
use quic_session::CongestionControl;
use webrtc_session::{EndpointConfig, SessionConfig};

use super::links::{Links, Work};
use super::routes::{App, DRAIN, router};
use crate::https::HttpListener;
use crate::lanes::seat::Endpoints;
use crate::service::{ServiceError, Sockets, quic_endpoint, sockets};

/// How long senders are given to hear that the worker goes down.
const GOODBYE_WAIT: Duration = Duration::from_millis(300);
/// How often links without a session, and broken ones, are looked at.
const SWEEP: Duration = Duration::from_secs(2);

/// What a worker binds and does.
#[derive(Clone)]
pub struct WorkerConfig {
    /// Address of HTTP. Port 0 picks one. Default `127.0.0.1:8090`.
    pub http: SocketAddr,
    /// Address of the one UDP socket. Port 0 picks one. Default `127.0.0.1:0`.
    pub udp: SocketAddr,
    /// Address of the UDP socket of WebTransport. Port 0 picks one. Default `127.0.0.1:0`; `None`: it is not served.
    pub quic: Option<SocketAddr>,
    /// The certificate that it shows. Default: self-signed, told to senders by its hash. One from files is shown by HTTP too,
    /// which is HTTPS then.
    pub identity: quic_session::Identity,
    /// How its lanes decide what may be in flight. Default fair.
    pub congestion: CongestionControl,
    /// Addresses that senders are told to send to. Default: those of this machine that `udp` covers.
    pub advertised: Vec<IpAddr>,
    /// What every request but `/healthz` must carry as a bearer token. Default: nothing is asked for, and
    /// [`Worker::bind`] then refuses an `http` address other than loopback unless `insecure` is set.
    pub token: Option<String>,
    /// Serve other machines without a token.
    pub insecure: bool,
    /// Threads, batches and limits of each link's pipeline.
    pub pipeline: PipelineConfig,
    /// What is run on each frame, in this order.
    pub processors: Vec<Arc<dyn ProcessorFactory>>,
}

impl WorkerConfig {
    /// The defaults, with these processors.
    #[must_use]
    pub fn new(processors: Vec<Arc<dyn ProcessorFactory>>) -> Self {
        Self {
            http: SocketAddr::from(([127, 0, 0, 1], 8090)),
            udp: SocketAddr::from(([127, 0, 0, 1], 0)),
            quic: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            identity: quic_session::Identity::SelfSigned { names: Vec::new() },
            congestion: CongestionControl::default(),
            advertised: Vec::new(),
            token: None,
            insecure: false,
            pipeline: PipelineConfig::default(),
            processors,
        }
    }
}

/// Why a worker did not start, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// An address cannot be had, or is open to others; or serving broke off.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A processor cannot be made.
    #[error("the processor {name} cannot be used: {source}")]
    Processor {
        /// As it was asked for.
        name: String,
        /// Why.
        source: frame_pipeline::ProcessorError,
    },
}

/// A bound worker; [`run`](Self::run) serves it.
pub struct Worker {
    listener: HttpListener,
    http_address: SocketAddr,
    app: App,
    token: Option<String>,
}

impl Worker {
    /// Takes both sockets and tries each processor once. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`WorkerError`]: an address that cannot be had or is open to others, a processor that cannot be made.
    pub async fn bind(config: WorkerConfig) -> Result<Self, WorkerError> {
        for processor in &config.processors {
            processor.make().map_err(|source| WorkerError::Processor {
                name: processor.name().to_owned(),
                source,
            })?;
        }
        let mut udp = EndpointConfig::new(config.udp);
        udp.advertised = config.advertised;
        udp.session = SessionConfig::own_peer();
        let guarded = config.token.is_some() || config.insecure;
        let Sockets {
            listener,
            http_address,
            endpoint,
        } = sockets(config.http, &config.identity, guarded, udp).await?;
        let quic = config
            .quic
            .map(|bind| quic_endpoint(bind, config.identity, config.congestion));
        let names = config.processors.iter().map(|it| it.name().to_owned());
        let app = App {
            processors: names.collect(),
            endpoints: Endpoints {
                data: endpoint,
                quic: quic.transpose().map_err(ServiceError::Quic)?,
            },
            links: Arc::new(Links::new(Work {
                pipeline: config.pipeline,
                processors: config.processors,
            })),
        };
        Ok(Self {
            listener,
            http_address,
            app,
            token: config.token,
        })
    }

    /// Where HTTP is served.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http_address
    }

    /// What to give to senders: `http://HOST:PORT`, or with `https`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.listener.scheme(), self.http_address)
    }

    /// Serves until `shutdown` is done; then tells every sender and returns.
    ///
    /// # Errors
    /// The HTTP socket broke.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), WorkerError> {
        let (links, endpoints) = (Arc::clone(&self.app.links), self.app.endpoints.clone());
        let sweeping = sweep(self.app.clone());
        let served = axum::serve(self.listener, router(self.app, self.token));
        tokio::select! {
            result = served.into_future() => result.map_err(ServiceError::Serve)?,
            () = sweeping => {}
            () = shutdown => {}
        }
        links.goodbye(Instant::now());
        tokio::time::sleep(GOODBYE_WAIT).await;
        endpoints.shutdown().await;
        Ok(())
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("http_address", &self.http_address)
            .finish_non_exhaustive()
    }
}

async fn sweep(app: App) {
    loop {
        tokio::time::sleep(SWEEP).await;
        for seat in app.links.sweep(Instant::now()) {
            // It may have ended by itself.
            app.endpoints.close(&seat, Some(DRAIN)).await;
        }
    }
}
