//! A gateway that puts files together: ranges of them, and single blocks by `?format=raw`
//! (<https://specs.ipfs.tech/http-gateways/path-gateway/>).
//!
//! A range that starts and ends with a leaf can be checked against the leaves' CIDs, so those are what is asked for.

use super::content::{self, ContentSpan};
use super::http::{Answer, OriginClient, Wanted, broken};
use crate::block::Block;
use crate::driver::options::HttpOptions;
use crate::error::OpenError;
use crate::http_range::Head;
use crate::multihash::RAW;
use crate::origin::{LeafSpan, Origin, OriginError};
use crate::unixfs::MAX_BLOCK_BYTES;
use bytes::Bytes;
use cid::Cid;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use reqwest::Method;
use std::sync::Arc;
use url::Url;

/// The media type of a single block.
pub(super) const RAW_BLOCK: &str = "application/vnd.ipld.raw";

/// A gateway, by ranges of files. One that ignores `Range` is read from the file's start, up to
/// [`HttpOptions::max_discard_bytes`].
#[derive(Debug, Clone)]
pub struct PathGatewayOrigin {
    client: Arc<OriginClient>,
}

impl PathGatewayOrigin {
    /// The gateway at `url`, such as `https://dweb.link`; a `user:password@` in it is basic authentication. Asks
    /// nothing yet.
    ///
    /// # Errors
    /// [`OpenError::Client`] when the HTTP client cannot be made.
    pub fn new(url: &Url, options: &HttpOptions) -> Result<Self, OpenError> {
        let client = OriginClient::new("gateway", url, &["/ipfs"], None, options)?;
        Ok(Self::over(Arc::new(client)))
    }

    pub(super) fn over(client: Arc<OriginClient>) -> Self {
        Self { client }
    }

    /// Asks for the span, and says how its leaves come out of the answer.
    pub(super) async fn open(&self, span: LeafSpan) -> Result<ContentSpan, OriginError> {
        let wanted = Wanted {
            accept: None,
            range: Some(span.range()),
        };
        let url = url_of(&self.client, &span);
        let answer = self.client.send(Method::GET, url, &wanted).await?;
        match answer.status {
            206 => {
                check_partial(&answer, &span)?;
                Ok(ContentSpan::exact(span, answer.body))
            }
            200 => {
                let (start, limit) = (span.range().start, self.client.options.max_discard_bytes);
                if start > limit {
                    return Err(broken(format!(
                        "it ignores Range, and byte {start} lies more than {limit} bytes past what can be skipped"
                    )));
                }
                Ok(ContentSpan::whole_file(span, answer.body))
            }
            status => Err(broken(format!("status {status} to a request for a range"))),
        }
    }
}

/// The address of a span's file below the gateway.
pub(super) fn url_of(client: &OriginClient, span: &LeafSpan) -> Url {
    let root = span.root.to_string();
    let names = span.path.iter().map(String::as_str);
    client.url(["ipfs", &root].into_iter().chain(names))
}

/// Asks for one block.
pub(super) async fn block(client: &OriginClient, cid: Cid) -> Result<Bytes, OriginError> {
    let mut url = client.url(["ipfs", &cid.to_string()]);
    url.set_query(Some("format=raw"));
    let wanted = Wanted {
        accept: Some(RAW_BLOCK),
        range: None,
    };
    let mut answer = client.send(Method::GET, url, &wanted).await?;
    // The content of a raw block is the block, whatever it is called.
    if answer.media_type() != RAW_BLOCK && cid.codec() != RAW {
        let media_type = answer.media_type();
        return Err(broken(format!(
            "{media_type:?} instead of the block: it does not give single blocks"
        )));
    }
    answer.body.whole(MAX_BLOCK_BYTES).await
}

fn check_partial(answer: &Answer, span: &LeafSpan) -> Result<(), OriginError> {
    let range = span.range();
    let head = Head {
        status: answer.status,
        content_range: answer.header("content-range").map(Into::into),
        ..Head::default()
    };
    match head.answer(&range) {
        Ok(found) if found.body == range => Ok(()),
        _ => Err(broken(format!(
            "asked for bytes {}..{}, it answers Content-Range {:?}",
            range.start,
            range.end,
            answer.header("content-range").unwrap_or_default()
        ))),
    }
}

impl Origin for PathGatewayOrigin {
    fn name(&self) -> String {
        self.client.name.clone()
    }

    fn block(&self, cid: Cid) -> BoxFuture<'_, Result<Bytes, OriginError>> {
        Box::pin(block(&self.client, cid))
    }

    fn leaves(&self, span: LeafSpan) -> BoxStream<'_, Result<Block, OriginError>> {
        content::stream(self.open(span))
    }
}
