//! The command line. What `--help` says is written here, once.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use bin_support::{IpfsArgs, address, default_store};
use clap::{Args as ClapArgs, Parser, Subcommand};
use progressive_loader::Profile;
use stream_service::{CongestionControl, UnknownControl};

/// Streams a video held by IPFS, a file or a URL to browsers over WebRTC.
///
/// The first line on stdout is the page's address. Logs go to stderr (RUST_LOG=debug shows more). Ctrl-C and SIGTERM
/// say goodbye to the viewers and exit 0. Exit codes: 0 all done, 1 something failed (and was said), 2 bad usage.
#[derive(Debug, Parser)]
#[command(name = "stream-server", version, propagate_version = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Play a generated clip at http://127.0.0.1:8080, with nothing prepared
    ///
    /// The clip is a test pattern, 1280x720 at 30 frames a second, whose every frame carries its number. Streams of
    /// your own can be added on the page, or with `serve`.
    Demo(Box<DemoArgs>),
    /// Serve streams named on the command line, in a config file, or over the API
    ///
    /// Example: stream-server serve --source cat=./cat.mp4 --source film=ipfs://bafy… --loop
    Serve(Box<ServeArgs>),
    /// Add a file to the embedded store and print the CID that Kubo would print
    ///
    /// Example: stream-server add cat.mp4; then: stream-server serve --source cat=ipfs://CID
    Add(AddArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// Address of the page and the API; port 0 picks a free one
    #[arg(long, env = "FRAMEWAY_HTTP", value_name = "HOST:PORT", default_value = "127.0.0.1:8080", value_parser = address)]
    pub(crate) http: SocketAddr,
    /// Address of the UDP socket that carries all media; port 0 picks a free one
    #[arg(long, env = "FRAMEWAY_UDP", value_name = "HOST:PORT", default_value = "127.0.0.1:0", value_parser = address)]
    pub(crate) udp: SocketAddr,
    #[command(flatten)]
    pub(crate) quic: QuicArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    /// Folder of the embedded store
    #[arg(long, env = "FRAMEWAY_STORE", value_name = "DIR", default_value_os_t = default_store())]
    pub(crate) store: PathBuf,
}

#[derive(Debug, Default, ClapArgs)]
pub(crate) struct ServeArgs {
    /// Address of the page and the API; port 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "FRAMEWAY_HTTP", value_name = "HOST:PORT", value_parser = address)]
    pub(crate) http: Option<SocketAddr>,
    /// Address of the UDP socket that carries all media; port 0 picks a free one
    /// [default: the --http address's host, port 0]
    #[arg(long, env = "FRAMEWAY_UDP", value_name = "HOST:PORT", value_parser = address)]
    pub(crate) udp: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) quic: QuicArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    /// Address that browsers are told to send media to, where a NAT stands between; may be repeated
    /// [default: this machine's own addresses]
    #[arg(
        long,
        env = "FRAMEWAY_PUBLIC_IP",
        value_name = "IP",
        value_delimiter = ','
    )]
    pub(crate) public_ip: Vec<IpAddr>,
    /// A stream to start with; may be repeated. URI is a path, file:, ipfs://CID[/path], http(s)://… or
    /// test:?size=1280x720&fps=30
    #[arg(long = "source", value_name = "NAME=URI", value_parser = named_source)]
    pub(crate) sources: Vec<NamedSource>,
    /// Start every --source again at its end
    #[arg(long = "loop", env = "FRAMEWAY_LOOP")]
    pub(crate) looping: bool,
    /// Folder of the embedded store, where CIDs are looked up
    /// [default: $XDG_DATA_HOME/frameway, else ~/.local/share/frameway]
    #[arg(long, env = "FRAMEWAY_STORE", value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) ipfs: IpfsArgs,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    /// TOML or YAML file with the same settings (http, udp, quic, no_quic, cc, tls_cert, tls_key, public_ip, sources, loop,
    /// store, ipfs_api, gateway, ipfs_api_token_file, trust_ipfs_api, ipfs_cache, ipfs_cache_size, token_file, insecure) and Streaming: {ENABLE_OPTIMIZER, CACHE_SIZE,
    /// CACHE_BYTES, QUALITY_LEVELS, ADAPTIVE_QUALITY, MIN_QUALITY, MAX_QUALITY, TARGET_BITRATE, DROP_SAME_FRAMES}, which lower
    /// case serves as well; flags and environment beat it
    #[arg(long, env = "FRAMEWAY_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Who may ask: wanted where other machines can.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct AccessArgs {
    /// File whose first line every request but /healthz must carry as Authorization: Bearer
    #[arg(long, env = "FRAMEWAY_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Serve other machines without a token
    #[arg(long, env = "FRAMEWAY_INSECURE")]
    pub(crate) insecure: bool,
}

/// How pages are reached by QUIC.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct QuicArgs {
    /// Address of the UDP socket of QUIC (WebTransport); port 0 picks a free one
    /// [default: the --http address's host, port 0]
    #[arg(long, env = "FRAMEWAY_QUIC", value_name = "HOST:PORT", value_parser = address)]
    pub(crate) quic: Option<SocketAddr>,
    /// Do not serve QUIC
    #[arg(long, env = "FRAMEWAY_NO_QUIC", conflicts_with = "quic")]
    pub(crate) no_quic: bool,
    /// How QUIC decides what may be in flight: fair (a loss counts only where a queue stands), cubic, or bbr [default: fair]
    #[arg(long = "cc", env = "FRAMEWAY_CC", value_name = "CONTROL", value_parser = control)]
    pub(crate) congestion: Option<CongestionControl>,
}

/// The certificate that is shown.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct TlsArgs {
    /// Certificate chain (PEM), with --tls-key: HTTP is HTTPS then, and QUIC shows it in place of one of its own making. Read
    /// again when it is written
    #[arg(long, env = "FRAMEWAY_TLS_CERT", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, env = "FRAMEWAY_TLS_KEY", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AddArgs {
    /// The file to add
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Folder of the embedded store
    #[arg(long, env = "FRAMEWAY_STORE", value_name = "DIR", default_value_os_t = default_store())]
    pub(crate) store: PathBuf,
    /// How the file becomes a DAG: unixfs-v1-2025 (CIDv1, raw leaves, 1 MiB chunks) or legacy-cid-v0 (Qm…, 256 KiB)
    #[arg(long, env = "FRAMEWAY_PROFILE", value_name = "PROFILE", default_value_t = Profile::default())]
    pub(crate) profile: Profile,
    /// Print one JSON object with cid, size_bytes and blocks instead of the bare CID
    #[arg(long)]
    pub(crate) json: bool,
}

/// A stream named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedSource {
    pub(crate) name: String,
    pub(crate) uri: String,
}

fn control(text: &str) -> Result<CongestionControl, UnknownControl> {
    text.parse()
}

fn named_source(text: &str) -> Result<NamedSource, String> {
    match text.split_once('=') {
        Some((name, uri)) if !name.trim().is_empty() && !uri.trim().is_empty() => Ok(NamedSource {
            name: name.trim().to_owned(),
            uri: uri.trim().to_owned(),
        }),
        _ => Err("write NAME=URI, for example cat=./cat.mp4".to_owned()),
    }
}
