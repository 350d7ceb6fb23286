//! A gateway of which nobody said what it gives: found out with the first leaves that it is asked for.
//!
//! Ranges of files are tried first, because they carry no block twice and nothing besides; a gateway that refuses
//! them is asked for archives of blocks. Which of the two it answers is remembered.

use super::content::{self, ContentSpan};
use super::http::OriginClient;
use super::path_gateway::{self, PathGatewayOrigin};
use super::trustless::{self, ArchiveSpan, TrustlessOrigin};
use crate::block::Block;
use crate::driver::options::HttpOptions;
use crate::error::OpenError;
use crate::origin::{LeafSpan, Origin, OriginError};
use bytes::Bytes;
use cid::Cid;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use std::sync::{Arc, OnceLock};
use url::Url;

/// A gateway, by whatever it gives.
#[derive(Debug)]
pub struct GatewayOrigin {
    client: Arc<OriginClient>,
    ranges: PathGatewayOrigin,
    archives: TrustlessOrigin,
    kind: OnceLock<Kind>,
}

/// What a gateway gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ranges,
    Archives,
}

enum Opened {
    Content(ContentSpan),
    Archive(ArchiveSpan),
}

impl GatewayOrigin {
    /// The gateway at `url`, such as `https://trustless-gateway.link`; a `user:password@` in it is basic
    /// authentication. Asks nothing yet.
    ///
    /// # Errors
    /// [`OpenError::Client`] when the HTTP client cannot be made.
    pub fn new(url: &Url, options: &HttpOptions) -> Result<Self, OpenError> {
        let client = OriginClient::new("gateway", url, &["/ipfs"], None, options)?;
        let client = Arc::new(client);
        Ok(Self {
            ranges: PathGatewayOrigin::over(Arc::clone(&client)),
            archives: TrustlessOrigin::over(Arc::clone(&client)),
            client,
            kind: OnceLock::new(),
        })
    }

    async fn open(&self, span: LeafSpan) -> Result<Opened, OriginError> {
        match self.kind.get() {
            Some(Kind::Ranges) => self.open_range_or_archive(span).await,
            Some(Kind::Archives) => self.open_archive(span).await,
            None => self.ask(span).await,
        }
    }

    async fn open_range(&self, span: LeafSpan) -> Result<Opened, OriginError> {
        self.ranges.open(span).await.map(Opened::Content)
    }

    /// A gateway that looks at a file's beginning to tell its type fails for every range of a file whose first blocks
    /// it has not got all of: boxo's does. The range's own blocks may be there, so it is asked for those.
    async fn open_range_or_archive(&self, span: LeafSpan) -> Result<Opened, OriginError> {
        match self.open_range(span.clone()).await {
            Err(error @ OriginError::Busy { status: 500, .. }) => {
                self.open_archive(span).await.map_err(|_| error)
            }
            other => other,
        }
    }

    async fn open_archive(&self, span: LeafSpan) -> Result<Opened, OriginError> {
        self.archives.open(span).await.map(Opened::Archive)
    }

    async fn ask(&self, span: LeafSpan) -> Result<Opened, OriginError> {
        let refused = match self.open_range_or_archive(span.clone()).await {
            Ok(opened) => {
                // Of a gateway that gave an archive because a range failed, nothing is known yet.
                if matches!(opened, Opened::Content(_)) {
                    self.settle(Kind::Ranges);
                }
                return Ok(opened);
            }
            Err(error) if tells_of_kind(&error) => error,
            Err(error) => return Err(error),
        };
        match self.open_archive(span).await {
            Ok(opened) => {
                self.settle(Kind::Archives);
                Ok(opened)
            }
            // It gives neither: what it said to the plainer question tells more.
            Err(error) if tells_of_kind(&error) => Err(refused),
            Err(error) => Err(error),
        }
    }

    fn settle(&self, kind: Kind) {
        if self.kind.set(kind).is_ok() {
            tracing::debug!(gateway = self.client.name, ?kind, "what a gateway gives");
        }
    }
}

/// Whether an answer may mean that the gateway gives no such thing, rather than not now or not this content.
fn tells_of_kind(error: &OriginError) -> bool {
    match error {
        OriginError::Refused { status } => !matches!(status, 401 | 403),
        OriginError::Busy { status, .. } => *status == 501,
        OriginError::NotFound | OriginError::Broken { .. } => true,
        _ => false,
    }
}

impl Origin for GatewayOrigin {
    fn name(&self) -> String {
        self.client.name.clone()
    }

    fn block(&self, cid: Cid) -> BoxFuture<'_, Result<Bytes, OriginError>> {
        Box::pin(path_gateway::block(&self.client, cid))
    }

    fn leaves(&self, span: LeafSpan) -> BoxStream<'_, Result<Block, OriginError>> {
        let opened = stream::once(self.open(span)).map_ok(|opened| match opened {
            Opened::Content(span) => content::stream(async move { Ok(span) }),
            Opened::Archive(span) => trustless::blocks(async move { Ok(span) }),
        });
        opened.try_flatten().boxed()
    }
}
