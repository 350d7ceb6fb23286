//! The framing of streams: whatever the pieces that bytes come in, and whatever the bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use quic_session::limits::{FIRST_BUFFER_BYTES, MAX_CHANNELS, MAX_NAME_BYTES};
use quic_session::{Deframer, FramingError, Preamble, PreambleError};

/// Feeds bytes in pieces of these lengths, over and over, and takes messages as they are whole.
fn deframe(
    bytes: &[u8],
    pieces: &[usize],
    max_bytes: usize,
) -> (Vec<Vec<u8>>, Result<(), FramingError>, usize) {
    let mut deframer = Deframer::new(max_bytes);
    let (mut messages, mut largest) = (Vec::new(), 0);
    let mut rest = bytes;
    let mut pieces = pieces.iter().cycle();
    while !rest.is_empty() {
        let space = deframer.space();
        assert!(!space.is_empty());
        let piece = pieces.next().copied().unwrap_or(1).max(1);
        let taken = piece.min(space.len()).min(rest.len());
        space[..taken].copy_from_slice(&rest[..taken]);
        deframer.advance(taken);
        rest = &rest[taken..];
        largest = largest.max(deframer.allocated_bytes());
        loop {
            match deframer.next_message() {
                Ok(Some(message)) => messages.push(message.to_vec()),
                Ok(None) => break,
                Err(error) => return (messages, Err(error), largest),
            }
        }
    }
    (messages, deframer.end(), largest)
}

fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
    let framed = |message: &Vec<u8>| {
        let length = (message.len() as u32).to_be_bytes();
        [&length[..], message].concat()
    };
    messages.iter().flat_map(framed).collect()
}

proptest! {
    #[test]
    fn messages_survive_any_pieces(
        messages in vec(vec(any::<u8>(), 1..20_000), 0..12),
        pieces in vec(1..9000_usize, 1..8),
    ) {
        let (got, end, allocated) = deframe(&framed(&messages), &pieces, 20_000);
        prop_assert_eq!(got, messages);
        prop_assert_eq!(end, Ok(()));
        prop_assert!(allocated <= 20_004);
    }

    #[test]
    fn any_bytes_are_messages_or_an_error(
        bytes in vec(any::<u8>(), 0..30_000),
        pieces in vec(1..5000_usize, 1..8),
        max_bytes in 1..10_000_usize,
    ) {
        let (got, _, allocated) = deframe(&bytes, &pieces, max_bytes);
        prop_assert!(got.iter().all(|message| (1..=max_bytes).contains(&message.len())));
        prop_assert!(allocated <= FIRST_BUFFER_BYTES.max(max_bytes + 4));
        prop_assert!(allocated <= FIRST_BUFFER_BYTES.max(2 * bytes.len()), "more than came");
    }

    #[test]
    fn an_end_within_a_message_is_told(
        message in vec(any::<u8>(), 1..5000),
        kept in 0.0..1.0_f64,
    ) {
        let whole = framed(&[message]);
        let kept = 1 + (kept * (whole.len() - 1) as f64) as usize;
        let (got, end, _) = deframe(&whole[..kept], &[700], 5000);
        prop_assert_eq!(got.len(), usize::from(kept == whole.len()));
        prop_assert_eq!(end.is_ok(), kept == whole.len());
    }

    #[test]
    fn preambles_survive(
        channel in 0..MAX_CHANNELS as u8,
        label in "\\PC{0,16}",
        protocol in "\\PC{0,16}",
        rest in vec(any::<u8>(), 0..10),
    ) {
        let preamble = Preamble { channel, label, protocol };
        let bytes = preamble.encode();
        prop_assert!(bytes.is_ok());
        let mut bytes = bytes.unwrap_or_default();
        let len = bytes.len();
        for held in 0..len {
            prop_assert_eq!(Preamble::decode(&bytes[..held]), Ok(None));
        }
        bytes.extend_from_slice(&rest);
        prop_assert_eq!(Preamble::decode(&bytes), Ok(Some((preamble, len))));
    }

    #[test]
    fn any_bytes_are_a_preamble_or_an_error(bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(Some((preamble, len))) = Preamble::decode(&bytes) {
            prop_assert_eq!(preamble.encode(), Ok(bytes[..len].to_vec()));
        }
    }
}

#[test]
fn a_length_is_taken_at_its_limit_and_refused_beyond() {
    let (got, end, _) = deframe(&framed(&[vec![1; 2048]]), &[3000], 2048);
    assert_eq!((got.len(), end), (1, Ok(())));
    let (got, end, allocated) = deframe(&[0x7f, 0xff, 0xff, 0xff], &[4], 2048);
    let error = FramingError::TooLong {
        claimed_bytes: 0x7fff_ffff,
        max_bytes: 2048,
    };
    assert_eq!((got.len(), end), (0, Err(error)));
    assert_eq!(allocated, FIRST_BUFFER_BYTES, "nothing for what is claimed");
    let (_, end, _) = deframe(&framed(&[vec![1; 2049]]), &[3000], 2048);
    assert!(matches!(end, Err(FramingError::TooLong { .. })));
    let (_, end, _) = deframe(&[0; 4], &[4], 2048);
    assert_eq!(end, Err(FramingError::Empty));
}

#[test]
fn a_name_is_taken_at_its_limit_and_refused_beyond() {
    for (bytes, taken) in [(MAX_NAME_BYTES, true), (MAX_NAME_BYTES + 1, false)] {
        for (label, protocol) in [(bytes, 0), (0, bytes)] {
            let preamble = Preamble {
                channel: 15,
                label: "l".repeat(label),
                protocol: "p".repeat(protocol),
            };
            assert_eq!(preamble.encode().is_ok(), taken);
            let mut wire = vec![1, 15, label as u8];
            wire.extend(preamble.label.bytes());
            wire.push(protocol as u8);
            wire.extend(preamble.protocol.bytes());
            assert_eq!(Preamble::decode(&wire).is_ok(), taken);
        }
    }
    let beyond = Preamble::decode(&[1, 16, 0, 0]);
    assert_eq!(beyond, Err(PreambleError::Channel { found: 16 }));
    let version = Preamble::decode(&[2, 0, 0, 0]);
    assert_eq!(version, Err(PreambleError::Version { found: 2 }));
}

#[test]
fn the_example_of_the_specification_is_what_is_said() {
    let preamble = Preamble {
        channel: 0,
        label: "frames".to_owned(),
        protocol: String::new(),
    };
    let bytes = [0x01, 0x00, 0x06, 0x66, 0x72, 0x61, 0x6d, 0x65, 0x73, 0x00];
    assert_eq!(preamble.encode().as_deref(), Ok(&bytes[..]));
    let ping = [
        0x94, 0x01, 0x05, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xce, 0x00, 0x0f, 0x42, 0x40,
    ];
    let mut framed = vec![0x00, 0x00, 0x00, 0x0d];
    framed.extend(ping);
    let (got, end, _) = deframe(&framed, &[100], 2048);
    assert_eq!((got, end), (vec![ping.to_vec()], Ok(())));
}
