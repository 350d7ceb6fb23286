//! libdatachannel, two ends in one process: how fast frames of 100 kB cross one reliable, ordered data channel on loopback.
//!
//! `peer-libdatachannel [FRAMES=2000] [BYTES=100000]` prints megabytes a second, from the first message to the last.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use datachannel::{
    DataChannelHandler, DataChannelInfo, IceCandidate, PeerConnectionHandler, RtcConfig,
    RtcDataChannel, RtcPeerConnection, SessionDescription,
};

/// Bytes that the sender keeps buffered: enough that it never runs dry.
const BUFFERED_BYTES: usize = 1 << 20;

enum Signal {
    Description(SessionDescription),
    Candidate(IceCandidate),
}

/// Counts what arrives; says when it opens and when room is made.
#[derive(Clone)]
struct Channel {
    received: Arc<AtomicU64>,
    first: Arc<std::sync::OnceLock<Instant>>,
    event: Sender<()>,
}

impl DataChannelHandler for Channel {
    fn on_open(&mut self) {
        let _ = self.event.send(());
    }

    fn on_message(&mut self, message: &[u8]) {
        self.first.get_or_init(Instant::now);
        self.received.fetch_add(message.len() as u64, Ordering::Relaxed);
    }

    fn on_buffered_amount_low(&mut self) {
        let _ = self.event.send(());
    }
}

struct Peer {
    to_other: Sender<Signal>,
    channel: Channel,
    kept: Sender<Box<RtcDataChannel<Channel>>>,
}

impl PeerConnectionHandler for Peer {
    type DCH = Channel;

    fn data_channel_handler(&mut self, _: DataChannelInfo) -> Channel {
        self.channel.clone()
    }

    fn on_description(&mut self, description: SessionDescription) {
        let _ = self.to_other.send(Signal::Description(description));
    }

    fn on_candidate(&mut self, candidate: IceCandidate) {
        let _ = self.to_other.send(Signal::Candidate(candidate));
    }

    fn on_data_channel(&mut self, channel: Box<RtcDataChannel<Channel>>) {
        let _ = self.kept.send(channel);
    }
}

fn listen(mut peer: Box<RtcPeerConnection<Peer>>, signals: Receiver<Signal>) {
    thread::spawn(move || {
        for signal in signals {
            let _ = match signal {
                Signal::Description(description) => peer.set_remote_description(&description),
                Signal::Candidate(candidate) => peer.add_remote_candidate(&candidate),
            };
        }
    });
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|it| it.parse::<u64>().expect("a number"));
    let frames = arguments.next().unwrap_or(2_000);
    let bytes = arguments.next().unwrap_or(100_000);

    let config = RtcConfig::new::<&str>(&[]).bind_address(&"127.0.0.1");
    let (to_sender, for_sender) = channel();
    let (to_receiver, for_receiver) = channel();
    let (event, events) = channel();
    let (kept, keep) = channel();
    let own = Channel { received: Arc::default(), first: Arc::default(), event };
    let receiving = Channel { event: channel().0, ..own.clone() };
    let peer = |to_other, channel: &Channel| Peer { to_other, channel: channel.clone(), kept: kept.clone() };
    let receiver = RtcPeerConnection::new(&config, peer(to_sender, &receiving)).expect("a peer");
    let mut sender = RtcPeerConnection::new(&config, peer(to_receiver, &own)).expect("a peer");
    listen(receiver, for_receiver);
    let mut frames_channel = sender.create_data_channel("frames", own.clone()).expect("a channel");
    listen(sender, for_sender);

    events.recv_timeout(Duration::from_secs(10)).expect("no connection within 10 s");
    let _remote = keep.recv_timeout(Duration::from_secs(10)).expect("no channel at the other end");
    frames_channel.set_buffered_amount_low_threshold(BUFFERED_BYTES / 2).expect("a threshold");
    let frame: Vec<u8> = (0..bytes).map(|at| (at * 31 % 251) as u8).collect();
    for _ in 0..frames {
        while frames_channel.buffered_amount() > BUFFERED_BYTES {
            let _ = events.recv_timeout(Duration::from_millis(50));
        }
        frames_channel.send(&frame).expect("sent");
    }
    let deadline = Instant::now() + Duration::from_secs(120);
    while own.received.load(Ordering::Relaxed) < frames * bytes {
        assert!(Instant::now() < deadline, "not all arrived");
        thread::sleep(Duration::from_micros(200));
    }
    let took = own.first.get().expect("a first message").elapsed();
    println!("{:.1}", (frames * bytes) as f64 / 1e6 / took.as_secs_f64());
}
