//! Frames get across: chunking, credit, acks and their timing, lanes that die, the end.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use datachannel_transport::wire::{Envelope, Message, decode, encode};
use datachannel_transport::{
    ClientStats, FrameErrorCode, FrameTotals, GoodbyeCode, HashChain, LaneId, LaneLimits, Mode,
    Offer, ReceiverConfig, ReceiverEvent, RefuseReason, ResumePoint, SenderConfig, SenderEvent,
    Window, payload_hash,
};
use proptest::prelude::*;
use support::{EPOCH, LANE, Link, bytes_of, frame};

const OTHER: LaneId = LaneId(1);

fn message(bytes: &[u8]) -> Message<'_> {
    let Envelope { message, .. } = decode(bytes).unwrap();
    message
}

proptest! {
    /// Whatever the lengths and limits, chunks tile the frame and are as large as they may be.
    #[test]
    fn chunks_tile_the_frame(len in 0usize..100_000, limit in 256usize..70_000, room in 4096usize..70_000) {
        let now = Instant::now();
        let sender = SenderConfig { max_message_bytes: limit, max_window: Window { frames: 64, bytes: 1 << 20 }, ..SenderConfig::every_frame(EPOCH, now) };
        let mut link = Link::of(sender, ReceiverConfig::every_frame(now), now);
        prop_assert_eq!(link.offer(0, len), Offer::Queued);
        let (mut next, mut chunks, mut out) = (0, 0, Vec::new());
        while link.sender.poll_message(now, LANE, room, &mut out) {
            prop_assert!(out.len() <= room.min(limit.min(16_384)));
            let Message::Chunk(chunk) = message(&out) else { panic!("not a chunk") };
            prop_assert_eq!(chunk.offset as usize, next);
            next += chunk.payload.len();
            chunks += 1;
            link.receiver.handle_message(now, LANE, &out).unwrap();
            out.clear();
        }
        let most = limit.min(room).min(16_384) - 100;
        prop_assert!(chunks <= 1 + len / most, "{} chunks", chunks);
        prop_assert_eq!(next, len);
        prop_assert_eq!(link.receiver.poll_frame().unwrap().payload, frame(0, len).payload);
    }
}

#[test]
fn the_smallest_of_three_limits_holds() {
    let now = Instant::now();
    let longest = |configured, of_lane, of_peer| {
        let sender = SenderConfig {
            max_message_bytes: configured,
            ..SenderConfig::every_frame(EPOCH, now)
        };
        let receiver = ReceiverConfig {
            max_message_bytes: of_peer,
            ..ReceiverConfig::every_frame(now)
        };
        let mut link = Link::of(sender, receiver, now);
        let limits = LaneLimits {
            max_message_bytes: of_lane,
            ..LaneLimits::default()
        };
        link.sender.lane_closed(now, LANE);
        link.receiver.lane_closed(now, LANE);
        link.sender.lane_opened(now, OTHER, limits).unwrap();
        link.receiver.lane_opened(now, OTHER, limits).unwrap();
        link.deliver_all(OTHER);
        link.answer_all(OTHER);
        assert_eq!(link.offer(0, 500_000), Offer::Queued);
        link.pull_all(OTHER).iter().map(Vec::len).max().unwrap()
    };
    // 500,000 B are 31 equal messages of less than 16 KiB; 30 would be of more.
    let of_31 = 16_130..=16_384;
    assert!(of_31.contains(&longest(262_144, 262_144, 16_384)));
    assert!(of_31.contains(&longest(262_144, 16_384, 262_144)));
    assert!(of_31.contains(&longest(16_384, 262_144, 262_144)));
    assert!(longest(262_144, 262_144, 262_144) > 200_000);
}

#[test]
fn a_lane_with_little_room_is_not_fed_crumbs() {
    let mut link = Link::every_frame();
    assert_eq!(link.offer(0, 40_000), Offer::Queued);
    let mut out = Vec::new();
    assert!(!link.sender.poll_message(link.now, LANE, 4000, &mut out));
    assert!(out.is_empty());
    assert_eq!(
        link.sender.stats().next_sequence,
        0,
        "the frame has not begun"
    );
    assert!(link.sender.poll_message(link.now, LANE, 8000, &mut out));
    assert!((7900..=8000).contains(&out.len()), "{}", out.len());
    out.clear();
    assert_eq!(link.offer(1, 10), Offer::Queued);
    link.pull_all(LANE);
    assert_eq!(link.offer(2, 10), Offer::Queued);
    assert!(
        link.sender.poll_message(link.now, LANE, 200, &mut out),
        "a whole small frame fits"
    );
}

#[test]
fn before_the_receiver_speaks_two_small_frames_or_one_large_may_go() {
    let now = Instant::now();
    let started = |len| {
        let mut sender = support::quiet_sender(SenderConfig::every_frame(EPOCH, now));
        sender
            .lane_opened(now, LANE, LaneLimits::default())
            .unwrap();
        (0..5).for_each(|n| assert_eq!(sender.offer(now, frame(n, len)), Offer::Queued));
        let mut out = Vec::new();
        while sender.poll_message(now, LANE, 65_536, &mut out) {}
        sender.stats().frames_in_flight
    };
    assert_eq!(started(1000), 2);
    assert_eq!(started(100_000), 1);
}

#[test]
fn credit_is_honoured_in_frames_and_bytes_and_zero_pauses() {
    let mut link = Link::every_frame();
    let in_flight = |link: &mut Link, window| {
        link.receiver.set_window(window).unwrap();
        link.answer_all(LANE);
        link.deliver_all(LANE);
        link.sender.stats().frames_in_flight
    };
    (0..20).for_each(|n| assert_eq!(link.offer(n, 1000), Offer::Queued));
    let window = |frames, bytes| Window { frames, bytes };
    assert_eq!(in_flight(&mut link, window(0, 1 << 20)), 0);
    assert_eq!(in_flight(&mut link, window(5, 0)), 0);
    assert_eq!(in_flight(&mut link, window(5, 1 << 20)), 5);
    assert_eq!(in_flight(&mut link, window(32, 7500)), 7);
    assert_eq!(link.frames().len(), 7, "handing out frees the window");
    assert_eq!(in_flight(&mut link, window(32, 7500)), 7);
    assert_eq!(link.sender.stats().counters.frames_acked, 7);
}

#[test]
fn an_application_that_takes_nothing_stops_the_sender() {
    let mut link = Link::every_frame();
    let mut taken = 0;
    while link.offer(taken, 50_000) == Offer::Queued {
        taken += 1;
        link.deliver_all(LANE);
        link.answer_all(LANE);
    }
    assert_eq!(taken, 64);
    let stats = link.sender.stats();
    assert_eq!((stats.frames_in_flight, stats.frames_queued), (32, 32));
    assert_eq!(stats.counters.frames_acked, 0, "arrived is not delivered");
    let Offer::Full(back) = link.offer(64, 50_000) else {
        panic!("taken")
    };
    assert_eq!(back, frame(64, 50_000), "the frame comes back whole");
    assert_eq!(link.run(LANE).len(), 64);
}

#[test]
fn bytes_held_are_a_hard_bound() {
    let now = Instant::now();
    let mode = Mode::EveryFrame {
        max_queued_frames: 100,
        max_queued_bytes: 100_000,
    };
    let sender = SenderConfig {
        mode,
        ..SenderConfig::every_frame(EPOCH, now)
    };
    let mut link = Link::of(sender, ReceiverConfig::every_frame(now), now);
    assert_eq!(link.offer(0, 60_000), Offer::Queued);
    assert!(matches!(link.offer(1, 60_000), Offer::Full(_)));
    assert_eq!(link.offer(1, 40_000), Offer::Queued);
    let never = link.offer(2, 100_001);
    let Offer::Refused { reason, .. } = never else {
        panic!("{never:?}")
    };
    assert_eq!(
        reason,
        RefuseReason::TooLarge {
            bytes: 100_001,
            limit: 100_000
        }
    );
}

#[test]
fn ack_round_trips_and_send_times_are_measured() {
    let mut link = Link::every_frame();
    let ms = Duration::from_millis;
    for (n, rtt) in [(0, 100), (1, 200)] {
        assert_eq!(link.offer(n, 20_000), Offer::Queued);
        link.pass(ms(7));
        link.deliver_all(LANE);
        link.frames();
        link.pass(ms(rtt));
        link.answer_all(LANE);
    }
    let stats = link.sender.stats();
    let rtt = stats.ack_rtt.unwrap();
    assert_eq!(
        (rtt.srtt_ms, rtt.rttvar_ms, rtt.last_ms, rtt.min_ms),
        (112.5, 62.5, 200.0, 100.0)
    );
    assert_eq!(
        (stats.ack_ms.p50, stats.ack_ms.p99, stats.ack_ms.last),
        (100.0, 200.0, 200.0)
    );
    assert_eq!((stats.send_ms.samples, stats.send_ms.p95), (2, 7.0));
    let acked = link.events().into_iter().filter_map(|event| match event {
        SenderEvent::Acked { source_id, rtt, .. } => Some((source_id, rtt)),
        _ => None,
    });
    assert_eq!(
        acked.collect::<Vec<_>>(),
        [(0, Some(ms(100))), (1, Some(ms(200)))]
    );
}

#[test]
fn a_dead_lanes_frames_move_to_the_others() {
    let mut link = Link::every_frame();
    link.open(OTHER);
    (0..4).for_each(|n| assert_eq!(link.offer(n, 20_000), Offer::Queued));
    let on_first: Vec<_> = (0..3).map(|_| link.pull(LANE).unwrap()).collect();
    link.deliver_all(OTHER);
    link.receiver
        .handle_message(link.now, LANE, &on_first[0])
        .unwrap();
    link.sender.lane_closed(link.now, LANE);
    link.receiver.lane_closed(link.now, LANE);
    assert!(link.frames().is_empty(), "frame 0 is not whole");
    let frames = link.run(OTHER);
    let order: Vec<_> = frames
        .iter()
        .map(|frame| (frame.sequence, frame.attempt))
        .collect();
    assert_eq!(order, [(0, 1), (1, 1), (2, 0), (3, 0)]);
    assert!(
        frames
            .iter()
            .all(|got| got.payload == frame(got.sequence, 20_000).payload)
    );
    assert_eq!(link.sender.stats().counters.frames_resent, 2);
}

#[test]
fn a_late_ack_of_an_earlier_attempt_settles_the_frame_but_tells_no_round_trip() {
    let mut link = Link::every_frame();
    link.open(OTHER);
    assert_eq!(link.offer(0, 40_000), Offer::Queued);
    link.deliver_all(LANE);
    let late = link.pull_answers(LANE);
    link.sender.lane_closed(link.now, LANE);
    let begun = link.pull(OTHER).unwrap();
    assert!(matches!(message(&begun), Message::Chunk(chunk) if chunk.attempt == 1));
    for answer in late {
        link.sender.handle_message(link.now, LANE, &answer).unwrap();
    }
    assert!(link.pull(OTHER).is_none(), "the rest need not be sent");
    assert!(link.sender.stats().ack_rtt.is_none());
    link.receiver
        .handle_message(link.now, OTHER, &begun)
        .unwrap();
    assert_eq!(link.run(OTHER).len(), 1);
    assert_eq!(link.sender.stats().counters.frames_acked, 1);
}

#[test]
fn the_last_ack_survives_the_lane_that_should_have_carried_it() {
    let mut link = Link::every_frame();
    link.open(OTHER);
    assert_eq!(link.offer(0, 100), Offer::Queued);
    link.deliver_all(LANE);
    assert_eq!(link.frames().len(), 1);
    assert!(!link.pull_answers(LANE).is_empty(), "lost with the lane");
    link.answer_all(OTHER);
    assert_eq!(link.sender.stats().counters.frames_acked, 1);
}

#[test]
fn the_end_is_said_after_the_last_ack_and_proved() {
    let mut link = Link::every_frame();
    (0..3).for_each(|n| assert_eq!(link.offer(n, 1000), Offer::Queued));
    link.sender.finish(link.now);
    assert!(matches!(
        link.offer(3, 10),
        Offer::Refused {
            reason: RefuseReason::Closed,
            ..
        }
    ));
    link.deliver_all(LANE);
    link.answer_all(LANE);
    assert!(link.pull(LANE).is_none(), "arrived, but not handed out");
    assert_eq!(link.frames().len(), 3);
    link.answer_all(LANE);
    let eof = link.pull(LANE).unwrap();
    let mut chain = HashChain::default();
    (0..3).for_each(|n| chain.push(payload_hash(&frame(n, 1000).payload)));
    let totals = FrameTotals {
        frames: 3,
        bytes: 3000,
        hash: chain.value(),
    };
    assert_eq!(message(&eof), Message::Eof(totals));
    link.receiver.handle_message(link.now, LANE, &eof).unwrap();
    link.answer_all(LANE);
    assert!(link.events().contains(&SenderEvent::Finished {
        totals,
        verified: true
    }));
    let events: Vec<_> = std::iter::from_fn(|| link.receiver.poll_event()).collect();
    assert!(events.contains(&ReceiverEvent::Eof {
        totals,
        verified: true
    }));
    assert!(link.sender.stats().finished);
    assert!(link.pull(LANE).is_none() && link.pull_answer(LANE).is_none());
}

#[test]
fn an_eof_lost_with_its_lane_is_said_on_the_next() {
    let mut link = Link::every_frame();
    link.sender.finish(link.now);
    assert!(matches!(
        message(&link.pull(LANE).unwrap()),
        Message::Eof(_)
    ));
    link.sender.lane_closed(link.now, LANE);
    link.receiver.lane_closed(link.now, LANE);
    link.open(OTHER);
    link.run(OTHER);
    let empty = FrameTotals {
        frames: 0,
        bytes: 0,
        hash: 0,
    };
    assert!(link.events().contains(&SenderEvent::Finished {
        totals: empty,
        verified: true
    }));
}

#[test]
fn a_receiver_that_counts_otherwise_is_not_verified() {
    let finished = |alter: fn(&mut u64, &mut u64)| {
        let mut link = Link::every_frame();
        (0..2).for_each(|n| assert_eq!(link.offer(n, 1000), Offer::Queued));
        assert_eq!(link.run(LANE).len(), 2);
        link.sender.finish(link.now);
        link.deliver_all(LANE);
        let confirmed = link.pull_answer(LANE).unwrap();
        let Message::EofAck {
            mut frames,
            mut hash,
        } = message(&confirmed)
        else {
            panic!("not an eof_ack")
        };
        alter(&mut frames, &mut hash);
        let eof_ack = bytes_of(&Message::EofAck { frames, hash });
        (link.sender.handle_message(link.now, LANE, &eof_ack)).unwrap();
        // It is over in either case: nothing is said again, nothing is waited for but pings.
        assert!(link.sender.stats().finished && link.pull(LANE).is_none());
        let events = link.events().into_iter();
        let mut verified = events.filter_map(|event| match event {
            SenderEvent::Finished { verified, .. } => Some(verified),
            _ => None,
        });
        (verified.next().unwrap(), verified.next())
    };
    assert_eq!(finished(|_, _| {}), (true, None));
    assert_eq!(finished(|frames, _| *frames -= 1), (false, None));
    assert_eq!(finished(|frames, _| *frames += 1), (false, None));
    assert_eq!(finished(|_, hash| *hash ^= 1), (false, None));
}

#[test]
fn a_frame_refused_too_often_is_given_up_in_its_place() {
    let mut link = Link::every_frame();
    (0..2).for_each(|n| assert_eq!(link.offer(n, 5000), Offer::Queued));
    // The path damages the last byte of frame 0, whichever attempt it is.
    let mut frames = Vec::new();
    for _ in 0..10 {
        for mut bytes in link.pull_all(LANE) {
            let damage = matches!(message(&bytes), Message::Chunk(c) if c.sequence == 0 && c.frame_bytes > 0);
            if damage {
                *bytes.last_mut().unwrap() ^= 1;
            }
            link.receiver
                .handle_message(link.now, LANE, &bytes)
                .unwrap();
        }
        frames.extend(link.frames());
        link.answer_all(LANE);
    }
    assert_eq!(frames.len(), 2);
    assert!(frames[0].given_up && frames[0].payload.is_empty());
    assert_eq!((frames[0].meta.source_id, frames[0].attempt), (0, 5));
    assert!(!frames[1].given_up);
    link.sender.finish(link.now);
    link.run(LANE);
    let events = link.events();
    let refused = events.iter().filter(|e| {
        matches!(
            e,
            SenderEvent::FrameError {
                code: FrameErrorCode::HashMismatch,
                source_id: Some(0),
                ..
            }
        )
    });
    assert_eq!(refused.count(), 5);
    assert!(
        events
            .iter()
            .any(|e| matches!(e, SenderEvent::Finished { verified: true, .. }))
    );
    let counters = link.sender.stats().counters;
    assert_eq!((counters.frames_given_up, counters.frames_acked), (1, 1));
}

#[test]
fn a_frame_too_large_for_the_receiver_is_given_up_at_once() {
    let now = Instant::now();
    let receiver = ReceiverConfig {
        max_frame_bytes: 10_000,
        ..ReceiverConfig::every_frame(now)
    };
    let mut link = Link::of(SenderConfig::every_frame(EPOCH, now), receiver, now);
    (0..3).for_each(|n| assert_eq!(link.offer(n, 9_999 + n as usize), Offer::Queued));
    let frames = link.run(LANE);
    let given_up: Vec<_> = frames.iter().map(|frame| frame.given_up).collect();
    assert_eq!(given_up, [false, false, true]);
}

#[test]
fn failures_of_the_work_itself_reach_the_sender_without_sending_again() {
    let mut link = Link::every_frame();
    assert_eq!(link.offer(0, 100), Offer::Queued);
    link.run(LANE);
    link.events();
    link.receiver.report_failure(0, 0, "the model refused");
    link.answer_all(LANE);
    let [
        SenderEvent::FrameError {
            sequence: 0,
            code: FrameErrorCode::Processing,
            text,
            given_up: false,
            ..
        },
    ] = &link.events()[..]
    else {
        panic!("no error")
    };
    assert_eq!(text, "the model refused");
    assert!(link.pull(LANE).is_none());
}

#[test]
fn a_link_resumes_where_an_earlier_one_stopped() {
    let mut first = Link::every_frame();
    (0..3).for_each(|n| assert_eq!(first.offer(n, 100), Offer::Queued));
    first.run(LANE);
    let resume: ResumePoint = first.receiver.resume_point();
    assert_eq!(resume, first.sender.resume_point());

    let now = first.now;
    let sender = SenderConfig {
        resume,
        ..SenderConfig::every_frame(EPOCH + 1, now)
    };
    let receiver = ReceiverConfig {
        resume,
        ..ReceiverConfig::every_frame(now)
    };
    let mut second = Link::of(sender, receiver, now);
    (3..5).for_each(|n| assert_eq!(second.offer(n, 100), Offer::Queued));
    second.sender.finish(now);
    let sequences: Vec<_> = second
        .run(LANE)
        .iter()
        .map(|frame| frame.sequence)
        .collect();
    assert_eq!(sequences, [3, 4]);
    let finished = second.events().into_iter().find_map(|event| match event {
        SenderEvent::Finished { totals, verified } => Some((totals.frames, totals.bytes, verified)),
        _ => None,
    });
    assert_eq!(finished, Some((5, 500, true)));
}

#[test]
fn a_receiver_that_was_replaced_gets_what_the_old_one_had_not_delivered() {
    let mut link = Link::every_frame();
    (0..4).for_each(|n| assert_eq!(link.offer(n, 1000), Offer::Queued));
    link.deliver_all(LANE);
    link.answer_all(LANE);
    assert_eq!(link.receiver.poll_frame().unwrap().sequence, 0);
    link.answer_all(LANE);
    assert_eq!(
        link.receiver.poll_frame().unwrap().sequence,
        1,
        "its ack is lost"
    );
    let written_down = link.receiver.resume_point();
    assert_eq!(link.sender.stats().counters.frames_acked, 1);

    link.sender.relink(link.now, EPOCH + 1);
    let config = ReceiverConfig {
        resume: written_down,
        ..ReceiverConfig::every_frame(link.now)
    };
    link.receiver = support::quiet_receiver(config);
    link.open(OTHER);
    link.sender.finish(link.now);
    let sequences: Vec<_> = link.run(OTHER).iter().map(|frame| frame.sequence).collect();
    assert_eq!(sequences, [2, 3]);
    let finished = |e: &SenderEvent| matches!(e, SenderEvent::Finished { verified: true, .. });
    assert!(
        link.events().iter().any(finished),
        "one hash over both receivers"
    );
}

#[test]
fn a_late_message_of_an_earlier_link_does_not_name_the_epoch_of_the_next() {
    let mut link = Link::every_frame();
    assert_eq!(link.offer(0, 1000), Offer::Queued);
    let late = link.pull_all(LANE);
    link.sender.relink(link.now, EPOCH + 1);
    link.receiver = support::quiet_receiver(ReceiverConfig::every_frame(link.now));
    for message in late {
        link.receiver
            .handle_message(link.now, LANE, &message)
            .unwrap();
    }
    assert_eq!(link.receiver.stats().counters.wrong_epoch, 1);
    link.open(OTHER);
    assert_eq!(link.run(OTHER).len(), 1);
}

#[test]
fn a_message_that_is_refused_does_not_name_the_epoch() {
    let now = Instant::now();
    let mut link = Link::every_frame();
    link.receiver = support::quiet_receiver(ReceiverConfig::every_frame(now));
    link.receiver
        .lane_opened(now, LANE, LaneLimits::default())
        .unwrap();
    let totals = FrameTotals {
        frames: 9,
        bytes: 0,
        hash: 0,
    };
    let mut misplaced = Vec::new();
    encode(EPOCH + 1, &Message::Eof(totals), &mut misplaced);
    let refused = link.receiver.handle_message(now, LANE, &misplaced);
    assert!(refused.is_err());
    assert!(link.pull_answer(LANE).is_none(), "no link has begun");
    link.sender = support::quiet_sender(SenderConfig::every_frame(EPOCH, now));
    link.sender
        .lane_opened(now, LANE, LaneLimits::default())
        .unwrap();
    assert_eq!(link.offer(0, 10), Offer::Queued);
    assert_eq!(link.run(LANE).len(), 1);
}

#[test]
fn an_eof_that_overtakes_the_hello_is_answered() {
    let now = Instant::now();
    let mut link = Link::every_frame();
    link.sender = support::quiet_sender(SenderConfig::every_frame(EPOCH, now));
    link.receiver = support::quiet_receiver(ReceiverConfig::every_frame(now));
    link.sender
        .lane_opened(now, LANE, LaneLimits::default())
        .unwrap();
    link.receiver
        .lane_opened(now, LANE, LaneLimits::default())
        .unwrap();
    link.sender.finish(now);
    for message in link.pull_all(LANE).iter().rev() {
        link.receiver.handle_message(now, LANE, message).unwrap();
    }
    link.answer_all(LANE);
    assert!(link.sender.stats().finished);
}

#[test]
fn a_shrunken_window_holds_for_what_is_sent_again() {
    let mut link = Link::every_frame();
    (0..4).for_each(|n| assert_eq!(link.offer(n, 1000), Offer::Queued));
    link.pull_all(LANE);
    link.receiver
        .set_window(Window {
            frames: 2,
            bytes: 1 << 20,
        })
        .unwrap();
    link.sender.lane_closed(link.now, LANE);
    link.receiver.lane_closed(link.now, LANE);
    link.open(OTHER);
    let frames: Vec<_> = link.pull_all(OTHER);
    assert!(frames.len() <= 2, "frames 2 and 3 wait: {}", frames.len());
    for bytes in frames {
        link.receiver
            .handle_message(link.now, OTHER, &bytes)
            .unwrap();
    }
    assert_eq!(link.run(OTHER).len(), 4);
}

#[test]
fn goodbye_is_the_last_word_on_every_lane() {
    let mut link = Link::every_frame();
    link.open(OTHER);
    assert_eq!(link.offer(0, 100_000), Offer::Queued);
    link.pull(LANE).unwrap();
    link.sender.goodbye(
        link.now,
        GoodbyeCode::StreamDeleted,
        "the stream was deleted",
    );
    assert!(!link.sender.goodbye_sent());
    for lane in [LANE, OTHER] {
        let bytes = link.pull(lane).unwrap();
        let expected = Message::Goodbye {
            code: GoodbyeCode::StreamDeleted,
            text: "the stream was deleted",
        };
        assert_eq!(message(&bytes), expected);
        assert!(link.pull(lane).is_none());
        link.receiver
            .handle_message(link.now, lane, &bytes)
            .unwrap();
    }
    assert!(link.sender.goodbye_sent());
    let left = std::iter::from_fn(|| link.receiver.poll_event());
    assert_eq!(
        left.filter(|e| matches!(e, ReceiverEvent::PeerGoodbye { .. }))
            .count(),
        1
    );
}

#[test]
fn client_statistics_are_shown_newest_first() {
    let mut link = Link::realtime();
    for drawn in [1.0, 2.0] {
        let mut stats = ClientStats::new();
        assert!(stats.set("drawn", drawn));
        link.receiver.send_client_stats(stats);
    }
    link.answer_all(LANE);
    assert_eq!(link.sender.stats().client.unwrap().get("drawn"), Some(2.0));
    assert!(link.pull_answer(LANE).is_none());
}

#[test]
fn statistics_serialise_flat() {
    let mut link = Link::every_frame();
    assert_eq!(link.offer(0, 100), Offer::Queued);
    link.run(LANE);
    let json = serde_json::to_value(link.sender.stats()).unwrap();
    assert_eq!(json["frames_acked"], 1);
    assert_eq!(json["lanes"], 1);
    assert!(json["ack_ms"]["p95"].is_number());
    let back: datachannel_transport::SenderStats = serde_json::from_value(json).unwrap();
    assert_eq!(back, link.sender.stats());
    assert_eq!(
        serde_json::to_value(link.receiver.stats()).unwrap()["frames_delivered"],
        1
    );
}

#[test]
fn the_least_room_that_is_served() {
    let served = |limit, room| {
        let now = Instant::now();
        let sender = SenderConfig {
            max_message_bytes: limit,
            ..SenderConfig::every_frame(EPOCH, now)
        };
        let mut link = Link::of(sender, ReceiverConfig::every_frame(now), now);
        assert_eq!(link.offer(0, 100_000), Offer::Queued);
        link.sender.poll_message(now, LANE, room, &mut Vec::new())
    };
    assert!(served(16_384, 4096) && !served(16_384, 4095));
    assert!(served(4096, 1024) && !served(4096, 1023));
}
