//! One peer connection: str0m's `Rtc`, its handler, and the channels between them. The driver feeds it datagrams, time
//! and wake-ups; it feeds the driver datagrams. Pure: `now` is an argument, sockets are the driver's.
//!
//! str0m's one rule is kept by construction: whatever mutates the `Rtc` is followed by [`Session::drain`], which polls
//! until the `Rtc` has nothing left but a timeout.

use core::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::net::{Protocol, Receive};
use str0m::{Event, IceConnectionState, Input, Output, Rtc};

use crate::ack_clock::AckClock;
use crate::channels::Channels;
use crate::joined::JoinedRecords;
use crate::{CloseReason, SessionConfig, SessionHandler, SessionId, SessionState, SessionStats};

/// Takes the datagrams a session sends.
pub(crate) trait Outbox {
    /// One datagram, from one of the addresses the session was given as local candidates.
    fn send(&mut self, source: SocketAddr, destination: SocketAddr, datagram: &[u8]);
}

/// How soon a session whose deadline stays in the past is called again: keeps a bug from turning into a busy loop.
const MIN_TIMER_STEP: Duration = Duration::from_millis(1);

/// An address silent for this long, while another of the peer's is not, is one that the peer has left: ICE checks come
/// every 3 s at most from str0m, every 2.5 s from Chromium.
const MOVED_AFTER: Duration = Duration::from_millis(3500);

/// A peer may trickle and roam; beyond this many addresses over its life its checks are no longer followed, for str0m
/// remembers each.
pub(crate) const MAX_ADDRESSES_EVER: u32 = 256;

pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) rtc: Rtc,
    pub(crate) handler: Box<dyn SessionHandler>,
    pub(crate) config: SessionConfig,
    pub(crate) channels: Channels,
    pub(crate) negotiation: Negotiation,
    pub(crate) joined: JoinedRecords,
    pub(crate) ack_clock: AckClock,
    pub(crate) counters: Counters,
    pub(crate) state: SessionState,
    created: Instant,
    last_heard: Instant,
    remote_address: Option<SocketAddr>,
    /// The address before that, and when it was last heard from.
    former_address: Option<(SocketAddr, Instant)>,
    addresses_learned: u32,
    disconnected_at: Instant,
    rtc_deadline: Instant,
    pub(crate) drain_until: Option<Instant>,
}

/// What the descriptions exchanged so far leave to be remembered.
#[derive(Debug, Default)]
pub(crate) struct Negotiation {
    /// An offer of ours that waits for its answer.
    pub(crate) pending: Option<str0m::change::SdpPendingOffer>,
    pub(crate) remote_ufrag: String,
    pub(crate) candidates_added: usize,
    /// The session as it is to be if its peer turns out to come over loopback; until it is heard.
    pub(crate) loopback: Option<Box<Rtc>>,
    /// The largest datagram of several DTLS records that the peer said it reads, bytes; 0 when it said nothing.
    pub(crate) max_datagram_bytes: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) packets_sent: u64,
    pub(crate) packets_received: u64,
    pub(crate) packets_unusable: u64,
    pub(crate) messages_sent: u64,
    pub(crate) message_bytes_sent: u64,
    pub(crate) messages_received: u64,
    pub(crate) message_bytes_received: u64,
}

impl Session {
    pub(crate) fn new(
        now: Instant,
        rtc: Rtc,
        handler: Box<dyn SessionHandler>,
        config: SessionConfig,
    ) -> Self {
        Self {
            id: SessionId::new(0, 0),
            rtc,
            handler,
            channels: Channels::new(&config),
            config,
            negotiation: Negotiation::default(),
            joined: JoinedRecords::default(),
            ack_clock: AckClock::default(),
            counters: Counters::default(),
            state: SessionState::Connecting,
            created: now,
            last_heard: now,
            remote_address: None,
            former_address: None,
            addresses_learned: 0,
            disconnected_at: now,
            rtc_deadline: now,
            drain_until: None,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, SessionState::Closed { .. })
    }

    pub(crate) fn is_connecting(&self) -> bool {
        self.state == SessionState::Connecting
    }

    /// Is this check, by its integrity, from this session's peer? Asked before an address is believed.
    pub(crate) fn accepts(&self, now: Instant, receive: Receive<'_>) -> bool {
        self.rtc.accepts(&Input::Receive(now, receive))
    }

    /// Takes a datagram in. The driver drains after a few of them.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        datagram: &[u8],
    ) {
        self.counters.packets_received += 1;
        self.counters.bytes_received += datagram.len() as u64;
        if self.remote_address.is_none() {
            self.settle_path(source);
        }
        self.heard(now, source);
        let input = Receive::new(Protocol::Udp, source, destination, datagram);
        let used =
            input.is_ok_and(|receive| self.rtc.handle_input(Input::Receive(now, receive)).is_ok());
        // A datagram that str0m cannot use may be noise or an attack from the peer's address: it is counted, and only
        // an error out of `poll_output` ends the session.
        self.counters.packets_unusable += u64::from(!used);
    }

    fn heard(&mut self, now: Instant, source: SocketAddr) {
        if self.remote_address != Some(source) {
            let left = self.remote_address.replace(source);
            self.former_address = left.map(|address| (address, self.last_heard));
        }
        self.last_heard = now;
        if self.state == SessionState::Disconnected {
            self.enter(now, SessionState::Connected);
        }
    }

    /// Where to send what str0m addresses to `nominated`. When a NAT gives the peer another address, a peer that nominates
    /// once does not notice, and str0m goes on sending to the old one for 15 s. An address that fell silent while the
    /// peer, by a verified check, is heard from another is therefore replaced by that other.
    fn follow_peer(&self, now: Instant, nominated: SocketAddr) -> SocketAddr {
        match (self.former_address, self.remote_address) {
            (Some((former, heard_at)), Some(current))
                if former == nominated && now.saturating_duration_since(heard_at) > MOVED_AFTER =>
            {
                current
            }
            _ => nominated,
        }
    }

    /// Counts an address that the peer is new at; `false` when it has had too many.
    pub(crate) fn may_roam(&mut self) -> bool {
        self.addresses_learned = self.addresses_learned.saturating_add(1);
        self.addresses_learned <= MAX_ADDRESSES_EVER
    }

    /// Polls the `Rtc` until nothing but its timeout is left.
    pub(crate) fn drain(&mut self, now: Instant, outbox: &mut impl Outbox) {
        while !self.is_closed() {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.rtc_deadline = at;
                    self.counters.packets_sent += self.joined.flush(outbox);
                    return;
                }
                Ok(Output::Transmit(transmit)) => {
                    self.counters.bytes_sent += transmit.contents.len() as u64;
                    let destination = self.follow_peer(now, transmit.destination);
                    self.counters.packets_sent +=
                        self.joined
                            .push(transmit.source, destination, &transmit.contents, outbox);
                }
                Ok(Output::Event(event)) => self.on_event(now, event, outbox),
                Err(error) => self.finish(now, CloseReason::Transport(error.to_string()), outbox),
            }
        }
    }

    fn on_event(&mut self, now: Instant, event: Event, outbox: &mut impl Outbox) {
        match event {
            Event::Connected => self.enter(now, SessionState::Connected),
            Event::IceConnectionStateChange(IceConnectionState::Disconnected)
                if !self.is_connecting() =>
            {
                self.lost(now);
            }
            Event::ChannelOpen(channel, label) => self.channel_opened(now, channel, label, outbox),
            Event::ChannelData(data) => self.message_received(now, &data),
            Event::ChannelClose(channel) => self.channel_closed(now, channel),
            Event::Closed => self.finish(now, CloseReason::Peer, outbox),
            _ => {}
        }
    }

    fn enter(&mut self, now: Instant, state: SessionState) {
        if self.state == state || self.is_closed() {
            return;
        }
        tracing::debug!(session = %self.id, ?state, "session");
        self.state = state.clone();
        self.handler.on_state(now, state);
        self.channels.want_pull();
    }

    fn lost(&mut self, now: Instant) {
        self.disconnected_at = now;
        self.enter(now, SessionState::Disconnected);
    }

    /// Ends the session: tells the peer where it can, and the handler. Does nothing the second time.
    pub(crate) fn finish(&mut self, now: Instant, reason: CloseReason, outbox: &mut impl Outbox) {
        if self.is_closed() {
            return;
        }
        self.counters.packets_sent += self.joined.flush(outbox);
        // Both fail only where there is nobody left to tell.
        let _ = self.rtc.close();
        while self.rtc.is_alive() {
            match self.rtc.poll_output() {
                Ok(Output::Transmit(transmit)) => {
                    outbox.send(transmit.source, transmit.destination, &transmit.contents);
                }
                Ok(Output::Event(_)) => {}
                Ok(Output::Timeout(_)) | Err(_) => break,
            }
        }
        self.abandon(now, reason);
    }

    /// Ends the session without a word to the peer.
    pub(crate) fn abandon(&mut self, now: Instant, reason: CloseReason) {
        self.rtc.disconnect();
        self.enter(now, SessionState::Closed { reason });
    }

    /// Does what is due at `now`.
    pub(crate) fn handle_timeout(&mut self, now: Instant, outbox: &mut impl Outbox) {
        if let Some(reason) = self.expired(now) {
            self.finish(now, reason, outbox);
            return;
        }
        if self.state == SessionState::Connected
            && now >= self.last_heard + self.config.silence_timeout
        {
            self.lost(now);
        }
        if self.rtc_deadline <= now {
            if let Err(error) = self.rtc.handle_input(Input::Timeout(now)) {
                self.finish(now, CloseReason::Transport(error.to_string()), outbox);
                return;
            }
            self.drain(now, outbox);
        }
        if !self.is_closed() && self.handler.poll_timeout().is_some_and(|at| at <= now) {
            self.handler.on_timeout(now);
            self.channels.want_pull();
        }
    }

    fn expired(&self, now: Instant) -> Option<CloseReason> {
        let connect = self.config.connect_timeout;
        match self.state {
            SessionState::Connecting if now >= self.created + connect => {
                Some(CloseReason::ConnectTimeout(connect))
            }
            SessionState::Disconnected
                if now >= self.disconnected_at + self.config.disconnect_timeout =>
            {
                Some(CloseReason::Silent(
                    now.saturating_duration_since(self.last_heard),
                ))
            }
            _ if self.drain_until.is_some_and(|until| now >= until) => Some(CloseReason::Local),
            _ => None,
        }
    }

    /// When [`Session::handle_timeout`] is to be called next; at least a little after `now`.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        let state = match self.state {
            SessionState::Connecting => self.created + self.config.connect_timeout,
            SessionState::Connected => self.last_heard + self.config.silence_timeout,
            SessionState::Disconnected => self.disconnected_at + self.config.disconnect_timeout,
            SessionState::Closed { .. } => return None,
        };
        let soonest = [Some(state), self.handler.poll_timeout(), self.drain_until];
        let soonest = soonest
            .into_iter()
            .flatten()
            .fold(self.rtc_deadline, Instant::min);
        Some(soonest.max(now + MIN_TIMER_STEP))
    }

    pub(crate) fn stats(&self, now: Instant) -> SessionStats {
        SessionStats {
            state: self.state.clone(),
            age: now.saturating_duration_since(self.created),
            rtt: self.ack_clock.rtt(),
            remote_address: self.remote_address,
            buffered_bytes: self.channels.buffered_bytes(),
            channels: self.channels.len(),
            bytes_sent: self.counters.bytes_sent,
            bytes_received: self.counters.bytes_received,
            packets_sent: self.counters.packets_sent,
            packets_received: self.counters.packets_received,
            messages_sent: self.counters.messages_sent,
            message_bytes_sent: self.counters.message_bytes_sent,
            messages_received: self.counters.messages_received,
            message_bytes_received: self.counters.message_bytes_received,
            packets_unusable: self.counters.packets_unusable,
        }
    }
}
