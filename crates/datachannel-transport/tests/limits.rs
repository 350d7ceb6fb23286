//! Each limit of `docs/limits.md`, tried at its value and just above.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use datachannel_transport::limits::*;
use datachannel_transport::wire::{
    Ack, DecodeError, FrameErrorReport, Hello, Message, Received, ReceivedPairs, Role, decode,
};
use datachannel_transport::{
    ClientStats, ClockOffset, ConfigError, FrameErrorCode, FrameReceiver, FrameSender, LaneError,
    LaneId, LaneLimits, Mode, Offer, ProtocolError, ReceiverConfig, RefuseReason, ResumePoint,
    SenderConfig, TimingWindow, Window,
};
use support::{EPOCH, LANE, Link, bytes_of, chunk, frame, quiet_sender};

fn sender_config(change: impl FnOnce(&mut SenderConfig)) -> Result<(), ConfigError> {
    let mut config = SenderConfig::every_frame(EPOCH, Instant::now());
    change(&mut config);
    FrameSender::new(config).map(|_| ())
}

fn receiver_config(change: impl FnOnce(&mut ReceiverConfig)) -> Result<(), ConfigError> {
    let mut config = ReceiverConfig::every_frame(Instant::now());
    change(&mut config);
    FrameReceiver::new(config).map(|_| ())
}

/// A `bin` of that length in a message of an unknown kind: `len` bytes in all.
fn message_of(len: usize) -> Vec<u8> {
    let mut bytes = vec![0x94, 1, 0x63, 7, 0xc6];
    bytes.extend_from_slice(&((len - 9) as u32).to_be_bytes());
    bytes.resize(len, 0);
    bytes
}

#[test]
fn version() {
    assert!(decode(&[0x93, WIRE_VERSION as u8, 0x63, 0]).is_ok());
    assert_eq!(
        decode(&[0x93, WIRE_VERSION as u8 + 1, 0x63, 0]),
        Err(DecodeError::Version(2))
    );
}

#[test]
fn message_bytes() {
    assert!(decode(&message_of(MAX_MESSAGE_BYTES)).is_ok());
    let (len, max) = (MAX_MESSAGE_BYTES + 1, MAX_MESSAGE_BYTES);
    assert_eq!(
        decode(&message_of(len)),
        Err(DecodeError::TooLong { len, max })
    );
    assert!(sender_config(|c| c.max_message_bytes = max).is_ok());
    assert!(sender_config(|c| c.max_message_bytes = len).is_err());
    assert!(receiver_config(|c| c.max_message_bytes = max).is_ok());
    assert!(receiver_config(|c| c.max_message_bytes = len).is_err());
}

#[test]
fn lane_message_bytes() {
    let mut sender = quiet_sender(SenderConfig::every_frame(EPOCH, Instant::now()));
    let mut open = |id, max_message_bytes| {
        sender.lane_opened(
            Instant::now(),
            LaneId(id),
            LaneLimits {
                max_message_bytes,
                ..LaneLimits::default()
            },
        )
    };
    assert_eq!(open(0, MIN_LANE_MESSAGE_BYTES), Ok(()));
    let below = open(1, MIN_LANE_MESSAGE_BYTES - 1);
    assert!(matches!(
        below,
        Err(LaneError::MessagesTooShort {
            max_message_bytes: 2047,
            ..
        })
    ));
    assert_eq!(open(0, 4096), Err(LaneError::AlreadyOpen(LaneId(0))));
    assert_eq!(
        open(2, usize::MAX),
        Ok(()),
        "what a lane can beyond the limit is not used"
    );

    let mut link = Link::every_frame();
    let hello = |max_message_bytes| {
        let window = Window {
            frames: 4,
            bytes: 1 << 20,
        };
        bytes_of(&Message::Hello(Hello {
            role: Role::Receiver,
            max_message_bytes,
            window,
            next_sequence: 0,
        }))
    };
    let least = MIN_LANE_MESSAGE_BYTES as u64;
    assert!(
        link.sender
            .handle_message(link.now, LANE, &hello(least))
            .is_ok()
    );
    let short = link
        .sender
        .handle_message(link.now, LANE, &hello(least - 1));
    assert!(matches!(
        short,
        Err(ProtocolError::HelloMessagesTooShort { .. })
    ));
}

#[test]
fn the_largest_control_messages_fit_every_lane() {
    let mut stats = ClientStats::new();
    (0..MAX_STATS_ENTRIES).for_each(|n| assert!(stats.set(&format!("{n:032}"), 1.5)));
    assert!(bytes_of(&Message::ClientStats(stats)).len() <= MIN_LANE_MESSAGE_BYTES);
    let pairs = [Received {
        sequence: MAX_SEQUENCE,
        attempt: u16::MAX,
    }; MAX_RECEIVED_PAIRS];
    let window = Window {
        frames: u32::MAX,
        bytes: u64::MAX,
    };
    let ack = Ack {
        next_sequence: MAX_SEQUENCE,
        received: ReceivedPairs::listed(&pairs),
        window,
    };
    assert!(bytes_of(&Message::Ack(ack)).len() <= MIN_LANE_MESSAGE_BYTES);
}

#[test]
fn chunk_message_bytes() {
    assert!(sender_config(|c| c.max_message_bytes = MIN_CHUNK_MESSAGE_BYTES).is_ok());
    let error = sender_config(|c| c.max_message_bytes = MIN_CHUNK_MESSAGE_BYTES - 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "max_message_bytes is 255: must be 256 to 1048576"
    );
}

#[test]
fn chunk_time() {
    let time = |ms| sender_config(|c| c.max_chunk_time = Some(Duration::from_millis(ms)));
    assert!(time(1).is_ok() && time(1000).is_ok());
    assert!(time(0).is_err() && time(1001).is_err());
    assert!(sender_config(|c| c.max_chunk_time = None).is_ok());
}

#[test]
fn lanes() {
    let mut link = Link::every_frame();
    (1..MAX_LANES as u32).for_each(|id| link.open(LaneId(id)));
    let id = LaneId(99);
    let limits = LaneLimits::default();
    assert_eq!(
        link.sender.lane_opened(link.now, id, limits),
        Err(LaneError::TooMany(id))
    );
    assert_eq!(
        link.receiver.lane_opened(link.now, id, limits),
        Err(LaneError::TooMany(id))
    );
    link.sender.lane_closed(link.now, LANE);
    assert_eq!(link.sender.lane_opened(link.now, id, limits), Ok(()));
}

#[test]
fn frame_bytes() {
    assert!(sender_config(|c| c.max_frame_bytes = MAX_FRAME_BYTES).is_ok());
    assert!(sender_config(|c| c.max_frame_bytes = MAX_FRAME_BYTES + 1).is_err());
    let now = Instant::now();
    let config = SenderConfig {
        max_frame_bytes: 1000,
        ..SenderConfig::realtime(EPOCH, now)
    };
    let mut sender = quiet_sender(config);
    assert_eq!(sender.offer(now, frame(0, 1000)), Offer::Queued);
    let refused = sender.offer(now, frame(1, 1001));
    let reason = RefuseReason::TooLarge {
        bytes: 1001,
        limit: 1000,
    };
    assert_eq!(
        refused,
        Offer::Refused {
            frame: frame(1, 1001),
            reason
        }
    );
}

#[test]
fn dimensions() {
    let mut sender = quiet_sender(SenderConfig::realtime(EPOCH, Instant::now()));
    let mut offer = |width| {
        let mut frame = frame(0, 10);
        frame.meta.width = width;
        matches!(
            sender.offer(Instant::now(), frame),
            Offer::Refused {
                reason: RefuseReason::Meta(_),
                ..
            }
        )
    };
    assert!(!offer(MAX_DIMENSION));
    assert!(offer(MAX_DIMENSION + 1));
    assert!(offer(0));
}

#[test]
fn sequences() {
    assert!(decode(&chunk(MAX_SEQUENCE, 0, 1, 0, b"x")).is_ok());
    let above = decode(&chunk(MAX_SEQUENCE + 1, 0, 1, 0, b"x")).map(|_| ());
    let (value, max) = (MAX_SEQUENCE + 1, MAX_SEQUENCE);
    assert_eq!(
        above,
        Err(DecodeError::OutOfRange {
            element: "sequence",
            value,
            max
        })
    );

    let now = Instant::now();
    let resume = ResumePoint {
        next_sequence: MAX_SEQUENCE,
        ..Default::default()
    };
    let sender = SenderConfig {
        resume,
        ..SenderConfig::every_frame(EPOCH, now)
    };
    let receiver = ReceiverConfig {
        resume,
        ..ReceiverConfig::every_frame(now)
    };
    let mut link = Link::of(sender, receiver, now);
    assert_eq!(link.offer(0, 10), Offer::Queued);
    let above = link.offer(1, 10);
    assert!(matches!(
        above,
        Offer::Refused {
            reason: RefuseReason::SequencesExhausted,
            ..
        }
    ));
    assert_eq!(link.run(LANE)[0].sequence, MAX_SEQUENCE);
    assert!(matches!(link.offer(1, 10), Offer::Refused { .. }));
    assert!(sender_config(|c| c.resume.next_sequence = MAX_SEQUENCE + 1).is_err());
    assert!(receiver_config(|c| c.resume.next_sequence = MAX_SEQUENCE + 1).is_err());
}

#[test]
fn received_pairs() {
    let pairs = [Received {
        sequence: 1,
        attempt: 0,
    }; MAX_RECEIVED_PAIRS + 1];
    assert_eq!(ReceivedPairs::listed(&pairs).len(), MAX_RECEIVED_PAIRS);
    let window = Window {
        frames: 1,
        bytes: 1,
    };
    let ack = Ack {
        next_sequence: 1,
        received: ReceivedPairs::listed(&pairs),
        window,
    };
    let at = bytes_of(&Message::Ack(ack));
    assert!(decode(&at).is_ok());
    let list = at
        .windows(3)
        .position(|bytes| bytes == [0xdc, 0, 64])
        .unwrap();
    let mut above = at.clone();
    above[list + 2] = 65;
    above.splice(list + 3..list + 3, [0x92, 1, 0]);
    assert!(matches!(
        decode(&above),
        Err(DecodeError::OutOfRange {
            element: "received",
            value: 65,
            ..
        })
    ));
}

#[test]
fn text_bytes() {
    let error = |text: &str| {
        let refused = Received {
            sequence: 0,
            attempt: 0,
        };
        bytes_of(&Message::FrameError(FrameErrorReport {
            refused,
            code: FrameErrorCode::Conflict,
            text,
        }))
    };
    let at = error(&"x".repeat(MAX_TEXT_BYTES));
    assert!(decode(&at).is_ok());
    assert_eq!(error(&"x".repeat(MAX_TEXT_BYTES + 1)), at, "made no longer");
    let length = at
        .windows(3)
        .position(|bytes| bytes == [0xda, 1, 0])
        .unwrap();
    let mut above = at.clone();
    above[length + 2] = 1;
    above.push(b'x');
    assert!(matches!(
        decode(&above),
        Err(DecodeError::OutOfRange {
            element: "text",
            value: 257,
            ..
        })
    ));
}

#[test]
fn client_statistics() {
    let mut stats = ClientStats::new();
    (0..MAX_STATS_ENTRIES).for_each(|n| assert!(stats.set(&format!("k{n}"), 0.0)));
    assert!(!stats.set("one more", 0.0));
    assert!(stats.set("k0", 1.0), "a figure that is there can change");
    let mut fresh = ClientStats::new();
    assert!(fresh.set(&"k".repeat(MAX_STATS_KEY_BYTES), 0.0));
    assert!(!fresh.set(&"k".repeat(MAX_STATS_KEY_BYTES + 1), 0.0));
    assert!(!fresh.set("nan", f64::NAN));

    let entries = |count: u8| {
        let mut bytes = vec![0x94, 1, 8, 7, 0xde, 0, count];
        (0..count).for_each(|n| bytes.extend_from_slice(&[0xa1, b'0' + n, 1]));
        bytes
    };
    assert!(decode(&entries(MAX_STATS_ENTRIES as u8)).is_ok());
    assert!(matches!(
        decode(&entries(MAX_STATS_ENTRIES as u8 + 1)),
        Err(DecodeError::OutOfRange { .. })
    ));
    let key = |len: u8| {
        let mut bytes = vec![0x94, 1, 8, 7, 0x81, 0xd9, len];
        bytes.extend(std::iter::repeat_n(b'k', len.into()));
        bytes.push(1);
        decode(&bytes).is_ok()
    };
    assert!(key(MAX_STATS_KEY_BYTES as u8));
    assert!(!key(MAX_STATS_KEY_BYTES as u8 + 1));
}

#[test]
fn windows() {
    for (frames, ok) in [
        (1, true),
        (MAX_WINDOW_FRAMES, true),
        (0, false),
        (MAX_WINDOW_FRAMES + 1, false),
    ] {
        assert_eq!(
            sender_config(|c| c.max_window.frames = frames).is_ok(),
            ok,
            "{frames}"
        );
    }
    for (bytes, ok) in [
        (1, true),
        (MAX_WINDOW_BYTES, true),
        (0, false),
        (MAX_WINDOW_BYTES + 1, false),
    ] {
        assert_eq!(
            sender_config(|c| c.max_window.bytes = bytes).is_ok(),
            ok,
            "{bytes}"
        );
    }
    let first = INITIAL_WINDOW_FRAMES;
    for (frames, ok) in [
        (first, true),
        (MAX_WINDOW_FRAMES, true),
        (first - 1, false),
        (MAX_WINDOW_FRAMES + 1, false),
    ] {
        assert_eq!(
            receiver_config(|c| c.window.frames = frames).is_ok(),
            ok,
            "{frames}"
        );
    }
    let small = |bytes| {
        receiver_config(|c| {
            c.max_frame_bytes = 1000;
            c.window.bytes = bytes;
        })
    };
    assert!(small(INITIAL_WINDOW_BYTES).is_ok());
    assert!(small(INITIAL_WINDOW_BYTES - 1).is_err());
    assert!(receiver_config(|c| c.window.bytes = u64::from(c.max_frame_bytes)).is_ok());
    assert!(receiver_config(|c| c.window.bytes = u64::from(c.max_frame_bytes) - 1).is_err());
    assert!(receiver_config(|c| c.window.bytes = MAX_WINDOW_BYTES + 1).is_err());

    let mut link = Link::every_frame();
    assert!(
        link.receiver
            .set_window(Window {
                frames: 32,
                bytes: 64 << 20
            })
            .is_ok()
    );
    assert!(
        link.receiver
            .set_window(Window {
                frames: 33,
                bytes: 64 << 20
            })
            .is_err()
    );
}

#[test]
fn queues() {
    let realtime = |max_queued| {
        sender_config(|c| {
            c.mode = Mode::Realtime {
                max_queued,
                deadline: None,
            }
        })
        .is_ok()
    };
    assert!(realtime(1) && realtime(64) && !realtime(0) && !realtime(65));
    let every = |max_queued_frames| {
        sender_config(|c| {
            c.mode = Mode::EveryFrame {
                max_queued_frames,
                max_queued_bytes: 1,
            }
        })
        .is_ok()
    };
    assert!(every(1) && every(4096) && !every(0) && !every(4097));
}

#[test]
fn ping_intervals() {
    let pings = |ms| sender_config(|c| c.ping_interval = Some(Duration::from_millis(ms))).is_ok();
    assert!(pings(10) && pings(3_600_000) && !pings(9) && !pings(3_600_001));
    assert!(sender_config(|c| c.ping_interval = None).is_ok());
}

#[test]
fn pings_open() {
    let now = Instant::now();
    let config = SenderConfig {
        ping_interval: Some(Duration::from_millis(10)),
        ..SenderConfig::realtime(EPOCH, now)
    };
    let mut sender = FrameSender::new(config).unwrap();
    sender
        .lane_opened(now, LANE, LaneLimits::default())
        .unwrap();
    let asked = |n: u64| n * 10_000;
    let mut out = Vec::new();
    for n in 0..=MAX_PINGS_OPEN as u64 {
        let at = now + Duration::from_micros(asked(n));
        sender.handle_timeout(at);
        while sender.poll_message(at, LANE, 4096, &mut out) {}
    }
    let later = now + Duration::from_secs(1);
    let mut answer = |n| {
        let before = sender.stats().counters.ping_excess;
        let pong = bytes_of(&Message::Pong {
            t0_us: asked(n),
            t1_us: 0,
        });
        sender.handle_message(later, LANE, &pong).unwrap();
        sender.stats().counters.ping_excess == before
    };
    assert!(!answer(0), "the oldest of five is forgotten");
    (1..=MAX_PINGS_OPEN as u64).for_each(|n| assert!(answer(n), "{n}"));
}

#[test]
fn events_kept() {
    let now = Instant::now();
    let mut sender = quiet_sender(SenderConfig::realtime(EPOCH, now));
    for n in 0..=MAX_EVENTS as u64 {
        let _ = sender.offer(now, frame(n, 0));
    }
    assert_eq!(sender.stats().events_lost, 0);
    let _ = sender.offer(now, frame(u64::MAX, 0));
    assert_eq!(sender.stats().events_lost, 1);
    assert_eq!(
        std::iter::from_fn(|| sender.poll_event()).count(),
        MAX_EVENTS
    );
}

#[test]
fn samples_kept() {
    let mut window = TimingWindow::new();
    let ms = Duration::from_millis;
    window.add(ms(1000));
    (1..TIMING_SAMPLES).for_each(|_| window.add(ms(1)));
    assert_eq!(window.summary().p99, 1.0);
    assert_eq!(window.summary().samples, TIMING_SAMPLES as u64);
    (0..TIMING_SAMPLES / 2 - 1).for_each(|_| window.add(ms(3)));
    assert_eq!(
        (
            window.summary().p50,
            window.summary().p95,
            window.summary().last
        ),
        (1.0, 3.0, 3.0)
    );
    window.add(ms(3));
    window.add(ms(3));
    assert_eq!(window.summary().p50, 3.0);

    let mut offset = ClockOffset::new();
    offset.add(0, 100, 10);
    (1..CLOCK_SAMPLES as u64).for_each(|n| offset.add(n, n + 20, n + 20));
    assert_eq!(offset.offset_us(), Some(95));
    offset.add(100, 120, 120);
    assert_eq!(
        offset.offset_us(),
        Some(10),
        "the seventeenth pushes the first out"
    );
}
