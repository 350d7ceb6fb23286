//! The command line. What `--help` says is written here, once.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use bin_support::address;
use clap::Parser;
use stream_service::{CongestionControl, UnknownControl};

/// Takes every frame of a video over WebRTC, runs it through processors, and answers each once.
///
/// The first line on stdout is the address to give to `frame-sender --to`. Logs go to stderr (RUST_LOG=debug shows more).
/// A worker that is killed and started again is sent what it had not answered.
///
/// Processors: stats (luma mean, sharpness, motion), dhash (perceptual hash), frame-number (reads the number in the test
/// pattern), sleep:75ms (stands in for a model), exec:COMMAND (frames on stdin, results on stdout, msgpack),
/// onnx:MODEL.onnx (in builds with the feature onnx), none (counts).
///
/// Example: frame-worker --processor stats --processor dhash --workers 4
///
/// Exit codes: 0 stopped by Ctrl-C or SIGTERM, 1 something failed (and was said), 2 bad usage.
#[derive(Debug, Parser)]
#[command(name = "frame-worker", version)]
pub(crate) struct Args {
    /// Address of HTTP, where senders make their offers; port 0 picks a free one
    #[arg(long, env = "FRAMEWAY_HTTP", value_name = "HOST:PORT", default_value = "127.0.0.1:8090", value_parser = address)]
    pub(crate) http: SocketAddr,
    /// Address of the UDP socket that carries all frames; port 0 picks a free one
    /// [default: the --http address's host, port 0]
    #[arg(long, env = "FRAMEWAY_UDP", value_name = "HOST:PORT", value_parser = address)]
    pub(crate) udp: Option<SocketAddr>,
    /// Address of the UDP socket of QUIC (WebTransport); port 0 picks a free one
    /// [default: the --http address's host, port 0]
    #[arg(long, env = "FRAMEWAY_QUIC", value_name = "HOST:PORT", value_parser = address)]
    pub(crate) quic: Option<SocketAddr>,
    /// Do not serve QUIC
    #[arg(long, env = "FRAMEWAY_NO_QUIC", conflicts_with = "quic")]
    pub(crate) no_quic: bool,
    /// How QUIC decides what may be in flight: fair (a loss counts only where a queue stands), cubic, or bbr
    #[arg(long = "cc", env = "FRAMEWAY_CC", value_name = "CONTROL", default_value = "fair", value_parser = control)]
    pub(crate) congestion: CongestionControl,
    /// Certificate chain (PEM), with --tls-key: HTTP is HTTPS then, and QUIC shows it in place of one of its own making. Read
    /// again when it is written
    #[arg(
        long,
        env = "FRAMEWAY_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(
        long,
        env = "FRAMEWAY_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub(crate) tls_key: Option<PathBuf>,
    /// Address that senders are told to send to, where a NAT stands between; may be repeated
    /// [default: this machine's own addresses]
    #[arg(
        long,
        env = "FRAMEWAY_PUBLIC_IP",
        value_name = "IP",
        value_delimiter = ','
    )]
    pub(crate) public_ip: Vec<IpAddr>,
    /// What is run on each frame; may be repeated
    #[arg(
        long = "processor",
        env = "FRAMEWAY_PROCESSOR",
        value_name = "NAME[:ARG]",
        default_value = "stats"
    )]
    pub(crate) processors: Vec<String>,
    /// Threads that run processors, for each sender: 1 to 64 [default: one a core]
    #[arg(long, env = "FRAMEWAY_WORKERS", value_name = "N")]
    pub(crate) workers: Option<usize>,
    /// Frames that a processor is given at once: 1 to 256
    #[arg(long, env = "FRAMEWAY_BATCH", value_name = "N", default_value_t = 1)]
    pub(crate) batch: usize,
    /// How long the first frame of a batch waits for the others
    #[arg(long, env = "FRAMEWAY_BATCH_WAIT", value_name = "DURATION", default_value = "5ms", value_parser = duration)]
    pub(crate) batch_wait: Duration,
    /// A processor that takes longer with a batch costs its frames an error; 0s: never
    #[arg(long, env = "FRAMEWAY_FRAME_TIMEOUT", value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) frame_timeout: Duration,
    /// File whose first line every request but /healthz must carry as Authorization: Bearer
    #[arg(long, env = "FRAMEWAY_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Serve other machines without a token
    #[arg(long, env = "FRAMEWAY_INSECURE")]
    pub(crate) insecure: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write for example 250ms or 2s"))
}

fn control(text: &str) -> Result<CongestionControl, UnknownControl> {
    text.parse()
}
