//! Whatever the order of arrival, items leave in the order of their numbers, each once.

use frame_pipeline::{SequenceError, Sequencer};
use proptest::prelude::*;

proptest! {
    #[test]
    fn items_leave_in_order_and_none_is_lost(
        first in 0_u64..1000,
        capacity in 1_usize..12,
        order in proptest::collection::vec(0_u64..16, 0..200),
    ) {
        let mut sequencer = Sequencer::new(first, capacity);
        let (mut held, mut next) = (Vec::new(), first);
        for ahead in order {
            // Also numbers that are gone, doubled and too far.
            let index = (next + ahead).saturating_sub(3);
            let expected = if index < next {
                Err(SequenceError::Released { index, next })
            } else if index >= next + capacity as u64 {
                Err(SequenceError::Ahead { index, next, capacity })
            } else if held.contains(&index) {
                Err(SequenceError::Duplicate { index })
            } else {
                held.push(index);
                Ok(())
            };
            prop_assert_eq!(sequencer.insert(index, index), expected);
            prop_assert_eq!(sequencer.len(), held.len());
            prop_assert!(sequencer.len() <= capacity);
            // Half of the time things pile up.
            if ahead % 2 == 0 {
                while let Some(item) = sequencer.pop() {
                    prop_assert_eq!(item, next);
                    held.retain(|&it| it != item);
                    next += 1;
                }
                prop_assert!(!held.contains(&next));
            }
            prop_assert_eq!(sequencer.next_index(), next);
        }
    }

    #[test]
    fn a_shuffled_window_leaves_whole(
        order in Just((0..32_u64).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut sequencer = Sequencer::new(0, 32);
        let mut left = Vec::new();
        for index in order {
            sequencer.insert(index, index).unwrap();
            left.extend(std::iter::from_fn(|| sequencer.pop()));
        }
        prop_assert_eq!(left, (0..32).collect::<Vec<_>>());
        prop_assert!(sequencer.is_empty());
    }
}
