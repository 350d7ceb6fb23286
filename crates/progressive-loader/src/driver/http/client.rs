//! The HTTP client: timeouts, redirects, and one range request.
//!
//! Fed by the source with the range wanted; gives the answer's head, checked, and its open body.

use super::resolver::{Resolver, is_localhost, is_private_ip};
use super::trust;
use crate::driver::clock::now;
use crate::driver::options::HttpOptions;
use crate::error::{Cause, OpenError, Phase, ReadError};
use crate::http_range::{Answer, Head, Unusable, Validators};
use crate::location::without_secrets;
use crate::retry_after::HoldOff;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName,
    LAST_MODIFIED, RANGE, RETRY_AFTER,
};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use std::error::Error;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use url::{Host, Url};

/// A client for one resource.
#[derive(Debug)]
pub(super) struct RangeClient {
    client: Client,
    url: Url,
    /// The URL without secrets, for messages.
    pub(super) name: String,
    pub(super) options: HttpOptions,
    hold_off: Mutex<HoldOff>,
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
        Ok(Self {
            client: new_client(url, options)?,
            url: url.clone(),
            name: without_secrets(url),
            options: options.clone(),
            hold_off: Mutex::default(),
        })
    }

    /// Asks for `range`, which must not be empty, and waits for the head of the answer. Where the server has said how long it wants
    /// to be left alone, waits for that first.
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
        let welcome = self.hold_off().until(now());
        if let Some(until) = welcome {
            tokio::time::sleep_until(until.into()).await;
        }
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

    /// Whether the server has not asked to be left alone for longer than that.
    pub(super) fn is_welcome_within(&self, wait: Duration) -> bool {
        let welcome = self.hold_off().until(now());
        welcome.is_none_or(|at| at <= now() + wait)
    }

    /// Why opening failed.
    pub(super) fn open_error(&self, error: RequestError) -> OpenError {
        let name = self.name.clone();
        match error {
            RequestError::UnknownSize => OpenError::UnknownSize { name },
            RequestError::Redirect(reason) => OpenError::Redirect { name, reason },
            RequestError::Read(error) => OpenError::Read(error),
        }
    }

    fn check(&self, range: &Range<u64>, response: Response) -> Result<Opened, RequestError> {
        let head = head_of(&response);
        if let (400.., Some(wait)) = (head.status, retry_after(response.headers())) {
            self.hold_off().told(now(), wait);
        }
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

    fn hold_off(&self) -> MutexGuard<'_, HoldOff> {
        self.hold_off.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn transport(&self, error: reqwest::Error, attempts: u32) -> ReadError {
        ReadError::Transport {
            name: self.name.clone(),
            attempts,
            source: cause(error),
        }
    }
}

/// A client for `url` and what it redirects to: its timeout of connecting, its redirects, its names.
pub(crate) fn new_client(url: &Url, options: &HttpOptions) -> Result<Client, OpenError> {
    let private_is_fine = options.allow_private_redirects || is_private(url);
    let resolver = Resolver::new(url.host_str().unwrap_or_default(), private_is_fine);
    let tls = trust::tls_config().map_err(|e| OpenError::Client {
        source: Arc::new(e),
    })?;
    Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(options.connect_timeout)
        .redirect(redirect_policy(options))
        .dns_resolver(resolver)
        .user_agent(concat!(
            "frameway-progressive-loader/",
            env!("CARGO_PKG_VERSION")
        ))
        .build()
        .map_err(|e| OpenError::Client { source: cause(e) })
}

/// How long the server wants to be left alone.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    crate::retry_after::retry_after(text(RETRY_AFTER)?, text(DATE), SystemTime::now())
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

/// Follows redirects up to the limit, none of them into a place the first URL could not name safely.
fn redirect_policy(options: &HttpOptions) -> Policy {
    let limit = options.max_redirects as usize;
    let allow_private = options.allow_private_redirects;
    Policy::custom(move |attempt| {
        match refuse(attempt.previous(), attempt.url(), limit, allow_private) {
            Some(reason) => attempt.error(reason),
            None => attempt.follow(),
        }
    })
}

/// Why `next` is not followed after these.
fn refuse(previous: &[Url], next: &Url, limit: usize, allow_private: bool) -> Option<String> {
    let first = previous.first()?;
    let shown = without_secrets(next);
    if previous.len() > limit {
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
    if !allow_private && is_private(next) && !is_private(first) {
        return Some(format!(
            "from a public address to {shown}, which is private (allow_private_redirects would follow it)"
        ));
    }
    None
}

/// Whether the URL's host is an address of this machine or its own network. What a name resolves to is the
/// resolver's to judge.
fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => is_private_ip(ip.into()),
        Some(Host::Ipv6(ip)) => is_private_ip(ip.into()),
        Some(Host::Domain(name)) => is_localhost(name),
        None => true,
    }
}

/// A transport's error as text: reqwest's own says little without its sources, and may show the URL.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Chain(String);

pub(crate) fn cause(error: reqwest::Error) -> Cause {
    Arc::new(Chain(chain(&error.without_url())))
}

pub(crate) fn chain(error: &dyn Error) -> String {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refused(first: &str, next: &str, allow_private: bool) -> Option<String> {
        let [first, next] = [first, next].map(|url| url.parse().unwrap());
        refuse(&[first], &next, 5, allow_private)
    }

    #[test]
    fn a_public_address_may_not_redirect_to_a_private_one_unless_allowed() {
        for next in [
            "http://127.0.0.1/",
            "http://10.1.2.3/",
            "http://192.168.0.1:5001/api/v0/shutdown",
            "http://169.254.169.254/latest/meta-data",
            "http://[::1]/",
            "http://[fd00::1]/",
            "http://[fe80::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://0.0.0.0/",
            "http://localhost/",
            "http://2130706433/",
        ] {
            let reason = refused("http://example.org/", next, false);
            assert!(reason.is_some_and(|it| it.contains("private")), "{next}");
            assert_eq!(refused("http://example.org/", next, true), None);
            assert_eq!(refused("http://192.168.0.7/", next, false), None, "{next}");
        }
        assert_eq!(
            refused("http://example.org/", "https://a.net/", false),
            None
        );
    }

    #[test]
    fn nothing_leads_out_of_http_or_out_of_tls() {
        for next in ["file:///etc/passwd", "ftp://a.net/", "http://a.net/"] {
            assert!(
                refused("https://example.org/", next, true).is_some(),
                "{next}"
            );
        }
    }
}
