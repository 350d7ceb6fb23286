//! Messages to bytes: each is one MessagePack array, appended to the caller's buffer.
//!
//! Fed by the two machines; feeds a lane. `rmp` writes every element at its shortest. The payload of
//! a chunk is copied exactly once, from the frame into the caller's buffer.

use rmp::encode::{
    ByteBuf, write_array_len, write_bin_len, write_f64, write_map_len, write_nil, write_sint,
    write_str, write_uint,
};

use super::message::{
    Ack, Chunk, ChunkMeta, ClientStats, FrameErrorReport, FrameTotals, Hello, Message, Role, kind,
};
use super::pairs::Received;
use crate::limits::{MAX_TEXT_BYTES, WIRE_VERSION};

/// Bytes of `bin` framing ahead of a payload in a message of at most `message_bytes`.
const fn bin_header_bytes(message_bytes: usize) -> usize {
    if message_bytes <= u16::MAX as usize {
        3
    } else {
        5
    }
}

/// Appends `message` to `out` as one whole message. Texts beyond 256 B are cut at a character.
pub fn encode(epoch: u32, message: &Message<'_>, out: &mut Vec<u8>) {
    let mut writer = Writer::take(out);
    let w = &mut writer;
    match message {
        Message::Hello(hello) => write_hello(w, epoch, hello),
        Message::Chunk(chunk) => {
            let position = ChunkPosition::of(chunk);
            write_chunk_prefix(w, epoch, &position, chunk.meta.as_ref());
            w.bin(chunk.payload);
        }
        Message::Ack(ack) => write_ack(w, epoch, ack),
        Message::Eof(FrameTotals {
            frames,
            bytes,
            hash,
        }) => {
            w.uints(kind::EOF, epoch, &[*frames, *bytes, *hash]);
        }
        Message::FrameError(report) => write_frame_error(w, epoch, report),
        Message::Ping { t0_us } => w.uints(kind::PING, epoch, &[*t0_us]),
        Message::Pong { t0_us, t1_us } => w.uints(kind::PONG, epoch, &[*t0_us, *t1_us]),
        Message::Goodbye { code, text } => {
            w.start(kind::GOODBYE, epoch, 2);
            w.uint(code.code().into());
            w.text(text);
        }
        Message::ClientStats(stats) => write_client_stats(w, epoch, stats),
        Message::EofAck { frames, hash } => w.uints(kind::EOF_ACK, epoch, &[*frames, *hash]),
        Message::Unknown { kind } => w.start(*kind, epoch, 0),
    }
    writer.give_back(out);
}

/// Where a piece belongs: the fixed part of a chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkPosition {
    pub(crate) sequence: u64,
    pub(crate) attempt: u16,
    pub(crate) frame_bytes: u32,
    pub(crate) offset: u32,
}

impl ChunkPosition {
    fn of(chunk: &Chunk<'_>) -> Self {
        let Chunk {
            sequence,
            attempt,
            frame_bytes,
            offset,
            ..
        } = *chunk;
        Self {
            sequence,
            attempt,
            frame_bytes,
            offset,
        }
    }
}

/// How long a message with a chunk may be, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkSize {
    /// A shorter message ends its frame.
    pub(crate) least: usize,
    /// What the lane and its path take: the frame is cut for it.
    pub(crate) most: usize,
    /// What can be taken now.
    pub(crate) room: usize,
    /// Messages that do not end their frame are multiples of this, where they can be; 1: equal pieces.
    pub(crate) fragment: usize,
}

impl ChunkSize {
    /// The longest message now that is whole fragments; of one too short for that, as long as it may be.
    fn whole_fragments(self, longest: usize) -> usize {
        match longest - longest % self.fragment {
            0 => longest,
            whole => whole,
        }
    }
}

/// Appends a chunk of `frame` from `position.offset` on: one of equal pieces or of whole fragments, or what there is room
/// for. Returns how many payload bytes it took; `None`, with `out` as it was, when the message would be shorter than
/// `size.least` and not the rest of the frame.
pub(crate) fn encode_chunk_within(
    epoch: u32,
    position: &ChunkPosition,
    meta: Option<&ChunkMeta>,
    frame: &[u8],
    size: ChunkSize,
    out: &mut Vec<u8>,
) -> Option<usize> {
    let start = out.len();
    let mut writer = Writer::take(out);
    write_chunk_prefix(&mut writer, epoch, position, meta);
    let longest = size.most.min(size.room);
    let header = writer.0.as_slice().len() - start + bin_header_bytes(longest);
    let rest = frame.get(position.offset as usize..).unwrap_or_default();
    let (longest, share) = if header + rest.len() <= longest {
        (longest, rest.len())
    } else if size.fragment > 1 {
        let most = size.whole_fragments(size.most).saturating_sub(header);
        (size.whole_fragments(longest), most.min(rest.len()))
    } else {
        let later = size.most.saturating_sub(MAX_LATER_HEADER_BYTES);
        let most = size.most.saturating_sub(header);
        (longest, equal_share(rest.len(), most, later))
    };
    let taken = longest.checked_sub(header).map(|room| room.min(share));
    let taken = taken.filter(|&taken| {
        taken == rest.len() || taken > 0 && (taken == share || header + taken >= size.least)
    });
    if let Some(taken) = taken {
        writer.bin(&rest[..taken]);
    }
    writer.give_back(out);
    if taken.is_none() {
        out.truncate(start);
    }
    taken
}

/// Bytes ahead of the payload in a chunk without `meta`, at most: array, version, kind, epoch, sequence, attempt,
/// frame_bytes, offset, nil, `bin`.
const MAX_LATER_HEADER_BYTES: usize = 1 + 1 + 1 + 5 + 9 + 3 + 5 + 5 + 1 + 5;

/// The first of the equal pieces that `rest` bytes make where this message carries at most `now` of them and each
/// later one `later`: as few pieces as can be, and no crumb at the end.
fn equal_share(rest: usize, now: usize, later: usize) -> usize {
    if rest <= now {
        return rest;
    }
    let pieces_later = (rest - now).div_ceil(later.max(1));
    rest.div_ceil(1 + pieces_later).min(now)
}

fn write_hello(w: &mut Writer, epoch: u32, hello: &Hello) {
    let role = match hello.role {
        Role::Sender => 0,
        Role::Receiver => 1,
    };
    let Hello {
        max_message_bytes,
        window,
        next_sequence,
        ..
    } = *hello;
    let elements = [
        role,
        max_message_bytes,
        window.frames.into(),
        window.bytes,
        next_sequence,
    ];
    w.uints(kind::HELLO, epoch, &elements);
}

fn write_chunk_prefix(
    w: &mut Writer,
    epoch: u32,
    position: &ChunkPosition,
    meta: Option<&ChunkMeta>,
) {
    w.start(kind::CHUNK, epoch, 6);
    w.uint(position.sequence);
    w.uint(position.attempt.into());
    w.uint(position.frame_bytes.into());
    w.uint(position.offset.into());
    match meta {
        Some(meta) => write_meta(w, meta),
        None => w.nil(),
    }
}

fn write_meta(w: &mut Writer, meta: &ChunkMeta) {
    let frame = &meta.frame;
    w.array(10);
    w.uint(frame.source_id);
    w.sint(frame.pts_us);
    w.uint(frame.duration_us.into());
    w.uint(frame.width.into());
    w.uint(frame.height.into());
    w.uint(frame.encoding.code().into());
    w.uint(frame.quality.into());
    w.uint(u64::from(frame.keyframe) | u64::from(meta.given_up) << 1);
    w.uint(frame.released_us);
    w.uint(meta.payload_hash);
}

fn write_ack(w: &mut Writer, epoch: u32, ack: &Ack<'_>) {
    w.start(kind::ACK, epoch, 4);
    w.uint(ack.next_sequence);
    w.array(ack.received.len() as u32);
    for Received { sequence, attempt } in ack.received.iter() {
        w.array(2);
        w.uint(sequence);
        w.uint(attempt.into());
    }
    w.uint(ack.window.frames.into());
    w.uint(ack.window.bytes);
}

fn write_frame_error(w: &mut Writer, epoch: u32, report: &FrameErrorReport<'_>) {
    w.start(kind::FRAME_ERROR, epoch, 4);
    w.uint(report.refused.sequence);
    w.uint(report.refused.attempt.into());
    w.uint(report.code.code().into());
    w.text(report.text);
}

fn write_client_stats(w: &mut Writer, epoch: u32, stats: &ClientStats) {
    w.start(kind::CLIENT_STATS, epoch, 1);
    w.map(stats.len() as u32);
    for (name, value) in stats.iter() {
        w.text(name);
        w.float(value);
    }
}

/// The caller's buffer while it is written to. `ByteBuf` cannot fail, so nothing here can.
struct Writer(ByteBuf);

impl Writer {
    fn take(out: &mut Vec<u8>) -> Self {
        Self(ByteBuf::from_vec(std::mem::take(out)))
    }

    fn give_back(self, out: &mut Vec<u8>) {
        *out = self.0.into_vec();
    }

    fn start(&mut self, kind: u64, epoch: u32, elements: u32) {
        self.array(3 + elements);
        self.uint(WIRE_VERSION);
        self.uint(kind);
        self.uint(epoch.into());
    }

    fn uints(&mut self, kind: u64, epoch: u32, elements: &[u64]) {
        self.start(kind, epoch, elements.len() as u32);
        for element in elements {
            self.uint(*element);
        }
    }

    fn array(&mut self, len: u32) {
        let Ok(_) = write_array_len(&mut self.0, len);
    }

    fn map(&mut self, len: u32) {
        let Ok(_) = write_map_len(&mut self.0, len);
    }

    fn uint(&mut self, value: u64) {
        let Ok(_) = write_uint(&mut self.0, value);
    }

    fn sint(&mut self, value: i64) {
        let Ok(_) = write_sint(&mut self.0, value);
    }

    fn float(&mut self, value: f64) {
        let Ok(_) = write_f64(&mut self.0, value);
    }

    fn nil(&mut self) {
        let Ok(()) = write_nil(&mut self.0);
    }

    fn text(&mut self, text: &str) {
        let cut = text.floor_char_boundary(MAX_TEXT_BYTES);
        let Ok(_) = write_str(&mut self.0, &text[..cut]);
    }

    fn bin(&mut self, payload: &[u8]) {
        let Ok(_) = write_bin_len(&mut self.0, payload.len() as u32);
        self.0.as_mut_vec().extend_from_slice(payload);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::equal_share;

    proptest! {
        /// No more pieces than greedy cutting makes, none longer than allowed, none a crumb.
        #[test]
        fn pieces_are_equal_and_few(len in 0usize..2_000_000, now in 1usize..20_000, more in 0usize..100) {
            let (mut rest, mut room, later) = (len, now, now + more);
            let mut pieces = Vec::new();
            while rest > 0 {
                let piece = equal_share(rest, room, later);
                prop_assert!(0 < piece && piece <= room);
                pieces.push(piece);
                rest -= piece;
                room = later;
            }
            let greedy = usize::from(len > 0) + len.saturating_sub(now).div_ceil(later);
            prop_assert_eq!(pieces.len(), greedy);
            prop_assert_eq!(pieces.iter().sum::<usize>(), len);
            let (most, least) = (pieces.iter().max(), pieces.iter().min());
            if let (Some(most), Some(least)) = (most, least) {
                prop_assert!(most - least <= more + pieces.len(), "{} to {}", least, most);
            }
        }
    }
}
