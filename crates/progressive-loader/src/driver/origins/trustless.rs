//! A trustless gateway: archives of the blocks behind a range of a file
//! (<https://specs.ipfs.tech/http-gateways/trustless-gateway/>).
//!
//! Such an archive also has the blocks on the way to the range, and may leave out a block that it has sent already.

use super::http::{Body, OriginClient, Wanted, broken};
use super::path_gateway::{block, url_of};
use crate::block::Block;
use crate::car::{CarError, CarReader};
use crate::driver::options::HttpOptions;
use crate::error::OpenError;
use crate::origin::{LeafSpan, Origin, OriginError};
use bytes::Bytes;
use cid::Cid;
use cid::multihash::Multihash;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use reqwest::Method;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use url::Url;

const CAR: &str = "application/vnd.ipld.car";
/// In the leaves' order, each as often as it occurs, so that nothing needs to be kept.
const ACCEPT_CAR: &str = "application/vnd.ipld.car; version=1; order=dfs; dups=y";
/// The most content that one archive is asked for: blocks that are wanted again wait in memory.
const ARCHIVE_BYTES: u64 = 8 << 20;
/// How much more than that its blocks may have while they wait for their turn: framings.
const HELD_OVERHEAD_BYTES: u64 = 1 << 20;

/// A gateway, by archives of blocks.
#[derive(Debug, Clone)]
pub struct TrustlessOrigin {
    client: Arc<OriginClient>,
}

/// The leaves of a span, one after the other, out of archives.
pub(super) struct ArchiveSpan {
    client: Arc<OriginClient>,
    span: LeafSpan,
    next: usize,
    /// Up to where the present archive goes.
    end: usize,
    body: Body,
    archive: CarReader,
    /// How often each leaf is still to come.
    wanted: HashMap<Multihash<64>, usize>,
    /// Blocks that came before their turn, or are wanted again.
    held: HashMap<Multihash<64>, Bytes>,
    held_bytes: u64,
    most_held_bytes: u64,
    discarded_bytes: u64,
}

impl TrustlessOrigin {
    /// The gateway at `url`, such as `https://trustless-gateway.link`; a `user:password@` in it is basic
    /// authentication. Asks nothing yet.
    ///
    /// # Errors
    /// [`OpenError::Client`] when the HTTP client cannot be made.
    pub fn new(url: &Url, options: &HttpOptions) -> Result<Self, OpenError> {
        let client = OriginClient::new("trustless gateway", url, &["/ipfs"], None, options)?;
        Ok(Self::over(Arc::new(client)))
    }

    pub(super) fn over(client: Arc<OriginClient>) -> Self {
        Self { client }
    }

    pub(super) async fn open(&self, span: LeafSpan) -> Result<ArchiveSpan, OriginError> {
        let part = part_from(&span, 0);
        let body = ask(&self.client, &part).await?;
        let mut opened = ArchiveSpan {
            client: Arc::clone(&self.client),
            span,
            next: 0,
            end: 0,
            body,
            archive: CarReader::default(),
            wanted: HashMap::new(),
            held: HashMap::new(),
            held_bytes: 0,
            most_held_bytes: 0,
            discarded_bytes: 0,
        };
        opened.expect(&part);
        Ok(opened)
    }
}

/// The leaves from `at` on that one archive is asked for.
fn part_from(span: &LeafSpan, at: usize) -> LeafSpan {
    let rest = &span.leaves[at..];
    let start = rest.first().map_or(0, |leaf| leaf.range.start);
    let fitting = rest
        .iter()
        .take_while(|leaf| leaf.range.end - start <= ARCHIVE_BYTES)
        .count();
    LeafSpan {
        leaves: rest[..fitting.max(1).min(rest.len())].into(),
        ..span.clone()
    }
}

/// Asks for the archive of a part.
async fn ask(client: &OriginClient, part: &LeafSpan) -> Result<Body, OriginError> {
    let range = part.range();
    let mut url = url_of(client, part);
    let query = format!(
        "format=car&dag-scope=entity&entity-bytes={}:{}",
        range.start,
        range.end.saturating_sub(1)
    );
    url.set_query(Some(&query));
    let wanted = Wanted {
        accept: Some(ACCEPT_CAR),
        range: None,
    };
    let answer = client.send(Method::GET, url, &wanted).await?;
    if answer.media_type() != CAR {
        let media_type = answer.media_type();
        return Err(broken(format!("{media_type:?} instead of an archive")));
    }
    Ok(answer.body)
}

impl ArchiveSpan {
    /// An archive of `part` comes next.
    fn expect(&mut self, part: &LeafSpan) {
        self.end = self.next + part.leaves.len();
        self.archive = CarReader::default();
        self.wanted.clear();
        for leaf in part.leaves.iter() {
            *self.wanted.entry(*leaf.cid.hash()).or_default() += 1;
        }
        self.held.clear();
        self.held_bytes = 0;
        let range = part.range();
        self.most_held_bytes = range.end - range.start + HELD_OVERHEAD_BYTES;
        self.discarded_bytes = 0;
    }

    async fn next_archive(&mut self) -> Result<(), OriginError> {
        let part = part_from(&self.span, self.next);
        self.body = ask(&self.client, &part).await?;
        self.expect(&part);
        Ok(())
    }

    /// The block of the next leaf; `None` after the last one.
    async fn next_block(&mut self) -> Result<Option<Bytes>, OriginError> {
        let Some(leaf) = self.span.leaves.get(self.next) else {
            return Ok(None);
        };
        let cid = leaf.cid;
        if self.next == self.end {
            self.next_archive().await?;
        }
        self.next += 1;
        let still_wanted = self.wanted.get_mut(cid.hash()).map_or(0, |count| {
            *count = count.saturating_sub(1);
            *count
        });
        if let Some(block) = self.held.get(cid.hash()).cloned() {
            if still_wanted == 0 {
                self.held.remove(cid.hash());
                self.held_bytes -= block.len() as u64;
            }
            return Ok(Some(block));
        }
        loop {
            let Some((found, block)) = self.pull().await? else {
                return self.left_out(cid).await.map(Some);
            };
            if found == *cid.hash() {
                if still_wanted > 0 {
                    self.hold(found, block.clone())?;
                }
                return Ok(Some(block));
            }
            if self.wanted.get(&found).is_some_and(|&count| count > 0) {
                self.hold(found, block)?;
            } else {
                self.discard(block.len() as u64)?;
            }
        }
    }

    /// A block that a sound archive has not got: whoever writes one cannot say why it ends. Asked for by itself, the block comes,
    /// or it is told that it is not there; a new archive has the rest.
    async fn left_out(&mut self, cid: Cid) -> Result<Bytes, OriginError> {
        self.end = self.next;
        block(&self.client, cid).await
    }

    /// The archive's next block; `None` at its end.
    async fn pull(&mut self) -> Result<Option<(Multihash<64>, Bytes)>, OriginError> {
        loop {
            if let Some(block) = self
                .archive
                .next_block()
                .map_err(|error| malformed(&error))?
            {
                return Ok(Some((*block.cid.hash(), block.bytes)));
            }
            match self.body.piece().await? {
                Some(piece) => self.archive.push(&piece),
                None => {
                    self.archive.end().map_err(|error| malformed(&error))?;
                    return Ok(None);
                }
            }
        }
    }

    fn hold(&mut self, hash: Multihash<64>, block: Bytes) -> Result<(), OriginError> {
        let len = block.len() as u64;
        if self.held.insert(hash, block).is_some() {
            return self.discard(len);
        }
        self.held_bytes += len;
        if self.held_bytes > self.most_held_bytes {
            return Err(broken(
                "blocks larger than the leaves that they are named as",
            ));
        }
        Ok(())
    }

    fn discard(&mut self, bytes: u64) -> Result<(), OriginError> {
        self.discarded_bytes += bytes;
        let limit = self.client.options.max_discard_bytes;
        if self.discarded_bytes <= limit {
            return Ok(());
        }
        Err(broken(format!(
            "an archive with more than {limit} bytes besides what was asked for"
        )))
    }
}

fn malformed(error: &CarError) -> OriginError {
    broken(error.to_string())
}

/// The blocks of what `opening` gives.
pub(super) fn blocks<'o>(
    opening: impl Future<Output = Result<ArchiveSpan, OriginError>> + Send + 'o,
) -> BoxStream<'o, Result<Block, OriginError>> {
    let opened = stream::once(opening).map_ok(|span| {
        stream::try_unfold(span, |mut span| async move {
            let block = span.next_block().await?;
            Ok(block.map(|block| (block.into(), span)))
        })
    });
    opened.try_flatten().boxed()
}

impl Origin for TrustlessOrigin {
    fn name(&self) -> String {
        self.client.name.clone()
    }

    fn block(&self, cid: Cid) -> BoxFuture<'_, Result<Bytes, OriginError>> {
        Box::pin(block(&self.client, cid))
    }

    fn leaves(&self, span: LeafSpan) -> BoxStream<'_, Result<Block, OriginError>> {
        blocks(self.open(span))
    }
}
