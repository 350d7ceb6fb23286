//! One dag-pb block as a UnixFS node.
//!
//! Fed with blocks whose hash was checked, which says nothing about their sense: anyone can hash
//! nonsense. Feeds `walk` and `resolve`.

use super::link::{Link, parse_link};
use super::wire::{BadMessage, Fields, Value};
use crate::error::BlockError;
use std::ops::Range;

/// The most links one node may have. Kubo writes 174 or 1024; a 2 MiB block has room for 40,000.
pub(crate) const MAX_LINKS: usize = 8192;
/// The widest bucket of a sharded directory. Kubo writes 256, and refuses more than 1024.
const MAX_FANOUT: u64 = 1024;
/// Multicodec of MurmurHash3 x64, first 64 bits: the one function that places entries in buckets.
const MURMUR3_X64_64: u64 = 0x22;
/// The most bytes a file may claim: more than any disk, far below overflow.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 53;

/// What a block is.
#[derive(Debug)]
pub(crate) enum Node {
    File(FileNode),
    Directory(Vec<Entry>),
    /// A bucket of a sharded directory (HAMT): entries with a prefix of hex digits, or deeper buckets.
    Shard(Shard),
    Symlink,
}

/// A file, or a part of one.
#[derive(Debug)]
pub(crate) struct FileNode {
    /// Where the block's own content lies in the block; empty for a node with links only.
    pub(crate) inline: Range<usize>,
    /// The children in order, each with the offset in this node's content where it starts.
    pub(crate) children: Vec<Child>,
    /// Bytes of content below this node.
    pub(crate) size_bytes: u64,
}

/// A link of a file node.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    pub(crate) link: Link,
    pub(crate) start: u64,
    pub(crate) size_bytes: u64,
}

/// A link of a directory.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) link: Link,
}

/// One bucket of a sharded directory.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) entries: Vec<Entry>,
    /// How many places it has: a power of two, 2 to [`MAX_FANOUT`].
    pub(crate) fanout: u64,
}

impl From<BadMessage> for BlockError {
    fn from(_: BadMessage) -> Self {
        Self::Malformed("it is no protobuf message")
    }
}

/// UnixFS's `Data` message, as far as it is used here.
#[derive(Default)]
struct Data<'a> {
    kind: Option<u64>,
    bytes: Option<&'a [u8]>,
    file_size: Option<u64>,
    block_sizes: Vec<u64>,
    hash_function: Option<u64>,
    fanout: Option<u64>,
}

impl Node {
    /// Parses a dag-pb block.
    pub(crate) fn parse(block: &[u8]) -> Result<Self, BlockError> {
        let PbNode { links, data } = PbNode::parse(block)?;
        let data = parse_data(data.ok_or(BlockError::Malformed("it has no UnixFS data"))?)?;
        match data.kind {
            // Raw (0) and File (2) differ in name only.
            Some(0 | 2) => FileNode::new(block, &links, &data).map(Self::File),
            Some(1) => Ok(Self::Directory(entries(&links)?)),
            Some(4) => Ok(Self::Symlink),
            Some(5) => Shard::new(&links, &data).map(Self::Shard),
            _ => Err(BlockError::Malformed("its UnixFS type is unknown")),
        }
    }
}

impl Shard {
    fn new(links: &[&[u8]], data: &Data<'_>) -> Result<Self, BlockError> {
        let fanout = data.fanout.unwrap_or(256);
        if !fanout.is_power_of_two() || !(2..=MAX_FANOUT).contains(&fanout) {
            return Err(BlockError::Malformed("its sharding has an odd fanout"));
        }
        if data
            .hash_function
            .is_some_and(|code| code != MURMUR3_X64_64)
        {
            return Err(BlockError::Malformed(
                "its directory is sharded by a hash other than murmur3-x64-64",
            ));
        }
        Ok(Self {
            entries: entries(links)?,
            fanout,
        })
    }
}

impl FileNode {
    fn new(block: &[u8], links: &[&[u8]], data: &Data<'_>) -> Result<Self, BlockError> {
        if links.len() != data.block_sizes.len() {
            return Err(BlockError::Malformed("it has not one size per link"));
        }
        let bytes = data.bytes.unwrap_or_default();
        let mut children = Vec::with_capacity(links.len());
        let mut start = bytes.len() as u64;
        for (link, &size_bytes) in links.iter().zip(&data.block_sizes) {
            let (link, _) = parse_link(link)?;
            children.push(Child {
                link,
                start,
                size_bytes,
            });
            start = start.saturating_add(size_bytes);
        }
        if start > MAX_FILE_BYTES {
            return Err(BlockError::Malformed(
                "it claims more bytes than a file can have",
            ));
        }
        match data.file_size {
            Some(claimed) if claimed != start => {
                Err(BlockError::Malformed("its parts do not add up to its size"))
            }
            _ => Ok(Self {
                inline: subslice_range(block, bytes),
                children,
                size_bytes: start,
            }),
        }
    }

    /// The children from the one that holds the byte at `offset` of this node's content on; none when
    /// it is the node's own.
    pub(crate) fn children_from(&self, offset: u64) -> &[Child] {
        let after = self.children.partition_point(|child| child.start <= offset);
        let holds = |child: &Child| child.size_bytes > 0;
        let Some(at) = self.children[..after].iter().rposition(holds) else {
            return &[];
        };
        let child = &self.children[at];
        if offset < child.start + child.size_bytes {
            &self.children[at..]
        } else {
            &[]
        }
    }
}

/// Where `part`, a slice of `block`, lies in it.
fn subslice_range(block: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).wrapping_sub(block.as_ptr() as usize);
    if part.is_empty() || start > block.len() {
        0..0
    } else {
        start..start + part.len()
    }
}

/// A node's links and its data, as the dag-pb specification has them.
struct PbNode<'a> {
    links: Vec<&'a [u8]>,
    data: Option<&'a [u8]>,
}

impl<'a> PbNode<'a> {
    fn parse(block: &'a [u8]) -> Result<Self, BlockError> {
        let (mut links, mut data) = (Vec::new(), None);
        for field in Fields::new(block) {
            match field? {
                (1, Value::Bytes(bytes)) if data.is_none() => data = Some(bytes),
                (2, Value::Bytes(link)) if links.len() < MAX_LINKS => links.push(link),
                (2, Value::Bytes(_)) => {
                    return Err(BlockError::Malformed("it has more than 8192 links"));
                }
                _ => return Err(BlockError::Malformed("it is no dag-pb node")),
            }
        }
        Ok(Self { links, data })
    }
}

fn parse_data(message: &[u8]) -> Result<Data<'_>, BlockError> {
    let mut data = Data::default();
    for field in Fields::new(message) {
        match field? {
            (1, Value::Varint(kind)) => data.kind = Some(kind),
            (2, Value::Bytes(bytes)) => data.bytes = Some(bytes),
            (3, Value::Varint(size)) => data.file_size = Some(size),
            (4, Value::Varint(size)) => data.block_sizes.push(size),
            (5, Value::Varint(code)) => data.hash_function = Some(code),
            (6, Value::Varint(fanout)) => data.fanout = Some(fanout),
            // Some writers pack repeated numbers.
            (4, Value::Bytes(_)) => {
                return Err(BlockError::Malformed("its block sizes are packed"));
            }
            _ => {}
        }
        if data.block_sizes.len() > MAX_LINKS {
            return Err(BlockError::Malformed("it has more than 8192 block sizes"));
        }
    }
    Ok(data)
}

fn entries(links: &[&[u8]]) -> Result<Vec<Entry>, BlockError> {
    let entry = |link: &&[u8]| {
        parse_link(link).map(|(link, name)| Entry {
            name: name.to_owned(),
            link,
        })
    };
    links.iter().map(entry).collect()
}
