//! Two endpoints in one process connect over loopback, greet each other, and then one sends frames of 100 kB to the
//! other as fast as the channel takes them. Prints how fast that was.
//!
//! `cargo run --release --example webrtc_session`
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context;
use webrtc_session::{
    ChannelId, ChannelInfo, ChannelSpec, ChannelUse, Endpoint, EndpointConfig, MessageKind,
    SessionConfig, SessionHandler, SessionState,
};

const FRAME_BYTES: usize = 100_000;
const FRAMES: usize = 5_000;
/// The size of message that is fastest: larger ones wait longer for room, smaller ones cost more each.
const MESSAGE_BYTES: usize = 16 * 1024;

/// Sends `left` bytes in messages of [`MESSAGE_BYTES`], none crossing a frame's end.
struct Sender {
    left: usize,
}

/// Counts what arrives and says when it is all there.
struct Receiver {
    received: usize,
    started: Option<Instant>,
    done: mpsc::Sender<Duration>,
}

impl SessionHandler for Sender {
    fn on_state(&mut self, _now: Instant, state: SessionState) {
        eprintln!("sender: {state:?}");
    }

    fn on_channel_open(&mut self, _now: Instant, channel: ChannelInfo) -> ChannelUse {
        eprintln!(
            "sender: channel {:?} takes messages of up to {} bytes",
            channel.label, channel.max_message_bytes
        );
        ChannelUse::Accept
    }

    fn on_message(&mut self, _now: Instant, _channel: ChannelId, _binary: bool, _message: &[u8]) {}

    fn poll_message(
        &mut self,
        _now: Instant,
        _channel: ChannelId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        let left_of_frame = match self.left % FRAME_BYTES {
            0 if self.left > 0 => FRAME_BYTES,
            left => left,
        };
        let bytes = left_of_frame.min(MESSAGE_BYTES);
        if bytes == 0 || bytes > room_bytes {
            return None;
        }
        self.left -= bytes;
        out.resize(bytes, 0x5a);
        Some(MessageKind::Binary)
    }
}

impl SessionHandler for Receiver {
    fn on_state(&mut self, _now: Instant, state: SessionState) {
        eprintln!("receiver: {state:?}");
    }

    fn on_channel_open(&mut self, _now: Instant, _channel: ChannelInfo) -> ChannelUse {
        ChannelUse::Accept
    }

    fn on_message(&mut self, now: Instant, _channel: ChannelId, _binary: bool, message: &[u8]) {
        let started = *self.started.get_or_insert(now);
        self.received += message.len();
        if self.received == FRAMES * FRAME_BYTES {
            // The main thread is waiting for this.
            let _ = self.done.send(now - started);
        }
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

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let mut config = EndpointConfig::new("127.0.0.1:0".parse()?);
    config.session = SessionConfig::own_peer();
    let (server, client) = (Endpoint::bind(config.clone())?, Endpoint::bind(config)?);
    let (done, all_received) = mpsc::channel();

    let begun = Instant::now();
    let receiver = Receiver {
        received: 0,
        started: None,
        done,
    };
    let (offer, pending) = client
        .connect(Box::new(receiver), &[ChannelSpec::reliable("frames")])
        .await?;
    let accepted = server
        .accept(
            &offer,
            Box::new(Sender {
                left: FRAMES * FRAME_BYTES,
            }),
        )
        .await?;
    let session = pending.accept_answer(&accepted.answer_sdp).await?;

    let took =
        tokio::task::spawn_blocking(move || all_received.recv_timeout(Duration::from_secs(120)))
            .await?
            .context("the frames did not arrive within two minutes")?;
    let stats = server.stats(accepted.session).await?;
    let totals = server.totals();
    let megabytes = (FRAMES * FRAME_BYTES) as f64 / 1e6;
    println!(
        "{megabytes:.0} MB in {took:.2?}: {:.0} MB/s goodput",
        megabytes / took.as_secs_f64()
    );
    println!(
        "connected and first frame after {:.2?}",
        begun.elapsed() - took
    );
    println!(
        "{} datagrams in {} sends, round trip {:.2?}",
        totals.datagrams_sent,
        totals.send_calls,
        stats.rtt.unwrap_or_default()
    );
    client.close(session).await?;
    Ok(())
}
