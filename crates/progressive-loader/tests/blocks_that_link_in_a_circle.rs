//! A block cannot name itself, for its name is its hash; one that is not checked can say so all the same. Whoever follows it comes
//! to an end.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::car::{Block, DAG_PB, block, directory, field_bytes, field_varint, file, link};
use common::first_origin::FirstOrigin;
use common::ipfs::Memory;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use progressive_loader::driver::IpfsSource;
use progressive_loader::{
    BlockError, ByteSource, Cid, LeafSpan, OpenError, Origin, OriginError, ReadError,
};

/// A daemon that is believed.
struct Believed(Memory);

impl Origin for Believed {
    fn name(&self) -> String {
        self.0.name()
    }

    fn trusted(&self) -> bool {
        true
    }

    fn block(&self, cid: Cid) -> BoxFuture<'_, Result<Bytes, OriginError>> {
        self.0.block(cid)
    }

    fn leaves(
        &self,
        span: LeafSpan,
    ) -> BoxStream<'_, Result<progressive_loader::Block, OriginError>> {
        self.0.leaves(span)
    }
}

/// The name of the block that names itself.
fn circle() -> Cid {
    block(DAG_PB, b"round and round").cid
}

fn named(bytes: Vec<u8>) -> Memory {
    Memory::of([&Block {
        cid: circle(),
        bytes,
    }])
}

async fn read(origin: impl Origin, path: &[String]) -> OpenError {
    let fetcher = Arc::new(FirstOrigin::new(vec![Arc::new(origin)]));
    let source = match IpfsSource::open(circle(), path, fetcher).await {
        Ok(source) => source,
        Err(error) => return error,
    };
    let size = source.size_bytes();
    let last = source.read_range(size - 1..size).await;
    last.unwrap_err().into()
}

fn problem(error: OpenError) -> BlockError {
    match error {
        OpenError::Read(ReadError::Block { problem, .. }) => problem,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_file_that_is_its_own_part_is_too_deep() {
    let node = file(b"", &[(&circle(), 4)], 4).bytes;
    let origin = named(node.clone());
    let found = problem(read(Believed(origin.clone()), &[]).await);
    assert!(matches!(found, BlockError::TooDeep(_)), "{found}");
    assert!(
        origin.asked().len() < 100,
        "{} blocks",
        origin.asked().len()
    );
    // Checked, it is what it is: another block.
    assert_eq!(
        problem(read(named(node), &[]).await),
        BlockError::HashMismatch
    );
}

#[tokio::test]
async fn a_directory_in_itself_is_followed_as_far_as_the_path_says() {
    let origin = named(directory(&[("again", &circle())]).bytes);
    let path = vec!["again".to_owned(); 50];
    let error = read(Believed(origin.clone()), &path).await;
    assert!(matches!(error, OpenError::Directory { .. }), "{error}");
    assert!(origin.asked().len() <= 51);
}

#[tokio::test]
async fn a_bucket_in_itself_ends_with_the_hash() {
    // Every place of the bucket is the bucket again.
    let links = (0..256).flat_map(|at| link(&format!("{at:02X}"), &circle()));
    let data = [
        field_varint(1, 5),
        field_varint(5, 0x22),
        field_varint(6, 256),
    ];
    let bucket = links.chain(field_bytes(1, &data.concat())).collect();
    let origin = named(bucket);
    let found = problem(read(Believed(origin.clone()), &["clip.mp4".to_owned()]).await);
    assert!(matches!(found, BlockError::Malformed(_)), "{found}");
    assert!(origin.asked().len() <= 9, "a hash has eight bytes");
}
