//! Hashes of the frames that are arriving, taken piece by piece while the bytes are still in the cache.
//!
//! Fed with what a frame holds from its front on; asked for the hash when the frame is whole. Only as many frames
//! as there can be lanes are followed, for each lane brings one at a time; any other is hashed when it is whole.

use crate::limits::MAX_LANES;
use crate::link::{PayloadHasher, payload_hash};
use crate::wire::Received;

#[derive(Debug, Default)]
pub(super) struct Hashing {
    arriving: Vec<Arriving>,
}

/// One frame's hash so far.
#[derive(Debug)]
struct Arriving {
    frame: Received,
    hashed_bytes: usize,
    hasher: PayloadHasher,
}

impl Hashing {
    /// Begins to follow a frame. Where too many are followed the oldest is let go: frames that were dropped
    /// are among them, and nobody says so here.
    pub(super) fn begin(&mut self, frame: Received) {
        if self.position(frame).is_some() {
            return;
        }
        if self.arriving.len() >= MAX_LANES {
            let numbered = self.arriving.iter().enumerate();
            let oldest = numbered.min_by_key(|(_, held)| (held.frame.sequence, held.frame.attempt));
            let at = oldest.map_or(0, |(at, _)| at);
            self.arriving.swap_remove(at);
        }
        self.arriving.push(Arriving {
            frame,
            hashed_bytes: 0,
            hasher: PayloadHasher::new(),
        });
    }

    /// `head` is all that a frame holds from its front on; what is new of it is hashed.
    pub(super) fn advance(&mut self, frame: Received, head: &[u8]) {
        let Some(at) = self.position(frame) else {
            return;
        };
        let arriving = &mut self.arriving[at];
        if let Some(new) = head.get(arriving.hashed_bytes..) {
            arriving.hasher.update(new);
            arriving.hashed_bytes = head.len();
        }
    }

    /// The hash of a frame that is whole.
    pub(super) fn finish(&mut self, frame: Received, payload: &[u8]) -> u64 {
        self.advance(frame, payload);
        match self.position(frame) {
            Some(at) => self.arriving.swap_remove(at).hasher.finish(),
            None => payload_hash(payload),
        }
    }

    fn position(&self, frame: Received) -> Option<usize> {
        self.arriving.iter().position(|held| held.frame == frame)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attempt(sequence: u64, attempt: u16) -> Received {
        Received { sequence, attempt }
    }

    proptest! {
        #[test]
        fn pieces_make_the_hash_of_the_whole(
            payload in prop::collection::vec(any::<u8>(), 0..5000),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            followed in any::<bool>(),
        ) {
            let mut hashing = Hashing::default();
            let frame = attempt(3, 1);
            if followed {
                hashing.begin(frame);
            }
            let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
            ends.sort_unstable();
            for end in ends {
                hashing.advance(frame, &payload[..end]);
            }
            prop_assert_eq!(hashing.finish(frame, &payload), payload_hash(&payload));
            prop_assert!(hashing.arriving.is_empty());
        }
    }

    #[test]
    fn frames_beyond_the_lanes_are_hashed_when_they_are_whole() {
        let mut hashing = Hashing::default();
        for sequence in 0..100 {
            hashing.begin(attempt(sequence, 0));
            hashing.advance(attempt(sequence, 0), &sequence.to_le_bytes()[..4]);
            assert!(hashing.arriving.len() <= MAX_LANES);
        }
        for sequence in 0..100_u64 {
            let payload = sequence.to_le_bytes();
            let hash = hashing.finish(attempt(sequence, 0), &payload);
            assert_eq!(hash, payload_hash(&payload));
        }
    }

    #[test]
    fn attempts_of_one_frame_are_apart() {
        let mut hashing = Hashing::default();
        hashing.begin(attempt(0, 0));
        hashing.advance(attempt(0, 0), b"of the first attempt");
        hashing.begin(attempt(0, 1));
        assert_eq!(
            hashing.finish(attempt(0, 1), b"of the second"),
            payload_hash(b"of the second")
        );
    }
}
