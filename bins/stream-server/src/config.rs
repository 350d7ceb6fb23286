//! Flags and environment over a config file over defaults: the settings of `serve`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde::Deserialize;

use bin_support::{Failure, IpfsFile, default_store, read_token};
use progressive_loader::driver::IpfsOptions;

use stream_service::{
    CongestionControl, RawStreamingConfig, ServerIdentity, StreamingConfig, StreamingConfigError,
    UnknownControl,
};

use crate::args::{NamedSource, ServeArgs, TlsArgs};

/// A config file, as it stands in TOML or YAML.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    http: Option<SocketAddr>,
    udp: Option<SocketAddr>,
    quic: Option<SocketAddr>,
    no_quic: Option<bool>,
    cc: Option<String>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    public_ip: Option<Vec<IpAddr>>,
    /// `NAME = "URI"`.
    sources: Option<BTreeMap<String, String>>,
    #[serde(rename = "loop")]
    looping: Option<bool>,
    store: Option<PathBuf>,
    ipfs_api: Option<Vec<String>>,
    gateway: Option<Vec<String>>,
    ipfs_api_token_file: Option<PathBuf>,
    trust_ipfs_api: Option<bool>,
    ipfs_cache: Option<PathBuf>,
    ipfs_cache_size: Option<String>,
    token_file: Option<PathBuf>,
    insecure: Option<bool>,
    /// How JPEGs are shared and qualities chosen, in the spelling of such optimizers or in lower case.
    #[serde(rename = "Streaming", alias = "streaming")]
    streaming: Option<RawStreamingConfig>,
}

/// What `serve` runs with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) http: SocketAddr,
    pub(crate) udp: SocketAddr,
    pub(crate) quic: Option<SocketAddr>,
    pub(crate) congestion: CongestionControl,
    pub(crate) identity: ServerIdentity,
    pub(crate) public_ip: Vec<IpAddr>,
    pub(crate) sources: Vec<NamedSource>,
    pub(crate) looping: bool,
    pub(crate) store: PathBuf,
    pub(crate) ipfs: IpfsOptions,
    pub(crate) token: Option<String>,
    pub(crate) insecure: bool,
    pub(crate) streaming: StreamingConfig,
}

/// Brings flags, config file and defaults together.
pub(crate) fn settings(flags: ServeArgs) -> Result<Settings, Failure> {
    let file = match &flags.config {
        Some(path) => read(path).map_err(Failure::Usage)?,
        None => ConfigFile::default(),
    };
    let http = flags
        .http
        .or(file.http)
        .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
    let udp = flags
        .udp
        .or(file.udp)
        .unwrap_or(SocketAddr::new(http.ip(), 0));
    let no_quic =
        flags.quic.no_quic || (flags.quic.quic.is_none() && file.no_quic.unwrap_or(false));
    let quic = flags.quic.quic.or(file.quic);
    let congestion = file.cc.as_deref().map(str::parse).transpose();
    let congestion = congestion.map_err(|error: UnknownControl| Failure::Usage(error.into()))?;
    let streaming = file.streaming.unwrap_or_default().check();
    let streaming =
        streaming.map_err(|error| Failure::Usage(in_config(flags.config.as_deref(), &error)))?;
    let of_file = IpfsFile {
        ipfs_api: file.ipfs_api,
        gateway: file.gateway,
        ipfs_api_token_file: file.ipfs_api_token_file,
        trust_ipfs_api: file.trust_ipfs_api,
        ipfs_cache: file.ipfs_cache,
        ipfs_cache_size: file.ipfs_cache_size,
    };
    let ipfs = flags.ipfs.or(of_file.check().map_err(Failure::Usage)?);
    let token_file = flags.access.token_file.or(file.token_file);
    let sources = sources(file.sources.unwrap_or_default(), &flags.sources);
    Ok(Settings {
        http,
        udp,
        quic: (!no_quic).then(|| quic.unwrap_or(SocketAddr::new(http.ip(), 0))),
        congestion: flags.quic.congestion.or(congestion).unwrap_or_default(),
        identity: identity(flags.tls.or(file.tls_cert, file.tls_key))?,
        public_ip: if flags.public_ip.is_empty() {
            file.public_ip.unwrap_or_default()
        } else {
            flags.public_ip
        },
        sources,
        looping: flags.looping || file.looping.unwrap_or(false),
        ipfs: ipfs.options().map_err(Failure::Usage)?,
        store: flags.store.or(file.store).unwrap_or_else(default_store),
        token: token(token_file.as_deref())?,
        streaming,
        insecure: flags.access.insecure || file.insecure.unwrap_or(false),
    })
}

/// What the file holds, if one is named.
pub(crate) fn token(file: Option<&Path>) -> Result<Option<String>, Failure> {
    file.map(read_token).transpose().map_err(Failure::Usage)
}

/// What is shown: the certificate of these files, or one made here.
pub(crate) fn identity(tls: TlsArgs) -> Result<ServerIdentity, Failure> {
    match (tls.tls_cert, tls.tls_key) {
        (Some(certificates), Some(key)) => Ok(ServerIdentity::Pem { certificates, key }),
        (None, None) => Ok(ServerIdentity::SelfSigned { names: Vec::new() }),
        (Some(_), None) => Err(Failure::Usage(anyhow!(
            "--tls-cert FILE needs its private key: --tls-key FILE"
        ))),
        (None, Some(_)) => Err(Failure::Usage(anyhow!(
            "--tls-key FILE needs its certificate: --tls-cert FILE"
        ))),
    }
}

impl TlsArgs {
    fn or(self, tls_cert: Option<PathBuf>, tls_key: Option<PathBuf>) -> Self {
        Self {
            tls_cert: self.tls_cert.or(tls_cert),
            tls_key: self.tls_key.or(tls_key),
        }
    }
}

/// Those of the file, but for names that flags have as well, and those of the flags.
fn sources(file: BTreeMap<String, String>, flags: &[NamedSource]) -> Vec<NamedSource> {
    let of_file = file.into_iter();
    let of_file = of_file.map(|(name, uri)| NamedSource { name, uri });
    of_file
        .filter(|source| !flags.iter().any(|flag| flag.name == source.name))
        .chain(flags.iter().cloned())
        .collect()
}

/// Says where a setting stands that cannot be taken.
fn in_config(path: Option<&Path>, error: &StreamingConfigError) -> anyhow::Error {
    let shown = path.unwrap_or(Path::new("")).display();
    anyhow::anyhow!("the config file {shown}, Streaming: {error}")
}

fn read(path: &Path) -> anyhow::Result<ConfigFile> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the config file {shown}"))?;
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    match extension.to_ascii_lowercase().as_str() {
        "yaml" | "yml" => serde_saphyr::from_str(&text)
            .with_context(|| format!("the config file {shown} is not as expected")),
        "toml" => toml::from_str(&text)
            .with_context(|| format!("the config file {shown} is not as expected")),
        other => {
            anyhow::bail!("the config file {shown} ends in {other:?}; name it .toml, .yaml or .yml")
        }
    }
}
