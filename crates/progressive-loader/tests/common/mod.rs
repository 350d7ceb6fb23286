//! What several tests need: content, archives, and an HTTP server that misbehaves on demand.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

pub mod car;
pub mod contents;
pub mod first_origin;
pub mod http;
pub mod ipfs;
pub mod mp4;
pub mod origins;
pub mod peers;

use std::path::PathBuf;

/// Content in which every stretch of a few bytes tells where it lies.
pub fn numbered(size: usize) -> Vec<u8> {
    (0..size as u64)
        .map(|i| (i ^ (i >> 8).wrapping_mul(31) ^ (i >> 16).wrapping_mul(17)) as u8)
        .collect()
}

/// A file that lies beside the checkout on some machines; `None`, with the reason printed, elsewhere.
pub fn shared_fixture(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/ipfs-fixtures")
        .join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}
