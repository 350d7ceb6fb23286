//! From the leaves of a file to its tree, as Kubo's balanced layout makes it.
//!
//! Fed with the hashes of the leaves in order; feeds the store with the inner nodes and the root.

use super::wire::write_varint;
use crate::multihash::{DAG_PB, RAW, sha2_256};
use crate::profile::Profile;
use cid::{Cid, Version};
use multihash_codetable::Code;
use rust_unixfs::file::adder::{FileBranchLink, rebuild_file_branch};

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

/// The link of the leaf that holds `content`.
pub(crate) fn leaf(profile: Profile, content: &[u8]) -> Link {
    let size_bytes = content.len() as u64;
    let Framing { before, after } = Framing::of(profile, size_bytes);
    let hash = sha2_256(&[&before, content, &after]);
    let cid = match profile {
        Profile::UnixfsV1_2025 => Cid::new_v1(RAW, hash),
        // Fails for hashes other than SHA-256 only; a CIDv1 of the same block is then the same content.
        Profile::LegacyCidV0 => Cid::new_v0(hash).unwrap_or(Cid::new_v1(DAG_PB, hash)),
    };
    Link {
        cid,
        size_bytes,
        dag_bytes: size_bytes + (before.len() + after.len()) as u64,
    }
}

/// A file's tree above its leaves.
pub(crate) struct Tree {
    pub(crate) root: Link,
    /// The inner nodes from the bottom up, the root last; none when a single leaf is the root.
    pub(crate) nodes: Vec<(Cid, Vec<u8>)>,
}

/// The tree over `leaves`; `None` for no leaf at all.
pub(crate) fn tree(leaves: Vec<Link>, version: Version, width: usize) -> Option<Tree> {
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
    let root = level.pop()?;
    Some(Tree { root, nodes })
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
pub(crate) fn version(profile: Profile) -> Version {
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
                let Tree { root, nodes } = tree(leaves.clone(), version(profile), width).unwrap();
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
