//! The settings of [`open`](crate::driver::open), with their defaults and what they cost.
//!
//! Given by the caller; read by the reader and the HTTP source.

use crate::driver::cache::CacheOptions;
use crate::driver::pool::Pool;
use crate::driver::store::Store;
use crate::error::OpenError;
use crate::location::without_secrets;
use std::fmt;
use std::time::Duration;
use url::Url;

/// How to open and read a content.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Where `ipfs://` locations are looked up first. Default: none, so they fail with [`OpenError::NoStore`]
    /// unless [`OpenOptions::ipfs`] names an origin.
    pub store: Option<Store>,
    /// Where else `ipfs://` locations are looked up, and what of it is kept.
    pub ipfs: IpfsOptions,
    /// What those give, verified: made once by [`OpenOptions::connect`], so that all that is opened with clones of
    /// these options shares the cache and what is known of the origins. Default: none, so each content that is
    /// opened has its own.
    pub pool: Option<Pool>,
    /// How to talk to HTTP servers.
    pub http: HttpOptions,
    /// How far ahead of the reader to fetch, in bytes: 64 KiB to 1 GiB. Default 8 MiB: three seconds
    /// of a 20 Mbit/s video. It is memory of every reader.
    pub lookahead_bytes: u64,
    /// How much to keep of what lies outside the look-ahead, in bytes: 0 to 1 GiB. Default 4 MiB, so
    /// that a demuxer that hops between an index and the data does not fetch either twice. It is
    /// memory of every reader.
    pub keep_behind_bytes: u64,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            store: None,
            ipfs: IpfsOptions::default(),
            pool: None,
            http: HttpOptions::default(),
            lookahead_bytes: 8 << 20,
            keep_behind_bytes: 4 << 20,
        }
    }
}

impl OpenOptions {
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let field = |field, value: u64, range: std::ops::RangeInclusive<u64>, text| {
            if range.contains(&value) {
                Ok(())
            } else {
                Err(OpenError::Option {
                    field,
                    value,
                    range: text,
                })
            }
        };
        field(
            "lookahead_bytes",
            self.lookahead_bytes,
            64 << 10..=1 << 30,
            "64 KiB to 1 GiB",
        )?;
        field(
            "keep_behind_bytes",
            self.keep_behind_bytes,
            0..=1 << 30,
            "0 to 1 GiB",
        )?;
        field(
            "http.max_redirects",
            self.http.max_redirects.into(),
            0..=20,
            "0 to 20",
        )?;
        field(
            "http.max_resumes",
            self.http.max_resumes.into(),
            0..=100,
            "0 to 100",
        )
    }
}

/// Where `ipfs://` locations are looked up besides the store, and how.
#[derive(Debug, Clone, Default)]
pub struct IpfsOptions {
    /// Daemons and gateways. Default: none.
    pub origins: Vec<OriginConfig>,
    /// What is kept of what they gave.
    pub cache: CacheOptions,
    /// Whether the blocks of a Kubo daemon on a loopback address are used without checking their hashes. Default
    /// no. A gateway's never are.
    pub trust_local: bool,
}

/// One daemon or gateway that has IPFS blocks.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginConfig {
    /// The RPC of a Kubo daemon.
    Kubo {
        /// Its address, such as `http://127.0.0.1:5001`. A `user:password@` in it is basic authentication.
        api: Url,
        /// Who asks, when the address does not say.
        auth: Option<Auth>,
    },
    /// An HTTP gateway. Whether it gives archives of blocks (a trustless one), ranges of files, or both, is found
    /// out by asking it.
    Gateway {
        /// Its address, such as `https://trustless-gateway.link`. A `user:password@` in it is basic authentication.
        url: Url,
    },
}

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// A bearer token (RFC 6750).
    Bearer(String),
    /// A user and a password (RFC 7617).
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
}

impl fmt::Debug for OriginConfig {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kubo { api, auth } => f
                .debug_struct("Kubo")
                .field("api", &without_secrets(api))
                .field("auth", auth)
                .finish(),
            Self::Gateway { url } => f
                .debug_struct("Gateway")
                .field("url", &without_secrets(url))
                .finish(),
        }
    }
}

impl fmt::Debug for Auth {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer(_) => f.write_str("Bearer(***)"),
            Self::Basic { user, .. } => write!(f, "Basic({user:?}, ***)"),
        }
    }
}

/// How to talk to an HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// The longest that TCP and TLS may take. Default 5 s.
    pub connect_timeout: Duration,
    /// The longest from the request to the head of its answer. Default 10 s.
    pub first_byte_timeout: Duration,
    /// The longest between two pieces of a body. Default 10 s.
    pub idle_timeout: Duration,
    /// How many redirects to follow: 0 to 20. Default 5. From https to http, to another scheme, or from
    /// a public to a private address none is.
    pub max_redirects: u32,
    /// Whether a redirect may lead from a public to a private address, or to a name that has one. Default no:
    /// a server must not send this machine's requests into its own network.
    pub allow_private_redirects: bool,
    /// How often to ask for the rest of a range whose body broke off, in a row without a byte of
    /// progress, and for the first bytes of a server that is busy: 0 to 100. Default 5.
    pub max_resumes: u32,
    /// How much of a body to read and throw away to get to a range, when the server ignores `Range`.
    /// Default 64 MiB. It is network traffic, not memory.
    pub max_discard_bytes: u64,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(10),
            max_redirects: 5,
            allow_private_redirects: false,
            max_resumes: 5,
            max_discard_bytes: 64 << 20,
        }
    }
}
