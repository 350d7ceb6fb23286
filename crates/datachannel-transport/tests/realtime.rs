//! The newest frame wins, what loses is counted, and age can be told across two clocks.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use datachannel_transport::{
    ClockOffset, DropReason, FrameReceiver, FrameSender, LaneId, LaneLimits, Mode, Offer,
    ReceiverConfig, SenderConfig, SenderEvent, Window,
};
use support::{EPOCH, LANE, Link};

const OTHER: LaneId = LaneId(1);
const MS: fn(u64) -> Duration = Duration::from_millis;

fn drops(link: &mut Link) -> Vec<(u64, DropReason)> {
    let events = link.events().into_iter().filter_map(|event| match event {
        SenderEvent::Dropped { source_id, reason } => Some((source_id, reason)),
        _ => None,
    });
    events.collect()
}

#[test]
fn one_is_sent_one_waits_and_the_newest_takes_its_place() {
    let mut link = Link::realtime();
    assert_eq!(link.offer(0, 50_000), Offer::Queued);
    let first = link.pull(LANE).unwrap();
    link.receiver
        .handle_message(link.now, LANE, &first)
        .unwrap();
    assert_eq!(link.offer(1, 50_000), Offer::Queued);
    assert_eq!(link.offer(2, 50_000), Offer::Replaced { dropped: 1 });
    assert_eq!(link.offer(3, 50_000), Offer::Replaced { dropped: 2 });
    let frames: Vec<_> = link
        .run(LANE)
        .iter()
        .map(|f| (f.sequence, f.meta.source_id))
        .collect();
    assert_eq!(
        frames,
        [(0, 0), (1, 3)],
        "sequence has no gap, the source's index has"
    );
    assert_eq!(
        drops(&mut link),
        [(1, DropReason::Replaced), (2, DropReason::Replaced)]
    );
    assert_eq!(link.sender.stats().counters.frames_dropped_replaced, 2);
}

#[test]
fn a_viewer_that_takes_nothing_holds_the_sender_to_its_window() {
    let now = Instant::now();
    let receiver = ReceiverConfig {
        window: Window {
            frames: 2,
            bytes: 64 << 20,
        },
        ..ReceiverConfig::realtime(now)
    };
    let mut link = Link::of(SenderConfig::realtime(EPOCH, now), receiver, now);
    for n in 0..100 {
        let _ = link.offer(n, 1000);
        link.deliver_all(LANE);
        link.answer_all(LANE);
    }
    assert_eq!(link.sender.stats().counters.frames_sent, 2);
    let shown: Vec<_> = link
        .run(LANE)
        .iter()
        .map(|frame| frame.meta.source_id)
        .collect();
    assert_eq!(shown, [0, 1, 99], "what waited is the newest");
}

#[test]
fn a_queue_outlasts_a_pause_and_shrinks_to_the_newest_when_it_stands() {
    let now = Instant::now();
    let mode = Mode::Realtime {
        max_queued: 15,
        deadline: None,
    };
    let sender = SenderConfig {
        mode,
        ..SenderConfig::realtime(EPOCH, now)
    };
    let mut link = Link::of(sender, ReceiverConfig::realtime(now), now);
    let mut next = 0;
    let mut offer = |link: &mut Link, frames: u64| {
        for _ in 0..frames {
            let _ = link.offer(next, 1000);
            next += 1;
            link.pass(MS(33));
        }
    };
    offer(&mut link, 15);
    assert!(drops(&mut link).is_empty(), "half a second is a pause");
    let shown = link.run(LANE);
    assert_eq!(shown.len(), 15);

    offer(&mut link, 30);
    assert_eq!(drops(&mut link).len(), 15, "no more than 15 wait");
    link.pass(MS(10));
    offer(&mut link, 5);
    assert_eq!(link.sender.stats().frames_queued, 1, "after a second one");
    let shown = link.run(LANE);
    assert_eq!(shown.last().map(|frame| frame.meta.source_id), Some(49));

    let _ = drops(&mut link);
    offer(&mut link, 15);
    assert!(drops(&mut link).is_empty(), "it ran empty in between");
}

#[test]
fn a_frame_past_its_deadline_never_reaches_the_lane() {
    let now = Instant::now();
    let mode = Mode::Realtime {
        max_queued: 1,
        deadline: Some(MS(50)),
    };
    let sender = SenderConfig {
        mode,
        ..SenderConfig::realtime(EPOCH, now)
    };
    let mut link = Link::of(sender, ReceiverConfig::realtime(now), now);
    assert_eq!(link.offer(0, 1000), Offer::Queued);
    assert_eq!(link.sender.poll_timeout(), Some(now + MS(50)));
    link.pass(MS(49));
    link.sender.handle_timeout(link.now);
    assert!(drops(&mut link).is_empty());
    link.pass(MS(1));
    link.sender.handle_timeout(link.now);
    assert_eq!(drops(&mut link), [(0, DropReason::Deadline)]);
    assert_eq!(link.sender.poll_timeout(), None);
    assert!(link.pull(LANE).is_none());
    assert_eq!(link.offer(1, 1000), Offer::Queued);
    link.pass(MS(60));
    assert!(link.pull(LANE).is_none(), "without a timer too");
}

#[test]
fn a_gap_is_not_waited_for_and_what_comes_late_is_dropped() {
    let mut link = Link::realtime();
    link.open(OTHER);
    assert_eq!(link.offer(0, 1000), Offer::Queued);
    let slow = link.pull(LANE).unwrap();
    assert_eq!(link.offer(1, 1000), Offer::Queued);
    link.deliver_all(OTHER);
    assert_eq!(link.frames()[0].meta.source_id, 1);
    link.receiver.handle_message(link.now, LANE, &slow).unwrap();
    assert!(link.frames().is_empty());
    link.answer_all(OTHER);
    assert_eq!(drops(&mut link), [(0, DropReason::PassedOver)]);
    assert_eq!(link.sender.stats().counters.frames_acked, 1);
    assert_eq!(link.sender.stats().frames_in_flight, 0);
}

#[test]
fn of_a_dead_lane_only_the_newest_frame_is_sent_again() {
    let mut link = Link::realtime();
    link.open(OTHER);
    for n in 0..2 {
        assert_eq!(link.offer(n, 1000), Offer::Queued);
        link.pull(LANE).unwrap();
    }
    link.sender.lane_closed(link.now, LANE);
    link.receiver.lane_closed(link.now, LANE);
    let shown: Vec<_> = link
        .run(OTHER)
        .iter()
        .map(|f| (f.meta.source_id, f.attempt))
        .collect();
    assert_eq!(shown, [(1, 1)]);
    assert_eq!(drops(&mut link), [(0, DropReason::LaneDied)]);
}

#[test]
fn a_frame_waiting_for_a_lane_yields_to_a_newer_one() {
    let mut link = Link::realtime();
    assert_eq!(link.offer(0, 1000), Offer::Queued);
    link.pull(LANE).unwrap();
    link.sender.lane_closed(link.now, LANE);
    assert_eq!(link.offer(1, 1000), Offer::Queued);
    link.open(OTHER);
    let shown: Vec<_> = link
        .run(OTHER)
        .iter()
        .map(|frame| frame.meta.source_id)
        .collect();
    // Opening the lane delivered frame 1 already.
    assert!(
        shown == [1] && drops(&mut link) == [(0, DropReason::LaneDied)],
        "{shown:?}"
    );
}

#[test]
fn age_is_told_by_the_senders_clock() {
    let origin = Instant::now();
    let (theirs, ours) = (origin, origin + Duration::from_secs(100));
    let mut sender = FrameSender::new(SenderConfig::realtime(EPOCH, theirs)).unwrap();
    let config = ReceiverConfig {
        epoch: Some(EPOCH),
        ..ReceiverConfig::realtime(ours)
    };
    let mut receiver = FrameReceiver::new(config).unwrap();
    let mut now = origin + Duration::from_secs(200);
    sender
        .lane_opened(now, LANE, LaneLimits::default())
        .unwrap();
    receiver
        .lane_opened(now, LANE, LaneLimits::default())
        .unwrap();

    // 10 ms there, 10 ms back.
    let mut questions = Vec::new();
    let mut out = Vec::new();
    while receiver.poll_message(now, LANE, 4096, &mut out) {
        questions.push(std::mem::take(&mut out));
    }
    now += MS(10);
    for question in &questions {
        sender.handle_message(now, LANE, question).unwrap();
    }
    let mut answers = Vec::new();
    while sender.poll_message(now, LANE, 4096, &mut out) {
        answers.push(std::mem::take(&mut out));
    }
    now += MS(10);
    for answer in &answers {
        receiver.handle_message(now, LANE, answer).unwrap();
    }
    assert_eq!(receiver.clock_offset().offset_us(), Some(100_000_000));
    assert_eq!(receiver.clock_offset().min_rtt(), Some(MS(20)));
    let mut meta = support::meta(0);
    meta.released_us = (now - theirs - MS(35)).as_micros() as u64;
    assert_eq!(receiver.frame_age(now, &meta), Some(MS(35)));
}

#[test]
fn the_offset_is_that_of_the_quickest_exchange_of_late() {
    let mut offset = ClockOffset::new();
    assert_eq!((offset.offset_us(), offset.to_theirs_us(5)), (None, None));
    offset.add(0, 1_500, 1_000);
    offset.add(10_000, 11_050, 10_100);
    offset.add(20_000, 29_000, 30_000);
    assert_eq!(
        (offset.offset_us(), offset.min_rtt()),
        (Some(1_000), Some(Duration::from_micros(100)))
    );
    offset.add(5, 0, 4);
    offset.add(0, u64::MAX, u64::MAX);
    (0..16).for_each(|n| offset.add(n * 1_000, n * 1_000 + 600, n * 1_000 + 200));
    assert_eq!(
        offset.offset_us(),
        Some(500),
        "the quick one is forgotten in time"
    );
    assert_eq!(offset.to_theirs_us(100), Some(600));
}

#[test]
fn each_lane_pings_at_its_interval_and_no_oftener() {
    let now = Instant::now();
    let config = SenderConfig {
        ping_interval: Some(MS(100)),
        ..SenderConfig::realtime(EPOCH, now)
    };
    let mut sender = FrameSender::new(config).unwrap();
    sender
        .lane_opened(now, LANE, LaneLimits::default())
        .unwrap();
    let mut said = |now| {
        let mut out = Vec::new();
        let mut count = 0;
        while sender.poll_message(now, LANE, 4096, &mut out) {
            count += 1;
        }
        sender.handle_timeout(now);
        assert!(sender.poll_timeout().unwrap() > now);
        count
    };
    assert_eq!(said(now), 2, "hello and ping");
    assert_eq!(said(now + MS(99)), 0);
    assert_eq!(said(now + MS(100)), 0, "the timer asks first");
    assert_eq!(said(now + MS(100)), 1);
    assert_eq!(said(now + MS(150)), 0);
}

#[test]
fn what_was_acknowledged_makes_no_room_for_a_frame_that_its_sender_dropped() {
    let now = Instant::now();
    let receiver = ReceiverConfig {
        window: Window {
            frames: 3,
            bytes: 64 << 20,
        },
        ..ReceiverConfig::realtime(now)
    };
    let mut link = Link::of(SenderConfig::realtime(EPOCH, now), receiver, now);
    link.open(OTHER);
    assert_eq!(link.offer(0, 1000), Offer::Queued);
    link.deliver_all(LANE);
    link.answer_all(LANE);
    assert_eq!(link.offer(1, 1000), Offer::Queued);
    let late = link.pull_all(OTHER);
    assert_eq!(link.offer(2, 1000), Offer::Queued);
    let newer = link.pull_all(LANE);
    link.sender.lane_closed(now, OTHER);
    assert_eq!(drops(&mut link), [(1, DropReason::LaneDied)]);
    assert_eq!(link.offer(3, 1000), Offer::Queued);
    let newest = link.pull_all(LANE);
    for message in late.iter().chain(&newer).chain(&newest) {
        link.receiver.handle_message(now, LANE, message).unwrap();
    }
    let taken: Vec<_> = link.run(LANE).iter().map(|f| f.meta.source_id).collect();
    assert_eq!(taken, [0, 1, 2, 3], "the first was acknowledged before");
    let counters = link.sender.stats().counters;
    assert_eq!(
        (counters.frames_acked, counters.frames_dropped_lane),
        (3, 1)
    );
    assert_eq!(link.receiver.stats().counters.frames_superseded, 0);
}

#[test]
fn a_lane_that_opens_late_does_not_pass_over_what_others_delivered() {
    let mut link = Link::realtime();
    link.run(LANE);
    for source_id in 0..3 {
        assert_eq!(link.offer(source_id, 1000), Offer::Queued);
        link.deliver_all(LANE);
        assert_eq!(link.frames().len(), 1);
    }
    // The acks of the first lane are under way still when the hello of the second arrives.
    let acks = link.pull_answers(LANE);
    link.open(OTHER);
    for ack in acks {
        link.sender.handle_message(link.now, LANE, &ack).unwrap();
    }
    assert_eq!(drops(&mut link), []);
    assert_eq!(link.sender.stats().counters.frames_acked, 3);
}
