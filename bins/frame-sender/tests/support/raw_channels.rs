//! A peer of data channels that keeps to no rules of ours: what a stranger, or somebody with ill intent, sends a worker.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use datachannel_transport::{
    Encoding, FrameMeta, FrameSender, LaneId, LaneLimits, Offer, OutgoingFrame, SenderConfig,
    SenderEvent,
};
use tokio::sync::watch;
use webrtc_session::{
    ChannelId, ChannelInfo, ChannelSpec, ChannelUse, CloseReason, Endpoint, EndpointConfig,
    MessageKind, SessionHandler, SessionState,
};

use crate::support::{DEADLINE, Worker, request_with};

const FRAMES: &str = "upstream_frames";
const LANE: LaneId = LaneId(0);

/// What it says on the channel of frames.
pub(crate) enum Says {
    /// These messages.
    Messages(Vec<(MessageKind, Vec<u8>)>),
    /// Frames of so many bytes, as long as there is room, as a sender should; but of their results it takes none.
    FramesWithoutEnd(usize),
}

/// A peer with a session of its own.
pub(crate) struct RawPeer {
    state: watch::Receiver<SessionState>,
    acked: watch::Receiver<u64>,
    _endpoint: Endpoint,
}

impl RawPeer {
    /// Joins a link of that number with the channels of a link, and `further` ones.
    pub(crate) async fn join(worker: &Worker, link: u64, says: Says, further: usize) -> Self {
        let mut config = EndpointConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        config.session.max_channels = 256;
        let endpoint = Endpoint::bind(config).unwrap();
        let results = ChannelSpec::reliable("inference").speaking("frameway.results.1");
        let mut channels = vec![ChannelSpec::reliable(FRAMES), results];
        let names = (0..further).map(|number| format!("further {number}"));
        channels.extend(names.map(|name| ChannelSpec::reliable(&name)));
        let (states, state) = watch::channel(SessionState::Connecting);
        let (acks, acked) = watch::channel(0);
        let handler = Box::new(Handler::new(says, states, acks));
        let (offer, pending) = endpoint.connect(handler, &channels).await.unwrap();
        let path = format!("/whip/frames?link={link}&epoch=1&lane=0");
        let kind = "application/sdp";
        let (status, answer) = request_with(worker.http(), "POST", &path, kind, &offer);
        assert_eq!(status, 201, "{answer}");
        pending.accept_answer(&answer).await.unwrap();
        Self {
            state,
            acked,
            _endpoint: endpoint,
        }
    }

    /// How its session ended.
    pub(crate) async fn closed(&mut self) -> CloseReason {
        let is_closed = |state: &SessionState| matches!(state, SessionState::Closed { .. });
        let closed = tokio::time::timeout(DEADLINE, self.state.wait_for(is_closed)).await;
        match &*closed.expect("closed in time").unwrap() {
            SessionState::Closed { reason } => reason.clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        *self.state.borrow() == SessionState::Connected
    }

    /// Frames that the worker has confirmed, which are those whose results were taken.
    pub(crate) fn confirmed(&self) -> u64 {
        *self.acked.borrow()
    }
}

struct Handler {
    says: Saying,
    frames: Option<ChannelId>,
    states: watch::Sender<SessionState>,
    acks: watch::Sender<u64>,
}

enum Saying {
    Messages(VecDeque<(MessageKind, Vec<u8>)>),
    Frames {
        sender: Box<FrameSender>,
        bytes: usize,
    },
}

impl Handler {
    fn new(says: Says, states: watch::Sender<SessionState>, acks: watch::Sender<u64>) -> Self {
        let says = match says {
            Says::Messages(messages) => Saying::Messages(messages.into()),
            Says::FramesWithoutEnd(bytes) => {
                let config = SenderConfig::every_frame(1, Instant::now());
                let sender = FrameSender::new(config).unwrap();
                let sender = Box::new(sender);
                Saying::Frames { sender, bytes }
            }
        };
        Self {
            says,
            frames: None,
            states,
            acks,
        }
    }
}

impl SessionHandler for Handler {
    fn on_state(&mut self, _now: Instant, state: SessionState) {
        self.states.send_replace(state);
    }

    fn on_channel_open(&mut self, now: Instant, channel: ChannelInfo) -> ChannelUse {
        if channel.label == FRAMES {
            self.frames = Some(channel.id);
            if let Saying::Frames { sender, .. } = &mut self.says {
                sender
                    .lane_opened(now, LANE, LaneLimits::default())
                    .unwrap();
            }
        }
        ChannelUse::Accept
    }

    fn on_message(&mut self, now: Instant, channel: ChannelId, _binary: bool, message: &[u8]) {
        if let Saying::Frames { sender, .. } = &mut self.says
            && self.frames == Some(channel)
        {
            sender.handle_message(now, LANE, message).unwrap();
            while let Some(event) = sender.poll_event() {
                if let SenderEvent::Acked { sequence, .. } = event {
                    self.acks.send_replace(sequence + 1);
                }
            }
        }
    }

    fn poll_message(
        &mut self,
        now: Instant,
        channel: ChannelId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        if self.frames != Some(channel) {
            return None;
        }
        match &mut self.says {
            Saying::Messages(messages) => {
                let (kind, bytes) = messages.pop_front_if(|(_, it)| it.len() <= room_bytes)?;
                out.extend_from_slice(&bytes);
                Some(kind)
            }
            Saying::Frames { sender, bytes } => {
                while sender.waiting_frames() == 0 {
                    if sender.offer(now, opaque(*bytes)) != Offer::Queued {
                        break;
                    }
                }
                sender
                    .poll_message(now, LANE, room_bytes, out)
                    .then_some(MessageKind::Binary)
            }
        }
    }
}

fn opaque(bytes: usize) -> OutgoingFrame {
    OutgoingFrame {
        meta: FrameMeta {
            source_id: 0,
            pts_us: 0,
            duration_us: 0,
            width: 0,
            height: 0,
            encoding: Encoding::Opaque,
            quality: 0,
            keyframe: true,
            released_us: 0,
        },
        payload: Bytes::from(vec![7; bytes]),
    }
}
