//! Every bound of the protocol. docs/limits.md says what happens at each, and each is tried at its value and just above.

/// A text message. The session takes no longer ones (`SessionConfig::max_message_bytes`): it would end the association.
pub(super) const MAX_MESSAGE_BYTES: usize = 256 << 10;
/// Chunks of one frame.
pub(super) const MAX_CHUNKS: u32 = 65_536;
/// Decoded bytes of one frame: as much as the binary protocol takes.
pub(super) const MAX_FRAME_BYTES: usize = 32 << 20;
/// Frames of which some chunks are there and others are not.
pub(super) const MAX_OPEN_FRAMES: usize = 8;
/// Frames that are held: open, or whole and waiting for the pipeline. As many as a binary link may have under way.
pub(super) const MAX_HELD_FRAMES: usize = 64;
/// Their bytes, with [`CHUNK_OVERHEAD_BYTES`] for each chunk of an open frame.
pub(super) const MAX_HELD_BYTES: usize = 64 << 20;
/// What keeping a chunk takes beside its bytes: a node's share of the map, an allocation.
pub(super) const CHUNK_OVERHEAD_BYTES: usize = 64;
/// Largest `frame_id`: what a number holds exactly wherever JSON is read.
pub(super) const MAX_FRAME_ID: u64 = (1 << 53) - 1;
/// Pixels of a side, as in the binary protocol.
pub(super) const MAX_SIDE: u32 = 16_384;
/// Frames that are over and still known by their id, so that chunks that come late begin no new frame.
pub(super) const REMEMBERED_FRAMES: usize = 256;
/// Replies that wait for the channel; beyond it the oldest goes and is counted. Only a peer that does not read gets there.
pub(super) const MAX_REPLIES: usize = 1024;
/// Text of an error: it may quote what the peer sent.
pub(super) const MAX_ERROR_BYTES: usize = 256;
