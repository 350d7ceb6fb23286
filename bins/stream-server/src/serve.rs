//! `demo` and `serve`: bind, print the page's address, serve until told to stop.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use bin_support::{Failure, stop_signal};
use progressive_loader::driver::Store;
use stream_service::{Service, ServiceConfig, ServiceError, StreamParams};

use crate::args::{DemoArgs, NamedSource};
use crate::config::{Settings, identity, token};

/// The pattern that `demo` plays.
const DEMO_URI: &str = "test:?size=1280x720&fps=30";

/// Serves the generated clip.
pub(crate) fn demo(args: DemoArgs) -> Result<(), Failure> {
    let quic = args.quic.quic;
    let config = ServiceConfig {
        http: args.http,
        udp: args.udp,
        quic: (!args.quic.no_quic).then(|| quic.unwrap_or(SocketAddr::new(args.http.ip(), 0))),
        congestion: args.quic.congestion.unwrap_or_default(),
        identity: identity(args.tls)?,
        store: Some(open_store(&args.store)?),
        token: token(args.access.token_file.as_deref())?,
        insecure: args.access.insecure,
        ..ServiceConfig::default()
    };
    let mut clip = StreamParams::new("Demo", DEMO_URI);
    clip.looping = true;
    run(config, vec![clip])
}

/// Serves what the settings name.
pub(crate) fn serve(settings: Settings) -> Result<(), Failure> {
    let looping = settings.looping;
    let as_params = |source: NamedSource| {
        let mut params = StreamParams::new(source.name, source.uri);
        params.looping = looping;
        params
    };
    let config = ServiceConfig {
        http: settings.http,
        udp: settings.udp,
        quic: settings.quic,
        congestion: settings.congestion,
        identity: settings.identity,
        advertised: settings.public_ip,
        optimizer: settings.streaming,
        store: Some(open_store(&settings.store)?),
        ipfs: settings.ipfs,
        token: settings.token,
        insecure: settings.insecure,
        ..ServiceConfig::default()
    };
    run(
        config,
        settings.sources.into_iter().map(as_params).collect(),
    )
}

fn open_store(dir: &Path) -> Result<Store, Failure> {
    Ok(Store::open(dir).with_context(|| {
        format!(
            "cannot open the store {}; choose another with --store DIR",
            dir.display()
        )
    })?)
}

fn run(config: ServiceConfig, streams: Vec<StreamParams>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let service = Service::bind(config).await.map_err(|error| match error {
            ServiceError::Certificate(error) => Failure::Usage(error.into()),
            error => error.into(),
        })?;
        for params in streams {
            let (name, uri) = (params.name.clone(), params.uri.clone());
            let started = service.add_stream(params).await;
            started.with_context(|| format!("the stream {name:?} ({uri}) cannot be started"))?;
        }
        let stop = stop_signal(0)?;
        announce(&service)?;
        service.run(stop).await?;
        Ok(())
    })
}

/// The first line on stdout: the listener is bound by then, so a request made now is answered.
fn announce(service: &Service) -> std::io::Result<()> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", service.url())?;
    stdout.flush()
}
