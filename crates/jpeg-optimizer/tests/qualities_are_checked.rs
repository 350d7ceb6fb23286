//! Qualities and ladders: what is accepted, what is refused, and in which words.

#![allow(clippy::unwrap_used)]

use jpeg_optimizer::{LadderError, Quality, QualityError, QualityLadder, QualityLevel};
use proptest::prelude::*;

fn quality(quality: u8) -> Quality {
    Quality::new(quality).unwrap()
}

#[test]
fn levels_are_50_70_90_and_have_names() {
    let numbers = QualityLevel::ALL.map(|level| level.quality().get());
    assert_eq!(numbers, [50, 70, 90]);
    for level in QualityLevel::ALL {
        assert_eq!(level.to_string().parse(), Ok(level));
    }
    let error = "ultra".parse::<QualityLevel>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown quality \"ultra\": use low, medium or high"
    );
}

#[test]
fn ladders_snap_to_the_nearest_rung() {
    let ladder = QualityLadder::default();
    for (wanted, snapped) in [(1, 50), (59, 50), (60, 70), (79, 70), (80, 90), (100, 90)] {
        assert_eq!(ladder.snap(quality(wanted)), quality(snapped), "{wanted}");
    }
    assert_eq!(ladder.below(quality(70)), Some(quality(50)));
    assert_eq!(ladder.below(quality(50)), None);
    assert_eq!(ladder.above(quality(70)), Some(quality(90)));
    assert_eq!(ladder.above(quality(90)), None);
}

#[test]
fn ladders_refuse_what_is_none() {
    assert_eq!(QualityLadder::new(&[]), Err(LadderError::Empty));
    assert_eq!(
        QualityLadder::new(&[90, 50, 90]),
        Err(LadderError::Duplicate { got: quality(90) })
    );
    for got in [0, 101, 255] {
        let error = QualityLadder::new(&[70, got]).unwrap_err();
        assert_eq!(error, QualityError::OutOfRange { got }.into());
        assert!(error.to_string().contains("1 to 100"));
    }
    let unsorted = QualityLadder::new(&[90, 50, 70]).unwrap();
    assert_eq!(unsorted, QualityLadder::default());
}

proptest! {
    #[test]
    fn no_rung_is_nearer_than_the_one_snapped_to(
        rungs in proptest::collection::hash_set(1..=100_u8, 1..10),
        wanted in 1..=100_u8,
    ) {
        let rungs: Vec<u8> = rungs.into_iter().collect();
        let snapped = QualityLadder::new(&rungs).unwrap().snap(quality(wanted)).get();
        prop_assert!(rungs.contains(&snapped));
        let nearest = rungs.iter().map(|rung| rung.abs_diff(wanted)).min();
        prop_assert_eq!(Some(snapped.abs_diff(wanted)), nearest);
    }
}
