//! UnixFS over dag-pb: what is in a node, how a file becomes a tree, where a byte of it lies.
//!
//! | file | is |
//! |---|---|
//! | `wire` | bounded protobuf reading |
//! | `node` | one block → a file, a directory, a shard |
//! | `build` | leaves → tree, as Kubo's balanced layout makes it |
//! | `walk` | a range of a file → its verified leaves |
//! | `resolve` | a path of names → the CID it leads to |
//!
//! Reading has its own parser because its input comes from anyone: it is bounded and cannot panic.
//! Writing goes through `rust-unixfs`, which renders nodes byte for byte as Kubo does.

pub(crate) mod build;
pub(crate) mod node;
pub(crate) mod resolve;
pub(crate) mod walk;
mod wire;

/// The largest block that is read: what Bitswap peers accept from each other.
pub(crate) const MAX_BLOCK_BYTES: u64 = 2 << 20;
