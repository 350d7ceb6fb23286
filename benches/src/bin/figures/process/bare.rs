//! Two sessions and nothing around them: messages of 16 KiB from one to the other, as fast as they go.
//!
//! Runs in a process of its own (`--bare-loop`), both ends in it.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use webrtc_session::{
    ChannelId, ChannelInfo, ChannelSpec, ChannelUse, Endpoint, EndpointConfig, MessageKind,
    SessionConfig, SessionHandler, SessionState,
};

const BYTES: usize = 200_000_000;
const MESSAGE_BYTES: usize = 16 * 1024;

struct Sender {
    left: usize,
}

struct Receiver {
    received: usize,
    started: Option<Instant>,
    done: mpsc::SyncSender<Duration>,
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
        let bytes = self.left.min(MESSAGE_BYTES);
        if bytes == 0 || bytes > room_bytes {
            return None;
        }
        self.left -= bytes;
        out.resize(bytes, 0x5a);
        Some(MessageKind::Binary)
    }
}

impl SessionHandler for Receiver {
    fn on_state(&mut self, _: Instant, _: SessionState) {}

    fn on_channel_open(&mut self, _: Instant, _: ChannelInfo) -> ChannelUse {
        ChannelUse::Accept
    }

    fn on_message(&mut self, now: Instant, _: ChannelId, _: bool, message: &[u8]) {
        let started = *self.started.get_or_insert(now);
        self.received += message.len();
        if self.received == BYTES {
            // The main thread is waiting for this.
            let _ = self.done.try_send(now - started);
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

/// Megabytes a second.
pub(crate) async fn loop_once() -> Result<f64> {
    let mut config = EndpointConfig::new("127.0.0.1:0".parse()?);
    config.session = SessionConfig::own_peer();
    let (from, to) = (Endpoint::bind(config.clone())?, Endpoint::bind(config)?);
    let (done, all_received) = mpsc::sync_channel(1);
    let sender = Box::new(Sender { left: BYTES });
    let receiver = Box::new(Receiver {
        received: 0,
        started: None,
        done,
    });
    let (offer, pending) = from
        .connect(sender, &[ChannelSpec::reliable("frames")])
        .await?;
    let accepted = to.accept(&offer, receiver).await?;
    pending.accept_answer(&accepted.answer_sdp).await?;
    let wait = move || all_received.recv_timeout(Duration::from_secs(120));
    let took = tokio::task::spawn_blocking(wait)
        .await?
        .context("not all arrived within two minutes")?;
    Ok(BYTES as f64 / 1e6 / took.as_secs_f64())
}
