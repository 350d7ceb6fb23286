//! One session's task: calls its handler with what happened, asks it for what to send, and ends it when it has to end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use web_transport_quinn::quinn::ConnectionError;
use web_transport_quinn::{RecvStream, SendStream, Session, SessionError, WebTransportError};

use super::channel::{SendFault, code};
use super::control::{Control, Order, SessionWaker};
use super::inbound::{Happened, Inbound, refuse};
use super::outbound::{Outbound, Progress};
use super::path_length::PathLength;
use super::sessions::{Listed, Seen, Sessions};
use super::totals::{SessionCounters, Totals};
use super::transport::suit_round_trip;
use crate::limits::{MAX_REASON_BYTES, MAX_REFUSED_CHANNELS};
use crate::{
    ChannelId, ChannelInfo, ChannelSpec, ChannelUse, CloseReason, Preamble, SessionConfig,
    SessionHandler, SessionId, SessionState,
};

/// How often timeouts and the peer's address are looked at.
const TICK: Duration = Duration::from_millis(500);

/// A session before its task runs.
pub(super) struct Starting {
    pub(super) id: SessionId,
    pub(super) transport: Session,
    pub(super) handler: Box<dyn SessionHandler>,
    pub(super) config: SessionConfig,
    pub(super) idle_timeout: Duration,
    /// Channels that were opened while connecting; `None` at a server.
    pub(super) opened: Option<Vec<(ChannelSpec, SendStream, RecvStream)>>,
}

/// How far a gentle end has come, and when it becomes a hard one.
#[derive(Debug, Clone, Copy)]
enum Drain {
    /// None was asked for.
    Not,
    /// The handler still has something to say.
    Emptying(Instant),
    /// Everything is written; frames are under way.
    Delivering(Instant),
    /// The control streams are ended; the peer ends its own once it has read everything.
    Ending(Instant),
}

pub(super) struct Running {
    transport: Session,
    handler: Box<dyn SessionHandler>,
    config: SessionConfig,
    idle_timeout: Duration,
    control: Arc<Control>,
    counters: Arc<SessionCounters>,
    totals: Arc<Totals>,
    inbound: Inbound,
    outbound: Outbound,
    refused_channels: u32,
    /// Streams refused that the endpoint's counter has.
    refused_told: u64,
    drain: Drain,
    path: PathLength,
    address: std::net::SocketAddr,
    _listed: Listed,
}

impl Starting {
    /// Lists the session and tells its handler; its task is [`Running::run`].
    pub(super) fn start(self, sessions: &Arc<Sessions>, totals: &Arc<Totals>) -> Running {
        let now = Instant::now();
        let Self {
            id,
            transport,
            mut handler,
            config,
            idle_timeout,
            opened,
        } = self;
        let seen = Seen {
            control: Arc::default(),
            connection: quinn::Connection::clone(&transport),
            counters: Arc::default(),
            since: now,
        };
        let (control, counters) = (Arc::clone(&seen.control), Arc::clone(&seen.counters));
        let listed = sessions.list(id, seen, totals);
        handler.on_attached(now, SessionWaker::new(Arc::clone(&control), id));
        handler.on_state(now, SessionState::Connected);
        let inbound = Inbound::new(transport.clone(), config.clone(), opened.is_none());
        let outbound = Outbound::new(transport.clone(), config.max_message_bytes, now);
        let mut running = Running {
            address: transport.remote_address(),
            transport,
            handler,
            config,
            idle_timeout,
            control,
            counters,
            totals: Arc::clone(totals),
            inbound,
            outbound,
            refused_channels: 0,
            refused_told: 0,
            drain: Drain::Not,
            path: PathLength::new(now),
            _listed: listed,
        };
        for (number, (spec, send, receive)) in opened.into_iter().flatten().enumerate() {
            let preamble = Preamble {
                // Their number was checked against the limit of channels.
                channel: number as u8,
                label: spec.label,
                protocol: spec.protocol,
            };
            running.open(now, preamble, send, receive);
        }
        running
    }
}

impl Running {
    /// Until the session ends.
    pub(super) async fn run(mut self) {
        let reason = match self.serve().await {
            Ok(reason) | Err(reason) => reason,
        };
        tracing::debug!(%reason, "session ended");
        self.totals.closed(&reason);
        self.tell_refused();
        let mut text = reason.to_string();
        text.truncate(text.floor_char_boundary(MAX_REASON_BYTES));
        self.transport.close(reason.code(), text.as_bytes());
        let state = SessionState::Closed { reason };
        self.handler.on_state(Instant::now(), state);
    }

    async fn serve(&mut self) -> Result<CloseReason, CloseReason> {
        let transport = self.transport.clone();
        let mut closed = Box::pin(async move { transport.closed().await });
        let control = Arc::clone(&self.control);
        let counters = Arc::clone(&self.counters);
        loop {
            let now = Instant::now();
            self.obey(now)?;
            self.turn(now)?;
            let handler = self.handler.as_mut();
            let wait_until = handler.poll_timeout().into_iter().chain([now + TICK]).min();
            let wait_until = wait_until.unwrap_or(now + TICK).into();
            let delivering = matches!(self.drain, Drain::Delivering(_));
            tokio::select! {
                error = &mut closed => return Ok(self.reason_of(&error)),
                () = control.woken() => {}
                happened = self.inbound.next(handler, &counters) => self.happened(happened?)?,
                sent = self.outbound.progress(delivering, &counters) => self.sent(&sent),
                () = tokio::time::sleep_until(wait_until) => {}
            }
        }
    }

    fn obey(&mut self, now: Instant) -> Result<(), CloseReason> {
        match self.control.take_order() {
            Some(Order::Close(reason)) => return Err(reason),
            Some(Order::CloseAfterDrain(until)) => self.drain = Drain::Emptying(until),
            None => {}
        }
        let (Drain::Emptying(until) | Drain::Delivering(until) | Drain::Ending(until)) = self.drain
        else {
            return Ok(());
        };
        let heard = matches!(self.drain, Drain::Ending(_)) && self.outbound.channels() == 0;
        if heard || now >= until {
            return Err(CloseReason::Local);
        }
        Ok(())
    }

    /// The peer's transport has every frame.
    fn delivered(&mut self) {
        if let Drain::Delivering(until) = self.drain {
            self.outbound.finish();
            self.drain = Drain::Ending(until);
        }
    }

    /// Everything that needs no waiting.
    fn turn(&mut self, now: Instant) -> Result<(), CloseReason> {
        let handler = self.handler.as_mut();
        if handler.poll_timeout().is_some_and(|due| due <= now) {
            handler.on_timeout(now);
        }
        self.inbound.resume(now, handler, &self.counters)?;
        self.inbound.expire(now, &self.counters);
        if matches!(self.drain, Drain::Not | Drain::Emptying(_)) {
            self.outbound.pull(now, handler, &self.counters);
        }
        if let Drain::Emptying(until) = self.drain
            && self.outbound.is_idle()
        {
            self.drain = Drain::Delivering(until);
        }
        if let Some(round_trip) = self.path.looked(now, || self.transport.rtt()) {
            suit_round_trip(&self.transport, &self.config, round_trip);
        }
        let limit = self.config.not_reading_timeout;
        if self.outbound.stuck_for(now) >= limit {
            return Err(CloseReason::PeerDoesNotRead(limit));
        }
        let address = self.transport.remote_address();
        if std::mem::replace(&mut self.address, address) != address {
            tracing::debug!(%address, "the peer is at another address");
            self.counters.migrations.add(1);
            self.totals.migrations.add(1);
        }
        self.tell_refused();
        Ok(())
    }

    /// The endpoint counts refused streams while the session lasts: one that never ends is just what is looked for.
    fn tell_refused(&mut self) {
        let refused = self.counters.streams_refused.get();
        let told = std::mem::replace(&mut self.refused_told, refused);
        self.totals.streams_refused.add(refused - told);
    }

    fn happened(&mut self, happened: Happened) -> Result<(), CloseReason> {
        match happened {
            Happened::Nothing => {}
            Happened::Ended(id) => self.channel_ended(id),
            Happened::Opens(preamble, send, receive) => {
                if !self.open(Instant::now(), preamble, send, receive) {
                    self.refused_channels += 1;
                    if self.refused_channels >= MAX_REFUSED_CHANNELS {
                        return Err(CloseReason::TooManyChannels {
                            max_refused: MAX_REFUSED_CHANNELS,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    fn sent(&mut self, sent: &Result<Progress, SendFault>) {
        match sent {
            Ok(Progress::Delivered) => self.delivered(),
            // A lost session's reason comes with `closed`.
            Ok(Progress::Written) | Err(SendFault::SessionLost) => {}
            Err(SendFault::ChannelClosed(id)) => self.channel_ended(*id),
        }
    }

    /// Whether the channel is in use from here on.
    fn open(
        &mut self,
        now: Instant,
        preamble: Preamble,
        mut send: SendStream,
        receive: RecvStream,
    ) -> bool {
        let id = ChannelId(preamble.channel);
        let has_room = self.outbound.channels() < self.config.max_channels;
        let accepted = has_room && !self.inbound.is_open(id) && {
            let info = ChannelInfo {
                id,
                label: preamble.label,
                protocol: preamble.protocol,
                max_message_bytes: self.config.max_message_bytes,
            };
            self.handler.on_channel_open(now, info) == ChannelUse::Accept
        };
        if accepted {
            self.outbound.open(id, send);
            self.inbound.open(id, receive);
            self.counters.channels.add(1);
        } else {
            // Fails for a stream that ended already.
            let _ = send.reset(code::REFUSED);
            refuse(receive, &self.counters);
        }
        accepted
    }

    fn channel_ended(&mut self, id: ChannelId) {
        if self.inbound.is_open(id) {
            self.inbound.close(id, &self.counters);
            self.outbound.close(id, &self.counters);
            self.counters.channels.subtract(1);
            self.handler.on_channel_closed(Instant::now(), id);
        }
    }

    fn reason_of(&self, error: &SessionError) -> CloseReason {
        match error {
            SessionError::WebTransportError(WebTransportError::Closed(code, text)) => {
                CloseReason::Peer {
                    code: *code,
                    text: text.chars().take(MAX_REASON_BYTES).collect(),
                }
            }
            SessionError::ConnectionError(ConnectionError::TimedOut) => {
                CloseReason::Silent(self.idle_timeout)
            }
            SessionError::ConnectionError(ConnectionError::LocallyClosed) => {
                CloseReason::Transport(
                    "the peer ended or broke the session's own stream".to_owned(),
                )
            }
            error => CloseReason::Transport(error.to_string()),
        }
    }
}
