//! `demo` and `serve`: bind, print the page's address, serve until told to stop.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use progressive_loader::driver::Store;
use stream_service::{Service, ServiceConfig, StreamParams};

use crate::args::{DemoArgs, NamedSource};
use crate::config::Settings;

/// The pattern that `demo` plays.
const DEMO_URI: &str = "test:?size=1280x720&fps=30";

/// Why the process ends other than well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was asked for cannot be: exit code 2.
    Usage(anyhow::Error),
    /// It was tried and failed: exit code 1.
    Failed(anyhow::Error),
}

impl Failure {
    /// Says it on stderr.
    #[expect(
        clippy::print_stderr,
        reason = "the last word of a command belongs on stderr"
    )]
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Usage(error) => {
                let said = said_once(error);
                eprintln!("error: {said}\n\nFor more information, try '--help'.");
                ExitCode::from(2)
            }
            Self::Failed(error) => {
                eprintln!("error: {}", said_once(error));
                ExitCode::from(1)
            }
        }
    }
}

/// The error and its causes, except those that a message before them has told already.
fn said_once(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        match said.as_str() {
            "" => cause,
            said if said.contains(&cause) => said.to_owned(),
            said => format!("{said}: {cause}"),
        }
    })
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Serves the generated clip.
pub(crate) fn demo(args: &DemoArgs) -> Result<(), Failure> {
    let config = ServiceConfig {
        http: args.http,
        udp: args.udp,
        store: Some(open_store(&args.store)?),
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
        advertised: settings.public_ip,
        store: Some(open_store(&settings.store)?),
        token: settings.token,
        insecure: settings.insecure,
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
        let service = Service::bind(config).await?;
        for params in streams {
            let (name, uri) = (params.name.clone(), params.uri.clone());
            let started = service.add_stream(params).await;
            started.with_context(|| format!("the stream {name:?} ({uri}) cannot be started"))?;
        }
        let stop = stop_signal()?;
        announce(&service)?;
        service.run(stop).await?;
        Ok(())
    })
}

/// The first line on stdout: the listener is bound by then, so a request made now is answered.
fn announce(service: &Service) -> std::io::Result<()> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "http://{}", service.http_address())?;
    stdout.flush()
}

/// Done at the first Ctrl-C or SIGTERM; a second one ends the process at once.
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        let mut either = async || {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        };
        either().await;
        tracing::info!("stopping; once more to stop at once");
        tokio::spawn(async move {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            std::process::exit(0);
        });
    })
}
