//! Frames that count as delivered only when the application says so.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::Instant;

use datachannel_transport::{
    Confirm, Offer, ReceiverConfig, ResumePoint, SenderConfig, SenderEvent, Window,
};
use support::{EPOCH, LANE, Link, frame, quiet_receiver};

fn explicit(window_frames: u32) -> ReceiverConfig {
    let config = ReceiverConfig::every_frame(Instant::now());
    ReceiverConfig {
        confirm: Confirm::Explicit,
        window: Window {
            frames: window_frames,
            ..config.window
        },
        ..config
    }
}

fn link(window_frames: u32) -> Link {
    let now = Instant::now();
    Link::of(
        SenderConfig::every_frame(EPOCH, now),
        explicit(window_frames),
        now,
    )
}

/// The application is done with the frames below `until`, and the sender hears of it.
fn confirm(link: &mut Link, until: u64) {
    link.receiver.confirm(until);
    link.answer_all(LANE);
}

fn acked(link: &mut Link) -> Vec<u64> {
    let events = link.events().into_iter();
    events
        .filter_map(|event| match event {
            SenderEvent::Acked { sequence, .. } => Some(sequence),
            _ => None,
        })
        .collect()
}

#[test]
fn the_sender_keeps_a_frame_until_it_is_confirmed() {
    let mut link = link(8);
    for id in 0..3 {
        assert_eq!(link.offer(id, 1_000), Offer::Queued);
    }
    let handed_out = link.run(LANE);
    assert_eq!(handed_out.len(), 3);
    assert_eq!(acked(&mut link), []);
    assert_eq!(link.sender.stats().frames_in_flight, 3);
    assert_eq!(link.receiver.stats().bytes_open, 3_000);

    confirm(&mut link, 2);
    assert_eq!(acked(&mut link), [0, 1]);
    assert_eq!(link.sender.resume_point(), link.receiver.resume_point());
    assert_eq!(link.receiver.stats().bytes_open, 1_000);
}

#[test]
fn the_window_counts_what_is_not_confirmed() {
    let mut link = link(4);
    for id in 0..6 {
        assert_eq!(link.offer(id, 100), Offer::Queued);
    }
    assert_eq!(link.run(LANE).len(), 4);
    confirm(&mut link, 1);
    assert_eq!(link.run(LANE).len(), 1);
    confirm(&mut link, 5);
    assert_eq!(link.run(LANE).len(), 1);
}

#[test]
fn frames_that_were_not_handed_out_are_not_confirmed() {
    let mut link = link(8);
    for id in 0..3 {
        assert_eq!(link.offer(id, 100), Offer::Queued);
    }
    link.deliver_all(LANE);
    assert!(link.receiver.has_frame());
    assert_eq!(link.receiver.poll_frame().unwrap().sequence, 0);
    confirm(&mut link, u64::MAX);
    assert_eq!(acked(&mut link), [0]);
    assert_eq!(link.frames().len(), 2);
    assert!(!link.receiver.has_frame());
}

#[test]
fn the_end_is_said_after_the_last_confirmation() {
    let mut link = link(8);
    assert_eq!(link.offer(0, 100), Offer::Queued);
    link.sender.finish(link.now);
    link.run(LANE);
    assert!(!link.sender.stats().finished);
    confirm(&mut link, 1);
    link.run(LANE);
    let verified = |event| matches!(event, SenderEvent::Finished { verified: true, .. });
    assert!(link.events().into_iter().any(verified));
}

#[test]
fn a_worker_that_died_is_sent_again_what_it_had_not_confirmed() {
    let mut link = link(8);
    for id in 0..4 {
        assert_eq!(link.offer(id, 5_000), Offer::Queued);
    }
    assert_eq!(link.run(LANE).len(), 4);
    confirm(&mut link, 2);

    let from: ResumePoint = link.sender.resume_point();
    assert_eq!(from.next_sequence, 2);
    link.sender.relink(link.now, EPOCH + 1);
    link.receiver = quiet_receiver(ReceiverConfig {
        resume: from,
        ..explicit(8)
    });
    link.open(LANE);
    let again = link.run(LANE);
    let sequences: Vec<u64> = again.iter().map(|frame| frame.sequence).collect();
    assert_eq!(sequences, [2, 3]);
    assert_eq!(again[1].payload, frame(3, 5_000).payload);
    confirm(&mut link, 4);
    link.sender.finish(link.now);
    link.run(LANE);
    let verified = |event| matches!(event, SenderEvent::Finished { verified: true, .. });
    assert!(link.events().into_iter().any(verified));
}

#[test]
fn a_lane_that_dies_costs_nothing_that_was_handed_out() {
    let mut link = link(8);
    assert_eq!(link.offer(0, 5_000), Offer::Queued);
    assert_eq!(link.run(LANE).len(), 1);
    link.sender.lane_closed(link.now, LANE);
    link.receiver.lane_closed(link.now, LANE);
    let other = datachannel_transport::LaneId(7);
    link.open(other);
    assert_eq!(link.run(other).len(), 0, "it is not handed out twice");
    link.receiver.confirm(1);
    link.run(other);
    assert_eq!(acked(&mut link), [0]);
}
