//! Goodput of a session over real sockets on loopback, both endpoints in this process: frames of 100 kB in messages of
//! 16 KiB, at the MTU towards browsers and towards our own peers. And what finding the next timer costs.
//!
//! `cargo bench -p frameway-benches --bench webrtc_session`
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use webrtc_session::{
    ChannelId, ChannelInfo, ChannelSpec, ChannelUse, Deadlines, Endpoint, EndpointConfig,
    MessageKind, SessionConfig, SessionHandler, SessionId, SessionState,
};

const FRAME_BYTES: usize = 100_000;
const MESSAGE_BYTES: usize = 16 * 1024;
/// Frames that are sent per frame asked for, so that even criterion's first single iteration outlasts the wake-up.
const FRAMES_PER_ITERATION: usize = 20;

/// Bytes still to be sent, set by the bench, counted down by the sender.
type Left = Arc<AtomicUsize>;

struct Sender {
    left: Left,
}

struct Receiver {
    received: mpsc::Sender<usize>,
    opened: mpsc::Sender<()>,
}

impl SessionHandler for Sender {
    fn on_state(&mut self, _: Instant, _: SessionState) {}

    fn on_channel_open(&mut self, _: Instant, _: ChannelInfo) -> ChannelUse {
        ChannelUse::Accept
    }

    fn on_message(&mut self, _: Instant, _: ChannelId, _: bool, _: &[u8]) {}

    fn poll_message(
        &mut self,
        _: Instant,
        _: ChannelId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        let left = self.left.load(Ordering::Acquire);
        let of_frame = match left % FRAME_BYTES {
            0 => left.min(FRAME_BYTES),
            part => part,
        };
        let bytes = of_frame.min(MESSAGE_BYTES);
        if bytes == 0 || bytes > room_bytes {
            return None;
        }
        self.left.fetch_sub(bytes, Ordering::AcqRel);
        out.resize(bytes, 0x5a);
        Some(MessageKind::Binary)
    }
}

impl SessionHandler for Receiver {
    fn on_state(&mut self, _: Instant, _: SessionState) {}

    fn on_channel_open(&mut self, _: Instant, _: ChannelInfo) -> ChannelUse {
        let _ = self.opened.send(());
        ChannelUse::Accept
    }

    fn on_message(&mut self, _: Instant, _: ChannelId, _: bool, message: &[u8]) {
        let _ = self.received.send(message.len());
    }

    fn poll_message(
        &mut self,
        _: Instant,
        _: ChannelId,
        _: usize,
        _: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        None
    }
}

struct Link {
    server: Endpoint,
    _client: Endpoint,
    session: SessionId,
    left: Left,
    received: mpsc::Receiver<usize>,
}

async fn connect(session: SessionConfig) -> anyhow::Result<Link> {
    let mut config = EndpointConfig::new("127.0.0.1:0".parse()?);
    config.session = session;
    let (server, client) = (Endpoint::bind(config.clone())?, Endpoint::bind(config)?);
    let (received, receives) = mpsc::channel();
    let (opened, opens) = mpsc::channel();
    let left = Left::default();
    let receiver = Box::new(Receiver { received, opened });
    let (offer, pending) = client
        .connect(receiver, &[ChannelSpec::reliable("frames")])
        .await?;
    let sender = Box::new(Sender {
        left: Arc::clone(&left),
    });
    let accepted = server.accept(&offer, sender).await?;
    pending.accept_answer(&accepted.answer_sdp).await?;
    tokio::task::spawn_blocking(move || opens.recv_timeout(Duration::from_secs(20))).await??;
    Ok(Link {
        server,
        _client: client,
        session: accepted.session,
        left,
        received: receives,
    })
}

impl Link {
    fn send(&self, bytes: usize) -> Duration {
        let started = Instant::now();
        self.left.store(bytes, Ordering::Release);
        self.server.wake(self.session);
        let mut arrived = 0;
        while arrived < bytes {
            match self.received.recv_timeout(Duration::from_secs(60)) {
                Ok(message) => arrived += message,
                Err(_) => panic!("the link stalled at {arrived} of {bytes} B"),
            }
        }
        started.elapsed()
    }
}

fn goodput(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("goodput");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    let bytes = FRAME_BYTES * FRAMES_PER_ITERATION;
    group.throughput(Throughput::Bytes(bytes as u64));
    let paths = [
        ("browser, MTU 1200", SessionConfig::browser()),
        ("own peer, MTU 1400", SessionConfig::own_peer()),
    ];
    for (name, config) in paths {
        let link = runtime.block_on(connect(config)).expect("a connected pair");
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| link.send(bytes * iterations as usize));
        });
    }
    group.finish();
}

fn timers(criterion: &mut Criterion) {
    let start = Instant::now();
    let mut deadlines = Deadlines::default();
    for slot in 0..512usize {
        deadlines.set(
            slot,
            Some(start + Duration::from_millis(1000 + (slot as u64 * 7919) % 3000)),
        );
    }
    criterion.bench_function("next of 512 timers", |bencher| {
        bencher.iter(|| black_box(&deadlines).next());
    });
}

criterion_group!(benches, goodput, timers);
criterion_main!(benches);
