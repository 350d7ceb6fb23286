//! How much to ask for at once.
//!
//! Fed by the reader's window with bandwidth and forecast; feeds it with a size. A request should take
//! about a second: long enough that its round trip matters little, short enough that a change of mind
//! wastes little. When the reader is about to run dry a quarter of that, so that several come at once.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The smallest request that is worth a round trip, in bytes: 256 KiB.
pub const SMALLEST_CHUNK_BYTES: u64 = 256 << 10;
/// The largest: a seek gives up at most this much of each request under way. 8 MiB.
pub const LARGEST_CHUNK_BYTES: u64 = 8 << 20;

/// What a request should take when nothing presses.
const CALM_SECONDS: f64 = 1.0;
/// What it should take when the reader is about to run dry.
const PRESSED_SECONDS: f64 = 0.25;
/// "About to".
const SOON: Duration = Duration::from_secs(5);

/// The size of the next request in bytes: a multiple of `range`'s start within `range`, from the
/// measured bandwidth and the time until the reader runs dry. Before anything is measured, `usual`.
#[must_use]
pub fn chunk_bytes(
    range: &RangeInclusive<u64>,
    usual: u64,
    bytes_per_second: Option<u64>,
    dry_in: Option<Duration>,
) -> u64 {
    let unit = (*range.start()).max(1);
    let most = (*range.end()).max(unit);
    let seconds = match dry_in {
        Some(dry_in) if dry_in < SOON => PRESSED_SECONDS,
        _ => CALM_SECONDS,
    };
    let wanted = bytes_per_second.map_or(usual, |rate| (rate as f64 * seconds) as u64);
    let units = (wanted / unit).clamp(1, most / unit);
    units * unit
}

/// The least and the most bytes to ask for at once of a file whose leaves have `leaf_bytes`: whole leaves, since a
/// part of one cannot be checked.
pub(crate) fn leaf_chunks(leaf_bytes: Option<u64>) -> RangeInclusive<u64> {
    let least = whole_leaves(leaf_bytes, SMALLEST_CHUNK_BYTES);
    least..=LARGEST_CHUNK_BYTES.max(least)
}

/// The least number of bytes that is whole leaves and at least `bytes`.
pub(crate) fn whole_leaves(leaf_bytes: Option<u64>, bytes: u64) -> u64 {
    match leaf_bytes {
        Some(leaf_bytes @ 1..) => bytes.div_ceil(leaf_bytes) * leaf_bytes,
        _ => bytes,
    }
}
