//! A session's data channels: opening, closing, messages in, and the pull of messages out of the handler into whatever
//! room each channel has. The other half of `session`, which owns the connection below.

use std::time::Instant;

use str0m::channel::{ChannelData, ChannelId as RtcChannelId};

use crate::allowance::Allowance;
use crate::room::RoomLedger;
use crate::session::{Outbox, Session};
use crate::{
    ChannelId, ChannelInfo, ChannelUse, CloseReason, MessageKind, SessionConfig, SessionState,
};

/// Messages written in one turn of a session before the other sessions get theirs.
const MESSAGES_PER_TURN: usize = 32;

/// Channels refused before a peer that keeps opening them loses its session.
const MAX_REFUSED_CHANNELS: usize = 64;

#[derive(Debug)]
pub(crate) struct Channels {
    open: Vec<Channel>,
    ledger: RoomLedger,
    allowance: Allowance,
    max_message_bytes: usize,
    opened: u32,
    refused: usize,
    /// Of these, not told to the endpoint's counters yet.
    refused_untold: u64,
    /// Which channel is asked first, so that none is always last.
    rotation: usize,
    pull_wanted: bool,
    /// The handler may have had a message for which there was no room.
    short_of_room: bool,
}

#[derive(Debug, Clone, Copy)]
struct Channel {
    id: ChannelId,
    rtc: RtcChannelId,
}

impl Channels {
    pub(crate) fn new(config: &SessionConfig) -> Self {
        Self {
            open: Vec::new(),
            ledger: RoomLedger::new(config.sctp_buffered_bytes, config.channel_reserve_bytes),
            allowance: Allowance::new(config.sctp_buffered_bytes, config.sctp_buffered_max_bytes),
            max_message_bytes: 0,
            opened: 0,
            refused: 0,
            refused_untold: 0,
            rotation: 0,
            pull_wanted: false,
            short_of_room: false,
        }
    }

    /// What the peer's description says it takes.
    pub(crate) fn set_peer_max_message_bytes(&mut self, bytes: usize) {
        self.max_message_bytes = bytes.min(self.ledger.ample_bytes());
    }

    pub(crate) fn max_message_bytes(&self) -> usize {
        self.max_message_bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn buffered_bytes(&self) -> usize {
        self.ledger.buffered_bytes()
    }

    /// Channels refused since it was asked last.
    pub(crate) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused_untold)
    }

    /// Something happened that may give the handler something to send.
    pub(crate) fn want_pull(&mut self) {
        self.pull_wanted = true;
    }

    fn by_rtc(&self, rtc: RtcChannelId) -> Option<ChannelId> {
        self.open
            .iter()
            .find(|channel| channel.rtc == rtc)
            .map(|channel| channel.id)
    }
}

impl Session {
    pub(crate) fn channel_opened(
        &mut self,
        now: Instant,
        rtc: RtcChannelId,
        label: String,
        outbox: &mut impl Outbox,
    ) {
        if self.channels.len() >= self.config.max_channels {
            self.refuse_channel(now, rtc, outbox);
            return;
        }
        let Some(info) = self.channel_info(rtc, label) else {
            return;
        };
        let id = info.id;
        match self.handler.on_channel_open(now, info) {
            ChannelUse::Accept => {
                self.channels.open.push(Channel { id, rtc });
                self.channels.ledger.open(id);
                self.channels.want_pull();
            }
            ChannelUse::Refuse => self.refuse_channel(now, rtc, outbox),
        }
    }

    fn channel_info(&mut self, rtc: RtcChannelId, label: String) -> Option<ChannelInfo> {
        let id = ChannelId(self.channels.opened);
        let max_message_bytes = self.channels.max_message_bytes;
        let (protocol, ordered) = {
            let channel = self.rtc.channel(rtc)?;
            channel.config().map_or((String::new(), true), |config| {
                (config.protocol.clone(), config.ordered)
            })
        };
        self.channels.opened = self.channels.opened.wrapping_add(1);
        Some(ChannelInfo {
            id,
            label,
            protocol,
            ordered,
            max_message_bytes,
            fragment_bytes: self.config.fragment_bytes(),
        })
    }

    fn refuse_channel(&mut self, now: Instant, rtc: RtcChannelId, outbox: &mut impl Outbox) {
        self.rtc.direct_api().close_data_channel(rtc);
        self.channels.refused += 1;
        self.channels.refused_untold += 1;
        if self.channels.refused > MAX_REFUSED_CHANNELS {
            let max_channels = self.config.max_channels;
            self.finish(now, CloseReason::TooManyChannels { max_channels }, outbox);
        }
    }

    pub(crate) fn channel_closed(&mut self, now: Instant, rtc: RtcChannelId) {
        let Some(id) = self.channels.by_rtc(rtc) else {
            return;
        };
        self.channels.open.retain(|channel| channel.id != id);
        self.channels.ledger.close(id);
        self.ack_clock.abandon();
        self.handler.on_channel_closed(now, id);
        self.channels.want_pull();
    }

    pub(crate) fn message_received(&mut self, now: Instant, data: &ChannelData) {
        let Some(id) = self.channels.by_rtc(data.id) else {
            return;
        };
        self.counters.messages_received += 1;
        self.counters.message_bytes_received += data.data.len() as u64;
        self.handler.on_message(now, id, data.binary, &data.data);
        self.channels.want_pull();
    }

    /// Pulls messages from the handler into the channels' room. `true` when this turn's share was used up and more may
    /// be waiting.
    ///
    /// Asked after each turn in which something happened to the session; it looks at the handler only when that may
    /// have changed what there is to send or what room there is. (str0m's low-water event is not used for the latter:
    /// it fires per channel when its own buffer crosses a mark, while the room here also depends on what the other
    /// channels draw from the pool.)
    pub(crate) fn pull(
        &mut self,
        now: Instant,
        outbox: &mut impl Outbox,
        scratch: &mut Vec<u8>,
    ) -> bool {
        if !self.pull_is_due() {
            return false;
        }
        self.refresh_buffered(now);
        self.channels.pull_wanted = false;
        self.channels.short_of_room = false;
        let mut budget = MESSAGES_PER_TURN;
        let mut empty_handed = 0;
        while empty_handed < self.channels.len() && budget > 0 && !self.is_closed() {
            if self.pull_one(now, scratch) {
                empty_handed = 0;
                budget -= 1;
            } else {
                empty_handed += 1;
            }
        }
        // Once for all messages: SCTP goes over all that is in flight each time. Also where there was none, since asking
        // for the buffered amounts counts as a mutation to str0m.
        self.drain(now, outbox);
        self.channels.pull_wanted |= budget == 0;
        self.finish_if_drained(now, outbox);
        budget == 0
    }

    fn pull_is_due(&self) -> bool {
        let channels = &self.channels;
        let due = channels.pull_wanted || channels.short_of_room || self.ack_clock.is_timing();
        self.state == SessionState::Connected && (due || self.drain_until.is_some())
    }

    fn refresh_buffered(&mut self, now: Instant) {
        for Channel { id, rtc } in &self.channels.open {
            let buffered = self
                .rtc
                .channel(*rtc)
                .map_or(0, |mut channel| channel.buffered_amount());
            self.channels.ledger.set_buffered(*id, buffered);
        }
        let channels = &mut self.channels;
        let clock = &mut self.ack_clock;
        clock.observe(now, channels.ledger.buffered_bytes());
        channels
            .allowance
            .observe(now, clock.acked_bytes(), clock.shortest_rtt());
        channels.ledger.set_ample(channels.allowance.bytes());
    }

    /// Gives the next channel in turn a chance; `true` when it took it.
    fn pull_one(&mut self, now: Instant, scratch: &mut Vec<u8>) -> bool {
        let channels = &mut self.channels;
        channels.rotation = (channels.rotation + 1) % channels.open.len().max(1);
        let Some(Channel { id, rtc }) = channels.open.get(channels.rotation).copied() else {
            return false;
        };
        let room = channels
            .ledger
            .room_bytes(id)
            .min(channels.max_message_bytes);
        channels.short_of_room |= room < channels.max_message_bytes;
        if room == 0 {
            return false;
        }
        scratch.clear();
        let Some(kind) = self.handler.poll_message(now, id, room, scratch) else {
            return false;
        };
        if scratch.len() > room {
            tracing::error!(session = %self.id, channel = %id, bytes = scratch.len(), room, "message too large, dropped");
            return true;
        }
        self.write(now, id, rtc, kind, scratch);
        true
    }

    fn write(
        &mut self,
        now: Instant,
        id: ChannelId,
        rtc: RtcChannelId,
        kind: MessageKind,
        message: &[u8],
    ) {
        let buffered = self.channels.ledger.buffered_bytes();
        let Some(mut channel) = self.rtc.channel(rtc) else {
            return;
        };
        match channel.write(kind == MessageKind::Binary, message) {
            Ok(true) => {
                self.counters.messages_sent += 1;
                self.counters.message_bytes_sent += message.len() as u64;
                self.channels.ledger.add(id, message.len());
                self.ack_clock.written(now, message.len(), buffered);
            }
            Ok(false) => self.abandon(
                now,
                CloseReason::Transport("send buffer refused a message".to_owned()),
            ),
            Err(error) => self.abandon(now, CloseReason::Transport(error.to_string())),
        }
    }

    /// Closes a session that was to be closed once everything is out: nothing left to pull, all acknowledged.
    fn finish_if_drained(&mut self, now: Instant, outbox: &mut impl Outbox) {
        let channels = &self.channels;
        let nothing_left = !channels.pull_wanted && channels.ledger.buffered_bytes() == 0;
        if self.drain_until.is_some() && nothing_left {
            self.finish(now, CloseReason::Local, outbox);
        }
    }
}
