//! What the targets share: frames whose bytes follow from their number, and messages.

use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::Bytes;
use datachannel_transport::wire::{Message, encode};
use datachannel_transport::{Encoding, FrameMeta, LaneId, LaneLimits};

/// The epoch of a link's first messages.
pub const EPOCH: u32 = 7;

/// A lane out of few, so that names meet.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Lane(u8);

impl Lane {
    pub fn first() -> Self {
        Self(0)
    }

    pub fn id(self) -> LaneId {
        LaneId((self.0 % 3).into())
    }

    /// Limits that follow from the name.
    pub fn limits(self) -> LaneLimits {
        let max_message_bytes = 2048 << (self.0 % 3);
        LaneLimits {
            max_message_bytes,
            fragment_bytes: 1 + 600 * usize::from(self.0 / 3 % 3),
        }
    }
}

/// Time that passes: up to 6.5 s.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Pause(u16);

impl Pause {
    pub fn duration(self) -> Duration {
        Duration::from_micros(u64::from(self.0) * 100)
    }
}

/// The description of frame `source_id`.
pub fn meta(source_id: u64) -> FrameMeta {
    FrameMeta {
        source_id,
        pts_us: 0,
        duration_us: 0,
        width: 16,
        height: 16,
        encoding: Encoding::Opaque,
        quality: 0,
        keyframe: false,
        released_us: 0,
    }
}

/// The bytes of frame `source_id`.
pub fn payload(source_id: u64, len: usize) -> Bytes {
    let byte = |at: usize| (at as u64 ^ (at as u64 >> 8)).wrapping_add(source_id * 31) as u8;
    (0..len).map(byte).collect()
}

/// A message as it travels.
pub fn bytes_of(epoch: u32, message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(epoch, message, &mut out);
    out
}
