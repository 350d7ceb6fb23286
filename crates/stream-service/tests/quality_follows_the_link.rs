//! The `auto` quality: down while a link drops frames, up after a quiet while, and not to and fro.

use std::time::{Duration, Instant};

use jpeg_optimizer::QualityLevel;
use stream_service::AutoQuality;

/// Plays `seconds` at 30 frames a second on a link that drops every third frame of a level it does not carry.
fn play(
    auto: &mut AutoQuality,
    from: Instant,
    seconds: u64,
    carries: impl Fn(QualityLevel) -> bool,
) -> (Instant, Vec<QualityLevel>) {
    let mut levels = vec![auto.level()];
    let mut now = from;
    for frame in 0..seconds * 30 {
        now = from + Duration::from_millis(frame * 1000 / 30);
        let dropped = !carries(auto.level()) && frame % 3 == 0;
        auto.observe(now, dropped);
        if levels.last() != Some(&auto.level()) {
            levels.push(auto.level());
        }
    }
    (now, levels)
}

#[test]
fn a_link_that_carries_everything_gets_the_best_within_ten_seconds() {
    let mut auto = AutoQuality::default();
    let (_, levels) = play(&mut auto, Instant::now(), 11, |_| true);
    assert_eq!(levels, [QualityLevel::Medium, QualityLevel::High]);
}

#[test]
fn a_link_that_carries_nothing_gets_the_least_within_three_seconds() {
    let mut auto = AutoQuality::default();
    play(&mut auto, Instant::now(), 3, |_| false);
    assert_eq!(auto.level(), QualityLevel::Low);
}

#[test]
fn a_level_that_does_not_hold_is_tried_ever_more_rarely() {
    let mut auto = AutoQuality::default();
    let (_, levels) = play(&mut auto, Instant::now(), 300, |level| {
        level != QualityLevel::High
    });
    let tries = levels
        .iter()
        .filter(|&&level| level == QualityLevel::High)
        .count();
    assert!(
        (2..=6).contains(&tries),
        "High was tried {tries} times in five minutes"
    );
    assert!(!levels.contains(&QualityLevel::Low));
}

#[test]
fn a_link_that_recovers_gets_its_quality_back() {
    let mut auto = AutoQuality::default();
    let (then, _) = play(&mut auto, Instant::now(), 10, |_| false);
    assert_eq!(auto.level(), QualityLevel::Low);
    play(&mut auto, then, 60, |_| true);
    assert_eq!(auto.level(), QualityLevel::High);
}
