//! Wire format version 1 (`docs/wire.md`): messages as types, to bytes and back.

mod cursor;
mod decode;
mod encode;
mod error;
mod message;
mod meta;
mod pairs;

pub use decode::decode;
pub use encode::encode;
pub(crate) use encode::{ChunkPosition, ChunkSize, encode_chunk_within};
pub use error::DecodeError;
pub use message::{
    Ack, Chunk, ChunkMeta, ClientStats, Envelope, FrameErrorCode, FrameErrorReport, FrameTotals,
    GoodbyeCode, Hello, Message, Role, Window,
};
pub use meta::{Encoding, FrameMeta, MetaError};
pub use pairs::{Received, ReceivedPairs};
