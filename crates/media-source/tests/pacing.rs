//! Frames are due at the content's own rate, and what is late is not caught up with in a burst.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use std::time::{Duration, Instant};

use media_source::PacingClock;
use proptest::prelude::*;

const FRAME: Duration = Duration::from_millis(40);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn jitter_does_not_move_the_schedule() {
    let start = Instant::now();
    let mut clock = PacingClock::start(start, Duration::ZERO);
    for n in 1..1000 {
        let pts = FRAME * n;
        let late = ms(u64::from(n) * 7 % 15);
        assert_eq!(
            clock.released(clock.due(pts) + late, pts, FRAME),
            Duration::ZERO
        );
    }
    assert_eq!(clock.due(FRAME * 1000), start + FRAME * 1000);
}

#[test]
fn a_stall_moves_the_schedule_instead_of_bursting() {
    let start = Instant::now();
    let mut clock = PacingClock::start(start, Duration::ZERO);
    let late = start + FRAME + ms(500);
    assert_eq!(clock.released(late, FRAME, FRAME), ms(500));
    assert_eq!(clock.due(2 * FRAME), late + FRAME);
    assert_eq!(clock.slipped(), ms(500));
}

#[test]
fn a_pause_takes_no_presentation_time() {
    let start = Instant::now();
    let mut clock = PacingClock::start(start, ms(1000));
    clock.pause(start + ms(30));
    clock.pause(start + ms(50));
    assert!(clock.is_paused());
    clock.resume(start + ms(10_030));
    assert!(!clock.is_paused());
    assert_eq!(clock.due(ms(1040)), start + ms(10_040));
    assert_eq!(clock.slipped(), Duration::ZERO);
}

#[test]
fn a_first_pts_anchors_and_a_seek_anchors_again() {
    let start = Instant::now();
    let mut clock = PacingClock::start(start, ms(5000));
    assert_eq!(clock.due(ms(5040)), start + ms(40));
    assert_eq!(
        clock.due(ms(0)),
        start,
        "what lies before the anchor is due at once"
    );
    clock.anchor_at(start + ms(100), ms(200));
    assert_eq!(clock.due(ms(240)), start + ms(140));
    assert_eq!(clock.wait(start + ms(120), ms(240)), ms(20));
    assert_eq!(clock.wait(start + ms(900), ms(240)), Duration::ZERO);
}

#[test]
fn the_largest_pts_is_no_panic() {
    let clock = PacingClock::start(Instant::now(), Duration::ZERO);
    let _ = clock.due(Duration::MAX);
}

proptest! {
    /// However late single frames are, a frame is never released less than half its duration after the
    /// one before, when releases follow `due`.
    #[test]
    fn no_two_frames_burst(delays in proptest::collection::vec(0_u64..400, 1..100)) {
        let start = Instant::now();
        let mut clock = PacingClock::start(start, Duration::ZERO);
        let mut last = None;
        let mut ready = start;
        for (n, delay) in delays.into_iter().enumerate() {
            let pts = FRAME * n as u32;
            ready += ms(delay);
            let at = clock.due(pts).max(ready);
            clock.released(at, pts, FRAME);
            if let Some(last) = last {
                prop_assert!(at - last >= FRAME / 2, "{:?} after the last", at - last);
            }
            last = Some(at);
            ready = at;
        }
    }
}
