//! A viewer's lanes: which there are, which carries, and what their sessions call.
//!
//! Called by the sessions, whatever carries them ([`crate::lanes`]); nothing here blocks or encodes.

use std::time::{Duration, Instant};

use datachannel_transport::{LaneId, SenderEvent};
use webrtc_session::MessageKind;

use super::{Link, Viewer};
use crate::lanes::choice::{ChoiceReason, LaneFigures, LaneKind};
use crate::lanes::end::{Channel, LaneWaker, LinkEnd, Opened};
use crate::lanes::seat::Seat;
use crate::model::meters::RateMeter;

/// The label of the channel that carries frames (docs/wire.md).
const FRAMES_LABEL: &str = "frames";

/// A viewer whose page says no hello this long after its channel opened is taken for one that never does.
const HELLO_WAIT: Duration = Duration::from_secs(1);

/// Between two looks at which lane carries, while there are several.
const CHOICE_INTERVAL: Duration = Duration::from_millis(100);

/// Frames that can be named as stale: more are not on their way at once.
const MAX_STALE: u64 = 64;

/// One lane.
pub(super) struct Lane {
    pub(super) id: LaneId,
    pub(super) kind: LaneKind,
    /// What its session is closed by, once there is one.
    pub(super) seat: Option<Seat>,
    waker: Option<LaneWaker>,
    pub(super) open_since: Option<Instant>,
    heard: Option<Instant>,
    sent: RateMeter,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Viewer {
    /// Names a lane before its session exists; it takes the place of the one of its kind, whose seat is given back. `None`:
    /// the viewer has left.
    pub(in crate::model) fn add_lane(
        &self,
        now: Instant,
        kind: LaneKind,
    ) -> Option<(LaneId, Option<Seat>)> {
        let mut link = self.link();
        if link.left {
            return None;
        }
        let replaced = link.lanes.iter().position(|lane| lane.kind == kind);
        let replaced = replaced.and_then(|at| {
            let replaced = link.lanes.remove(at);
            link.sender.lane_closed(now, replaced.id);
            replaced.seat
        });
        let id = LaneId(link.lanes_made);
        link.lanes_made = link.lanes_made.wrapping_add(1);
        link.lanes.push(Lane {
            id,
            kind,
            seat: None,
            waker: None,
            open_since: None,
            heard: None,
            sent: RateMeter::new(now),
        });
        Some((id, replaced))
    }

    /// What the lane's session is closed by. False: the lane is gone already.
    pub(crate) fn seated(&self, id: LaneId, seat: Seat) -> bool {
        let mut link = self.link();
        let lane = link.lane(id);
        lane.map(|lane| lane.seat = Some(seat)).is_some()
    }

    /// Closes the session of a lane that fell silent; its page opens another.
    fn give_up(&self, seat: Option<Seat>) {
        let quic = self
            .stream
            .upgrade()
            .and_then(|it| it.endpoints.quic.clone());
        match seat {
            Some(Seat::Quic(invitation)) => {
                // It may have ended by itself.
                let _ = quic.map(|quic| quic.close(invitation.session));
            }
            Some(Seat::Socket(end)) => end.notify_one(),
            // Ends by itself, as soon as its page or ICE takes it for lost.
            Some(Seat::Data(_)) | None => {}
        }
    }
}

impl Link {
    fn lane(&mut self, id: LaneId) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.id == id)
    }

    fn open_lanes(&self) -> usize {
        let open = self.lanes.iter().filter(|lane| lane.open_since.is_some());
        open.count()
    }

    /// Has every lane asked for messages; `but` is being served anyway.
    pub(super) fn wake(&self, but: Option<LaneId>) {
        let others = self.lanes.iter().filter(|lane| Some(lane.id) != but);
        for waker in others.filter_map(|lane| lane.waker.as_ref()) {
            waker();
        }
    }

    /// Has the lanes asked for messages that frames go out on.
    pub(super) fn wake_carrier(&self) {
        let active = self.choice.active().map(|(kind, _)| kind);
        let carriers = self.lanes.iter().filter(|lane| Some(lane.kind) == active);
        for waker in carriers.filter_map(|lane| lane.waker.as_ref()) {
            waker();
        }
    }

    /// Lets the best kind of lane that works carry the frames. One that fell silent is given up, and with it what it held
    /// goes to the others: its session's seat is given back.
    fn choose(&mut self, now: Instant) -> Option<Seat> {
        self.choose_at = (self.open_lanes() > 1).then(|| now + CHOICE_INTERVAL);
        let before = self.choice.active().map(|(kind, _)| kind);
        let mut figures = [LaneFigures::default(); 3];
        for lane in &mut self.lanes {
            figures[lane.kind as usize] = LaneFigures {
                open_since: lane.open_since,
                heard: lane.heard,
                round_trip: self.sender.lane_round_trip(lane.id),
                goodput: lane.sent.per_second(now),
            };
        }
        let busy = self.sender.waiting_frames() > 0;
        if !self.choice.update(now, &figures, busy) {
            return None;
        }
        let (kind, reason) = self.choice.active()?;
        self.lane_changes += u64::from(before.is_some());
        tracing::debug!(?kind, ?reason, "carries a viewer's frames");
        for lane in &self.lanes {
            self.sender.set_standby(lane.id, lane.kind != kind);
        }
        self.wake(None);
        let silent = self
            .lanes
            .iter()
            .position(|lane| reason == ChoiceReason::OtherSilent && Some(lane.kind) == before)?;
        let silent = self.lanes.remove(silent);
        self.sender.lane_closed(now, silent.id);
        silent.seat
    }

    /// What the page said settles frames; those it passed over are stale.
    fn take_events(&mut self, now: Instant) -> bool {
        let mut greeted = false;
        while let Some(event) = self.sender.poll_event() {
            match event {
                SenderEvent::PeerHello { .. } => greeted = true,
                SenderEvent::Dropped { source_id, .. } => self.acks.dropped(source_id),
                SenderEvent::Acked {
                    sequence,
                    source_id,
                    ..
                } => {
                    self.acks.acked(now, source_id);
                    let passed_over = self.settled_to.max(sequence.saturating_sub(MAX_STALE));
                    self.stale.extend(passed_over..sequence);
                    let excess = self.stale.len().saturating_sub(MAX_STALE as usize);
                    self.stale.drain(..excess);
                    self.settled_to = sequence + 1;
                }
                _ => {}
            }
        }
        greeted
    }
}

impl LinkEnd for Viewer {
    fn channel(&self, label: &str) -> Option<Channel> {
        (label == FRAMES_LABEL).then_some(Channel::Frames)
    }

    fn attached(&self, id: LaneId, waker: LaneWaker) {
        if let Some(lane) = self.link().lane(id) {
            lane.waker = Some(waker);
        }
    }

    fn opened(&self, now: Instant, id: LaneId, opened: &Opened<'_>) -> bool {
        let mut link = self.link();
        let Some(kind) = link.lane(id).map(|lane| lane.kind) else {
            return false;
        };
        if let Err(error) = link.sender.lane_opened(now, id, opened.limits) {
            tracing::warn!(viewer = self.id, %error, "channel refused");
            return false;
        }
        if let Some(lane) = link.lane(id) {
            lane.open_since = Some(now);
        }
        let active = link.choice.active();
        if let Some((active, _)) = active {
            link.sender.set_standby(id, kind != active);
        }
        if !link.ready {
            link.begin_at.get_or_insert(now + HELLO_WAIT);
        }
        let given_up = link.choose(now);
        drop(link);
        self.give_up(given_up);
        true
    }

    /// One that breaks the protocol is counted by the link and changes nothing.
    fn message(&self, now: Instant, id: LaneId, _: Channel, binary: bool, message: &[u8]) {
        let mut link = self.link();
        let Some(lane) = link.lane(id).filter(|_| binary) else {
            return;
        };
        lane.heard = Some(now);
        if let Err(error) = link.sender.handle_message(now, id, message) {
            tracing::debug!(viewer = self.id, %error, "message refused");
        }
        let greeted = link.take_events(now);
        if link.lanes.len() > 1 {
            link.wake_carrier();
        }
        drop(link);
        if greeted {
            self.begin();
        }
    }

    fn poll(
        &self,
        now: Instant,
        id: LaneId,
        _: Channel,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        let mut link = self.link();
        link.lane(id)?;
        let said = link.sender.poll_message(now, id, room_bytes, out);
        if let Some(lane) = link.lane(id).filter(|_| said) {
            lane.sent.add(now, out.len() as u64);
        }
        said.then_some(MessageKind::Binary)
    }

    fn poll_stale(&self, _: LaneId) -> Option<u64> {
        self.link().stale.pop_front()
    }

    fn closed(&self, now: Instant, id: LaneId, why: &str) {
        tracing::debug!(viewer = self.id, lane = %id, why, "lane closed");
        let mut link = self.link();
        let before = link.lanes.len();
        link.lanes.retain(|lane| lane.id != id);
        if link.lanes.len() == before {
            // Replaced, or given up before.
            return;
        }
        link.sender.lane_closed(now, id);
        let given_up = link.choose(now);
        let stops = link.open_lanes() == 0 && std::mem::take(&mut link.ready);
        let leaves = link.lanes.is_empty() && !std::mem::replace(&mut link.left, true);
        drop(link);
        self.give_up(given_up);
        if let Some(stream) = self.stream.upgrade().filter(|_| stops) {
            stream.end_watching();
        }
        if leaves {
            self.leave(now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let link = self.link();
        let sender = link.sender.poll_timeout().into_iter();
        sender.chain(link.begin_at).chain(link.choose_at).min()
    }

    fn on_timeout(&self, now: Instant) {
        let mut link = self.link();
        link.sender.handle_timeout(now);
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let given_up = due(link.choose_at).then(|| link.choose(now)).flatten();
        if link.lanes.len() > 1 {
            link.wake(None);
        }
        let begins = due(link.begin_at);
        drop(link);
        self.give_up(given_up);
        if begins {
            self.begin();
        }
    }
}
