//! What a peer that lies, stutters or floods can do: an error or a counted drop, within the bounds.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use datachannel_transport::wire::{
    Ack, Chunk, FrameErrorReport, Hello, Message, Received, ReceivedPairs, Role, decode,
};
use datachannel_transport::{
    FrameErrorCode, FrameReceiver, FrameTotals, GoodbyeCode, LaneId, Offer, ProtocolError,
    ReceiverConfig, ReceiverEvent, RefuseReason, SenderConfig, SenderEvent, Window, limits,
    payload_hash,
};
use support::{EPOCH, LANE, Link, Rng, bytes_of, chunk, chunk_meta, quiet_receiver, quiet_sender};

const WINDOW: Window = Window {
    frames: 8,
    bytes: 1 << 20,
};

fn receiver(realtime: bool) -> (FrameReceiver, Instant) {
    let now = Instant::now();
    let base = if realtime {
        ReceiverConfig::realtime(now)
    } else {
        ReceiverConfig::every_frame(now)
    };
    let config = ReceiverConfig {
        window: WINDOW,
        max_frame_bytes: 500_000,
        epoch: Some(EPOCH),
        ..base
    };
    let mut receiver = quiet_receiver(config);
    receiver.lane_opened(now, LANE, Default::default()).unwrap();
    (receiver, now)
}

fn answers(receiver: &mut FrameReceiver, now: Instant) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut out = Vec::new();
    while receiver.poll_message(now, LANE, 4096, &mut out) {
        all.push(std::mem::take(&mut out));
    }
    all
}

/// The frame errors among the receiver's answers.
fn refusals(receiver: &mut FrameReceiver, now: Instant) -> Vec<(Received, FrameErrorCode)> {
    let errors = answers(receiver, now);
    let errors = errors
        .iter()
        .filter_map(|bytes| match decode(bytes).unwrap().message {
            Message::FrameError(report) => Some((report.refused, report.code)),
            _ => None,
        });
    errors.collect()
}

fn at(sequence: u64, attempt: u16) -> Received {
    Received { sequence, attempt }
}

#[test]
fn chunks_in_any_order_and_twice_make_the_frame_once() {
    let (mut r, now) = receiver(false);
    let bytes = Rng(1).bytes(1000);
    for (from, to) in [
        (600, 800),
        (200, 400),
        (800, 1000),
        (200, 400),
        (0, 200),
        (0, 200),
        (400, 600),
    ] {
        assert!(r.poll_frame().is_none());
        r.handle_message(
            now,
            LANE,
            &chunk(0, 0, 1000, from, &bytes[from as usize..to]),
        )
        .unwrap();
    }
    assert_eq!(r.poll_frame().unwrap().payload, bytes);
    assert!(r.poll_frame().is_none());
    r.handle_message(now, LANE, &chunk(0, 0, 1000, 400, &bytes[400..600]))
        .unwrap();
    assert!(r.poll_frame().is_none());
    assert_eq!(r.stats().counters.chunks_duplicate, 3);
}

#[test]
fn overlaps_that_agree_are_joined() {
    let (mut r, now) = receiver(false);
    let bytes = Rng(2).bytes(1000);
    for (from, to) in [(500, 900), (100, 300), (250, 550), (899, 1000), (0, 150)] {
        r.handle_message(
            now,
            LANE,
            &chunk(0, 0, 1000, from, &bytes[from as usize..to]),
        )
        .unwrap();
    }
    assert_eq!(r.poll_frame().unwrap().payload, bytes);
}

#[test]
fn a_contradiction_refuses_the_attempt_and_the_next_one_counts() {
    let (mut r, now) = receiver(false);
    r.handle_message(now, LANE, &chunk(0, 0, 10, 0, b"abcdef"))
        .unwrap();
    r.handle_message(now, LANE, &chunk(0, 0, 10, 4, b"eX"))
        .unwrap();
    assert_eq!(
        refusals(&mut r, now),
        [(at(0, 0), FrameErrorCode::Conflict)]
    );
    r.handle_message(now, LANE, &chunk(0, 0, 10, 6, b"ghij"))
        .unwrap();
    assert!(r.poll_frame().is_none(), "a refused attempt does not heal");
    assert_eq!(r.stats().counters.chunks_stale, 1);
    r.handle_message(now, LANE, &chunk(0, 1, 10, 0, b"0123456789"))
        .unwrap();
    assert_eq!(r.poll_frame().unwrap().payload, &b"0123456789"[..]);
}

#[test]
fn a_frame_cannot_change_its_length_or_description() {
    let (mut r, now) = receiver(false);
    r.handle_message(now, LANE, &chunk(0, 0, 10, 0, b"abcde"))
        .unwrap();
    r.handle_message(now, LANE, &chunk(0, 0, 11, 5, b"fghijk"))
        .unwrap();
    assert_eq!(
        refusals(&mut r, now),
        [(at(0, 0), FrameErrorCode::Conflict)]
    );

    r.handle_message(now, LANE, &chunk(1, 0, 10, 0, b"abcde"))
        .unwrap();
    let meta = Some(chunk_meta(999));
    let other = Chunk {
        sequence: 1,
        attempt: 0,
        frame_bytes: 10,
        offset: 0,
        meta,
        payload: b"abcde",
    };
    r.handle_message(now, LANE, &bytes_of(&Message::Chunk(other)))
        .unwrap();
    assert_eq!(
        refusals(&mut r, now),
        [(at(1, 0), FrameErrorCode::Conflict)]
    );
}

#[test]
fn a_wrong_hash_is_refused() {
    let (mut r, now) = receiver(false);
    let mut meta = chunk_meta(0);
    meta.payload_hash = payload_hash(b"abc") ^ 1;
    let piece = Chunk {
        sequence: 0,
        attempt: 0,
        frame_bytes: 3,
        offset: 0,
        meta: Some(meta),
        payload: b"abc",
    };
    r.handle_message(now, LANE, &bytes_of(&Message::Chunk(piece)))
        .unwrap();
    assert!(r.poll_frame().is_none());
    assert_eq!(
        refusals(&mut r, now),
        [(at(0, 0), FrameErrorCode::HashMismatch)]
    );
}

#[test]
fn attempts_do_not_mix() {
    let (mut r, now) = receiver(false);
    r.handle_message(now, LANE, &chunk(0, 0, 4, 0, b"aa"))
        .unwrap();
    r.handle_message(now, LANE, &chunk(0, 1, 4, 2, b"bb"))
        .unwrap();
    r.handle_message(now, LANE, &chunk(0, 0, 4, 2, b"aa"))
        .unwrap();
    assert!(r.poll_frame().is_none(), "half of each is not a frame");
    r.handle_message(now, LANE, &chunk(0, 1, 4, 0, b"bb"))
        .unwrap();
    let frame = r.poll_frame().unwrap();
    assert_eq!((frame.attempt, &frame.payload[..]), (1, &b"bbbb"[..]));
    let counters = r.stats().counters;
    assert_eq!((counters.attempts_replaced, counters.chunks_stale), (1, 1));
}

#[test]
fn lies_about_length_cost_the_receiver_no_more_than_its_window() {
    let (mut r, now) = receiver(false);
    let outcomes: Vec<_> = (0..8)
        .map(|s| r.handle_message(now, LANE, &chunk(s, 0, 500_000, 0, b"x")))
        .collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 2);
    assert!(matches!(
        outcomes[2],
        Err(ProtocolError::BeyondWindow { sequence: 2, .. })
    ));
    assert_eq!(r.stats().bytes_open, 1_000_000);
    r.handle_message(now, LANE, &chunk(3, 0, u32::MAX, 0, b"x"))
        .unwrap();
    assert_eq!(
        refusals(&mut r, now),
        [(at(3, 0), FrameErrorCode::TooLarge)]
    );
    assert_eq!(r.stats().bytes_open, 1_000_000);
}

#[test]
fn sequence_jumps_are_refused_and_in_realtime_taken_as_they_are() {
    let (mut r, now) = receiver(false);
    let jump = chunk(8, 0, 1, 0, b"x");
    assert!(matches!(
        r.handle_message(now, LANE, &jump),
        Err(ProtocolError::BeyondWindow { sequence: 8, .. })
    ));
    let jump = chunk(limits::MAX_SEQUENCE, 0, 1, 0, b"x");
    assert!(r.handle_message(now, LANE, &jump).is_err());
    assert_eq!(r.stats().frames_open, 0);

    let (mut r, now) = receiver(true);
    r.handle_message(now, LANE, &chunk(limits::MAX_SEQUENCE, 0, 1, 0, b"x"))
        .unwrap();
    assert_eq!(r.poll_frame().unwrap().sequence, limits::MAX_SEQUENCE);
    r.handle_message(now, LANE, &chunk(5, 0, 1, 0, b"x"))
        .unwrap();
    assert!(r.poll_frame().is_none());
    answers(&mut r, now);
}

#[test]
fn unfinished_realtime_frames_make_room_for_later_ones() {
    let (mut r, now) = receiver(true);
    for sequence in 0..1000 {
        r.handle_message(now, LANE, &chunk(sequence, 0, 400_000, 0, b"x"))
            .unwrap();
        let stats = r.stats();
        assert!(stats.bytes_open <= WINDOW.bytes && stats.frames_open <= WINDOW.frames.into());
    }
    r.handle_message(now, LANE, &chunk(1000, 0, 1, 0, b"x"))
        .unwrap();
    assert_eq!(r.poll_frame().unwrap().sequence, 1000);
    let stats = r.stats();
    assert_eq!(
        (
            stats.counters.frames_superseded,
            stats.frames_open,
            stats.bytes_open
        ),
        (1000, 0, 0)
    );
}

#[test]
fn a_frame_in_crumbs_is_refused() {
    let (mut r, now) = receiver(false);
    let runs = limits::MAX_RUNS_PER_FRAME as u32;
    let crumb = |n: u32| chunk(0, 0, 10_000, 1 + 2 * n, b"x");
    for n in 0..runs {
        r.handle_message(now, LANE, &crumb(n)).unwrap();
    }
    assert_eq!(refusals(&mut r, now), []);
    r.handle_message(now, LANE, &crumb(runs)).unwrap();
    assert_eq!(
        refusals(&mut r, now),
        [(at(0, 0), FrameErrorCode::TooFragmented)]
    );
}

#[test]
fn an_eof_that_is_early_double_or_different_is_an_error() {
    let (mut r, now) = receiver(false);
    let eof = |frames, hash| {
        bytes_of(&Message::Eof(FrameTotals {
            frames,
            bytes: 1,
            hash,
        }))
    };
    assert_eq!(
        r.handle_message(now, LANE, &eof(1, 0)),
        Err(ProtocolError::EofMisplaced {
            frames: 1,
            delivered: 0
        })
    );
    r.handle_message(now, LANE, &chunk(0, 0, 1, 0, b"x"))
        .unwrap();
    assert!(
        r.handle_message(now, LANE, &eof(1, 0)).is_err(),
        "not handed out yet"
    );
    r.poll_frame().unwrap();
    let hash = r.resume_point().hash;
    r.handle_message(now, LANE, &eof(1, hash)).unwrap();
    r.handle_message(now, LANE, &eof(1, hash)).unwrap();
    assert_eq!(
        r.handle_message(now, LANE, &eof(1, hash ^ 1)),
        Err(ProtocolError::EofContradicts)
    );
    assert_eq!(
        r.handle_message(now, LANE, &chunk(1, 0, 1, 0, b"x")),
        Err(ProtocolError::ChunkAfterEof {
            sequence: 1,
            frames: 1
        })
    );
}

#[test]
fn an_eof_that_never_comes_leaves_a_stream_that_is_not_over_and_holds_nothing() {
    let (mut r, now) = receiver(false);
    for sequence in 0..3 {
        r.handle_message(now, LANE, &chunk(sequence, 0, 1, 0, b"x"))
            .unwrap();
        assert_eq!(r.poll_frame().unwrap().sequence, sequence);
    }
    r.confirm(3);
    let open = r.resume_point();
    let later = now + Duration::from_secs(3600);
    r.handle_timeout(later);
    r.lane_closed(later, LANE);
    while let Some(event) = r.poll_event() {
        assert!(!matches!(event, ReceiverEvent::Eof { .. }), "{event:?}");
    }
    let stats = r.stats();
    assert_eq!((stats.frames_open, stats.bytes_open), (0, 0));
    // Whoever comes back goes on where it was.
    assert_eq!((open.next_sequence, r.resume_point()), (3, open));
    r.lane_opened(later, LANE, Default::default()).unwrap();
    r.handle_message(later, LANE, &chunk(3, 0, 1, 0, b"x"))
        .unwrap();
    assert_eq!(r.poll_frame().unwrap().sequence, 3);
}

#[test]
fn each_side_refuses_what_only_the_other_may_say() {
    let mut link = Link::every_frame();
    let (now, window) = (link.now, WINDOW);
    let hello = |role| {
        bytes_of(&Message::Hello(Hello {
            role,
            max_message_bytes: 4096,
            window,
            next_sequence: 0,
        }))
    };
    let ack = bytes_of(&Message::Ack(Ack {
        next_sequence: 0,
        received: ReceivedPairs::listed(&[]),
        window,
    }));
    let to_receiver = [
        hello(Role::Receiver),
        ack,
        bytes_of(&Message::EofAck { frames: 0, hash: 0 }),
    ];
    for bytes in &to_receiver {
        assert!(matches!(
            link.receiver.handle_message(now, LANE, bytes),
            Err(ProtocolError::Unexpected(_))
        ));
    }
    for bytes in [
        hello(Role::Sender),
        chunk(0, 0, 1, 0, b"x"),
        bytes_of(&Message::Eof(FrameTotals {
            frames: 0,
            bytes: 0,
            hash: 0,
        })),
    ] {
        assert!(matches!(
            link.sender.handle_message(now, LANE, &bytes),
            Err(ProtocolError::Unexpected(_))
        ));
    }
    assert_eq!(link.sender.stats().counters.protocol_errors, 3);
    assert_eq!(link.receiver.stats().counters.protocol_errors, 3);
}

#[test]
fn acks_for_what_was_never_sent_change_nothing() {
    let mut link = Link::every_frame();
    let now = link.now;
    (0..3).for_each(|n| assert_eq!(link.offer(n, 30_000), Offer::Queued));
    let begun = link.pull(LANE).unwrap();
    let mut refuse = |next_sequence, pairs: &[Received]| {
        let received = ReceivedPairs::listed(pairs);
        let ack = Ack {
            next_sequence,
            received,
            window: WINDOW,
        };
        let outcome = link
            .sender
            .handle_message(now, LANE, &bytes_of(&Message::Ack(ack)));
        assert!(
            matches!(outcome, Err(ProtocolError::Unsent { .. })),
            "{outcome:?}"
        );
        assert_eq!(link.sender.stats().counters.frames_acked, 0);
        assert_eq!(link.sender.stats().frames_in_flight, 1);
    };
    refuse(1, &[]);
    refuse(4, &[]);
    refuse(u64::from(u32::MAX), &[]);
    refuse(0, &[at(0, 0)]);
    refuse(0, &[at(0, 7)]);
    refuse(0, &[at(2, 0)]);
    refuse(0, &[at(u64::MAX, 0)]);
    let error = FrameErrorReport {
        refused: at(1, 0),
        code: FrameErrorCode::Conflict,
        text: "",
    };
    assert!(
        link.sender
            .handle_message(now, LANE, &bytes_of(&Message::FrameError(error)))
            .is_err()
    );
    let eof_ack = bytes_of(&Message::EofAck { frames: 0, hash: 0 });
    assert_eq!(
        link.sender.handle_message(now, LANE, &eof_ack),
        Err(ProtocolError::EofAckUnasked)
    );
    link.receiver.handle_message(now, LANE, &begun).unwrap();
    assert_eq!(link.run(LANE).len(), 3, "and the link goes on");
}

#[test]
fn another_epoch_is_ignored_and_counted() {
    let mut link = Link::every_frame();
    assert_eq!(link.offer(0, 100), Offer::Queued);
    let ours = link.pull(LANE).unwrap();
    let mut theirs = ours.clone();
    theirs[7] ^= 1;
    assert_eq!(decode(&theirs).unwrap().epoch, EPOCH ^ 1);
    link.receiver
        .handle_message(link.now, LANE, &theirs)
        .unwrap();
    assert!(link.receiver.poll_frame().is_none());
    assert_eq!(link.receiver.stats().counters.wrong_epoch, 1);
    link.receiver.handle_message(link.now, LANE, &ours).unwrap();
    let mut ack = link.pull_answer(LANE).unwrap();
    ack[7] ^= 1;
    link.sender.handle_message(link.now, LANE, &ack).unwrap();
    assert_eq!(link.sender.stats().counters.wrong_epoch, 1);
    assert_eq!(link.sender.stats().frames_in_flight, 1);
}

#[test]
fn a_granted_window_beyond_the_senders_own_is_not_used() {
    let now = Instant::now();
    let own = Window {
        frames: 4,
        bytes: 50_000,
    };
    let config = SenderConfig {
        max_window: own,
        ..SenderConfig::realtime(EPOCH, now)
    };
    let mut sender = quiet_sender(config);
    sender.lane_opened(now, LANE, Default::default()).unwrap();
    let window = Window {
        frames: u32::MAX,
        bytes: u64::MAX,
    };
    let hello = Hello {
        role: Role::Receiver,
        max_message_bytes: 65_536,
        window,
        next_sequence: 0,
    };
    sender
        .handle_message(now, LANE, &bytes_of(&Message::Hello(hello)))
        .unwrap();
    let mut out = Vec::new();
    for n in 0..1000 {
        let _ = sender.offer(now, support::frame(n, 10_000));
        while sender.poll_message(now, LANE, 65_536, &mut out) {
            out.clear();
        }
        assert!(sender.stats().frames_in_flight <= 4);
    }
    assert_eq!(sender.stats().bytes_in_flight, 40_000);
    assert_eq!(sender.stats().window, Some(own));
}

#[test]
fn floods_of_pings_and_strange_pongs_are_counted() {
    let mut link = Link::every_frame();
    for n in 0..1000 {
        link.sender
            .handle_message(link.now, LANE, &bytes_of(&Message::Ping { t0_us: n }))
            .unwrap();
        let pong = bytes_of(&Message::Pong {
            t0_us: n,
            t1_us: u64::MAX,
        });
        link.sender.handle_message(link.now, LANE, &pong).unwrap();
    }
    assert_eq!(link.sender.stats().counters.ping_excess, 996 + 1000);
    assert_eq!(link.pull_all(LANE).len(), 4);
    assert!(link.sender.stats().ping_rtt.is_none());
}

#[test]
fn after_a_goodbye_nothing_counts() {
    let mut link = Link::every_frame();
    let bye = bytes_of(&Message::Goodbye {
        code: GoodbyeCode::Failed,
        text: "gone",
    });
    link.receiver.handle_message(link.now, LANE, &bye).unwrap();
    link.receiver
        .handle_message(link.now, LANE, &chunk(0, 0, 1, 0, b"x"))
        .unwrap();
    assert!(link.receiver.poll_frame().is_none());
    assert_eq!(link.receiver.stats().counters.after_goodbye, 1);
    link.sender.handle_message(link.now, LANE, &bye).unwrap();
    let refused = link.offer(0, 10);
    assert!(matches!(
        refused,
        Offer::Refused {
            reason: RefuseReason::Closed,
            ..
        }
    ));
    let goodbyes = link
        .events()
        .into_iter()
        .filter(|e| matches!(e, SenderEvent::PeerGoodbye { .. }));
    assert_eq!(goodbyes.count(), 1);
}

/// Random but well-formed messages, from any lane, open or not, into both machines.
#[test]
fn no_sequence_of_messages_breaks_the_machines() {
    for seed in support::seeds::seeds(0..300) {
        let mut rng = Rng(seed);
        let mut link = if rng.chance(50) {
            Link::every_frame()
        } else {
            Link::realtime()
        };
        link.open(LaneId(1));
        for n in 0..120 {
            if rng.chance(30) {
                let _ = link.offer(n, rng.below(40_000) as usize);
            }
            let lane = LaneId(rng.below(3) as u32);
            let bytes = any_message(&mut rng);
            let _ = link.sender.handle_message(link.now, lane, &bytes);
            let _ = link.receiver.handle_message(link.now, lane, &bytes);
            link.pull(lane);
            link.pull_answer(lane);
            if rng.chance(30) {
                link.receiver.poll_frame();
            }
            link.pass(Duration::from_millis(rng.below(100)));
            let stats = link.receiver.stats();
            assert!(
                stats.bytes_open <= 64 << 20 && stats.frames_open <= 32,
                "seed {seed}"
            );
            assert!(link.sender.stats().frames_in_flight <= 64, "seed {seed}");
        }
    }
}

fn any_message(rng: &mut Rng) -> Vec<u8> {
    let (sequence, attempt) = (rng.below(12), rng.below(3) as u16);
    let pairs = [at(sequence, attempt), at(rng.below(12), 0)];
    let window = Window {
        frames: rng.below(40) as u32,
        bytes: rng.below(1 << 20),
    };
    match rng.below(10) {
        0 => bytes_of(&Message::Ack(Ack {
            next_sequence: rng.below(12),
            received: ReceivedPairs::listed(&pairs),
            window,
        })),
        1 => {
            let code = FrameErrorCode::from_code(rng.below(8) as u16);
            bytes_of(&Message::FrameError(FrameErrorReport {
                refused: pairs[0],
                code,
                text: "no",
            }))
        }
        2 => {
            let role = if rng.chance(50) {
                Role::Sender
            } else {
                Role::Receiver
            };
            bytes_of(&Message::Hello(Hello {
                role,
                max_message_bytes: 4096,
                window,
                next_sequence: rng.below(4),
            }))
        }
        3 => bytes_of(&Message::Eof(FrameTotals {
            frames: rng.below(4),
            bytes: 0,
            hash: 0,
        })),
        4 => bytes_of(&Message::EofAck {
            frames: rng.below(4),
            hash: 0,
        }),
        _ => {
            let frame_bytes = [3, 100, 30_000_000, u32::MAX][rng.below(4) as usize];
            let offset = rng.below(3) as u32;
            let len = (rng.below(200) as u32).clamp(1, frame_bytes - offset);
            chunk(
                sequence,
                attempt,
                frame_bytes,
                offset,
                &vec![rng.below(2) as u8; len as usize],
            )
        }
    }
}
