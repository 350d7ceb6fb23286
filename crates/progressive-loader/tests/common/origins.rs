//! Origins that are slow, flaky or wrong on demand, on the runtime's clock, and a file for them to give.

use bytes::Bytes;
use cid::multihash::Multihash;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use progressive_loader::{Block, Cid, Leaf, LeafSpan, Origin, OriginError};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::Rng;

/// A file of raw leaves.
#[derive(Clone)]
pub struct File {
    pub blocks: Arc<HashMap<Cid, Bytes>>,
    pub span: LeafSpan,
    pub leaf_bytes: u64,
}

pub fn cid_of(block: &[u8]) -> Cid {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, block);
    Cid::new_v1(0x55, Multihash::wrap(0x12, digest.as_ref()).unwrap())
}

impl File {
    /// `leaves` leaves of `leaf_bytes` each, all different.
    pub fn new(leaves: usize, leaf_bytes: usize) -> Self {
        let mut blocks = HashMap::new();
        let mut listed = Vec::new();
        for number in 0..leaves as u64 {
            let mut block = vec![number as u8; leaf_bytes];
            block[..8].copy_from_slice(&number.to_le_bytes());
            let cid = cid_of(&block);
            let start = number * leaf_bytes as u64;
            let range = start..start + leaf_bytes as u64;
            listed.push(Leaf { cid, range });
            blocks.insert(cid, block.into());
        }
        let root = cid_of(b"a root");
        Self {
            blocks: Arc::new(blocks),
            span: LeafSpan {
                root,
                path: Arc::from([String::from("clip.mp4")]),
                file: root,
                leaves: listed.into(),
            },
            leaf_bytes: leaf_bytes as u64,
        }
    }

    pub fn size_bytes(&self) -> u64 {
        self.span.range().end
    }

    /// The span of these leaves.
    pub fn part(&self, leaves: Range<usize>) -> LeafSpan {
        LeafSpan {
            leaves: self.span.leaves[leaves].into(),
            ..self.span.clone()
        }
    }

    pub fn block(&self, leaf: usize) -> &Bytes {
        &self.blocks[&self.span.leaves[leaf].cid]
    }
}

/// What happens to one block.
#[derive(Debug, Clone)]
pub enum Fault {
    None,
    Error(OriginError),
    /// Another block in its place.
    Wrong,
    /// The answer breaks in the middle of it.
    Break,
    /// Nothing, for ever.
    Hang,
}

type Script = Box<dyn FnMut(&Cid) -> Fault + Send>;

pub struct Fake {
    pub name: &'static str,
    pub trusted: bool,
    pub blocks: Arc<HashMap<Cid, Bytes>>,
    pub first_byte: Duration,
    pub bytes_per_second: u64,
    script: Mutex<Script>,
    pub requests: AtomicU64,
    /// Bytes that left it, those of answers that broke included.
    pub sent_bytes: AtomicU64,
    /// Answers that were dropped before their end.
    pub dropped: AtomicU64,
}

impl Fake {
    pub fn new(name: &'static str, file: &File) -> Self {
        Self {
            name,
            trusted: false,
            blocks: Arc::clone(&file.blocks),
            first_byte: Duration::from_millis(20),
            bytes_per_second: 10 << 20,
            script: Mutex::new(Box::new(|_| Fault::None)),
            requests: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Asks `script` before each block.
    pub fn scripted(self, script: impl FnMut(&Cid) -> Fault + Send + 'static) -> Self {
        *self.script.lock().unwrap() = Box::new(script);
        self
    }

    pub fn speed(self, first_byte: Duration, bytes_per_second: u64) -> Self {
        Self {
            first_byte,
            bytes_per_second,
            ..self
        }
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }

    async fn send(&self, cid: &Cid) -> Result<Bytes, OriginError> {
        let fault = (self.script.lock().unwrap())(cid);
        let block = self.blocks.get(cid).cloned().ok_or(OriginError::NotFound)?;
        let len = block.len() as u64;
        let transfer =
            |bytes: u64| Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        match fault {
            Fault::None => {}
            Fault::Error(error) => return Err(error),
            Fault::Hang => std::future::pending::<()>().await,
            Fault::Break => {
                tokio::time::sleep(transfer(len / 2)).await;
                self.sent_bytes.fetch_add(len / 2, Ordering::Relaxed);
                let reason = "the connection was cut".into();
                return Err(OriginError::Broken { reason });
            }
            Fault::Wrong => {
                self.sent_bytes.fetch_add(len, Ordering::Relaxed);
                let mut wrong = block.to_vec();
                wrong[0] ^= 1;
                return Ok(wrong.into());
            }
        }
        tokio::time::sleep(transfer(len)).await;
        self.sent_bytes.fetch_add(len, Ordering::Relaxed);
        Ok(block)
    }
}

/// Counts an answer that nobody waited for to the end.
struct Answer<'a> {
    origin: &'a Fake,
    over: bool,
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.origin.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Origin for Fake {
    fn name(&self) -> String {
        self.name.into()
    }

    fn trusted(&self) -> bool {
        self.trusted
    }

    fn block(&self, cid: Cid) -> BoxFuture<'_, Result<Bytes, OriginError>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        async move {
            let mut answer = Answer {
                origin: self,
                over: false,
            };
            tokio::time::sleep(self.first_byte).await;
            let block = self.send(&cid).await;
            answer.over = true;
            block
        }
        .boxed()
    }

    fn leaves(&self, span: LeafSpan) -> BoxStream<'_, Result<Block, OriginError>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let answer = Answer {
            origin: self,
            over: false,
        };
        stream::unfold((span, 0, answer), |(span, at, mut answer)| async move {
            if answer.over {
                return None;
            }
            if at == 0 {
                tokio::time::sleep(answer.origin.first_byte).await;
            }
            let item = answer
                .origin
                .send(&span.leaves[at].cid)
                .await
                .map(Block::from);
            answer.over = item.is_err() || at + 1 == span.leaves.len();
            Some((item, (span, at + 1, answer)))
        })
        .boxed()
    }
}

/// A script that breaks every so many blocks, by chance.
pub fn flaky(
    seed: u64,
    trouble: f64,
    fault: impl Fn(&mut Rng) -> Fault + Send + 'static,
) -> impl FnMut(&Cid) -> Fault + Send {
    let mut rng = Rng::new(seed);
    move |_| {
        if rng.chance(trouble) {
            fault(&mut rng)
        } else {
            Fault::None
        }
    }
}
