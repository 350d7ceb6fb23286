//! A file of several blocks, and answers about it as Kubo and gateways give them.

use super::car::{Block, DAG_PB, RAW, archive, block, directory, file};
use super::http::{Reply, Request, chunked, ok, partial, status, whole};
use super::numbered;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use progressive_loader::{Cid, LeafSpan, Origin, OriginError};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// How a file's leaves are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Leaves {
    Raw,
    /// As Kubo frames them.
    Wrapped,
    /// Wrapped, as no writer known does it.
    Oddly,
}

/// One file, two levels of nodes above its leaves, in a directory under the name `clip.mp4`.
#[derive(Clone)]
pub struct Dag {
    pub content: Vec<u8>,
    pub directory: Cid,
    pub file: Cid,
    pub blocks: HashMap<Cid, Vec<u8>>,
    /// The inner nodes from the directory down, in the order of an archive.
    pub inner: Vec<Block>,
    pub leaves: Vec<(Block, Range<u64>)>,
}

impl Dag {
    pub const LEAF: usize = 50_000;
    /// So many that a node below the top holds more than a block can, as real ones do.
    const FANOUT: usize = 48;

    pub fn new(size: usize, kind: Leaves) -> Self {
        Self::of(numbered(size), kind)
    }

    pub fn of(content: Vec<u8>, kind: Leaves) -> Self {
        let mut at = 0;
        let leaves: Vec<_> = content
            .chunks(Self::LEAF)
            .map(|piece| {
                let range = at..at + piece.len() as u64;
                at = range.end;
                (leaf(piece, kind), range)
            })
            .collect();
        let middle: Vec<(Block, u64)> = leaves
            .chunks(Self::FANOUT)
            .map(|below| {
                let children: Vec<_> = (below.iter())
                    .map(|(block, range)| (&block.cid, range.end - range.start))
                    .collect();
                let size = children.iter().map(|(_, size)| size).sum();
                (file(b"", &children, size), size)
            })
            .collect();
        let children: Vec<_> = middle
            .iter()
            .map(|(block, size)| (&block.cid, *size))
            .collect();
        let top = file(b"", &children, content.len() as u64);
        let directory = directory(&[("clip.mp4", &top.cid)]);
        let (directory_cid, file_cid) = (directory.cid, top.cid);
        let inner: Vec<Block> = [directory, top]
            .into_iter()
            .chain(middle.into_iter().map(|(block, _)| block))
            .collect();
        let blocks = (inner.iter().chain(leaves.iter().map(|(block, _)| block)))
            .map(|block| (block.cid, block.bytes.clone()))
            .collect();
        Self {
            content,
            directory: directory_cid,
            file: file_cid,
            blocks,
            inner,
            leaves,
        }
    }

    pub fn path(&self) -> Vec<String> {
        vec!["clip.mp4".to_owned()]
    }

    /// The answer of Kubo's RPC.
    pub fn kubo(&self, request: &Request) -> Reply {
        let (path, query) = parse(&request.path);
        match (request.method.as_str(), path.as_str()) {
            ("POST", "/api/v0/block/get") => match self.block_at(&query["arg"]) {
                Some(block) => chunked(block, "Trailer: X-Stream-Error\r\n", ""),
                None => {
                    kubo_error("block was not found locally (offline): ipld: could not find it")
                }
            },
            ("POST", "/api/v0/cat") => {
                let known = query["arg"] == format!("/ipfs/{}/clip.mp4", self.directory)
                    || query["arg"] == format!("/ipfs/{}", self.file);
                if !known {
                    return kubo_error("no link named \"other\" under it");
                }
                let number = |name| query[name].parse::<usize>().unwrap();
                let (from, length) = (number("offset").min(self.content.len()), number("length"));
                let body = &self.content[from..(from + length).min(self.content.len())];
                kubo_body(body, body.len(), "")
            }
            _ => status("405 Method Not Allowed"),
        }
    }

    /// The answer of a gateway that puts files together.
    pub fn path_gateway(&self, request: &Request) -> Reply {
        let (path, query) = parse(&request.path);
        if query.get("format").is_some_and(|format| format == "raw") {
            return self.raw_block(&path);
        }
        if query.contains_key("format") {
            return status("406 Not Acceptable");
        }
        let known = path == format!("/ipfs/{}/clip.mp4", self.directory)
            || path == format!("/ipfs/{}", self.file);
        match &request.range {
            _ if !known => status("404 Not Found"),
            Some(_) => partial(&self.content, request, "Content-Type: video/mp4\r\n"),
            None => whole(&self.content),
        }
    }

    /// The answer of a trustless gateway.
    pub fn trustless(&self, request: &Request) -> Reply {
        let (path, query) = parse(&request.path);
        match query.get("format").map(String::as_str) {
            Some("raw") => self.raw_block(&path),
            Some("car") => {
                let Some((from, to)) = query["entity-bytes"].split_once(':') else {
                    return status("400 Bad Request");
                };
                let (from, to): (u64, u64) = (from.parse().unwrap(), to.parse().unwrap());
                car(&self.archive(from..to + 1))
            }
            _ => status("406 Not Acceptable"),
        }
    }

    /// The archive of a range: all inner nodes, and the leaves that it touches.
    pub fn archive(&self, range: Range<u64>) -> Vec<u8> {
        let leaves = self
            .leaves
            .iter()
            .filter(|(_, leaf)| leaf.start < range.end && range.start < leaf.end);
        let blocks: Vec<&Block> = (self.inner.iter())
            .chain(leaves.map(|(block, _)| block))
            .collect();
        archive(&[&self.directory], &blocks)
    }

    fn raw_block(&self, path: &str) -> Reply {
        match self.block_at(path) {
            Some(block) => ok(block.to_vec(), "Content-Type: application/vnd.ipld.raw\r\n"),
            None => status("404 Not Found"),
        }
    }

    fn block_at(&self, path: &str) -> Option<&[u8]> {
        let cid: Cid = path.trim_start_matches("/ipfs/").parse().ok()?;
        self.blocks.get(&cid).map(Vec::as_slice)
    }
}

fn leaf(piece: &[u8], kind: Leaves) -> Block {
    use super::car::{field_bytes, field_varint};
    match kind {
        Leaves::Raw => block(RAW, piece),
        Leaves::Wrapped => file(piece, &[], piece.len() as u64),
        Leaves::Oddly => {
            let data = [field_varint(1, 0), field_bytes(2, piece)].concat();
            block(DAG_PB, &field_bytes(1, &data))
        }
    }
}

pub fn car(archive: &[u8]) -> Reply {
    let headers = "Content-Type: application/vnd.ipld.car; version=1; order=dfs; dups=y\r\n";
    chunked(archive, headers, "")
}

pub fn kubo_body(body: &[u8], announced: usize, trailers: &str) -> Reply {
    let headers = format!("X-Content-Length: {announced}\r\nTrailer: X-Stream-Error\r\n");
    chunked(body, &headers, trailers)
}

pub fn kubo_error(message: &str) -> Reply {
    let message = message.replace('"', "\\\"");
    let body = format!("{{\"Message\":\"{message}\",\"Code\":0,\"Type\":\"error\"}}\n");
    let mut reply = ok(body.into_bytes(), "Content-Type: application/json\r\n");
    reply.head = reply.head.replace("200 OK", "500 Internal Server Error");
    reply
}

fn parse(target: &str) -> (String, HashMap<String, String>) {
    let url = progressive_loader::Url::parse(&format!("http://host{target}")).unwrap();
    let query = url.query_pairs().into_owned().collect();
    (url.path().to_owned(), query)
}

/// Blocks in memory, as an origin that notes what it was asked for.
#[derive(Clone, Default)]
pub struct Memory {
    pub blocks: Arc<HashMap<Cid, Vec<u8>>>,
    pub asked: Arc<Mutex<Vec<Cid>>>,
}

impl Memory {
    pub fn of<'b>(blocks: impl IntoIterator<Item = &'b Block>) -> Self {
        let blocks = blocks
            .into_iter()
            .map(|block| (block.cid, block.bytes.clone()));
        Self {
            blocks: Arc::new(blocks.collect()),
            asked: Arc::default(),
        }
    }

    pub fn asked(&self) -> Vec<Cid> {
        self.asked.lock().unwrap().clone()
    }

    fn get(&self, cid: &Cid) -> Result<Bytes, OriginError> {
        self.asked.lock().unwrap().push(*cid);
        let block = self.blocks.get(cid).ok_or(OriginError::NotFound)?;
        Ok(Bytes::copy_from_slice(block))
    }
}

impl Origin for Memory {
    fn name(&self) -> String {
        "memory".into()
    }

    fn block(&self, cid: Cid) -> BoxFuture<'_, Result<Bytes, OriginError>> {
        async move { self.get(&cid) }.boxed()
    }

    fn leaves(
        &self,
        span: LeafSpan,
    ) -> BoxStream<'_, Result<progressive_loader::Block, OriginError>> {
        let mut over = false;
        let cids: Vec<Cid> = span.leaves.iter().map(|leaf| leaf.cid).collect();
        let blocks = cids.into_iter().map_while(move |cid| {
            let block = (!over)
                .then(|| self.get(&cid))?
                .map(progressive_loader::Block::from);
            over = block.is_err();
            Some(block)
        });
        stream::iter(blocks).boxed()
    }
}
