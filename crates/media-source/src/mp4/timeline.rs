//! Presentation order and true times from samples in decode order.
//!
//! Fed by the sample list and the track's edit list; feeds the demuxer. The first frame shown is at 0:
//! an edit list that starts at the first composition time (which is how B-frames are made up for) shifts
//! it there, and one that starts later hides the frames before it, which are decoded and not shown.

use std::time::Duration;

use super::samples::{MAX_TICKS, Sample};

/// One frame to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    /// Index of its sample in decode order.
    pub(super) sample: u32,
    start_ticks: i64,
    duration_ticks: i64,
}

/// The frames to be shown, in order.
#[derive(Debug)]
pub(super) struct Timeline {
    timescale: u32,
    /// Composition time at which the presentation starts.
    edit_start_ticks: Option<i64>,
    slots: Vec<Slot>,
}

impl Timeline {
    pub(super) fn new(timescale: u32, edit_start_ticks: Option<i64>) -> Self {
        Self {
            timescale,
            edit_start_ticks,
            slots: Vec::new(),
        }
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Whether a sample is within the edit, that is, more than decoded.
    pub(super) fn shows(&self, sample: &Sample) -> bool {
        let end = sample.pts_ticks + i64::from(sample.duration_ticks.max(1));
        self.edit_start_ticks.is_none_or(|start| end > start)
    }

    /// Adds `samples[from..]`: a whole file's, or those of the next fragment. Fragments follow each
    /// other in presentation time as well.
    pub(super) fn extend(&mut self, samples: &[Sample], from: usize) {
        let first = self.slots.len();
        let shown = samples.iter().enumerate().skip(from);
        self.slots.extend(
            shown
                .filter(|(_, sample)| self.shows(sample))
                .map(|(index, sample)| Slot {
                    sample: index as u32,
                    start_ticks: sample.pts_ticks,
                    duration_ticks: i64::from(sample.duration_ticks),
                })
                .collect::<Vec<_>>(),
        );
        self.slots[first..].sort_by_key(|slot| (slot.start_ticks, slot.sample));
        self.separate(first);
    }

    /// Makes starts rise strictly from slot `first` on, and each last until the next starts.
    fn separate(&mut self, first: usize) {
        for i in first..self.slots.len() {
            if let Some(previous) = i.checked_sub(1) {
                let after = self.slots[previous].start_ticks + 1;
                let start = self.slots[i].start_ticks.max(after).min(MAX_TICKS);
                self.slots[i].start_ticks = start;
                if i > first {
                    self.slots[previous].duration_ticks = start - self.slots[previous].start_ticks;
                }
            }
        }
        self.close();
    }

    /// A last frame without a duration of its own (some writers put 0) lasts as long as the one before.
    fn close(&mut self) {
        let before = self.slots.iter().rev().nth(1).map(|s| s.duration_ticks);
        let fallback = before.unwrap_or_else(|| i64::from(self.timescale / 25).max(1));
        if let Some(last) = self.slots.last_mut()
            && last.duration_ticks <= 0
        {
            last.duration_ticks = fallback;
        }
    }

    /// When slot `index` is shown, counted from the first, and for how long.
    pub(super) fn times(&self, index: usize) -> (Duration, Duration) {
        let (Some(slot), Some(first)) = (self.slots.get(index), self.slots.first()) else {
            return (Duration::ZERO, Duration::ZERO);
        };
        let start = slot.start_ticks - first.start_ticks;
        // Both ends are rounded alike, so that one frame ends exactly where the next starts.
        let from = self.duration(start);
        let to = self.duration(start + slot.duration_ticks.max(0));
        (from, to.saturating_sub(from))
    }

    /// The slot shown at `at`: the last that starts no later; the first where none does.
    pub(super) fn slot_at(&self, at: Duration) -> usize {
        let Some(first) = self.slots.first() else {
            return 0;
        };
        let starts_by = |slot: &Slot| self.duration(slot.start_ticks - first.start_ticks) <= at;
        self.slots.partition_point(starts_by).saturating_sub(1)
    }

    /// From the first frame's start to the last one's end.
    pub(super) fn end(&self) -> Duration {
        match self.slots.len().checked_sub(1) {
            Some(last) => {
                let (start, duration) = self.times(last);
                start + duration
            }
            None => Duration::ZERO,
        }
    }

    /// Frames per second over all that is known; `None` when no time passes.
    pub(super) fn mean_rate(&self) -> Option<f64> {
        let (first, last) = (self.slots.first()?, self.slots.last()?);
        let ticks = last.start_ticks + last.duration_ticks - first.start_ticks;
        let frames = self.slots.len() as f64;
        (ticks > 0).then(|| frames * f64::from(self.timescale) / ticks as f64)
    }

    fn duration(&self, ticks: i64) -> Duration {
        let [ticks, timescale] = [ticks.max(0).cast_unsigned(), u64::from(self.timescale)];
        let nanos = (ticks % timescale) * 1_000_000_000 / timescale;
        Duration::new(ticks / timescale, nanos as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(pts: &[i64]) -> Vec<Sample> {
        pts.iter()
            .map(|&pts_ticks| Sample {
                offset: 0,
                pts_ticks,
                size_bytes: 1,
                duration_ticks: 10,
                description: 0,
                sync: true,
            })
            .collect()
    }

    fn starts_ms(timeline: &Timeline) -> Vec<u128> {
        (0..timeline.slots().len())
            .map(|i| timeline.times(i).0.as_millis())
            .collect()
    }

    #[test]
    fn b_frames_are_shown_in_order_from_zero() {
        let mut timeline = Timeline::new(1000, Some(20));
        timeline.extend(&samples(&[20, 60, 40, 30, 50]), 0);
        assert_eq!(starts_ms(&timeline), [0, 10, 20, 30, 40]);
        let order: Vec<u32> = timeline.slots().iter().map(|s| s.sample).collect();
        assert_eq!(order, [0, 3, 2, 4, 1]);
    }

    #[test]
    fn frames_before_the_edit_are_not_shown() {
        let mut timeline = Timeline::new(1000, Some(20));
        timeline.extend(&samples(&[0, 10, 20, 30]), 0);
        assert_eq!(starts_ms(&timeline), [0, 10]);
        assert_eq!(timeline.slots()[0].sample, 2);
    }

    #[test]
    fn a_frame_lasts_until_the_next_and_equal_times_are_told_apart() {
        let mut timeline = Timeline::new(1000, None);
        timeline.extend(&samples(&[0, 100, 100, 105]), 0);
        assert_eq!(starts_ms(&timeline), [0, 100, 101, 105]);
        assert_eq!(timeline.times(0).1, Duration::from_millis(100));
        assert_eq!(timeline.times(3).1, Duration::from_millis(10));
    }
}
