//! A handler that reports what happens to it and sends what it is told to.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

pub mod relay;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use webrtc_session::{
    ChannelId, ChannelInfo, ChannelSpec, ChannelUse, CloseReason, Endpoint, EndpointConfig,
    MessageKind, SessionHandler, SessionId, SessionState, SessionWaker,
};

/// No test waits longer for anything; on an idle machine they take milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    State(SessionState),
    Opened(ChannelInfo),
    Message {
        channel: ChannelId,
        binary: bool,
        bytes: Vec<u8>,
    },
    ChannelClosed(ChannelId),
}

type Outgoing = Arc<Mutex<VecDeque<(Option<ChannelId>, Vec<u8>)>>>;

pub struct Scripted {
    seen: mpsc::UnboundedSender<Seen>,
    outgoing: Outgoing,
    waker: Arc<Mutex<Option<SessionWaker>>>,
    refuse: Option<String>,
}

/// The test's end of a [`Scripted`] handler.
pub struct Peer {
    pub seen: mpsc::UnboundedReceiver<Seen>,
    outgoing: Outgoing,
    waker: Arc<Mutex<Option<SessionWaker>>>,
}

pub fn scripted() -> (Box<Scripted>, Peer) {
    scripted_refusing(None)
}

/// Refuses channels with this label.
pub fn scripted_refusing(refuse: Option<&str>) -> (Box<Scripted>, Peer) {
    let (seen, sees) = mpsc::unbounded_channel();
    let outgoing = Outgoing::default();
    let waker = Arc::new(Mutex::new(None));
    let refuse = refuse.map(str::to_owned);
    let handler = Scripted {
        seen,
        outgoing: Arc::clone(&outgoing),
        waker: Arc::clone(&waker),
        refuse,
    };
    (
        Box::new(handler),
        Peer {
            seen: sees,
            outgoing,
            waker,
        },
    )
}

impl SessionHandler for Scripted {
    fn on_attached(&mut self, _now: Instant, waker: SessionWaker) {
        *self.waker.lock().unwrap() = Some(waker);
    }

    fn on_state(&mut self, _now: Instant, state: SessionState) {
        let _ = self.seen.send(Seen::State(state));
    }

    fn on_channel_open(&mut self, _now: Instant, channel: ChannelInfo) -> ChannelUse {
        let refused = self.refuse.as_ref() == Some(&channel.label);
        let _ = self.seen.send(Seen::Opened(channel));
        if refused {
            ChannelUse::Refuse
        } else {
            ChannelUse::Accept
        }
    }

    fn on_message(&mut self, _now: Instant, channel: ChannelId, binary: bool, message: &[u8]) {
        let _ = self.seen.send(Seen::Message {
            channel,
            binary,
            bytes: message.to_vec(),
        });
    }

    fn poll_message(
        &mut self,
        _now: Instant,
        channel: ChannelId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        let mut outgoing = self.outgoing.lock().unwrap();
        let at = outgoing
            .iter()
            .position(|(on, _)| on.is_none_or(|on| on == channel))?;
        if outgoing[at].1.len() > room_bytes {
            return None;
        }
        let (_, bytes) = outgoing.remove(at)?;
        out.extend_from_slice(&bytes);
        Some(MessageKind::Binary)
    }

    fn on_channel_closed(&mut self, _now: Instant, channel: ChannelId) {
        let _ = self.seen.send(Seen::ChannelClosed(channel));
    }
}

impl Peer {
    /// Queues messages for a channel (`None`: any) and wakes the session, from this thread.
    pub fn send(&self, channel: Option<ChannelId>, messages: impl IntoIterator<Item = Vec<u8>>) {
        self.outgoing
            .lock()
            .unwrap()
            .extend(messages.into_iter().map(|message| (channel, message)));
        self.waker
            .lock()
            .unwrap()
            .as_ref()
            .expect("attached")
            .wake();
    }

    pub fn unsent(&self) -> usize {
        self.outgoing.lock().unwrap().len()
    }

    /// The next thing that satisfies `wanted`, passing over the others.
    pub async fn wait_for<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(Seen) -> Option<T>,
    ) -> T {
        let found = async {
            loop {
                let seen = self
                    .seen
                    .recv()
                    .await
                    .unwrap_or_else(|| panic!("handler dropped before {what}"));
                if let Some(found) = wanted(seen) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, found)
            .await
            .unwrap_or_else(|_| panic!("no {what} in {PATIENCE:?}"))
    }

    pub async fn channel(&mut self, label: &str) -> ChannelInfo {
        self.wait_for(&format!("channel {label}"), |seen| match seen {
            Seen::Opened(info) if info.label == label => Some(info),
            _ => None,
        })
        .await
    }

    pub async fn message(&mut self) -> (ChannelId, Vec<u8>) {
        self.wait_for("message", |seen| match seen {
            Seen::Message { channel, bytes, .. } => Some((channel, bytes)),
            _ => None,
        })
        .await
    }

    pub async fn closed(&mut self) -> CloseReason {
        self.wait_for("close", |seen| match seen {
            Seen::State(SessionState::Closed { reason }) => Some(reason),
            _ => None,
        })
        .await
    }
}

pub fn loopback() -> EndpointConfig {
    EndpointConfig::new("127.0.0.1:0".parse().unwrap())
}

/// Two sessions, connected, with the channels open on both sides.
pub struct Pair {
    pub server: Endpoint,
    pub client: Endpoint,
    pub server_session: SessionId,
    pub client_session: SessionId,
    pub server_peer: Peer,
    pub client_peer: Peer,
}

pub async fn connect(server: &Endpoint, client: &Endpoint, channels: &[ChannelSpec]) -> Pair {
    connect_with_offer(server, client, channels, |offer| offer).await
}

/// The same, with the offer changed on its way.
pub async fn connect_with_offer(
    server: &Endpoint,
    client: &Endpoint,
    channels: &[ChannelSpec],
    change: impl FnOnce(String) -> String,
) -> Pair {
    let (client_handler, mut client_peer) = scripted();
    let (server_handler, mut server_peer) = scripted();
    let (offer, pending) = client.connect(client_handler, channels).await.unwrap();
    let accepted = server.accept(&change(offer), server_handler).await.unwrap();
    let client_session = pending.accept_answer(&accepted.answer_sdp).await.unwrap();
    for channel in channels {
        client_peer.channel(&channel.label).await;
    }
    // Channels open in the peer in any order.
    let mut missing: Vec<&str> = channels
        .iter()
        .map(|channel| channel.label.as_str())
        .collect();
    while !missing.is_empty() {
        let label = server_peer
            .wait_for("channel", |seen| match seen {
                Seen::Opened(info) => Some(info.label),
                _ => None,
            })
            .await;
        missing.retain(|wanted| *wanted != label);
    }
    let (server, client) = (server.clone(), client.clone());
    Pair {
        server,
        client,
        server_session: accepted.session,
        client_session,
        server_peer,
        client_peer,
    }
}

pub async fn pair() -> Pair {
    let (server, client) = (
        Endpoint::bind(loopback()).unwrap(),
        Endpoint::bind(loopback()).unwrap(),
    );
    connect(&server, &client, &[ChannelSpec::reliable("data")]).await
}

/// A message that names itself: `number` and then bytes derived from it.
pub fn numbered(number: u32, bytes: usize) -> Vec<u8> {
    let mut message = number.to_be_bytes().to_vec();
    message.extend((4..bytes).map(|at| (at as u32 ^ number) as u8));
    message.truncate(bytes.max(4));
    message
}
