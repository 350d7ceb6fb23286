//! Every fixed bound of this crate in one place; `docs/limits.md` is the same table in prose. What may be configured is in
//! [`EndpointConfig`](crate::EndpointConfig) and [`SessionConfig`](crate::SessionConfig).
//!
//! Fed by nothing; the codecs, the registry and the drivers read their bounds here.

use core::time::Duration;

/// The only version of the streams' framing spoken; the first byte of every stream.
pub const FRAMING_VERSION: u8 = 1;

/// Longest message that may be configured, bytes: the wire format's own bound.
pub const MAX_MESSAGE_BYTES: usize = datachannel_transport::limits::MAX_MESSAGE_BYTES;

/// Channels of a session that may be configured, and the largest channel number plus one.
pub const MAX_CHANNELS: usize = 16;

/// UTF-8 bytes of a channel's label, and of its sub-protocol.
pub const MAX_NAME_BYTES: usize = 64;

/// Bytes of a lane's token: 128 bits cannot be guessed.
pub const TOKEN_BYTES: usize = 16;

/// Bytes of the path that a session's request names: `/lane/` and the token, with room for what a proxy adds before it.
pub const MAX_PATH_BYTES: usize = 256;

/// Bytes that a stream's reassembly buffer begins with. It doubles as bytes arrive, so a length alone allocates nothing.
pub const FIRST_BUFFER_BYTES: usize = 4096;

/// Frames whose streams were finished and can still be reset; beyond them the oldest can no longer be.
pub const MAX_SENT_FRAMES: usize = 64;

/// Channels that a peer may open in vain (beyond the limit, a number twice, refused) before its session ends.
pub const MAX_REFUSED_CHANNELS: u32 = 64;

/// Handshakes that may be under way at once that may be configured.
pub const MAX_HANDSHAKES: usize = 4096;

/// Bytes that QUIC datagrams of the peer may occupy. They are announced because browsers ask for them, and never read:
/// the oldest goes.
pub const DATAGRAM_BUFFER_BYTES: usize = 4096;

/// Bytes of a reason that travels with the end of a session (the WebTransport draft allows 1,024).
pub const MAX_REASON_BYTES: usize = 256;

/// How long a certificate made here is valid: a day less than the fourteen that browsers take with `serverCertificateHashes`
/// (W3C WebTransport, "certificate validity").
pub const CERTIFICATE_LIFETIME: Duration = Duration::from_secs(13 * 24 * 3600);

/// How long before it was made a certificate's validity begins, for peers whose clock is late.
pub const CERTIFICATE_BACKDATED: Duration = Duration::from_secs(3600);

/// After how long the next certificate takes over. Each is made one such period before its use, so that peers know its
/// hash in time, and is out of use five days before it ends.
pub const CERTIFICATE_ROTATION: Duration = Duration::from_secs(4 * 24 * 3600);

/// How long an invitation that nobody takes is kept, unless the endpoint's configuration says otherwise.
pub const DEFAULT_INVITATION_LIFETIME: Duration = Duration::from_secs(30);
