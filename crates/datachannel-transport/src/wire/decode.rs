//! Bytes to messages: borrowed, bounded, and checked as far as one message can be checked alone.
//!
//! Fed by a lane; feeds the two machines. Unknown kinds and elements beyond those known are passed
//! over, so that a later revision can append.

use super::cursor::Cursor;
use super::error::DecodeError;
use super::message::{
    Ack, Chunk, ChunkMeta, ClientStats, Envelope, FrameErrorCode, FrameErrorReport, FrameTotals,
    GoodbyeCode, Hello, Message, Role, Window, kind,
};
use super::meta::{Encoding, FrameMeta};
use super::pairs::{Received, ReceivedPairs, read_pair};
use crate::limits::{
    MAX_MESSAGE_BYTES, MAX_RECEIVED_PAIRS, MAX_SEQUENCE, MAX_STATS_ENTRIES, MAX_STATS_KEY_BYTES,
    MAX_TEXT_BYTES, WIRE_VERSION,
};

/// Elements of `meta` in version 1.
const META_ELEMENTS: u64 = 10;

/// Decodes one whole message. Payload, text and pairs stay where they are, in `bytes`; only client
/// statistics are copied.
///
/// # Errors
/// What the message contradicts, by element. No input panics or allocates more than its own length.
pub fn decode(bytes: &[u8]) -> Result<Envelope<'_>, DecodeError> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(DecodeError::TooLong {
            len: bytes.len(),
            max: MAX_MESSAGE_BYTES,
        });
    }
    let mut c = Cursor::new(bytes);
    let elements = c.array("message")?;
    require("message", elements, 3)?;
    let version = c.u64("version")?;
    if version != WIRE_VERSION {
        return Err(DecodeError::Version(version));
    }
    let kind = c.u64("kind")?;
    let epoch = c.u32("epoch")?;
    let (message, known) = decode_body(&mut c, kind, elements)?;
    c.skip(elements.saturating_sub(known))?;
    match c.remaining().len() {
        0 => Ok(Envelope { epoch, message }),
        trailing => Err(DecodeError::TrailingBytes(trailing)),
    }
}

/// Decodes the elements after the first three; returns also how many elements of the array are read.
fn decode_body<'a>(
    c: &mut Cursor<'a>,
    kind: u64,
    elements: u64,
) -> Result<(Message<'a>, u64), DecodeError> {
    let need = |name, least| require(name, elements, least);
    Ok(match kind {
        kind::HELLO => (need("hello", 8).and_then(|()| hello(c))?, 8),
        kind::CHUNK => (need("chunk", 9).and_then(|()| chunk(c))?, 9),
        kind::ACK => (need("ack", 7).and_then(|()| ack(c))?, 7),
        kind::EOF => (need("eof", 6).and_then(|()| eof(c))?, 6),
        kind::FRAME_ERROR => (need("frame_error", 7).and_then(|()| frame_error(c))?, 7),
        kind::PING => (need("ping", 4).and_then(|()| ping(c))?, 4),
        kind::PONG => (need("pong", 5).and_then(|()| pong(c))?, 5),
        kind::GOODBYE => (need("goodbye", 5).and_then(|()| goodbye(c))?, 5),
        kind::CLIENT_STATS => (need("client_stats", 4).and_then(|()| client_stats(c))?, 4),
        kind::EOF_ACK => (need("eof_ack", 5).and_then(|()| eof_ack(c))?, 5),
        kind => (Message::Unknown { kind }, 3),
    })
}

fn require(kind: &'static str, found: u64, least: u64) -> Result<(), DecodeError> {
    if found < least {
        return Err(DecodeError::TooFewElements { kind, found, least });
    }
    Ok(())
}

fn window(c: &mut Cursor<'_>) -> Result<Window, DecodeError> {
    Ok(Window {
        frames: c.u32("window_frames")?,
        bytes: c.u64("window_bytes")?,
    })
}

/// `next_sequence` may be one past the last frame.
fn next_sequence(c: &mut Cursor<'_>) -> Result<u64, DecodeError> {
    c.uint("next_sequence", MAX_SEQUENCE + 1)
}

fn hello<'a>(c: &mut Cursor<'_>) -> Result<Message<'a>, DecodeError> {
    let role = match c.u64("role")? {
        0 => Role::Sender,
        1 => Role::Receiver,
        other => return Err(DecodeError::Role(other)),
    };
    let max_message_bytes = c.u64("max_message_bytes")?;
    let window = window(c)?;
    let next_sequence = next_sequence(c)?;
    Ok(Message::Hello(Hello {
        role,
        max_message_bytes,
        window,
        next_sequence,
    }))
}

fn chunk<'a>(c: &mut Cursor<'a>) -> Result<Message<'a>, DecodeError> {
    let sequence = c.uint("sequence", MAX_SEQUENCE)?;
    let attempt = c.u16("attempt")?;
    let frame_bytes = c.u32("frame_bytes")?;
    let offset = c.u32("offset")?;
    let meta = if c.nil() { None } else { Some(meta(c)?) };
    let payload = c.bin("payload")?;
    let chunk = Chunk {
        sequence,
        attempt,
        frame_bytes,
        offset,
        meta,
        payload,
    };
    check_chunk(&chunk)?;
    Ok(Message::Chunk(chunk))
}

/// What a chunk must satisfy whatever came before it.
fn check_chunk(chunk: &Chunk<'_>) -> Result<(), DecodeError> {
    let Chunk {
        sequence,
        frame_bytes,
        offset,
        ..
    } = *chunk;
    let end = u64::from(offset) + chunk.payload.len() as u64;
    if end > u64::from(frame_bytes) {
        return Err(DecodeError::PastEnd {
            sequence,
            end,
            frame_bytes,
        });
    }
    if chunk.payload.is_empty() && frame_bytes > 0 {
        return Err(DecodeError::EmptyChunk { sequence, offset });
    }
    match &chunk.meta {
        None if offset == 0 => Err(DecodeError::MetaMissing { sequence }),
        Some(_) if offset > 0 => Err(DecodeError::MetaUnexpected { sequence, offset }),
        Some(meta) if meta.given_up && frame_bytes > 0 => Err(DecodeError::GivenUpNotEmpty {
            sequence,
            frame_bytes,
        }),
        Some(meta) if !meta.given_up => meta
            .frame
            .check(frame_bytes.into())
            .map_err(|source| DecodeError::Meta { sequence, source }),
        _ => Ok(()),
    }
}

fn meta(c: &mut Cursor<'_>) -> Result<ChunkMeta, DecodeError> {
    let elements = c.array("meta")?;
    require("meta", elements, META_ELEMENTS)?;
    let source_id = c.u64("source_id")?;
    let pts_us = c.i64("pts_us")?;
    let duration_us = c.u32("duration_us")?;
    let width = c.u32("width")?;
    let height = c.u32("height")?;
    let encoding = Encoding::from_code(c.uint("encoding", u8::MAX.into())? as u8);
    let quality = c.uint("quality", u8::MAX.into())? as u8;
    let flags = c.u64("flags")?;
    let released_us = c.u64("released_us")?;
    let payload_hash = c.u64("hash")?;
    c.skip(elements - META_ELEMENTS)?;
    let keyframe = flags & 1 != 0;
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
    Ok(ChunkMeta {
        frame,
        given_up: flags & 2 != 0,
        payload_hash,
    })
}

fn ack<'a>(c: &mut Cursor<'a>) -> Result<Message<'a>, DecodeError> {
    let next_sequence = next_sequence(c)?;
    let count = c.array("received")?;
    let max = MAX_RECEIVED_PAIRS as u64;
    if count > max {
        return Err(DecodeError::OutOfRange {
            element: "received",
            value: count,
            max,
        });
    }
    let listed = c.remaining();
    for _ in 0..count {
        read_pair(c.raw()).ok_or(DecodeError::Truncated {
            element: "received",
        })?;
    }
    let used = listed.len() - c.remaining().len();
    let received = ReceivedPairs::encoded(count as usize, &listed[..used]);
    Ok(Message::Ack(Ack {
        next_sequence,
        received,
        window: window(c)?,
    }))
}

fn eof<'a>(c: &mut Cursor<'_>) -> Result<Message<'a>, DecodeError> {
    let frames = c.uint("frames", MAX_SEQUENCE + 1)?;
    Ok(Message::Eof(FrameTotals {
        frames,
        bytes: c.u64("bytes")?,
        hash: c.u64("hash")?,
    }))
}

fn eof_ack<'a>(c: &mut Cursor<'_>) -> Result<Message<'a>, DecodeError> {
    let frames = c.uint("frames", MAX_SEQUENCE + 1)?;
    Ok(Message::EofAck {
        frames,
        hash: c.u64("hash")?,
    })
}

fn frame_error<'a>(c: &mut Cursor<'a>) -> Result<Message<'a>, DecodeError> {
    let sequence = c.uint("sequence", MAX_SEQUENCE)?;
    let refused = Received {
        sequence,
        attempt: c.u16("attempt")?,
    };
    let code = FrameErrorCode::from_code(c.u16("code")?);
    let text = c.text("text", MAX_TEXT_BYTES)?;
    Ok(Message::FrameError(FrameErrorReport {
        refused,
        code,
        text,
    }))
}

fn ping<'a>(c: &mut Cursor<'_>) -> Result<Message<'a>, DecodeError> {
    Ok(Message::Ping {
        t0_us: c.u64("t0_us")?,
    })
}

fn pong<'a>(c: &mut Cursor<'_>) -> Result<Message<'a>, DecodeError> {
    Ok(Message::Pong {
        t0_us: c.u64("t0_us")?,
        t1_us: c.u64("t1_us")?,
    })
}

fn goodbye<'a>(c: &mut Cursor<'a>) -> Result<Message<'a>, DecodeError> {
    let code = GoodbyeCode::from_code(c.u16("code")?);
    Ok(Message::Goodbye {
        code,
        text: c.text("text", MAX_TEXT_BYTES)?,
    })
}

fn client_stats<'a>(c: &mut Cursor<'_>) -> Result<Message<'a>, DecodeError> {
    let count = c.map("client_stats")?;
    let max = MAX_STATS_ENTRIES as u64;
    if count > max {
        return Err(DecodeError::OutOfRange {
            element: "client_stats",
            value: count,
            max,
        });
    }
    let mut stats = ClientStats::new();
    for _ in 0..count {
        let name = c.text("a key in client_stats", MAX_STATS_KEY_BYTES)?;
        let value = c.number("a value in client_stats")?;
        if !stats.set(name, value) {
            return Err(DecodeError::NotFinite);
        }
    }
    Ok(Message::ClientStats(stats))
}
