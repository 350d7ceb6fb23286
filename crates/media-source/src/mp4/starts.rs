//! Where decoding can start.
//!
//! Fed by the samples and the timeline; feeds a seek. A sync sample is such a place when it parts the frames in
//! presentation order as it does in decode order: then what comes out from it on is the rest of the video, without a
//! gap. Whether the pictures after it do without those before it is for the decoder to say: the container calls the first
//! picture of an open group a sync sample too.

use std::collections::VecDeque;

use super::samples::Sample;
use super::timeline::Slot;

/// Places offered for one seek. Whoever decodes may refuse those where the container is wrong (a file without a table of sync
/// samples calls every one so); after as many, the start of the video is as good.
const MAX_PLACES: usize = 64;

/// A place to decode from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The sample that goes into the decoder first.
    pub(crate) sample: usize,
    /// The place in presentation order of the first frame that comes out.
    pub(crate) slot: usize,
}

impl Place {
    pub(crate) const START: Self = Self { sample: 0, slot: 0 };
}

/// The latest places from which the frame of `slot` still comes out, the latest first.
pub(super) fn starts_for(samples: &[Sample], slots: &[Slot], slot: usize) -> Vec<Place> {
    let mut slot_of = vec![None; samples.len()];
    for (at, shown) in slots.iter().enumerate() {
        if let Some(entry) = slot_of.get_mut(shown.sample as usize) {
            *entry = Some(at as u32);
        }
    }
    let mut places = VecDeque::new();
    // Frames shown of the samples so far, and the slot behind the last of them.
    let (mut shown, mut end) = (0, 0);
    for (at, (sample, own_slot)) in samples.iter().zip(slot_of).enumerate() {
        if shown > slot {
            break;
        }
        if sample.sync && end == shown {
            if places.len() == MAX_PLACES {
                places.pop_back();
            }
            places.push_front(Place {
                sample: at,
                slot: shown,
            });
        }
        if let Some(own_slot) = own_slot {
            shown += 1;
            end = end.max(own_slot as usize + 1);
        }
    }
    places.into()
}

#[cfg(test)]
mod tests {
    use super::super::timeline::Timeline;
    use super::*;

    /// Samples of these times, and whether each is a sync sample.
    fn track(samples: &[(i64, bool)], edit: Option<i64>) -> (Vec<Sample>, Timeline) {
        let samples: Vec<Sample> = samples
            .iter()
            .map(|&(pts_ticks, sync)| Sample {
                offset: 0,
                pts_ticks,
                size_bytes: 1,
                duration_ticks: 10,
                description: 0,
                sync,
            })
            .collect();
        let mut timeline = Timeline::new(1000, edit);
        timeline.extend(&samples, 0);
        (samples, timeline)
    }

    /// The latest place for each slot.
    fn latest(samples: &[(i64, bool)], edit: Option<i64>) -> Vec<(usize, usize)> {
        let (samples, timeline) = track(samples, edit);
        let latest = |slot| starts_for(&samples, timeline.slots(), slot)[0];
        let slots = 0..timeline.slots().len();
        slots.map(latest).map(|p| (p.sample, p.slot)).collect()
    }

    #[test]
    fn each_frame_is_reached_from_the_keyframe_before_it() {
        let samples = [(0, true), (10, false), (20, true), (30, false)];
        assert_eq!(latest(&samples, None), [(0, 0), (0, 0), (2, 2), (2, 2)]);
    }

    #[test]
    fn b_frames_belong_to_the_keyframe_that_they_are_decoded_after() {
        let group = [(0, true), (30, false), (10, false), (20, false)];
        let next = group.map(|(pts, sync)| (pts + 40, sync));
        let latest = latest(&[group, next].concat(), None);
        assert_eq!(latest[..4], [(0, 0); 4]);
        assert_eq!(latest[4..], [(4, 4); 4]);
    }

    #[test]
    fn a_place_that_leaves_a_gap_behind_it_is_none() {
        // What is decoded before the second sync sample is shown after it.
        let samples = [(0, true), (30, false), (10, true), (20, false), (40, true)];
        let expected = [(0, 0), (0, 0), (0, 0), (0, 0), (4, 4)];
        assert_eq!(latest(&samples, None), expected);
    }

    #[test]
    fn a_hidden_keyframe_is_a_place_for_the_first_frame_shown() {
        let samples = [(0, true), (10, false), (20, false), (30, true)];
        assert_eq!(latest(&samples, Some(20)), [(0, 0), (3, 1)]);
    }

    #[test]
    fn no_more_places_are_offered_than_the_limit() {
        let samples: Vec<_> = (0..200).map(|i| (i * 10, true)).collect();
        let (samples, timeline) = track(&samples, None);
        let places = starts_for(&samples, timeline.slots(), 150);
        assert_eq!(places.len(), MAX_PLACES);
        assert_eq!(places[0].sample, 150);
        assert_eq!(places[MAX_PLACES - 1].sample, 151 - MAX_PLACES);
    }
}
