//! From the leaves of a file to its tree, as Kubo's balanced layout makes it.
//!
//! Fed with the hashes of the leaves in order; feeds the store with the inner nodes and the root.

use super::wire::write_varint;
use crate::multihash::{DAG_PB, RAW, sha2_256, sha2_256_each};
use crate::profile::Profile;
use cid::multihash::Multihash;
use cid::{Cid, Version};
use multihash_codetable::Code;
use rust_unixfs::file::adder::{FileBranchLink, rebuild_file_branch};
use std::ops::Range;

/// A leaf or a subtree, as its parent will link it.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) cid: Cid,
    /// Bytes of content below it.
    pub(crate) size_bytes: u64,
    /// Bytes of all blocks below it, its own included (dag-pb's `Tsize`).
    pub(crate) dag_bytes: u64,
}

/// What stands before and after a leaf's content in its block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Framing {
    pub(crate) before: Vec<u8>,
    pub(crate) after: Vec<u8>,
}

impl Framing {
    /// The framing of a dag-pb leaf with `size_bytes` of content:
    /// `PBNode { Data: UnixFS { Type: File, Data: …, filesize } }`.
    pub(crate) fn dag_pb(size_bytes: u64) -> Self {
        let mut after = vec![0x18];
        write_varint(&mut after, size_bytes);
        let mut inner = vec![0x08, 0x02];
        if size_bytes > 0 {
            inner.push(0x12);
            write_varint(&mut inner, size_bytes);
        }
        let mut before = vec![0x0a];
        write_varint(&mut before, (inner.len() + after.len()) as u64 + size_bytes);
        before.append(&mut inner);
        Self { before, after }
    }

    /// The framing of a raw leaf: none.
    pub(crate) fn raw() -> Self {
        Self {
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    fn of(profile: Profile, size_bytes: u64) -> Self {
        match profile {
            Profile::UnixfsV1_2025 => Self::raw(),
            Profile::LegacyCidV0 => Self::dag_pb(size_bytes),
        }
    }
}

/// One leaf's block, whose content is filled in after its framing was laid out.
pub(crate) struct LeafBlock {
    block: Vec<u8>,
    content: Range<usize>,
}

impl LeafBlock {
    /// The block of a leaf with `size_bytes` of content, which is zeros at first.
    pub(crate) fn new(profile: Profile, size_bytes: usize) -> Self {
        let Framing { before, after } = Framing::of(profile, size_bytes as u64);
        let content = before.len()..before.len() + size_bytes;
        let mut block = before;
        block.reserve_exact(size_bytes + after.len());
        block.resize(content.end, 0);
        block.extend(after);
        Self { block, content }
    }

    pub(crate) fn content(&self) -> &[u8] {
        &self.block[self.content.clone()]
    }

    pub(crate) fn content_mut(&mut self) -> &mut [u8] {
        &mut self.block[self.content.clone()]
    }

    fn link(&self, profile: Profile, hash: Multihash<64>) -> Link {
        let cid = match profile {
            Profile::UnixfsV1_2025 => Cid::new_v1(RAW, hash),
            // Fails for hashes other than SHA-256 only; a CIDv1 of the same block is then the same content.
            Profile::LegacyCidV0 => Cid::new_v0(hash).unwrap_or(Cid::new_v1(DAG_PB, hash)),
        };
        let (size_bytes, dag_bytes) = (self.content.len() as u64, self.block.len() as u64);
        Link {
            cid,
            size_bytes,
            dag_bytes,
        }
    }
}

/// The links of `leaves`, hashed several at once.
pub(crate) fn links(profile: Profile, leaves: &[LeafBlock]) -> Vec<Link> {
    let blocks: Vec<_> = leaves
        .iter()
        .map(|leaf| std::slice::from_ref(&leaf.block))
        .collect();
    let hashes = sha2_256_each(&blocks);
    leaves
        .iter()
        .zip(hashes)
        .map(|(leaf, hash)| leaf.link(profile, hash))
        .collect()
}

/// A file's tree above its leaves.
pub(crate) struct Tree {
    pub(crate) root: Link,
    /// The inner nodes from the bottom up, the root last; none when a single leaf is the root.
    pub(crate) nodes: Vec<(Cid, Vec<u8>)>,
}

/// The tree over `leaves` with up to `width` links per node; no leaf at all is one empty leaf.
pub(crate) fn tree(profile: Profile, leaves: Vec<Link>, width: usize) -> Tree {
    let version = version(profile);
    let mut nodes = Vec::new();
    let mut level = leaves;
    while level.len() > 1 {
        level = level
            .chunks(width.max(2))
            .map(|links| {
                let (link, block) = node(links, version);
                nodes.push((link.cid, block));
                link
            })
            .collect();
    }
    let root = level.pop().unwrap_or_else(|| {
        let empty = LeafBlock::new(profile, 0);
        let hash = sha2_256(&[&empty.block]);
        empty.link(profile, hash)
    });
    Tree { root, nodes }
}

fn node(links: &[Link], version: Version) -> (Link, Vec<u8>) {
    let size_bytes = links.iter().map(|link| link.size_bytes).sum();
    let below: u64 = links.iter().map(|link| link.dag_bytes).sum();
    let branch: Vec<_> = links
        .iter()
        .map(|link| FileBranchLink {
            cid: link.cid,
            blocksize: link.size_bytes,
            tsize: link.dag_bytes,
        })
        .collect();
    let (cid, block) = rebuild_file_branch(size_bytes, &branch, version, Code::Sha2_256);
    (
        Link {
            cid,
            size_bytes,
            dag_bytes: below + block.len() as u64,
        },
        block,
    )
}

/// The CID version a profile's nodes have.
fn version(profile: Profile) -> Version {
    match profile {
        Profile::UnixfsV1_2025 => Version::V1,
        Profile::LegacyCidV0 => Version::V0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rust_unixfs::file::adder::{BalancedCollector, Chunker, FileAdder};

    fn leaf(profile: Profile, content: &[u8]) -> Link {
        let mut leaf = LeafBlock::new(profile, content.len());
        leaf.content_mut().copy_from_slice(content);
        links(profile, &[leaf]).remove(0)
    }

    /// The same tree by rust-unixfs's own adder, with small leaves and a small width.
    fn by_adder(
        content: &[u8],
        leaf_bytes: usize,
        width: usize,
        version: Version,
    ) -> Vec<(Cid, Vec<u8>)> {
        let mut adder = FileAdder::builder()
            .with_chunker(Chunker::Size(leaf_bytes))
            .with_collector(BalancedCollector::with_branching_factor(width))
            .with_cid_version(version)
            .build();
        let (mut blocks, mut rest) = (Vec::new(), content);
        while !rest.is_empty() {
            let (ready, consumed) = adder.push(rest);
            blocks.extend(ready);
            rest = &rest[consumed..];
        }
        blocks.extend(adder.finish());
        blocks
    }

    #[test]
    fn trees_are_those_of_the_reference_adder_block_by_block() {
        for profile in Profile::ALL {
            for (width, count) in [
                (2, 0),
                (2, 1),
                (2, 2),
                (2, 3),
                (2, 9),
                (3, 27),
                (3, 28),
                (3, 29),
                (4, 70),
                (5, 131),
            ] {
                let content: Vec<u8> = (0..count * 10).map(|i| (i * 31 % 251) as u8).collect();
                let leaves: Vec<_> = match content.is_empty() {
                    true => vec![leaf(profile, &[])],
                    false => content
                        .chunks(10)
                        .map(|chunk| leaf(profile, chunk))
                        .collect(),
                };
                let mut expected = by_adder(&content, 10, width, version(profile));
                let Tree { root, nodes } = tree(profile, leaves.clone(), width);
                assert_eq!(
                    root.cid,
                    expected.last().unwrap().0,
                    "{profile}, {count} leaves, width {width}"
                );
                let dag_bytes: usize = expected.iter().map(|(_, block)| block.len()).sum();
                assert_eq!(root.dag_bytes, dag_bytes as u64);
                expected.retain(|(cid, _)| leaves.iter().all(|leaf| leaf.cid != *cid));
                let sorted = |mut blocks: Vec<(Cid, Vec<u8>)>| {
                    blocks.sort();
                    blocks
                };
                assert_eq!(
                    sorted(nodes),
                    sorted(expected),
                    "{profile}, {count} leaves, width {width}"
                );
            }
        }
    }
}
