//! Where CIDs are looked up besides the store: daemons and gateways, as the command lines name them.

use std::path::PathBuf;

use clap::Args;
use progressive_loader::Url;
use progressive_loader::driver::{Auth, IpfsOptions, OriginConfig};

use crate::read_token;

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
}

impl IpfsArgs {
    /// Those of a config file.
    ///
    /// # Errors
    /// One is no URL of HTTP.
    pub fn named(
        ipfs_api: Vec<String>,
        gateway: Vec<String>,
        ipfs_api_token_file: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let urls = |name: &str, texts: Vec<String>| {
            let url =
                |text: &String| http_url(text).map_err(|error| anyhow::anyhow!("{name}: {error}"));
            texts.iter().map(url).collect::<anyhow::Result<_>>()
        };
        Ok(Self {
            ipfs_api: urls("ipfs_api", ipfs_api)?,
            gateway: urls("gateway", gateway)?,
            ipfs_api_token_file,
        })
    }

    /// These, and of `others` what is not named here.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        let pick = |mine: Vec<Url>, theirs| if mine.is_empty() { theirs } else { mine };
        Self {
            ipfs_api: pick(self.ipfs_api, others.ipfs_api),
            gateway: pick(self.gateway, others.gateway),
            ipfs_api_token_file: self.ipfs_api_token_file.or(others.ipfs_api_token_file),
        }
    }

    /// For the loader. Reads the token's file.
    ///
    /// # Errors
    /// It cannot be read, or what it holds is no token.
    pub fn options(&self) -> anyhow::Result<IpfsOptions> {
        let token = self.ipfs_api_token_file.as_deref();
        let auth = token.map(read_token).transpose()?.map(Auth::Bearer);
        let daemons = self.ipfs_api.iter().map(|api| OriginConfig::Kubo {
            api: api.clone(),
            auth: auth.clone(),
        });
        let gateways = self
            .gateway
            .iter()
            .map(|url| OriginConfig::Gateway { url: url.clone() });
        Ok(IpfsOptions {
            origins: daemons.chain(gateways).collect(),
            ..IpfsOptions::default()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn args(api: &[&str], gateway: &[&str]) -> IpfsArgs {
        let texts = |texts: &[&str]| texts.iter().map(|&it| it.to_owned()).collect();
        IpfsArgs::named(texts(api), texts(gateway), None).unwrap()
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
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "correct-horse\n").unwrap();
        let mut args = args(&["http://a"], &["http://b"]);
        args.ipfs_api_token_file = Some(file.path().to_owned());
        let origins = args.options().unwrap().origins;
        let auth = Some(Auth::Bearer("correct-horse".to_owned()));
        assert!(matches!(&origins[0], OriginConfig::Kubo { auth: given, .. } if *given == auth));
        assert!(
            !format!("{origins:?}").contains("horse"),
            "secrets are not shown"
        );
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
