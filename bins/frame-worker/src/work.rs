//! Binds the worker, prints its address, serves until told to stop.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use bin_support::{Failure, read_token, stop_signal};
use stream_service::{ServerIdentity, ServiceError, Worker, WorkerConfig, WorkerError};

use crate::args::Args;

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let config = config(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let worker = Worker::bind(config).await.map_err(|error| match error {
            WorkerError::Service(ServiceError::Certificate(error)) => Failure::Usage(error.into()),
            error => error.into(),
        })?;
        let stop = stop_signal(0)?;
        let mut stdout = std::io::stdout();
        writeln!(stdout, "{}", worker.url())?;
        stdout.flush()?;
        worker.run(stop).await?;
        Ok(())
    })
}

fn config(args: Args) -> Result<WorkerConfig, Failure> {
    let processors = args
        .processors
        .iter()
        .map(|spec| frame_pipeline::builtin(spec));
    let processors = processors.collect::<Result<Vec<_>, _>>();
    let mut config = WorkerConfig::new(processors.map_err(|error| Failure::Usage(error.into()))?);
    config.http = args.http;
    config.udp = args.udp.unwrap_or(SocketAddr::new(args.http.ip(), 0));
    let quic = args.quic.unwrap_or(SocketAddr::new(args.http.ip(), 0));
    config.quic = (!args.no_quic).then_some(quic);
    config.identity = identity(args.tls_cert, args.tls_key);
    config.congestion = args.congestion;
    config.advertised = args.public_ip;
    let token = args.token_file.as_deref().map(read_token).transpose();
    config.token = token.map_err(Failure::Usage)?;
    config.insecure = args.insecure;
    let pipeline = &mut config.pipeline;
    pipeline.workers = args.workers.unwrap_or(pipeline.workers);
    pipeline.batch = args.batch;
    pipeline.batch_wait = args.batch_wait;
    pipeline.frame_timeout = (!args.frame_timeout.is_zero()).then_some(args.frame_timeout);
    pipeline
        .check()
        .map_err(|error| Failure::Usage(error.into()))?;
    Ok(config)
}

/// What is shown: the certificate of these files, or one made here.
fn identity(certificates: Option<PathBuf>, key: Option<PathBuf>) -> ServerIdentity {
    match (certificates, key) {
        (Some(certificates), Some(key)) => ServerIdentity::Pem { certificates, key },
        _ => ServerIdentity::SelfSigned { names: Vec::new() },
    }
}
