//! The access units from which every result that is still to come can be had again.
//!
//! Fed by the link with each unit it sends; asked when a worker begins anew or an earlier run is continued. A decoder can
//! only begin at a keyframe, so what has its result is kept until a later keyframe serves all that has none. Bounded: a
//! group (`media_source::MAX_GROUP_UNITS`, `MAX_GROUP_BYTES`) beside what is under way.

use std::collections::VecDeque;

use datachannel_transport::{HashChain, OutgoingFrame, ResumePoint, payload_hash};
use media_source::END_OF_SEQUENCE;

/// Units since the last keyframe at or before the next result.
///
/// Between two keyframes, units and results are the same frames in another order (`AccessUnit::keyframe`): where a
/// group begins, as many results are complete as units.
#[derive(Debug)]
pub(super) struct Groups {
    /// Where each group held begins; the first unit's place is one.
    starts: VecDeque<ResumePoint>,
    units: VecDeque<OutgoingFrame>,
    bytes: u64,
    next: ResumePoint,
    /// The last unit lets a decoder give all its pictures.
    complete: bool,
}

impl Groups {
    pub(super) fn new(start: ResumePoint) -> Self {
        Self {
            starts: VecDeque::from([start]),
            units: VecDeque::new(),
            bytes: 0,
            next: start,
            complete: true,
        }
    }

    /// The next unit, in decode order.
    pub(super) fn push(&mut self, unit: OutgoingFrame) {
        if unit.meta.keyframe && !self.units.is_empty() {
            self.starts.push_back(self.next);
        }
        let mut chain = HashChain::resume(self.next.hash);
        chain.push(payload_hash(&unit.payload));
        self.next = ResumePoint {
            next_sequence: self.next.next_sequence + 1,
            bytes: self.next.bytes + unit.payload.len() as u64,
            hash: chain.value(),
        };
        self.complete = unit.payload.ends_with(&END_OF_SEQUENCE);
        self.bytes += unit.payload.len() as u64;
        self.units.push_back(unit);
    }

    /// Every result below `answered` is here: lets go of the groups that nothing needs any more.
    pub(super) fn answered(&mut self, answered: u64) {
        while let Some(second) = self.starts.get(1)
            && second.next_sequence <= answered
        {
            let first = self.starts.pop_front().map_or(0, |it| it.next_sequence);
            let done = self.starts.front().map_or(first, |it| it.next_sequence) - first;
            let done = self.units.drain(..done as usize);
            self.bytes -= done.map(|unit| unit.payload.len() as u64).sum::<u64>();
        }
    }

    /// Where a new worker begins, and what it is sent.
    pub(super) fn restart(&self) -> (ResumePoint, impl Iterator<Item = &OutgoingFrame>) {
        let start = self.starts.front().copied().unwrap_or(self.next);
        (start, self.units.iter())
    }

    /// Units held, and their payload bytes.
    pub(super) fn held(&self) -> (usize, u64) {
        (self.units.len(), self.bytes)
    }

    /// How many units there were, those before the first one held included.
    pub(super) fn next_sequence(&self) -> u64 {
        self.next.next_sequence
    }

    /// Results of all units so far can be had without any more.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use datachannel_transport::{Encoding, FrameMeta};

    fn unit(source_id: u64, keyframe: bool) -> OutgoingFrame {
        let meta = FrameMeta {
            source_id,
            pts_us: 0,
            duration_us: 0,
            width: 16,
            height: 16,
            encoding: Encoding::H264,
            quality: 0,
            keyframe,
            released_us: 0,
        };
        let payload = Bytes::from(vec![source_id as u8; 10]);
        OutgoingFrame { meta, payload }
    }

    fn held(groups: &Groups) -> (u64, Vec<u64>) {
        let (start, units) = groups.restart();
        let ids = units.map(|unit| unit.meta.source_id);
        (start.next_sequence, ids.collect())
    }

    #[test]
    fn a_group_is_kept_until_the_next_keyframe_serves() {
        let mut groups = Groups::new(ResumePoint::default());
        for (source_id, keyframe) in [(0, true), (2, false), (1, false), (3, true), (4, false)] {
            groups.push(unit(source_id, keyframe));
        }
        groups.answered(2);
        assert_eq!(held(&groups), (0, vec![0, 2, 1, 3, 4]));
        groups.answered(3);
        assert_eq!(held(&groups), (3, vec![3, 4]));
        groups.answered(5);
        assert_eq!(held(&groups), (3, vec![3, 4]));
        groups.push(unit(5, true));
        groups.answered(5);
        assert_eq!(held(&groups), (5, vec![5]));
        assert_eq!(groups.held(), (1, 10));
    }

    #[test]
    fn the_chain_is_that_of_the_units_in_the_order_they_travel() {
        let mut groups = Groups::new(ResumePoint::default());
        let mut chain = HashChain::default();
        for (source_id, keyframe) in [(0, true), (2, false), (1, false), (3, true)] {
            if source_id == 3 {
                let expected = chain.value();
                groups.push(unit(source_id, keyframe));
                groups.answered(3);
                let start = groups.restart().0;
                assert_eq!((start.bytes, start.hash), (30, expected));
                return;
            }
            chain.push(payload_hash(&unit(source_id, keyframe).payload));
            groups.push(unit(source_id, keyframe));
        }
    }

    #[test]
    fn it_is_complete_where_a_sequence_ends() {
        let mut groups = Groups::new(ResumePoint::default());
        assert!(groups.is_complete());
        let mut last = unit(1, false);
        last.payload = Bytes::from_static(&[0, 0, 1, 0x41, 9, 0, 0, 0, 1, 10]);
        let complete = [unit(0, true), last, unit(2, true)].map(|unit| {
            groups.push(unit);
            groups.is_complete()
        });
        assert_eq!(complete, [false, true, false]);
    }
}
