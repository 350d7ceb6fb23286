//! The RPC of a Kubo daemon: `block/get` for one block, `cat` with offset and length for the bytes of leaves
//! (<https://docs.ipfs.tech/reference/kubo/rpc/>).
//!
//! Kubo sends a 200 before it has the content. What goes wrong later it tells in the trailer `X-Stream-Error`, or by
//! fewer bytes than were asked for; past the end of a file it sends an empty 200. All of these are errors here.

use super::content::ContentSpan;
use super::http::{Answer, OriginClient, Wanted, broken, refusal};
use crate::block::Block;
use crate::driver::options::{Auth, HttpOptions};
use crate::error::OpenError;
use crate::origin::{LeafSpan, Origin, OriginError};
use crate::unixfs::MAX_BLOCK_BYTES;
use bytes::Bytes;
use cid::Cid;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use reqwest::Method;
use std::fmt::Write as _;
use url::{Host, Url};

/// As much of an error's text is read.
const MAX_ERROR_BYTES: u64 = 16 << 10;
/// What Kubo says of a block it has not got: an offline one, and its block store.
const NOT_FOUND: [&str; 3] = ["not found", "could not find", "no link named"];

/// A Kubo daemon, by its RPC.
#[derive(Debug)]
pub struct KuboOrigin {
    client: OriginClient,
    trusted: bool,
}

impl KuboOrigin {
    /// The daemon whose RPC is at `api`, such as `http://127.0.0.1:5001`; a `user:password@` in it is basic
    /// authentication unless `auth` is given. Asks nothing yet.
    ///
    /// # Errors
    /// [`OpenError::Client`] when the HTTP client cannot be made.
    pub fn new(api: &Url, auth: Option<Auth>, options: &HttpOptions) -> Result<Self, OpenError> {
        let client = OriginClient::new("Kubo", api, &["/v0", "/api"], auth, options)?;
        Ok(Self {
            client,
            trusted: false,
        })
    }

    /// Has its blocks used without a look at their hashes, if `wanted` and the daemon is on a loopback address.
    #[must_use]
    pub fn trust_if_local(mut self, wanted: bool) -> Self {
        self.trusted = wanted
            && match self.client.base().host() {
                Some(Host::Ipv4(ip)) => ip.is_loopback(),
                Some(Host::Ipv6(ip)) => ip.is_loopback(),
                Some(Host::Domain(name)) => name == "localhost",
                None => false,
            };
        self
    }

    async fn call(
        &self,
        command: [&str; 2],
        query: &[(&str, &str)],
    ) -> Result<Answer, OriginError> {
        let segments = ["api", "v0"].into_iter().chain(command);
        let mut url = self
            .client
            .url(segments.filter(|segment| !segment.is_empty()));
        url.query_pairs_mut().extend_pairs(query);
        let mut answer = self
            .client
            .send_any(Method::POST, url, &Wanted::default())
            .await?;
        match answer.status {
            200 => Ok(answer),
            // Every failure of a command is a 500 with a text.
            500 => {
                let text = answer.body.whole(MAX_ERROR_BYTES).await?;
                Err(told(&String::from_utf8_lossy(&text), &answer))
            }
            status => Err(refusal(status, &answer.headers)),
        }
    }

    async fn open(&self, span: &LeafSpan) -> Result<Answer, OriginError> {
        let range = span.range();
        let (offset, length) = (range.start, range.end - range.start);
        let (path, offset, text) = (path_of(span), offset.to_string(), length.to_string());
        let query = [
            ("arg", path.as_str()),
            ("offset", &offset),
            ("length", &text),
        ];
        let answer = self.call(["cat", ""], &query).await?;
        match answer.header("x-content-length").map(str::parse::<u64>) {
            Some(Ok(announced)) if announced != length => Err(broken(format!(
                "it announces {announced} bytes where {length} were asked for"
            ))),
            _ => Ok(answer),
        }
    }
}

fn told(text: &str, answer: &Answer) -> OriginError {
    let text = text.to_ascii_lowercase();
    if NOT_FOUND.iter().any(|phrase| text.contains(phrase)) {
        OriginError::NotFound
    } else {
        tracing::debug!(text, "a Kubo daemon failed a command");
        refusal(answer.status, &answer.headers)
    }
}

/// The file as Kubo finds it: from the root, whose providers are the likeliest to be known. A name with a slash
/// cannot be written there.
fn path_of(span: &LeafSpan) -> String {
    if span.path.iter().any(|name| name.contains('/')) {
        return format!("/ipfs/{}", span.file);
    }
    let mut path = format!("/ipfs/{}", span.root);
    for name in span.path.iter() {
        // Writing to a string cannot fail.
        let _ = write!(path, "/{name}");
    }
    path
}

impl Origin for KuboOrigin {
    fn name(&self) -> String {
        self.client.name.clone()
    }

    fn trusted(&self) -> bool {
        self.trusted
    }

    fn block(&self, cid: Cid) -> BoxFuture<'_, Result<Bytes, OriginError>> {
        Box::pin(async move {
            let query = [("arg", cid.to_string())];
            let query = query
                .each_ref()
                .map(|(name, value)| (*name, value.as_str()));
            let mut answer = self.call(["block", "get"], &query).await?;
            answer.body.whole(MAX_BLOCK_BYTES).await
        })
    }

    fn leaves(&self, span: LeafSpan) -> BoxStream<'_, Result<Block, OriginError>> {
        super::content::stream(async move {
            let answer = self.open(&span).await?;
            Ok(ContentSpan::exact(span, answer.body))
        })
    }
}
