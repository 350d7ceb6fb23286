//! One request to a daemon or gateway, and the body of its answer.
//!
//! Fed with a URL by the origins; gives a body in pieces whose end is an end: one that breaks off, or whose
//! trailer tells of an error, is an error.

use crate::driver::http::client::{cause, chain, new_client, retry_after};
use crate::driver::options::{Auth, HttpOptions};
use crate::error::{OpenError, Phase};
use crate::location::without_secrets;
use crate::origin::OriginError;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
    RANGE,
};
use reqwest::{Client, Method, RequestBuilder};
use std::ops::Range;
use std::time::Duration;
use url::Url;

/// The trailer in which Kubo's RPC and its gateway tell that a body broke off.
const STREAM_ERROR: &str = "x-stream-error";

/// The client of one origin.
#[derive(Debug)]
pub(super) struct OriginClient {
    client: Client,
    /// The address below which the origin's resources are, without credentials.
    base: Url,
    auth: Option<Auth>,
    /// Kind and URL without secrets.
    pub(super) name: String,
    pub(super) options: HttpOptions,
}

/// The head of an answer that is no error, and its open body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

/// What is asked for besides the URL.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) accept: Option<&'static str>,
    pub(super) range: Option<Range<u64>>,
}

/// A body that is being read.
#[derive(Debug)]
pub(super) struct Body {
    inner: reqwest::Body,
    idle_timeout: Duration,
    over: bool,
}

impl OriginClient {
    /// A client for the origin at `url`, whose path may end in one of `suffixes`, as people write it.
    pub(super) fn new(
        kind: &'static str,
        url: &Url,
        suffixes: &[&str],
        auth: Option<Auth>,
        options: &HttpOptions,
    ) -> Result<Self, OpenError> {
        let mut base = url.clone();
        let auth = auth.or_else(|| take_userinfo(&mut base));
        // Fails only for a URL without a host, which no request could go to either.
        let _ = base.set_username("").and_then(|()| base.set_password(None));
        base.set_query(None);
        base.set_fragment(None);
        let mut path = base.path().trim_end_matches('/');
        for suffix in suffixes {
            path = path.strip_suffix(suffix).unwrap_or(path);
        }
        let path = path.to_owned();
        base.set_path(&path);
        Ok(Self {
            client: new_client(&base, options)?,
            name: format!("{kind} {}", without_secrets(&base).trim_end_matches('/')),
            base,
            auth,
            options: options.clone(),
        })
    }

    /// The address of the origin's resource at `segments`, each of which is escaped.
    pub(super) fn url<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// The host, as the user wrote it.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// Asks, and waits for the head of the answer: any 2xx.
    pub(super) async fn send(
        &self,
        method: Method,
        url: Url,
        wanted: &Wanted,
    ) -> Result<Answer, OriginError> {
        let answer = self.send_any(method, url, wanted).await?;
        match answer.status {
            200..=299 => Ok(answer),
            status => Err(refusal(status, &answer.headers)),
        }
    }

    /// The same, whatever the status.
    pub(super) async fn send_any(
        &self,
        method: Method,
        url: Url,
        wanted: &Wanted,
    ) -> Result<Answer, OriginError> {
        let limit = self.options.first_byte_timeout;
        let sending = self.request(method, url, wanted).send();
        let response = match tokio::time::timeout(limit, sending).await {
            Err(_) => {
                let phase = Phase::FirstByte;
                return Err(OriginError::Timeout { phase, limit });
            }
            Ok(Err(error)) => return Err(self.unsent(error)),
            Ok(Ok(response)) => response,
        };
        let (head, inner) = http::Response::<reqwest::Body>::from(response).into_parts();
        refuse_encoding(&head.headers)?;
        if head.status.is_redirection() {
            return Err(broken(unfollowed(&head.headers)));
        }
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: Body {
                inner,
                idle_timeout: self.options.idle_timeout,
                over: false,
            },
        })
    }

    fn request(&self, method: Method, url: Url, wanted: &Wanted) -> RequestBuilder {
        let mut request = self
            .client
            .request(method, url)
            .header(ACCEPT_ENCODING, "identity");
        if let Some(accept) = wanted.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some(Range { start, end }) = &wanted.range {
            request = request.header(RANGE, format!("bytes={start}-{}", end.saturating_sub(1)));
        }
        match &self.auth {
            Some(Auth::Bearer(token)) => request.bearer_auth(token),
            Some(Auth::Basic { user, password }) => request.basic_auth(user, Some(password)),
            None => request,
        }
    }

    /// Why no answer came.
    fn unsent(&self, error: reqwest::Error) -> OriginError {
        if error.is_connect() && error.is_timeout() {
            return OriginError::Timeout {
                phase: Phase::Connect,
                limit: self.options.connect_timeout,
            };
        }
        if error.is_redirect() {
            let why = chain(&error.without_url());
            return broken(format!("redirect refused: {why}"));
        }
        OriginError::Transport {
            source: cause(error),
        }
    }
}

impl Answer {
    /// The media type, without its parameters.
    pub(super) fn media_type(&self) -> &str {
        let value = self.headers.get(CONTENT_TYPE).and_then(text);
        value
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
    }

    /// A header's value.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(text)
    }
}

impl Body {
    /// The next piece; `None` at a sound end.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, OriginError> {
        while !self.over {
            let limit = self.idle_timeout;
            let frame = match tokio::time::timeout(limit, self.inner.frame()).await {
                Err(_) => {
                    let phase = Phase::Idle;
                    return Err(OriginError::Timeout { phase, limit });
                }
                Ok(None) => {
                    self.over = true;
                    break;
                }
                Ok(Some(Err(e))) => return Err(OriginError::Transport { source: cause(e) }),
                Ok(Some(Ok(frame))) => frame,
            };
            match frame.into_data() {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Ok(Some(piece)),
                Err(frame) => {
                    if let Some(error) = frame.trailers_ref().and_then(|t| t.get(STREAM_ERROR)) {
                        let why = text(error).unwrap_or("an unreadable reason");
                        return Err(broken(format!("it broke off: {why}")));
                    }
                }
            }
        }
        Ok(None)
    }

    /// All of it, when that is at most `limit_bytes`.
    pub(super) async fn whole(&mut self, limit_bytes: u64) -> Result<Bytes, OriginError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            if (whole.len() + piece.len()) as u64 > limit_bytes {
                return Err(broken(format!("more than {limit_bytes} bytes")));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

pub(super) fn broken(reason: impl Into<String>) -> OriginError {
    OriginError::Broken {
        reason: reason.into(),
    }
}

/// What a status that is no success says.
pub(super) fn refusal(status: u16, headers: &HeaderMap) -> OriginError {
    match status {
        404 | 410 => OriginError::NotFound,
        408 | 425 | 429 | 500..=599 => OriginError::Busy {
            status,
            retry_after: retry_after(headers),
        },
        status => OriginError::Refused { status },
    }
}

/// A compressed body may be as large as it likes once unpacked, and none was asked for.
fn refuse_encoding(headers: &HeaderMap) -> Result<(), OriginError> {
    match headers.get(CONTENT_ENCODING).map(text) {
        None | Some(Some("" | "identity")) => Ok(()),
        Some(other) => {
            let encoding = other.unwrap_or("an unreadable one");
            Err(broken(format!(
                "Content-Encoding {encoding:?} though identity was asked for"
            )))
        }
    }
}

/// The client follows what it may and knows how to.
fn unfollowed(headers: &HeaderMap) -> String {
    let to = headers.get(LOCATION).and_then(text).unwrap_or_default();
    let shown = to
        .parse()
        .map_or_else(|_| String::new(), |url| without_secrets(&url));
    format!("redirect refused: to {shown:?}")
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// The credentials in the URL.
fn take_userinfo(url: &mut Url) -> Option<Auth> {
    let user = unescape(url.username());
    let password = url.password().map(unescape);
    (!user.is_empty() || password.is_some()).then(|| Auth::Basic {
        user,
        password: password.unwrap_or_default(),
    })
}

fn unescape(text: &str) -> String {
    crate::location::percent_decode(text).unwrap_or_else(|| text.to_owned())
}
