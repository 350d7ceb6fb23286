//! What each kind of lane carries at once: messages, buffers, datagrams.

/// The largest message of a link; each kind of lane has a limit of its own below it.
pub(crate) const MAX_MESSAGE_BYTES: usize = 256 << 10;
/// The largest message on a data channel, whose round robin is by the message: larger ones gain nothing.
pub(crate) const DATA_MESSAGE_BYTES: usize = 16 << 10;
/// The largest message of a QUIC lane: a frame's stream takes one after the other.
pub(crate) const QUIC_MESSAGE_BYTES: usize = 64 << 10;

/// What a QUIC lane has written and not yet acknowledged, at most: 320 MB/s at a round trip of 50 ms. Of a frame that lost a packet all that
/// follows waits here, for several round trips where many are lost: with half of it, 15 % loss leaves 28 MB/s and not 33.
pub(crate) const QUIC_SEND_BUFFER_BYTES: usize = 16 << 20;
/// The same on a path as short as loopback, which holds next to nothing.
pub(crate) const SHORT_SEND_BUFFER_BYTES: usize = 1 << 20;
/// Between the two it is so much for each millisecond of round trip.
pub(crate) const QUIC_SEND_BYTES_PER_MILLISECOND: usize = 320_000;
/// What it takes before it is read, at most. Where packets are lost, what came after them on their streams waits here for a round
/// trip or three.
pub(crate) const QUIC_RECEIVE_BUFFER_BYTES: usize = 16 << 20;
/// What it has written and not yet acknowledged towards a viewer, at most: 20 MB/s at a round trip of 50 ms. What waits there
/// can no longer be replaced by what is newer.
pub(crate) const VIEWER_SEND_BUFFER_BYTES: usize = 1 << 20;
/// The same on a short path: two frames of 100 kB, so that one is on its way while the other is acknowledged. This, and not more, is
/// what a viewer that reads nothing costs there.
pub(crate) const SHORT_VIEWER_SEND_BUFFER_BYTES: usize = 256 << 10;
/// Between the two it is so much for each millisecond of round trip: 20 MB/s, some hundred times what a video takes.
pub(crate) const VIEWER_SEND_BYTES_PER_MILLISECOND: usize = 20_000;

/// The largest QUIC datagram where both ends are on loopback, which carries 64 KiB: a third less CPU a byte than with Ethernet's
/// 1,452 B, and ten of them are still one batch for the kernel.
pub(crate) const LOOPBACK_MTU_BYTES: u16 = 4000;
