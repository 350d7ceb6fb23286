//! The HTTP client: timeouts, redirects, and one range request.
//!
//! Fed by the source with the range wanted; gives the answer's head, checked, and its open body.

use crate::driver::options::HttpOptions;
use crate::error::{Cause, OpenError, Phase, ReadError};
use crate::http_range::{Answer, Head, Unusable, Validators};
use crate::location::without_secrets;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE, ETAG, HeaderName, LAST_MODIFIED, RANGE,
};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Response};
use std::error::Error;
use std::ops::Range;
use std::sync::Arc;
use url::{Host, Url};

/// A client for one resource.
#[derive(Debug)]
pub(super) struct RangeClient {
    client: Client,
    url: Url,
    /// The URL without secrets, for messages.
    pub(super) name: String,
    pub(super) options: HttpOptions,
}

/// The head of a usable answer, and its body.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) answer: Answer,
    pub(super) validators: Validators,
    pub(super) response: Response,
}

/// Why a request failed.
pub(super) enum RequestError {
    /// The server does not say how large the content is.
    UnknownSize,
    /// A redirect was refused.
    Redirect(String),
    /// Anything else.
    Read(ReadError),
}

impl RangeClient {
    pub(super) fn new(url: &Url, options: &HttpOptions) -> Result<Self, OpenError> {
        let client = Client::builder()
            .connect_timeout(options.connect_timeout)
            .redirect(redirect_policy(options.max_redirects as usize))
            .user_agent(concat!(
                "frameway-progressive-loader/",
                env!("CARGO_PKG_VERSION")
            ))
            .build()
            .map_err(|e| OpenError::Client { source: cause(e) })?;
        Ok(Self {
            client,
            url: url.clone(),
            name: without_secrets(url),
            options: options.clone(),
        })
    }

    /// Asks for `range`, which must not be empty, and waits for the head of the answer.
    pub(super) async fn request(
        &self,
        range: &Range<u64>,
        attempts: u32,
    ) -> Result<Opened, RequestError> {
        let request = self
            .client
            .get(self.url.clone())
            .header(RANGE, format!("bytes={}-{}", range.start, range.end - 1))
            .header(ACCEPT_ENCODING, "identity");
        let limit = self.options.first_byte_timeout;
        let timed_out = |phase, limit| ReadError::Timeout {
            name: self.name.clone(),
            phase,
            limit,
            attempts,
        };
        let response = match tokio::time::timeout(limit, request.send()).await {
            Err(_) => return Err(RequestError::Read(timed_out(Phase::FirstByte, limit))),
            Ok(Err(e)) if e.is_connect() && e.is_timeout() => {
                let error = timed_out(Phase::Connect, self.options.connect_timeout);
                return Err(RequestError::Read(error));
            }
            Ok(Err(e)) if e.is_redirect() => {
                return Err(RequestError::Redirect(chain(&e.without_url())));
            }
            Ok(Err(e)) => return Err(RequestError::Read(self.transport(e, attempts))),
            Ok(Ok(response)) => response,
        };
        self.check(range, response)
    }

    fn check(&self, range: &Range<u64>, response: Response) -> Result<Opened, RequestError> {
        let head = head_of(&response);
        let name = || self.name.clone();
        match head.answer(range) {
            Ok(answer) => Ok(Opened {
                answer,
                validators: head.validators,
                response,
            }),
            Err(Unusable::UnknownSize) => Err(RequestError::UnknownSize),
            Err(Unusable::Status(status)) => Err(RequestError::Read(ReadError::Status {
                name: name(),
                status,
                range: range.clone(),
            })),
            Err(Unusable::ContentRange(answered)) => {
                let range = range.clone();
                Err(RequestError::Read(ReadError::BadContentRange {
                    name: name(),
                    range,
                    answered,
                }))
            }
            Err(Unusable::Encoded(encoding)) => Err(RequestError::Read(ReadError::Encoded {
                name: name(),
                encoding,
            })),
        }
    }

    pub(super) fn transport(&self, error: reqwest::Error, attempts: u32) -> ReadError {
        ReadError::Transport {
            name: self.name.clone(),
            attempts,
            source: cause(error),
        }
    }
}

fn head_of(response: &Response) -> Head {
    let text = |name: HeaderName| {
        let value = response.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Head {
        status: response.status().as_u16(),
        content_range: text(CONTENT_RANGE),
        content_length: response.content_length(),
        content_encoding: text(CONTENT_ENCODING),
        validators: Validators {
            etag: text(ETAG),
            last_modified: text(LAST_MODIFIED),
        },
    }
}

/// Follows up to `limit` redirects, none of them into a place the first URL could not name safely.
fn redirect_policy(limit: usize) -> Policy {
    Policy::custom(move |attempt| match refuse(&attempt, limit) {
        Some(reason) => attempt.error(reason),
        None => attempt.follow(),
    })
}

fn refuse(attempt: &Attempt<'_>, limit: usize) -> Option<String> {
    let (first, next) = (attempt.previous().first()?, attempt.url());
    let shown = without_secrets(next);
    if attempt.previous().len() > limit {
        return Some(format!(
            "more than {limit} redirects, the last one to {shown}"
        ));
    }
    if !matches!(next.scheme(), "http" | "https") {
        return Some(format!("{shown} is neither http nor https"));
    }
    if first.scheme() == "https" && next.scheme() == "http" {
        return Some(format!("from https to {shown}, which is not encrypted"));
    }
    if is_private(next) && !is_private(first) {
        return Some(format!(
            "from a public address to {shown}, which is private"
        ));
    }
    None
}

/// Whether the URL's host is an address of this machine or its own network. A name that resolves to
/// one is not noticed.
fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => is_private_v4(ip),
        Some(Host::Ipv6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => is_private_v4(ip),
            None => {
                ip.is_loopback()
                    || ip.is_unspecified()
                    || ip.is_unique_local()
                    || ip.is_unicast_link_local()
            }
        },
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => true,
    }
}

fn is_private_v4(ip: std::net::Ipv4Addr) -> bool {
    ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_unspecified()
        || ip.is_broadcast()
}

/// A transport's error as text: reqwest's own says little without its sources, and may show the URL.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Chain(String);

fn cause(error: reqwest::Error) -> Cause {
    Arc::new(Chain(chain(&error.without_url())))
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let part = source.to_string();
        if !text.ends_with(&part) {
            text = format!("{text}: {part}");
        }
        next = source.source();
    }
    text
}
