//! Messages survive the way to bytes and back; no bytes harm the decoder.
#![allow(clippy::unwrap_used)]

mod support;

use datachannel_transport::wire::{
    Ack, Chunk, ChunkMeta, DecodeError, Envelope, FrameErrorReport, Hello, Message, Received,
    ReceivedPairs, Role, decode, encode,
};
use datachannel_transport::{
    ClientStats, Encoding, FrameErrorCode, FrameMeta, FrameTotals, GoodbyeCode, Window, limits,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::Serialize;
use support::{EPOCH, bytes_of, chunk_meta, meta};

/// A message that owns what the wire types borrow.
#[derive(Clone, Debug)]
enum Owned {
    Hello(Hello),
    Chunk {
        sequence: u64,
        attempt: u16,
        offset: u32,
        tail: u32,
        meta: ChunkMeta,
        payload: Vec<u8>,
    },
    Ack {
        next_sequence: u64,
        received: Vec<Received>,
        window: Window,
    },
    FrameError {
        refused: Received,
        code: u16,
        text: String,
    },
    Numbers(u8, u64, u64, u64),
    Goodbye(u16, String),
    ClientStats(Vec<(String, f64)>),
}

impl Owned {
    fn with<R>(&self, use_it: impl FnOnce(&Message<'_>) -> R) -> R {
        let message = match self {
            Self::Hello(hello) => Message::Hello(*hello),
            Self::Chunk {
                sequence,
                attempt,
                offset,
                tail,
                meta,
                payload,
            } => {
                let frame_bytes = offset + payload.len() as u32 + tail;
                let (sequence, attempt, offset) = (*sequence, *attempt, *offset);
                let meta = (offset == 0).then_some(*meta);
                Message::Chunk(Chunk {
                    sequence,
                    attempt,
                    frame_bytes,
                    offset,
                    meta,
                    payload,
                })
            }
            Self::Ack {
                next_sequence,
                received,
                window,
            } => Message::Ack(Ack {
                next_sequence: *next_sequence,
                received: ReceivedPairs::listed(received),
                window: *window,
            }),
            Self::FrameError {
                refused,
                code,
                text,
            } => Message::FrameError(FrameErrorReport {
                refused: *refused,
                code: FrameErrorCode::from_code(*code),
                text,
            }),
            Self::Numbers(kind, a, b, c) => match kind % 5 {
                0 => Message::Eof(FrameTotals {
                    frames: a % (1 << 53),
                    bytes: *b,
                    hash: *c,
                }),
                1 => Message::EofAck {
                    frames: a % (1 << 53),
                    hash: *b,
                },
                2 => Message::Ping { t0_us: *a },
                3 => Message::Pong {
                    t0_us: *a,
                    t1_us: *b,
                },
                _ => Message::Unknown {
                    kind: 10 + a % 1000,
                },
            },
            Self::Goodbye(code, text) => Message::Goodbye {
                code: GoodbyeCode::from_code(*code),
                text,
            },
            Self::ClientStats(entries) => {
                let mut stats = ClientStats::new();
                entries
                    .iter()
                    .for_each(|(name, value)| assert!(stats.set(name, *value)));
                Message::ClientStats(stats)
            }
        };
        use_it(&message)
    }
}

fn any_window() -> impl Strategy<Value = Window> {
    (any::<u32>(), any::<u64>()).prop_map(|(frames, bytes)| Window { frames, bytes })
}

fn any_received() -> impl Strategy<Value = Received> {
    (0..=limits::MAX_SEQUENCE, any::<u16>())
        .prop_map(|(sequence, attempt)| Received { sequence, attempt })
}

fn any_meta() -> impl Strategy<Value = ChunkMeta> {
    let numbers = (
        any::<u64>(),
        any::<i64>(),
        any::<u32>(),
        any::<u64>(),
        any::<u64>(),
    );
    let shape = (
        1..=limits::MAX_DIMENSION,
        1..=limits::MAX_DIMENSION,
        0u8..=100,
        any::<bool>(),
    );
    let encoding = prop_oneof![Just(0u8), Just(3), Just(4), 5u8..];
    (numbers, shape, encoding).prop_map(
        |(
            (source_id, pts_us, duration_us, released_us, payload_hash),
            (width, height, quality, keyframe),
            encoding,
        )| {
            let encoding = Encoding::from_code(encoding);
            let frame = FrameMeta {
                source_id,
                pts_us,
                duration_us,
                width,
                height,
                encoding,
                quality,
                keyframe,
                released_us,
            };
            ChunkMeta {
                frame,
                given_up: false,
                payload_hash,
            }
        },
    )
}

fn any_message() -> impl Strategy<Value = Owned> {
    let text = "[a-zé—]{0,80}";
    prop_oneof![
        (
            any::<bool>(),
            any::<u64>(),
            any_window(),
            0..=limits::MAX_SEQUENCE
        )
            .prop_map(
                |(sends, max_message_bytes, window, next_sequence)| Owned::Hello(Hello {
                    role: if sends { Role::Sender } else { Role::Receiver },
                    max_message_bytes,
                    window,
                    next_sequence,
                })
            ),
        (
            any_received(),
            prop_oneof![Just(0u32), 1u32..1 << 24],
            0u32..1 << 24,
            any_meta(),
            vec(any::<u8>(), 1..400)
        )
            .prop_map(
                |(Received { sequence, attempt }, offset, tail, meta, payload)| {
                    Owned::Chunk {
                        sequence,
                        attempt,
                        offset,
                        tail,
                        meta,
                        payload,
                    }
                }
            ),
        (
            0..=limits::MAX_SEQUENCE,
            vec(any_received(), 0..=64),
            any_window()
        )
            .prop_map(|(next_sequence, received, window)| Owned::Ack {
                next_sequence,
                received,
                window
            }),
        (any_received(), any::<u16>(), text).prop_map(|(refused, code, text)| Owned::FrameError {
            refused,
            code,
            text
        }),
        (any::<u8>(), any::<u64>(), any::<u64>(), any::<u64>())
            .prop_map(|(kind, a, b, c)| Owned::Numbers(kind, a, b, c)),
        (any::<u16>(), text).prop_map(|(code, text)| Owned::Goodbye(code, text)),
        vec(("[a-z0-9_]{1,32}", -1e12f64..1e12), 0..32).prop_map(Owned::ClientStats),
    ]
}

proptest! {
    #[test]
    fn every_message_survives_the_round_trip(message in any_message(), epoch: u32) {
        message.with(|message| {
            let mut out = vec![0xAA];
            encode(epoch, message, &mut out);
            prop_assert_eq!(out[0], 0xAA, "encode appends");
            let Envelope { epoch: decoded_epoch, message: decoded } = decode(&out[1..]).unwrap();
            prop_assert_eq!(decoded_epoch, epoch);
            prop_assert_eq!(&decoded, message);
            Ok(())
        })?;
    }

    #[test]
    fn no_bytes_harm_the_decoder(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    /// A valid beginning reaches deeper into the decoder than noise does.
    #[test]
    fn no_mutation_of_a_message_harms_the_decoder(
        message in any_message(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = message.with(bytes_of);
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = decode(&bytes);
        let _ = decode(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn a_message_cut_short_is_an_error(message in any_message(), cut in any::<prop::sample::Index>()) {
        let bytes = message.with(bytes_of);
        prop_assert!(decode(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn what_a_later_revision_appends_is_passed_over(message in any_message(), extra in vec(any_extra(), 1..4)) {
        let mut bytes = message.with(bytes_of);
        prop_assert_eq!(bytes[0] & 0xf0, 0x90, "a short array");
        bytes[0] += extra.len() as u8;
        extra.iter().for_each(|value| bytes.extend_from_slice(value));
        let decoded = decode(&bytes).unwrap();
        prop_assert!(message.with(|message| decoded.message == *message));
    }
}

/// Values of every MessagePack family, some nested.
fn any_extra() -> impl Strategy<Value = Vec<u8>> {
    let values: Vec<&'static [u8]> = vec![
        &[0xc0],
        &[0xc3],
        &[0x07],
        &[0xff],
        &[0xcf, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0xd2, 1, 2, 3, 4],
        &[0xcb, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0xa2, b'h', b'i'],
        &[0xd9, 1, b'x'],
        &[0xc4, 2, 9, 9],
        &[0xc7, 3, 5, 1, 2, 3],
        &[0xd4, 1, 1],
        &[0xd8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0x93, 1, 0x91, 2, 0x80],
        &[0x82, 1, 2, 3, 0x91, 0x81, 1, 0xc0],
        &[0xdc, 0, 2, 1, 1],
        &[0xde, 0, 1, 1, 1],
    ];
    prop::sample::select(values).prop_map(<[u8]>::to_vec)
}

#[test]
fn depth_costs_nothing() {
    let mut bytes = vec![0x94, 1, 0x63, 7];
    bytes.extend(std::iter::repeat_n(0x91, 900_000));
    bytes.push(0xc0);
    assert_eq!(
        decode(&bytes).unwrap().message,
        Message::Unknown { kind: 0x63 }
    );
    bytes.pop();
    assert!(matches!(decode(&bytes), Err(DecodeError::Truncated { .. })));
}

#[test]
fn huge_counts_are_refused_where_they_stand() {
    let claims: [&[u8]; 5] = [
        &[0xdd, 0xff, 0xff, 0xff, 0xff, 1, 1, 7],
        &[0x97, 1, 2, 7, 0, 0xdd, 0xff, 0xff, 0xff, 0xff],
        &[0x94, 1, 8, 7, 0xdf, 0xff, 0xff, 0xff, 0xff],
        &[
            0x99, 1, 1, 7, 0, 0, 1, 1, 0xc0, 0xc6, 0xff, 0xff, 0xff, 0xff,
        ],
        &[0x94, 1, 0x63, 7, 0xdf, 0xff, 0xff, 0xff, 0xff],
    ];
    for claim in claims {
        assert!(
            matches!(decode(claim), Err(DecodeError::Truncated { .. })),
            "{claim:02x?}"
        );
    }
}

#[test]
fn errors_name_the_element() {
    let error = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
    assert_eq!(error(&[]), "message ends inside message");
    assert!(error(b"{\"kind\":1}").starts_with("message begins with byte 0x7b"));
    assert_eq!(
        error(&[0x93, 2, 0, 0]),
        "wire version 2: this side speaks version 1 only"
    );
    assert!(error(&[0x93, 1, 5, 0]).starts_with("ping has 3 elements, at least 4"));
    assert!(error(&[0x94, 1, 5, 0, 0xa0]).starts_with("t0_us begins with byte 0xa0"));
    assert!(error(&[0x94, 1, 5, 0, 0xff]).starts_with("t0_us is negative"));
    assert_eq!(
        error(&[0x94, 1, 5, 0, 0, 0]),
        "1 B follow the message's array"
    );
}

#[test]
fn a_chunk_is_checked_against_itself() {
    let refuse = |chunk: Chunk<'_>| decode(&bytes_of(&Message::Chunk(chunk))).unwrap_err();
    let good = Chunk {
        sequence: 3,
        attempt: 0,
        frame_bytes: 4,
        offset: 0,
        meta: Some(chunk_meta(3)),
        payload: b"abcd",
    };
    assert!(decode(&bytes_of(&Message::Chunk(good.clone()))).is_ok());
    let later = Chunk {
        offset: 2,
        meta: None,
        payload: b"cd",
        ..good.clone()
    };

    assert_eq!(
        refuse(Chunk {
            meta: None,
            ..good.clone()
        }),
        DecodeError::MetaMissing { sequence: 3 }
    );
    assert_eq!(
        refuse(Chunk {
            meta: good.meta,
            ..later.clone()
        }),
        DecodeError::MetaUnexpected {
            sequence: 3,
            offset: 2
        }
    );
    assert_eq!(
        refuse(Chunk {
            payload: b"",
            ..later.clone()
        }),
        DecodeError::EmptyChunk {
            sequence: 3,
            offset: 2
        }
    );
    assert_eq!(
        refuse(Chunk {
            payload: b"cde",
            ..later.clone()
        }),
        DecodeError::PastEnd {
            sequence: 3,
            end: 5,
            frame_bytes: 4
        }
    );
    let far = Chunk {
        offset: u32::MAX,
        ..later
    };
    assert!(matches!(
        refuse(far),
        DecodeError::PastEnd {
            end: 4_294_967_297,
            ..
        }
    ));
    let mut given_up = chunk_meta(3);
    given_up.given_up = true;
    assert_eq!(
        refuse(Chunk {
            meta: Some(given_up),
            ..good.clone()
        }),
        DecodeError::GivenUpNotEmpty {
            sequence: 3,
            frame_bytes: 4
        }
    );

    let shaped = |width, height, encoding, frame_bytes| {
        let mut meta = chunk_meta(3);
        meta.frame = FrameMeta {
            width,
            height,
            encoding,
            ..meta.frame
        };
        let chunk = Chunk {
            meta: Some(meta),
            frame_bytes,
            ..good.clone()
        };
        decode(&bytes_of(&Message::Chunk(chunk))).map(|_| ())
    };
    assert_eq!(shaped(5, 3, Encoding::I420, 15 + 2 * 6), Ok(()));
    assert!(shaped(5, 3, Encoding::I420, 15 + 2 * 6 - 1).is_err());
    assert!(shaped(16_384, 16_384, Encoding::Bgr, 100).is_err());
    assert!(shaped(u32::MAX, u32::MAX, Encoding::I420, 100).is_err());
    assert!(shaped(0, 720, Encoding::Jpeg, 100).is_err());
    assert_eq!(shaped(0, 0, Encoding::Opaque, 100), Ok(()));
}

#[test]
fn texts_are_cut_at_a_character() {
    let text = format!("{}é{}", "a".repeat(255), "b".repeat(100));
    let bytes = bytes_of(&Message::Goodbye {
        code: GoodbyeCode::Done,
        text: &text,
    });
    let Message::Goodbye { text: cut, .. } = decode(&bytes).unwrap().message else {
        unreachable!()
    };
    assert_eq!(cut, "a".repeat(255));
}

#[test]
fn statistics_may_be_whole_or_broken_numbers() {
    let bytes = [
        &[
            0x94, 1, 8, 7, 0x84, 0xa1, b'a', 0x05, 0xa1, b'b', 0xff, 0xa1, b'c',
        ][..],
        &[0xca, 0x3f, 0x00, 0, 0],
        &[0xa1, b'd', 0xcf, 0, 0, 1, 0, 0, 0, 0, 0],
    ]
    .concat();
    let Message::ClientStats(stats) = decode(&bytes).unwrap().message else {
        unreachable!()
    };
    let values: Vec<_> = stats.iter().collect();
    assert_eq!(
        values,
        [
            ("a", 5.0),
            ("b", -1.0),
            ("c", 0.5),
            ("d", (1u64 << 40) as f64)
        ]
    );
    let infinite = [0x94, 1, 8, 7, 0x81, 0xa1, b'a', 0xca, 0x7f, 0x80, 0, 0];
    assert_eq!(decode(&infinite), Err(DecodeError::NotFinite));
}

/// `bin` for serde.
struct Bin<'a>(&'a [u8]);

impl Serialize for Bin<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// What rmp-serde makes of the same tuples is, byte for byte, what this codec makes.
#[test]
fn another_implementation_writes_the_same_bytes() {
    let m = meta(77);
    let described = (
        m.source_id,
        m.pts_us,
        m.duration_us,
        m.width,
        m.height,
        0,
        m.quality,
        1,
        m.released_us,
        99u64,
    );
    let first = (1, 1, EPOCH, 5, 2, 300, 0, described, Bin(&[7; 200]));
    let mut ours = chunk_meta(77);
    ours.payload_hash = 99;
    let chunk = Chunk {
        sequence: 5,
        attempt: 2,
        frame_bytes: 300,
        offset: 0,
        meta: Some(ours),
        payload: &[7; 200],
    };
    assert_eq!(
        rmp_serde::to_vec(&first).unwrap(),
        bytes_of(&Message::Chunk(chunk))
    );

    let later = (
        1,
        1,
        EPOCH,
        u64::from(u32::MAX) + 1,
        2,
        70_300,
        300,
        (),
        Bin(&[7; 70_000]),
    );
    let chunk = Chunk {
        sequence: u64::from(u32::MAX) + 1,
        attempt: 2,
        frame_bytes: 70_300,
        offset: 300,
        meta: None,
        payload: &[7; 70_000],
    };
    assert_eq!(
        rmp_serde::to_vec(&later).unwrap(),
        bytes_of(&Message::Chunk(chunk))
    );

    let pairs = [
        Received {
            sequence: 9,
            attempt: 0,
        },
        Received {
            sequence: 11,
            attempt: 300,
        },
    ];
    let window = Window {
        frames: 32,
        bytes: 1 << 33,
    };
    let ack = Ack {
        next_sequence: 8,
        received: ReceivedPairs::listed(&pairs),
        window,
    };
    let tuple = (1, 2, EPOCH, 8, [(9, 0), (11, 300)], 32, 1u64 << 33);
    assert_eq!(
        rmp_serde::to_vec(&tuple).unwrap(),
        bytes_of(&Message::Ack(ack))
    );

    let goodbye = Message::Goodbye {
        code: GoodbyeCode::StreamDeleted,
        text: "the stream was deleted",
    };
    assert_eq!(
        rmp_serde::to_vec(&(1, 7, EPOCH, 1, "the stream was deleted")).unwrap(),
        bytes_of(&goodbye)
    );
}
