//! Paths, trees and directories read through blocks from anywhere: as they are, and as nobody should make them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::car::{
    Block, DAG_PB, RAW, block, directory, field_bytes, field_varint, file, link, unknown_hash_cid,
    varint,
};
use common::first_origin::FirstOrigin;
use common::ipfs::{Dag, Leaves, Memory};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use progressive_loader::driver::{IpfsSource, Store, StoreOrigin};
use progressive_loader::{
    BlockError, ByteSource, Cid, LeafSpan, OpenError, Origin, OriginError, ReadError,
};
use proptest::prelude::*;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

async fn open(root: Cid, path: &[&str], origin: impl Origin) -> Result<IpfsSource, OpenError> {
    let path: Vec<String> = path.iter().map(|&name| name.to_owned()).collect();
    let fetcher = FirstOrigin::new(vec![Arc::new(origin)]);
    IpfsSource::open(root, &path, Arc::new(fetcher)).await
}

/// All of the file that the last block is.
async fn read(blocks: &[&Block]) -> Result<Vec<u8>, OpenError> {
    let origin = Memory::of(blocks.iter().copied());
    let source = open(blocks.last().unwrap().cid, &[], origin).await?;
    let size = source.size_bytes();
    // Sizes are claims: both ends first, not a buffer of the claimed size.
    source.read_range(size.saturating_sub(4)..size).await?;
    Ok(source.read_range(0..size.min(1 << 20)).await?.to_vec())
}

async fn problem(blocks: &[&Block]) -> BlockError {
    match read(blocks).await {
        Err(OpenError::Read(ReadError::Block { problem, .. })) => problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_what_a_range_needs_is_asked_for_and_nodes_once() {
    let dag = Dag::new(5_000_000, Leaves::Wrapped);
    let leaves = dag.leaves.iter().map(|(leaf, _)| leaf);
    let origin = Memory::of(dag.inner.iter().chain(leaves));
    let source = open(dag.directory, &["clip.mp4"], origin.clone())
        .await
        .unwrap();
    let inner = |n: usize| dag.inner[n].cid;
    assert_eq!(
        origin.asked(),
        [inner(0), inner(1), inner(2)],
        "directory, file, first node"
    );
    let last = dag.leaves.last().unwrap();
    for _ in 0..2 {
        let read = source.read_range(4_990_000..5_000_000).await.unwrap();
        assert!(read == dag.content[4_990_000..]);
    }
    assert_eq!(origin.asked()[3..], [inner(4), last.0.cid, last.0.cid]);
}

#[tokio::test]
async fn leaves_may_be_raw_wrapped_or_inline_at_any_depth() {
    let (a, b, c) = (
        block(RAW, b"raw "),
        file(b"wrapped ", &[], 8),
        file(b"inline ", &[], 7),
    );
    let deep = file(b"own ", &[(&b.cid, 8), (&c.cid, 7)], 19);
    let deeper = file(b"", &[(&deep.cid, 19), (&a.cid, 4)], 23);
    let empty = file(b"", &[], 0);
    let root = file(
        b"top ",
        &[(&a.cid, 4), (&empty.cid, 0), (&deeper.cid, 23), (&b.cid, 8)],
        39,
    );
    let whole = b"top raw own wrapped inline raw wrapped ";
    let blocks = [&a, &b, &c, &deep, &deeper, &empty, &root];
    assert_eq!(read(&blocks).await.unwrap(), whole);
    let source = open(root.cid, &[], Memory::of(blocks)).await.unwrap();
    for start in 0..whole.len() {
        for end in start..=whole.len() {
            let read = source.read_range(start as u64..end as u64).await.unwrap();
            assert_eq!(read, whole[start..end], "{start}..{end}");
        }
    }
}

#[tokio::test]
async fn one_block_and_an_empty_file_are_files() {
    let raw = block(RAW, b"all of it");
    let source = open(raw.cid, &[], Memory::of([&raw])).await.unwrap();
    assert_eq!(source.read_range(4..6).await.unwrap(), b"of"[..]);
    let empty = file(b"", &[], 0);
    let v0 = Cid::new_v0(*empty.cid.hash()).unwrap();
    let mut origin = Memory::of([]);
    origin.blocks = Arc::new([(v0, empty.bytes)].into());
    let source = open(v0, &[], origin).await.unwrap();
    assert_eq!(
        (
            source.size_bytes(),
            source.read_range(0..0).await.unwrap().len()
        ),
        (0, 0)
    );
    let raw_path = open(raw.cid, &["below"], Memory::of([&raw])).await;
    assert!(matches!(
        raw_path.err(),
        Some(OpenError::NotADirectory { .. })
    ));
}

/// A link whose CID carries `content`.
fn identity_link(name: &str, content: &[u8]) -> Vec<u8> {
    let cid = [
        vec![1, RAW as u8, 0],
        varint(content.len() as u64),
        content.to_vec(),
    ]
    .concat();
    let fields = [
        field_bytes(1, &cid),
        field_bytes(2, name.as_bytes()),
        field_varint(3, 1),
    ];
    field_bytes(2, &fields.concat())
}

fn file_with_identity(content: &[u8]) -> Block {
    let size = content.len() as u64;
    let data = [
        field_varint(1, 2),
        field_varint(3, size),
        field_varint(4, size),
    ]
    .concat();
    block(
        DAG_PB,
        &[identity_link("", content), field_bytes(1, &data)].concat(),
    )
}

#[tokio::test]
async fn a_cid_may_carry_up_to_128_bytes_and_nobody_is_asked_for_them() {
    for len in [1, 64, 65, 128] {
        let content = common::numbered(len);
        let root = file_with_identity(&content);
        let origin = Memory::of([&root]);
        let source = open(root.cid, &[], origin.clone()).await.unwrap();
        assert_eq!(source.read_range(0..len as u64).await.unwrap(), content);
        let entry = identity_link("clip", &content);
        let dir = block(
            DAG_PB,
            &[entry, field_bytes(1, &field_varint(1, 1))].concat(),
        );
        let below = Memory::of([&dir]);
        let source = open(dir.cid, &["clip"], below.clone()).await.unwrap();
        assert_eq!(source.read_range(0..len as u64).await.unwrap(), content);
        assert_eq!(
            (origin.asked(), below.asked()),
            (vec![root.cid], vec![dir.cid])
        );
    }
    let long = file_with_identity(&[7; 129]);
    assert_eq!(problem(&[&long]).await, BlockError::IdentityTooLong(129));
}

#[tokio::test]
async fn claims_that_do_not_hold_are_errors() {
    let leaf = block(RAW, b"four");
    let too_long = file(b"", &[(&leaf.cid, 5)], 5);
    assert!(matches!(
        problem(&[&leaf, &too_long]).await,
        BlockError::SizeMismatch { .. }
    ));
    let huge = file(b"", &[(&leaf.cid, 1 << 40)], 1 << 40);
    assert!(matches!(
        problem(&[&leaf, &huge]).await,
        BlockError::TooLarge { .. }
    ));
    let overflow = file(
        b"",
        &[(&leaf.cid, u64::MAX), (&leaf.cid, u64::MAX)],
        u64::MAX,
    );
    assert!(matches!(
        problem(&[&leaf, &overflow]).await,
        BlockError::Malformed(_)
    ));
    let wide = file(b"", &vec![(&leaf.cid, 4); 10_000], 40_000);
    assert!(matches!(
        problem(&[&leaf, &wide]).await,
        BlockError::Malformed(_)
    ));
    let large = block(RAW, &vec![0; (2 << 20) + 1]);
    assert!(matches!(
        problem(&[&large]).await,
        BlockError::TooLarge { .. }
    ));
    let dir = directory(&[]);
    let parent = file(b"", &[(&dir.cid, 4)], 4);
    assert_eq!(
        problem(&[&dir, &parent]).await,
        BlockError::NotAFile("directory")
    );
    let cbor = block(0x71, &[0xa0]);
    assert_eq!(problem(&[&cbor]).await, BlockError::UnsupportedCodec(0x71));
    let below = file(b"", &[(&cbor.cid, 4)], 4);
    assert_eq!(
        problem(&[&cbor, &below]).await,
        BlockError::UnsupportedCodec(0x71)
    );
    let hash = unknown_hash_cid();
    let mut origin = Memory::of([]);
    origin.blocks = Arc::new([(hash, vec![1])].into());
    let outcome = open(hash, &[], origin).await;
    assert!(matches!(
        outcome.err(),
        Some(OpenError::Read(ReadError::Block {
            problem: BlockError::UnsupportedHash(0x7777),
            ..
        }))
    ));
}

#[tokio::test]
async fn a_tree_deeper_than_any_file_needs_is_refused() {
    let mut blocks = vec![block(RAW, b"deep")];
    for _ in 0..100 {
        let below = blocks.last().unwrap().cid;
        blocks.push(file(b"", &[(&below, 4)], 4));
    }
    let all: Vec<&Block> = blocks.iter().collect();
    assert!(matches!(problem(&all).await, BlockError::TooDeep(_)));
    assert_eq!(read(&all[..30]).await.unwrap(), b"deep");
}

#[tokio::test]
async fn a_block_with_other_bytes_is_never_passed_on() {
    let (a, b) = (block(RAW, b"good"), block(RAW, b"evil"));
    let root = file(b"", &[(&a.cid, 4)], 4);
    let liar = Block {
        cid: a.cid,
        bytes: b.bytes,
    };
    assert_eq!(problem(&[&liar, &root]).await, BlockError::HashMismatch);
}

/// A sharded directory of one bucket per level, with `entries` as they are, prefix and all.
fn shard(entries: &[(String, Cid)], extra: &[Vec<u8>]) -> Block {
    let links = entries.iter().flat_map(|(name, cid)| link(name, cid));
    let data = [field_varint(1, 5), field_varint(5, 0x22), extra.concat()].concat();
    block(
        DAG_PB,
        &links.chain(field_bytes(1, &data)).collect::<Vec<_>>(),
    )
}

#[tokio::test]
async fn a_sharded_directory_leads_straight_to_the_name() {
    // Its hash starts with 0xCB, 0xD8.
    let clip = block(RAW, b"clip");
    let decoy = block(RAW, b"decoy");
    let deep = shard(
        &[("D8hello".into(), clip.cid), ("00x".into(), decoy.cid)],
        &[],
    );
    let unseen = Cid::new_v1(DAG_PB, *decoy.cid.hash());
    let root = shard(
        &[
            ("00".into(), unseen),
            ("CB".into(), deep.cid),
            ("CCother".into(), decoy.cid),
        ],
        &[],
    );
    let origin = Memory::of([&clip, &decoy, &deep, &root]);
    let source = open(root.cid, &["hello"], origin.clone()).await.unwrap();
    assert_eq!(source.read_range(0..4).await.unwrap(), b"clip"[..]);
    assert_eq!(
        origin.asked()[..2],
        [root.cid, deep.cid],
        "the decoy's bucket is left alone"
    );

    let missing = open(root.cid, &["none"], origin.clone())
        .await
        .err()
        .unwrap();
    assert!(
        matches!(&missing, OpenError::NoSuchEntry { .. }),
        "{missing}"
    );
    let listing = open(root.cid, &[], origin).await.err().unwrap();
    assert!(
        matches!(&listing, OpenError::Directory { entries, .. } if entries == &["other"]),
        "{listing}"
    );
}

#[tokio::test]
async fn shards_that_make_no_sense_are_errors() {
    let clip = block(RAW, b"clip");
    let entries = [("CBhello".to_owned(), clip.cid)];
    for wrong in [
        field_varint(6, 255),
        field_varint(6, 1 << 40),
        field_varint(6, 0),
        field_varint(5, 0x12),
    ] {
        let root = shard(&entries, &[wrong]);
        let error = open(root.cid, &["hello"], Memory::of([&clip, &root]))
            .await
            .err()
            .unwrap();
        assert!(
            matches!(
                error,
                OpenError::Read(ReadError::Block {
                    problem: BlockError::Malformed(_),
                    ..
                })
            ),
            "{error}"
        );
    }
    // As deep as the hash has bits, and then some: its eight bytes are used up.
    let mut bucket = shard(&[("00hello".into(), clip.cid)], &[]);
    let mut blocks = vec![clip, bucket.clone()];
    for byte in ["02", "9B", "BD", "41", "B3", "A7", "D8", "CB"] {
        bucket = shard(&[(byte.into(), bucket.cid)], &[]);
        blocks.push(bucket.clone());
    }
    let error = open(bucket.cid, &["hello"], Memory::of(&blocks))
        .await
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("deeper than its hash"),
        "{error}"
    );
    let leaf = block(RAW, b"no bucket");
    let root = shard(&[("CB".into(), leaf.cid)], &[]);
    let error = open(root.cid, &["hello"], Memory::of([&leaf, &root]))
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("bucket"), "{error}");
}

#[tokio::test]
async fn archives_of_the_gateway_conformance_tests_are_read_by_path() {
    for (name, path, size) in [
        (
            "single-layer-hamt-with-multi-block-files.car",
            "1.txt",
            1026,
        ),
        (
            "subdir-with-mixed-block-files.car",
            "subdir/multiblock.txt",
            1026,
        ),
    ] {
        let Some(car) = common::shared_fixture(name) else {
            return;
        };
        let store = Store::temporary().unwrap();
        let root = store
            .import_car(std::fs::File::open(car).unwrap())
            .unwrap()
            .roots[0];
        let path: Vec<&str> = path.split('/').collect();
        let source = open(root, &path, StoreOrigin::new(store.clone()))
            .await
            .unwrap();
        assert_eq!(source.size_bytes(), size, "{name}");
        let path: Vec<String> = path.iter().map(|&name| name.to_owned()).collect();
        let plain = store.open_path(&root, &path).unwrap();
        let read = source.read_range(0..size).await.unwrap();
        assert_eq!(read, plain.read_range_blocking(0..size).unwrap());
        assert_eq!(source.cid(), plain.cid());
    }
}

#[tokio::test]
async fn a_missing_middle_block_spares_both_sides() {
    let Some(car) = common::shared_fixture("file-3k-and-3-blocks-missing-block.car") else {
        return;
    };
    let store = Store::temporary().unwrap();
    let root = store
        .import_car(std::fs::File::open(car).unwrap())
        .unwrap()
        .roots[0];
    let source = open(root, &[], StoreOrigin::new(store)).await.unwrap();
    assert_eq!(source.read_range(0..1024).await.unwrap().len(), 1024);
    assert_eq!(source.read_range(2048..3072).await.unwrap().len(), 1024);
    let error = source.read_range(1000..1100).await.unwrap_err();
    assert!(error.to_string().contains("has not got it"), "{error}");
}

proptest! {
    #[test]
    fn every_range_of_every_tree_is_the_contents_own(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 1..24),
        fanout in 2..5usize,
        raw in any::<bool>(),
        cuts in (any::<proptest::sample::Index>(), any::<proptest::sample::Index>()),
    ) {
        let content = pieces.concat();
        let mut blocks = Vec::new();
        let mut level: Vec<(Cid, u64)> = Vec::new();
        for piece in &pieces {
            let size = piece.len() as u64;
            blocks.push(if raw { block(RAW, piece) } else { file(piece, &[], size) });
            level.push((blocks.last().unwrap().cid, size));
        }
        // The root is a node even of one leaf; subtrees are of uneven depth.
        while level.len() > 1 || blocks.len() == 1 {
            level = level.chunks(fanout).map(|below| {
                let children: Vec<_> = below.iter().map(|(cid, size)| (cid, *size)).collect();
                let size = below.iter().map(|(_, size)| size).sum();
                if let [only] = below && blocks.len() > 1 {
                    return *only;
                }
                blocks.push(file(b"", &children, size));
                (blocks.last().unwrap().cid, size)
            }).collect();
        }
        let (a, b) = (cuts.0.index(content.len() + 1), cuts.1.index(content.len() + 1));
        let (start, end) = (a.min(b), a.max(b));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = runtime.block_on(async {
            let source = open(level[0].0, &[], Memory::of(&blocks)).await.unwrap();
            source.read_range(start as u64..end as u64).await.unwrap()
        });
        prop_assert_eq!(&read[..], &content[start..end]);
    }

    #[test]
    fn no_block_panics(mut node in proptest::collection::vec(any::<u8>(), 0..80), valid in any::<bool>(), at in any::<proptest::sample::Index>(), to in any::<u8>()) {
        if valid {
            let leaf = block(RAW, b"x").cid;
            node = shard(&[("CBhello".into(), leaf)], &[field_varint(6, 256)]).bytes;
            let at = at.index(node.len());
            node[at] = to;
        }
        let node = block(DAG_PB, &node);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let _ = read(&[&node]).await;
            let _ = open(node.cid, &["hello"], Memory::of([&node])).await;
        });
    }
}

/// Counts the spans that an origin is asked for.
struct Counted {
    inner: Memory,
    spans: Arc<AtomicUsize>,
}

impl Origin for Counted {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn block(&self, cid: Cid) -> BoxFuture<'_, Result<Bytes, OriginError>> {
        self.inner.block(cid)
    }

    fn leaves(
        &self,
        span: LeafSpan,
    ) -> BoxStream<'_, Result<progressive_loader::Block, OriginError>> {
        self.spans.fetch_add(1, Ordering::Relaxed);
        self.inner.leaves(span)
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_read_on_and_on_takes_few_spans_and_a_pause_or_a_jump_begins_anew() {
    /// Twenty leaves.
    const RANGE: u64 = 1_000_000;
    let dag = Dag::new(40_000_000, Leaves::Raw);
    let leaves = dag.leaves.iter().map(|(leaf, _)| leaf);
    let inner = Memory::of(dag.inner.iter().chain(leaves));
    let spans = Arc::new(AtomicUsize::new(0));
    let counted = Counted {
        inner: inner.clone(),
        spans: Arc::clone(&spans),
    };
    let source = open(dag.directory, &["clip.mp4"], counted).await.unwrap();
    let read = async |range: Range<u64>| {
        let wanted = &dag.content[range.start as usize..range.end as usize];
        assert!(
            source.read_range(range.clone()).await.unwrap() == wanted,
            "{range:?}"
        );
    };
    for number in 0..17 {
        read(number * RANGE..(number + 1) * RANGE).await;
    }
    let (spans_before, asked_before) = (spans.load(Ordering::Relaxed), inner.asked().len());
    for number in 17..33 {
        read(number * RANGE..(number + 1) * RANGE).await;
    }
    // A node of this file has 2.4 MB: seven of them for these, and one where each stretch begins.
    let in_run = spans.load(Ordering::Relaxed) - spans_before;
    assert!(in_run <= 9, "{in_run} spans");
    let asked = &inner.asked()[asked_before..];
    let once: HashSet<_> = asked.iter().collect();
    assert_eq!(once.len(), asked.len(), "nothing twice");
    tokio::time::sleep(Duration::from_secs(60)).await;
    read(33 * RANGE..34 * RANGE).await;
    read(5 * RANGE..6 * RANGE + 7).await;
    read(34 * RANGE..35 * RANGE).await;
}
