//! Spreading a span over several origins when one cannot keep up.
//!
//! Fed by the pool with leaf sizes and bandwidths; feeds it with each origin's part. Parts are
//! in proportion to bandwidth, so that all are done at the same time.

use crate::fetch::Demand;
use std::ops::Range;
use std::time::Duration;

/// How much faster than the demand the origins together must be: what is fetched ahead has to grow.
const HEADROOM: f64 = 1.25;
/// A reader this close to running dry gets every origin there is.
pub(super) const URGENT: Duration = Duration::from_secs(3);

/// How many of the origins, best first, are to share a span: as many as it takes to keep up with the
/// demand; one when the demand is not known, or nothing is measured yet. `bandwidths` are in bytes per
/// second; one that was not measured counts for nothing, but is tried where the others do not do.
#[must_use]
pub fn origins_needed(demand: Demand, bandwidths: &[Option<u64>]) -> usize {
    let Some(rate) = demand.bytes_per_second else {
        return 1;
    };
    if bandwidths.iter().all(Option::is_none) {
        return 1;
    }
    let wanted = rate as f64 * HEADROOM;
    let urgent = demand.dry_in.is_some_and(|dry_in| dry_in < URGENT);
    let mut sum = 0.0;
    for (index, bandwidth) in bandwidths.iter().enumerate() {
        sum += bandwidth.unwrap_or(0) as f64;
        if sum >= wanted && !(urgent && index == 0) {
            return index + 1;
        }
    }
    bandwidths.len().max(1)
}

/// What to take each origin for in [`split`]: its bandwidth, or, unmeasured, a quarter of the lowest.
#[must_use]
pub fn weights(bandwidths: &[Option<u64>]) -> Vec<u64> {
    let lowest = bandwidths.iter().flatten().min().copied().unwrap_or(4);
    bandwidths
        .iter()
        .map(|rate| rate.unwrap_or(lowest / 4).max(1))
        .collect()
}

/// Cuts leaves of these sizes into consecutive parts, one for each weight at most, in proportion to the
/// weights. Parts touch, cover every leaf, and none is empty; fewer leaves than weights make fewer parts.
#[must_use]
pub fn split(leaf_bytes: &[u64], weights: &[u64]) -> Vec<Range<usize>> {
    let total_bytes = leaf_bytes.iter().sum::<u64>() as f64;
    let total_weight = weights.iter().map(|&weight| weight.max(1)).sum::<u64>() as f64;
    let mut parts = Vec::new();
    let (mut start, mut covered, mut due) = (0, 0.0, 0.0);
    for weight in weights {
        due += total_bytes * (*weight).max(1) as f64 / total_weight.max(1.0);
        let mut end = start;
        // A leaf belongs to the part in which its middle lies.
        while let Some(&bytes) = leaf_bytes.get(end) {
            if covered + bytes as f64 / 2.0 > due {
                break;
            }
            covered += bytes as f64;
            end += 1;
        }
        if end > start {
            parts.push(start..end);
            start = end;
        }
    }
    match parts.last_mut() {
        Some(last) => last.end = leaf_bytes.len(),
        None if !leaf_bytes.is_empty() => parts.push(0..leaf_bytes.len()),
        None => {}
    }
    parts
}
