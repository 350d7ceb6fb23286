//! Frames that count as delivered only when the application says so.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use datachannel_transport::wire::{Message, decode};
use datachannel_transport::{
    Confirm, LaneId, LaneLimits, Mode, Offer, ReceiverConfig, ResumePoint, SenderConfig,
    SenderEvent, Window,
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

/// The frames that each ack lists which the receiver has for this lane, and the acks' `next_sequence`.
fn acks_for(link: &mut Link, lane: LaneId) -> Vec<(u64, Vec<u64>)> {
    let messages = link.pull_answers(lane);
    let acks = messages.iter().filter_map(|bytes| {
        let Message::Ack(ack) = decode(bytes).unwrap().message else {
            return None;
        };
        let listed = ack.received.iter().map(|it| it.sequence).collect();
        Some((ack.next_sequence, listed))
    });
    acks.collect()
}

#[test]
fn each_lane_is_told_of_each_whole_frame_once_in_as_many_acks_as_it_takes() {
    let now = Instant::now();
    let mut sender = SenderConfig::every_frame(EPOCH, now);
    sender.max_window.frames = 200;
    sender.mode = Mode::EveryFrame {
        max_queued_frames: 200,
        max_queued_bytes: 1 << 20,
    };
    let mut link = Link::of(sender, explicit(200), now);
    let other = LaneId(7);
    link.open(other);
    for id in 0..150 {
        assert_eq!(link.offer(id, 100), Offer::Queued);
    }
    link.deliver_all(LANE);
    assert_eq!(link.frames().len(), 150);

    for lane in [LANE, other] {
        let acks = acks_for(&mut link, lane);
        let counts: Vec<usize> = acks.iter().map(|(_, listed)| listed.len()).collect();
        assert_eq!(counts, [64, 64, 22], "{lane}");
        let listed: Vec<u64> = acks.into_iter().flat_map(|(_, listed)| listed).collect();
        assert_eq!(listed, (0..150).collect::<Vec<_>>(), "{lane}");
    }
    link.receiver.confirm(3);
    assert_eq!(acks_for(&mut link, LANE), [(3, Vec::new())]);

    // A lane that opens anew knows nothing.
    link.receiver.lane_closed(link.now, other);
    link.receiver
        .lane_opened(link.now, other, LaneLimits::default())
        .unwrap();
    let again = acks_for(&mut link, other);
    let listed: usize = again.iter().map(|(_, listed)| listed.len()).sum();
    assert_eq!(listed, 147);
}

#[test]
fn a_frame_that_is_sent_again_though_it_is_whole_is_told_of_again() {
    let mut link = link(8);
    assert_eq!(link.offer(0, 100), Offer::Queued);
    let messages = link.pull_all(LANE);
    let arrive = |link: &mut Link| {
        for message in &messages {
            link.receiver
                .handle_message(link.now, LANE, message)
                .unwrap();
        }
        acks_for(link, LANE)
    };
    assert_eq!(arrive(&mut link), [(0, vec![0])]);
    assert_eq!(arrive(&mut link), [(0, vec![0])]);
}

#[test]
fn the_time_of_arrival_counts_the_wait_for_frames_before() {
    let mut link = link(8);
    for id in 0..2 {
        assert_eq!(link.offer(id, 100), Offer::Queued);
    }
    let messages = link.pull_all(LANE);
    let arrive = |link: &mut Link, at: usize| {
        let message = &messages[at];
        link.receiver
            .handle_message(link.now, LANE, message)
            .unwrap();
    };
    assert_eq!(link.receiver.arrival_time(), None);
    arrive(&mut link, 1);
    link.pass(Duration::from_millis(60));
    assert_eq!(link.receiver.arrival_time(), None, "the first is missing");
    arrive(&mut link, 0);
    let mean = Duration::from_millis(30);
    assert_eq!(link.receiver.arrival_time(), Some(mean));
}
