//! A set of byte offsets kept as disjoint, merged, half-open ranges.
//!
//! Fed by [`Window`](crate::Window) with what has arrived or is on its way; answers which byte is
//! the first one missing.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of byte offsets, stored as disjoint half-open ranges in rising order.
///
/// Adjacent ranges are merged, so two sets with the same bytes compare equal. Empty and inverted
/// ranges are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeSet {
    /// Start → end of each run; runs neither overlap nor touch.
    runs: BTreeMap<u64, u64>,
}

impl RangeSet {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds every byte of `range`.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start, range.end);
        while let Some((&run_start, &run_end)) = self.runs.range(..=end).next_back() {
            if run_end < start {
                break;
            }
            start = start.min(run_start);
            end = end.max(run_end);
            self.runs.remove(&run_start);
        }
        self.runs.insert(start, end);
    }

    /// Removes every byte of `range`.
    pub fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        while let Some((&run_start, &run_end)) = self.runs.range(..range.end).next_back() {
            if run_end <= range.start {
                break;
            }
            self.runs.remove(&run_start);
            if run_start < range.start {
                self.runs.insert(run_start, range.start);
            }
            if run_end > range.end {
                self.runs.insert(range.end, run_end);
            }
        }
    }

    /// The end of the run that holds `offset`, or `None` when that byte is missing.
    #[must_use]
    pub fn run_end(&self, offset: u64) -> Option<u64> {
        let (_, &end) = self.runs.range(..=offset).next_back()?;
        (end > offset).then_some(end)
    }

    /// The first missing stretch within `within`: from the first byte missing to the next one held.
    #[must_use]
    pub fn first_gap(&self, within: Range<u64>) -> Option<Range<u64>> {
        let start = self.run_end(within.start).unwrap_or(within.start);
        if start >= within.end {
            return None;
        }
        let end = self
            .runs
            .range(start..within.end)
            .next()
            .map_or(within.end, |(&next, _)| next);
        Some(start..end)
    }

    /// The ranges, in rising order.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.runs.iter().map(|(&start, &end)| start..end)
    }

    /// How many bytes the set holds.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.iter().map(|run| run.end - run.start).sum()
    }

    /// Whether the set holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

impl Extend<Range<u64>> for RangeSet {
    fn extend<I: IntoIterator<Item = Range<u64>>>(&mut self, ranges: I) {
        for range in ranges {
            self.insert(range);
        }
    }
}
