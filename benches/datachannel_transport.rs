//! The transport's core alone: no sockets, no runtime. `cargo bench -p frameway-benches --bench datachannel_transport`.
//!
//! `link` moves 100 kB frames through a sender and a receiver in chunks of 16 KiB, both copies and both
//! hashes included; the allocations it makes per frame are printed first. `16 under way` does so as a network
//! does: sixteen different frames' messages lie in memory before the first is read.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datachannel_transport::wire::{Chunk, Message, decode, encode};
use datachannel_transport::{
    Encoding, FrameMeta, FrameReceiver, FrameSender, LaneId, LaneLimits, Offer, OutgoingFrame,
    ReceiverConfig, SenderConfig,
};

const FRAME_BYTES: usize = 100_000;
const LANE: LaneId = LaneId(0);

/// Counts what the bench allocates.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps `GlobalAlloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `GlobalAlloc`'s contract.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps `GlobalAlloc`'s contract.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Link {
    now: Instant,
    sender: FrameSender,
    receiver: FrameReceiver,
    message: Vec<u8>,
    payload: Bytes,
    next_id: u64,
}

impl Link {
    fn new(sender: SenderConfig, receiver: ReceiverConfig, now: Instant) -> Self {
        let mut sender = FrameSender::new(SenderConfig {
            ping_interval: None,
            ..sender
        })
        .unwrap();
        let mut receiver = FrameReceiver::new(ReceiverConfig {
            ping_interval: None,
            ..receiver
        })
        .unwrap();
        sender
            .lane_opened(now, LANE, LaneLimits::default())
            .unwrap();
        receiver
            .lane_opened(now, LANE, LaneLimits::default())
            .unwrap();
        let payload: Vec<u8> = (0..FRAME_BYTES).map(|at| (at * 31) as u8).collect();
        // Shared once here, as a cached encode is.
        let payload = Bytes::from(payload);
        let message = Vec::with_capacity(64 * 1024);
        Self {
            now,
            sender,
            receiver,
            message,
            payload: payload.clone(),
            next_id: 0,
        }
    }

    fn offer(&mut self) {
        let meta = FrameMeta {
            source_id: self.next_id,
            pts_us: 0,
            duration_us: 33_333,
            width: 1280,
            height: 720,
            encoding: Encoding::Jpeg,
            quality: 85,
            keyframe: true,
            released_us: 0,
        };
        self.next_id += 1;
        let payload = self.payload.clone();
        assert_eq!(
            self.sender.offer(self.now, OutgoingFrame { meta, payload }),
            Offer::Queued
        );
    }

    /// One frame from offer to ack.
    fn frame(&mut self) -> usize {
        self.offer();
        self.message.clear();
        while self
            .sender
            .poll_message(self.now, LANE, 65_536, &mut self.message)
        {
            self.receiver
                .handle_message(self.now, LANE, &self.message)
                .unwrap();
            self.message.clear();
        }
        let received = self.receiver.poll_frame().unwrap().payload.len();
        self.acknowledge();
        received
    }

    fn acknowledge(&mut self) {
        while self
            .receiver
            .poll_message(self.now, LANE, 65_536, &mut self.message)
        {
            self.sender
                .handle_message(self.now, LANE, &self.message)
                .unwrap();
            self.message.clear();
        }
        while self.sender.poll_event().is_some() {}
    }
}

/// Frames under way at once in `16 under way`; their messages are more than a core's own caches hold.
const UNDER_WAY: usize = 16;

/// A link with many frames under way, each with bytes of its own.
struct Full {
    link: Link,
    payloads: Vec<Bytes>,
    messages: Vec<Vec<u8>>,
}

impl Full {
    fn new(mut link: Link) -> Self {
        // With the first frame the receiver's window comes.
        link.frame();
        let payloads = (0..4 * UNDER_WAY).map(|n| {
            let bytes: Vec<u8> = (0..FRAME_BYTES).map(|at| (at * (31 + n)) as u8).collect();
            Bytes::from(bytes)
        });
        let messages =
            (0..UNDER_WAY * (FRAME_BYTES / 16_000 + 2)).map(|_| Vec::with_capacity(17_000));
        Self {
            link,
            payloads: payloads.collect(),
            messages: messages.collect(),
        }
    }

    /// All frames from offer to ack.
    fn round(&mut self) -> usize {
        let link = &mut self.link;
        for _ in 0..UNDER_WAY {
            link.payload = self.payloads[link.next_id as usize % self.payloads.len()].clone();
            link.offer();
        }
        let mut used = 0;
        let now = link.now;
        while (link.sender).poll_message(now, LANE, 65_536, &mut self.messages[used]) {
            used += 1;
        }
        for message in &mut self.messages[..used] {
            link.receiver.handle_message(now, LANE, message).unwrap();
            message.clear();
        }
        let taken: Vec<_> = std::iter::from_fn(|| link.receiver.poll_frame()).collect();
        assert_eq!(taken.len(), UNDER_WAY);
        link.acknowledge();
        taken.iter().map(|frame| frame.payload.len()).sum()
    }
}

fn allocations_per_frame(link: &mut Link) -> f64 {
    const FRAMES: u64 = 10_000;
    (0..100).for_each(|_| assert_eq!(link.frame(), FRAME_BYTES));
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    (0..FRAMES).for_each(|_| assert_eq!(link.frame(), FRAME_BYTES));
    (ALLOCATIONS.load(Ordering::Relaxed) - before) as f64 / FRAMES as f64
}

fn link(c: &mut Criterion) {
    let now = Instant::now();
    let mut group = c.benchmark_group("link, 100 kB frames, 16 KiB chunks");
    group.throughput(Throughput::Bytes(FRAME_BYTES as u64));
    let every = (
        SenderConfig::every_frame(1, now),
        ReceiverConfig::every_frame(now),
    );
    let realtime = (
        SenderConfig::realtime(1, now),
        ReceiverConfig::realtime(now),
    );
    for (name, (sender, receiver)) in [("every frame", every), ("realtime", realtime)] {
        let mut link = Link::new(sender, receiver, now);
        println!(
            "{name}: {:.2} allocations per frame",
            allocations_per_frame(&mut link)
        );
        group.bench_function(name, |b| b.iter(|| link.frame()));
    }
    let (sender, receiver) = every;
    let mut full = Full::new(Link::new(sender, receiver, now));
    group.throughput(Throughput::Bytes((UNDER_WAY * FRAME_BYTES) as u64));
    group.bench_function("every frame, 16 under way", |b| b.iter(|| full.round()));
}

/// What one frame costs a server towards a browser: offer, chunks, ack.
fn sender_alone(c: &mut Criterion) {
    let now = Instant::now();
    let mut link = Link::new(
        SenderConfig::realtime(1, now),
        ReceiverConfig::realtime(now),
        now,
    );
    link.frame();
    let mut acks = Vec::new();
    c.bench_function("realtime sender alone, one 100 kB frame", |b| {
        b.iter_custom(|iterations| {
            let mut spent = std::time::Duration::ZERO;
            for _ in 0..iterations {
                let (messages, elapsed) = send_one(&mut link);
                spent += elapsed;
                messages
                    .iter()
                    .for_each(|m| link.receiver.handle_message(now, LANE, m).unwrap());
                link.receiver.poll_frame().unwrap();
                while link.receiver.poll_message(now, LANE, 65_536, &mut acks) {
                    let start = Instant::now();
                    link.sender.handle_message(now, LANE, &acks).unwrap();
                    spent += start.elapsed();
                    acks.clear();
                }
                while link.sender.poll_event().is_some() {}
            }
            spent
        });
    });
}

fn send_one(link: &mut Link) -> (Vec<Vec<u8>>, std::time::Duration) {
    let mut messages: Vec<_> = (0..8).map(|_| Vec::with_capacity(17_000)).collect();
    let meta = FrameMeta {
        source_id: link.next_id,
        pts_us: 0,
        duration_us: 33_333,
        width: 1280,
        height: 720,
        encoding: Encoding::Jpeg,
        quality: 85,
        keyframe: true,
        released_us: 0,
    };
    link.next_id += 1;
    let start = Instant::now();
    let payload = link.payload.clone();
    assert_eq!(
        link.sender.offer(link.now, OutgoingFrame { meta, payload }),
        Offer::Queued
    );
    let mut used = 0;
    while link
        .sender
        .poll_message(link.now, LANE, 65_536, &mut messages[used])
    {
        used += 1;
    }
    let elapsed = start.elapsed();
    messages.truncate(used);
    (messages, elapsed)
}

fn codec(c: &mut Criterion) {
    let payload = vec![7; 16_000];
    let chunk = Chunk {
        sequence: 1 << 20,
        attempt: 0,
        frame_bytes: 100_000,
        offset: 16_000,
        meta: None,
        payload: &payload,
    };
    let message = Message::Chunk(chunk);
    let mut out = Vec::with_capacity(20_000);
    c.bench_function("encode a 16 kB chunk", |b| {
        b.iter(|| {
            out.clear();
            encode(7, black_box(&message), &mut out);
        });
    });
    c.bench_function("decode a 16 kB chunk", |b| {
        b.iter(|| decode(black_box(&out)).unwrap());
    });
}

criterion_group!(benches, link, sender_alone, codec);
criterion_main!(benches);
