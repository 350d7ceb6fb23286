//! A WebSocket as a lane, the last resort where no UDP passes.
//!
//! The client's first message is text: the channels it opens, as JSON; each is named by its place in that list. Every other
//! message is binary: that number as one byte, then a message of the wire format. Two tasks: one that reads, and one that
//! writes while TCP takes it, so that two ends that both have much to say do not wait for each other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use datachannel_transport::{LaneId, LaneLimits};
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::end::{LaneEnd, LinkEnd};
use super::sizes::MAX_MESSAGE_BYTES;

/// Messages that one look at the channels puts on their way before they are flushed: as much as one larger message.
const BURST_BYTES: usize = MAX_MESSAGE_BYTES;
/// Channels of a lane.
const MAX_CHANNELS: usize = 16;
/// A peer that takes nothing for this long is given up; a cut is noticed sooner, by the link's pings.
const NOT_READING_TIMEOUT: Duration = Duration::from_secs(20);

/// One channel that the client opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SocketChannel {
    pub(crate) label: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) protocol: String,
}

/// The client's first message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenChannels {
    pub(crate) channels: Vec<SocketChannel>,
}

/// A WebSocket's message, whichever library's.
#[derive(Debug)]
pub(crate) enum SocketMessage {
    Text(String),
    Binary(Bytes),
    /// Ping and pong, which the library answers.
    Other,
    Close,
}

/// Why a lane ended.
type Why = String;

struct Shared<L> {
    end: Mutex<LaneEnd<L, u8>>,
    wake: Arc<Notify>,
    /// Channels that are open; written before the first of them is polled.
    channels: Mutex<Vec<u8>>,
}

impl<L: LinkEnd> Shared<L> {
    fn end(&self) -> MutexGuard<'_, LaneEnd<L, u8>> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn channels(&self) -> Vec<u8> {
        let channels = self.channels.lock();
        channels.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens the channels that the link wants. `Err` where it wants none.
    fn open(&self, channels: &[SocketChannel]) -> Result<(), Why> {
        let now = Instant::now();
        let mut end = self.end();
        let mut open = Vec::new();
        for (id, channel) in (0..).zip(channels.iter().take(MAX_CHANNELS)) {
            let SocketChannel { label, protocol } = channel;
            let limits = LaneLimits {
                max_message_bytes: MAX_MESSAGE_BYTES,
                ..LaneLimits::default()
            };
            if end.open(now, id, (label, protocol), MAX_MESSAGE_BYTES, limits) {
                open.push(id);
            }
        }
        if open.is_empty() {
            return Err("none of its channels is wanted".to_owned());
        }
        *self.channels.lock().unwrap_or_else(PoisonError::into_inner) = open;
        self.wake.notify_one();
        Ok(())
    }
}

/// Carries a link's lane until either side ends it. `opens`: the channels that this end asks for; the other end asks where
/// there are none. Returns why it ended; the link has been told.
pub(crate) async fn carry<L, S, E>(link: Arc<L>, lane: LaneId, socket: S, opens: Vec<SocketChannel>)
where
    L: LinkEnd,
    S: Stream<Item = Result<SocketMessage, E>> + Sink<SocketMessage, Error = E> + Send + 'static,
    E: ToString + Send,
{
    let shared = Shared {
        end: Mutex::new(LaneEnd::new(link, lane)),
        wake: Arc::new(Notify::new()),
        channels: Mutex::default(),
    };
    let wake = Arc::clone(&shared.wake);
    shared.end().attached(Arc::new(move || wake.notify_one()));
    let (mut sink, mut source) = socket.split();
    let why = async {
        if !opens.is_empty() {
            let open = OpenChannels { channels: opens };
            let text = serde_json::to_string(&open).unwrap_or_default();
            let said = sink.send(SocketMessage::Text(text)).await;
            said.map_err(|error| error.to_string())?;
            shared.open(&open.channels)?;
        }
        tokio::select! {
            why = read(&shared, &mut source) => why,
            why = write(&shared, &mut sink) => why,
        }
    };
    let why = why
        .await
        .err()
        .unwrap_or_else(|| "closed by the peer".to_owned());
    shared.end().end(Instant::now(), &why);
    // A peer that is gone need not hear it.
    let _ = tokio::time::timeout(Duration::from_secs(1), sink.send(SocketMessage::Close)).await;
}

async fn read<L, S, E>(shared: &Shared<L>, source: &mut S) -> Result<(), Why>
where
    L: LinkEnd,
    S: Stream<Item = Result<SocketMessage, E>> + Unpin,
    E: ToString,
{
    while let Some(message) = source.next().await {
        match message.map_err(|error| error.to_string())? {
            SocketMessage::Binary(message) => {
                let Some((channel, message)) = message.split_first() else {
                    return Err("a message without its channel".to_owned());
                };
                let end = shared.end();
                end.message(Instant::now(), *channel, true, message);
                drop(end);
                shared.wake.notify_one();
            }
            SocketMessage::Text(text) if shared.channels().is_empty() => {
                let open: OpenChannels = serde_json::from_str(&text)
                    .map_err(|error| format!("its first message opens no channels: {error}"))?;
                shared.open(&open.channels)?;
            }
            SocketMessage::Text(_) => return Err("text where messages are binary".to_owned()),
            SocketMessage::Other => {}
            SocketMessage::Close => return Ok(()),
        }
    }
    Ok(())
}

async fn write<L, S, E>(shared: &Shared<L>, sink: &mut S) -> Result<(), Why>
where
    L: LinkEnd,
    S: Sink<SocketMessage, Error = E> + Unpin,
    E: ToString,
{
    let failed = |error: E| error.to_string();
    loop {
        // Before the look: what comes after it wakes again.
        let woken = shared.wake.notified();
        let messages = due(shared);
        if messages.is_empty() {
            let timeout = shared.end().poll_timeout();
            sleep_until(woken, timeout).await;
            let now = Instant::now();
            if timeout.is_some_and(|at| at <= now) {
                shared.end().on_timeout(now);
            }
            continue;
        }
        let sending = async {
            for message in messages {
                sink.feed(SocketMessage::Binary(message)).await?;
            }
            sink.flush().await
        };
        match tokio::time::timeout(NOT_READING_TIMEOUT, sending).await {
            Ok(sent) => sent.map_err(failed)?,
            Err(_) => return Err(format!("the peer took nothing for {NOT_READING_TIMEOUT:?}")),
        }
    }
}

async fn sleep_until(woken: impl Future<Output = ()>, timeout: Option<Instant>) {
    match timeout {
        Some(at) => {
            // Either way the link is looked at.
            let _ = tokio::time::timeout_at(at.into(), woken).await;
        }
        None => woken.await,
    }
}

/// What the channels have to say now: in turns, as much as a burst.
fn due<L: LinkEnd>(shared: &Shared<L>) -> Vec<Bytes> {
    let (now, channels) = (Instant::now(), shared.channels());
    let mut messages = Vec::new();
    let (mut bytes, mut said) = (0, true);
    while said && bytes < BURST_BYTES {
        said = false;
        for channel in &channels {
            let mut message = vec![*channel];
            let end = shared.end();
            if end
                .poll(now, *channel, MAX_MESSAGE_BYTES, &mut message)
                .is_some()
            {
                bytes += message.len();
                messages.push(Bytes::from(message));
                said = true;
            }
        }
    }
    messages
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::Role;
    use webrtc_session::MessageKind;

    use super::*;
    use crate::lanes::end::{Channel, LaneWaker, Opened};
    use crate::process::protocol::{FRAMES_LABEL, RESULTS_LABEL};
    use crate::process::sender::socket::messages_of;

    /// Remembers what it is told; says one message on each channel.
    #[derive(Default)]
    struct Listener {
        opened: Mutex<Vec<(Channel, String)>>,
        heard: Mutex<Vec<(Channel, Vec<u8>)>>,
        why: Mutex<String>,
        said: AtomicBool,
    }

    impl LinkEnd for Listener {
        fn joined(&self, _: Instant, _: LaneId, _: u8) {}

        fn attached(&self, _: LaneId, _: LaneWaker) {}

        fn opened(&self, _: Instant, _: LaneId, opened: &Opened<'_>) -> bool {
            let channel = (opened.channel, opened.protocol.to_owned());
            self.opened.lock().unwrap().push(channel);
            true
        }

        fn message(&self, _: Instant, _: LaneId, channel: Channel, _: bool, message: &[u8]) {
            self.heard.lock().unwrap().push((channel, message.to_vec()));
        }

        fn poll(
            &self,
            _: Instant,
            _: LaneId,
            channel: Channel,
            _: usize,
            out: &mut Vec<u8>,
        ) -> Option<MessageKind> {
            let silent = channel == Channel::Frames || self.said.swap(true, Ordering::Relaxed);
            out.extend_from_slice(b"said");
            (!silent).then_some(MessageKind::Binary)
        }

        fn closed(&self, _: Instant, _: LaneId, why: &str) {
            why.clone_into(&mut self.why.lock().unwrap());
        }

        fn poll_timeout(&self) -> Option<Instant> {
            None
        }

        fn on_timeout(&self, _: Instant) {}
    }

    type Peer = WebSocketStream<tokio::io::DuplexStream>;

    /// A lane in its task, and the client at its other end.
    async fn lane() -> (Arc<Listener>, Peer, tokio::task::JoinHandle<()>) {
        let (here, there) = tokio::io::duplex(1 << 20);
        let socket = WebSocketStream::from_raw_socket(here, Role::Server, None).await;
        let peer = WebSocketStream::from_raw_socket(there, Role::Client, None).await;
        let link = Arc::new(Listener::default());
        let carried = carry(
            Arc::clone(&link),
            LaneId(1),
            messages_of(socket),
            Vec::new(),
        );
        (link, peer, tokio::spawn(carried))
    }

    fn open(labels: &[&str]) -> Message {
        let channels = labels.iter().map(|label| SocketChannel {
            label: (*label).to_owned(),
            protocol: "p".to_owned(),
        });
        let open = OpenChannels {
            channels: channels.collect(),
        };
        Message::Text(serde_json::to_string(&open).unwrap().into())
    }

    #[tokio::test]
    async fn channels_are_named_by_their_place() {
        let (link, mut peer, task) = lane().await;
        peer.send(open(&["other", RESULTS_LABEL, FRAMES_LABEL]))
            .await
            .unwrap();
        let said = peer.next().await.unwrap().unwrap();
        assert_eq!(said.into_data(), Bytes::from_static(b"\x01said"));
        for message in [&b"\x02frame"[..], b"\x00other", b"\x09none"] {
            let message = Bytes::copy_from_slice(message);
            peer.send(Message::Binary(message)).await.unwrap();
        }
        peer.close(None).await.unwrap();
        task.await.unwrap();
        let opened = [Channel::Results, Channel::Frames].map(|it| (it, "p".to_owned()));
        assert_eq!(*link.opened.lock().unwrap(), opened);
        let heard = [(Channel::Frames, b"frame".to_vec())];
        assert_eq!(*link.heard.lock().unwrap(), heard);
        assert_eq!(*link.why.lock().unwrap(), "closed by the peer");
    }

    #[tokio::test]
    async fn what_breaks_the_rules_ends_the_lane_and_says_why() {
        let text = |text: &str| Message::Text(text.to_owned().into());
        let cases = [
            (vec![text("{]")], "opens no channels"),
            (vec![open(&[])], "none of its channels"),
            (vec![open(&["x"; 300])], "none of its channels"),
            (vec![open(&[FRAMES_LABEL]), text("x")], "text where"),
            (vec![Message::Binary(Bytes::new())], "without its channel"),
        ];
        for (messages, said) in cases {
            let (link, mut peer, task) = lane().await;
            for message in messages {
                peer.send(message).await.unwrap();
            }
            task.await.unwrap();
            let why = link.why.lock().unwrap().clone();
            assert!(why.contains(said), "{why}");
        }
    }
}
