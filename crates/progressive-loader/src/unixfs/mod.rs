//! UnixFS over dag-pb: what is in a node, how a file becomes a tree, where a byte of it lies.
//!
//! | file | is |
//! |---|---|
//! | `wire` | bounded protobuf reading |
//! | `node` | one block → a file, a directory, a shard |
//! | `build` | leaves → tree, as Kubo's balanced layout makes it |
//! | `link` | the CID of a link, or the content that it carries itself |
//! | `walk` | a range of a file → which block is needed next, and what of it is content |
//! | `shard` | a name → its place in a sharded directory |
//! | `resolve` | a path of names → which block is needed next, and the file it leads to |
//! | `stored` | both of them driven with blocks that are at hand |
//!
//! Reading has its own parser because its input comes from anyone: it is bounded and cannot panic.
//! Writing goes through `rust-unixfs`, which renders nodes byte for byte as Kubo does.

pub(crate) mod build;
pub(crate) mod link;
pub(crate) mod node;
pub(crate) mod resolve;
mod shard;
pub(crate) mod stored;
pub(crate) mod walk;
pub(crate) mod wire;

/// The largest block that is read: what Bitswap peers accept from each other.
pub(crate) const MAX_BLOCK_BYTES: u64 = 2 << 20;
