//! The hashes by which both ends prove that they saw the same frames.
//!
//! Fed with payloads, whole or piece by piece; feeds `meta.hash`, `eof` and `eof_ack`.

use std::fmt;
use std::hash::Hasher as _;

use twox_hash::XxHash3_64;
use twox_hash::xxhash3_64::{DEFAULT_SECRET_LENGTH, RawHasher, SecretBuffer};

/// XXH3-64 (seed 0) of one frame's payload. 0, which the wire reads as "not given", is as unlikely as
/// any other value and only costs that frame its check.
#[must_use]
pub fn payload_hash(payload: &[u8]) -> u64 {
    XxHash3_64::oneshot(payload)
}

/// [`payload_hash`] of a payload that comes in pieces.
pub(crate) struct PayloadHasher(RawHasher<&'static [u8; DEFAULT_SECRET_LENGTH]>);

impl PayloadHasher {
    pub(crate) fn new() -> Self {
        Self(RawHasher::new(SecretBuffer::default()))
    }

    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.0.write(piece);
    }

    pub(crate) fn finish(&self) -> u64 {
        self.0.finish()
    }
}

impl fmt::Debug for PayloadHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadHasher")
    }
}

/// One number for all frames in order: starting from 0, each frame replaces it by
/// `XXH3-64(chain as 8 bytes little endian ‖ payload_hash as 8 bytes little endian)`.
///
/// Being a chain, its whole state is the number itself, so that a process can write it down and resume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HashChain(u64);

impl HashChain {
    /// A chain that continues from `value`; 0 is the empty chain.
    #[must_use]
    pub const fn resume(value: u64) -> Self {
        Self(value)
    }

    /// Appends one frame by its [`payload_hash`].
    pub fn push(&mut self, payload_hash: u64) {
        let mut link = [0; 16];
        link[..8].copy_from_slice(&self.0.to_le_bytes());
        link[8..].copy_from_slice(&payload_hash.to_le_bytes());
        self.0 = XxHash3_64::oneshot(&link);
    }

    /// The number for all frames so far.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}
