//! Where CIDs are looked up besides the store: daemons and gateways, as the command lines name them, and what is kept of it.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::Args;
use progressive_loader::Url;
use progressive_loader::driver::{Auth, CacheOptions, IpfsOptions, OriginConfig};

use crate::token::read_their_token;

/// Daemons and gateways.
#[derive(Debug, Clone, Default, Args)]
pub struct IpfsArgs {
    /// RPC of a Kubo daemon that has CIDs which the store has not, for example http://127.0.0.1:5001; may be repeated.
    /// http://USER:PASSWORD@… is sent as Basic authorization
    #[arg(
        long,
        env = "FRAMEWAY_IPFS_API",
        hide_env_values = true,
        value_name = "URL",
        value_delimiter = ',',
        value_parser = http_url
    )]
    ipfs_api: Vec<Url>,
    /// IPFS gateway that has them, trustless or not, for example `https://trustless-gateway.link`; may be repeated. Every block
    /// is checked against its CID
    #[arg(
        long,
        env = "FRAMEWAY_GATEWAY",
        hide_env_values = true,
        value_name = "URL",
        value_delimiter = ',',
        value_parser = http_url
    )]
    gateway: Vec<Url>,
    /// File whose first line is sent to every --ipfs-api as Authorization: Bearer
    #[arg(long, env = "FRAMEWAY_IPFS_API_TOKEN_FILE", value_name = "FILE")]
    ipfs_api_token_file: Option<PathBuf>,
    /// Takes what an --ipfs-api on this machine gives without checking it against its CID
    #[arg(long, env = "FRAMEWAY_TRUST_IPFS_API")]
    trust_ipfs_api: bool,
    /// Directory for what came from daemons and gateways, found again after a restart. One process at a time uses it
    /// [default: none; 12 MiB are kept in memory]
    #[arg(long, env = "FRAMEWAY_IPFS_CACHE", value_name = "DIR")]
    ipfs_cache: Option<PathBuf>,
    /// How much that directory may hold, 1MiB to 16TiB [default: 4GiB]
    #[arg(long, env = "FRAMEWAY_IPFS_CACHE_SIZE", value_name = "SIZE", value_parser = cache_size)]
    ipfs_cache_size: Option<ByteSize>,
}

/// The same in a config file, as it stands there.
#[derive(Debug, Default)]
pub struct IpfsFile {
    /// See the flag `--ipfs-api`, as all of these.
    pub ipfs_api: Option<Vec<String>>,
    /// Gateways.
    pub gateway: Option<Vec<String>>,
    /// The daemons' token.
    pub ipfs_api_token_file: Option<PathBuf>,
    /// Whether a daemon on this machine is believed.
    pub trust_ipfs_api: Option<bool>,
    /// The cache's directory.
    pub ipfs_cache: Option<PathBuf>,
    /// Its size.
    pub ipfs_cache_size: Option<String>,
}

impl IpfsFile {
    /// # Errors
    /// What is no URL of HTTP, and no size.
    pub fn check(self) -> anyhow::Result<IpfsArgs> {
        let urls = |name: &str, texts: Option<Vec<String>>| {
            let url =
                |text: &String| http_url(text).map_err(|error| anyhow::anyhow!("{name}: {error}"));
            let texts = texts.unwrap_or_default();
            texts.iter().map(url).collect::<anyhow::Result<_>>()
        };
        let size = self.ipfs_cache_size.as_deref().map(cache_size).transpose();
        Ok(IpfsArgs {
            ipfs_api: urls("ipfs_api", self.ipfs_api)?,
            gateway: urls("gateway", self.gateway)?,
            ipfs_api_token_file: self.ipfs_api_token_file,
            trust_ipfs_api: self.trust_ipfs_api.unwrap_or(false),
            ipfs_cache: self.ipfs_cache,
            ipfs_cache_size: size.map_err(|error| anyhow::anyhow!("ipfs_cache_size: {error}"))?,
        })
    }
}

impl IpfsArgs {
    /// These, and of `others` what is not named here.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        let pick = |mine: Vec<Url>, theirs| if mine.is_empty() { theirs } else { mine };
        Self {
            ipfs_api: pick(self.ipfs_api, others.ipfs_api),
            gateway: pick(self.gateway, others.gateway),
            ipfs_api_token_file: self.ipfs_api_token_file.or(others.ipfs_api_token_file),
            trust_ipfs_api: self.trust_ipfs_api || others.trust_ipfs_api,
            ipfs_cache: self.ipfs_cache.or(others.ipfs_cache),
            ipfs_cache_size: self.ipfs_cache_size.or(others.ipfs_cache_size),
        }
    }

    /// For the loader. Reads the token's file.
    ///
    /// # Errors
    /// It cannot be read, or what it holds is no token.
    pub fn options(&self) -> anyhow::Result<IpfsOptions> {
        let token = self.ipfs_api_token_file.as_deref();
        let auth = token.map(read_their_token).transpose()?.map(Auth::Bearer);
        let daemons = self.ipfs_api.iter().map(|api| OriginConfig::Kubo {
            api: api.clone(),
            auth: auth.clone(),
        });
        let gateways = self
            .gateway
            .iter()
            .map(|url| OriginConfig::Gateway { url: url.clone() });
        let defaults = CacheOptions::default();
        let size = self.ipfs_cache_size.map(|size| size.as_u64());
        Ok(IpfsOptions {
            origins: daemons.chain(gateways).collect(),
            cache: CacheOptions {
                disk: self.ipfs_cache.clone(),
                disk_bytes: size.unwrap_or(defaults.disk_bytes),
                ..defaults
            },
            trust_local: self.trust_ipfs_api,
        })
    }
}

/// The address of an HTTP server. What is wrong is said without the text, which may have a password in it.
fn http_url(text: &str) -> Result<Url, String> {
    let wanted = "write http://HOST:PORT or https://HOST";
    let url = Url::parse(text).map_err(|error| format!("{error}; {wanted}"))?;
    match (url.scheme(), url.host_str()) {
        ("http" | "https", Some(_)) => Ok(url),
        (scheme, _) => Err(format!("{scheme}: is not HTTP; {wanted}")),
    }
}

fn cache_size(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text
        .parse()
        .map_err(|error| format!("{text:?} is no size ({error}); write 500MB or 4GiB"))?;
    if (ByteSize::mib(1)..=ByteSize::tib(16)).contains(&size) {
        return Ok(size);
    }
    Err(format!("{text}: out of range; write 1MiB to 16TiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(api: &[&str], gateway: &[&str]) -> IpfsArgs {
        let texts = |texts: &[&str]| Some(texts.iter().map(|&it| it.to_owned()).collect());
        let file = IpfsFile {
            ipfs_api: texts(api),
            gateway: texts(gateway),
            ..IpfsFile::default()
        };
        file.check().unwrap()
    }

    #[test]
    fn what_flags_name_beats_the_file_each_kind_by_itself() {
        let flags = args(&[], &["http://a", "http://b"]);
        let both = flags.or(args(&["http://c:5001"], &["http://d"]));
        let origins = both.options().unwrap().origins;
        let gateway = |url: &str| OriginConfig::Gateway {
            url: url.parse().unwrap(),
        };
        let daemon = OriginConfig::Kubo {
            api: "http://c:5001".parse().unwrap(),
            auth: None,
        };
        assert_eq!(origins, [daemon, gateway("http://a"), gateway("http://b")]);
    }

    #[test]
    fn a_token_goes_to_the_daemons() {
        // As short as theirs may be.
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "horse\n").unwrap();
        let mut args = args(&["http://a"], &["http://b"]);
        args.ipfs_api_token_file = Some(file.path().to_owned());
        let origins = args.options().unwrap().origins;
        let auth = Some(Auth::Bearer("horse".to_owned()));
        assert!(matches!(&origins[0], OriginConfig::Kubo { auth: given, .. } if *given == auth));
        assert!(
            !format!("{origins:?}").contains("horse"),
            "secrets are not shown"
        );
    }

    #[test]
    fn the_cache_has_the_size_that_is_named_and_a_wrong_one_is_refused() {
        let file = |size: &str| IpfsFile {
            ipfs_cache: Some("cache".into()),
            ipfs_cache_size: Some(size.to_owned()),
            ..IpfsFile::default()
        };
        let cache = file("500MB").check().unwrap().options().unwrap().cache;
        assert_eq!(
            (cache.disk, cache.disk_bytes),
            (Some("cache".into()), 500_000_000)
        );
        for size in ["", "much", "-1", "1KiB", "17TiB"] {
            let refused = file(size).check().unwrap_err().to_string();
            assert!(refused.starts_with("ipfs_cache_size: "), "{refused}");
        }
    }

    #[test]
    fn what_is_no_address_of_http_is_refused() {
        for text in [
            "",
            "localhost:5001",
            "/ip4/127.0.0.1/tcp/5001",
            "ftp://x",
            "http://",
        ] {
            let refused = http_url(text).unwrap_err();
            assert!(refused.contains("http://HOST:PORT"), "{refused}");
        }
    }
}
