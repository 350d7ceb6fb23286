//! Qualities and ladders: what is accepted, what is refused, and in which words.

#![allow(clippy::unwrap_used)]

use jpeg_optimizer::{
    Bitrate, BitrateError, LadderError, Quality, QualityError, QualityLadder, QualityLevel,
    QualityRange,
};
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
    assert_eq!(
        QualityLadder::new(&[90, 50, 70]),
        Err(LadderError::Unsorted { got: quality(70) })
    );
    assert_eq!(
        QualityLadder::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9]),
        Err(LadderError::TooMany { got: 9 })
    );
    for order in [[90, 70, 50], [50, 70, 90]] {
        let ladder = QualityLadder::new(&order).unwrap();
        assert_eq!(ladder, QualityLadder::default());
    }
}

proptest! {
    #[test]
    fn no_rung_is_nearer_than_the_one_snapped_to(
        rungs in proptest::collection::btree_set(1..=100_u8, 1..=8),
        wanted in 1..=100_u8,
    ) {
        let rungs: Vec<u8> = rungs.into_iter().collect();
        let snapped = QualityLadder::new(&rungs).unwrap().snap(quality(wanted)).get();
        prop_assert!(rungs.contains(&snapped));
        let nearest = rungs.iter().map(|rung| rung.abs_diff(wanted)).min();
        prop_assert_eq!(Some(snapped.abs_diff(wanted)), nearest);
    }
}

#[test]
fn a_client_is_sent_rungs_in_its_range_and_its_floor() {
    let sent = |floor, ceiling| {
        let range = QualityRange::new(quality(floor), quality(ceiling)).unwrap();
        let within = QualityLadder::default().within(range);
        within.iter().map(|rung| rung.get()).collect::<Vec<_>>()
    };
    assert_eq!(sent(30, 95), [30, 50, 70, 90]);
    assert_eq!(sent(50, 95), [50, 70, 90]);
    assert_eq!(sent(60, 80), [60, 70, 80]);
    assert_eq!(sent(91, 91), [91]);
    let error = QualityRange::new(quality(60), quality(50)).unwrap_err();
    assert!(error.to_string().contains("60 is above"));
}

#[test]
fn bitrates_are_read_and_checked() {
    for (text, bps) in [
        ("800k", 800_000),
        ("2.5M", 2_500_000),
        ("4 Mbit/s", 4_000_000),
        ("64000", 64_000),
        ("1gbps", 1_000_000_000),
    ] {
        assert_eq!(text.parse::<Bitrate>().unwrap().bps(), bps, "{text}");
    }
    for got_bps in [0, 9_999, 1_000_000_001, 10_000_000_000, u64::MAX] {
        let refused = Err(BitrateError::OutOfRange {
            got_bps: got_bps.into(),
        });
        assert_eq!(Bitrate::new(got_bps), refused);
    }
    assert!(Bitrate::from_kbps(u64::MAX).is_err());
    for text in ["", "fast", "-3k", "1e6", "3 kB/s", "1.2.3M", "k"] {
        assert!(text.parse::<Bitrate>().is_err(), "{text}");
    }
    assert_eq!(Bitrate::clamped(f64::NAN), Bitrate::MIN);
    assert_eq!(Bitrate::clamped(f64::INFINITY), Bitrate::MAX);
}
