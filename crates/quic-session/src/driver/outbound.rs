//! The sending half of a session: pulls messages from the handler, channel by channel, and writes them to their streams.
//!
//! A channel has at most one message waiting here; what is written waits in quinn's buffer, which the session's settings
//! bound. So a channel whose frames stand still keeps no other channel, and none of its own acks, from going.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use web_transport_quinn::{SendStream, Session};

use super::channel::{Channel, SendFault};
use super::totals::SessionCounters;
use crate::{ChannelId, SessionHandler};

/// What sending has come to.
pub(super) enum Progress {
    /// A channel can be asked for more.
    Written,
    /// The peer's transport has every frame.
    Delivered,
}

/// All channels of a session, as far as sending goes.
pub(super) struct Outbound {
    session: Session,
    channels: Vec<Channel>,
    room_bytes: usize,
    /// When bytes were last taken by the transport, or there was nothing to take.
    moved: Instant,
    /// Every channel was asked and had nothing.
    idle: bool,
}

impl Outbound {
    pub(super) fn new(session: Session, room_bytes: usize, now: Instant) -> Self {
        Self {
            session,
            channels: Vec::new(),
            room_bytes,
            moved: now,
            idle: false,
        }
    }

    pub(super) fn open(&mut self, id: ChannelId, control: SendStream) {
        self.channels.push(Channel::new(id, control));
    }

    /// Forgets a channel; what of it was not delivered is not sent any more.
    pub(super) fn close(&mut self, id: ChannelId, counters: &SessionCounters) {
        if let Some(at) = self.channels.iter().position(|channel| channel.id == id) {
            let mut channel = self.channels.swap_remove(at);
            channel.reset_current(counters);
        }
    }

    pub(super) fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Asks the handler for a message on every channel that has none waiting.
    pub(super) fn pull(
        &mut self,
        now: Instant,
        handler: &mut dyn SessionHandler,
        counters: &SessionCounters,
    ) {
        if !self.has_waiting() {
            self.moved = now;
        }
        self.idle = true;
        for channel in &mut self.channels {
            channel.reset_stale(now, handler, counters);
            let (session, room) = (&self.session, self.room_bytes);
            self.idle &= !channel.pull(now, session, room, handler, counters);
        }
        // The next channel goes first the next time.
        if let Some(last) = self.channels.len().checked_sub(1) {
            self.channels[..=last].rotate_left(1);
        }
    }

    pub(super) fn has_waiting(&self) -> bool {
        self.channels.iter().any(Channel::is_waiting)
    }

    /// Whether the handler had nothing more and everything said is written.
    pub(super) fn is_idle(&self) -> bool {
        self.idle && !self.has_waiting()
    }

    /// For how long the transport has taken nothing though something waits.
    pub(super) fn stuck_for(&self, now: Instant) -> Duration {
        if self.has_waiting() {
            now.saturating_duration_since(self.moved)
        } else {
            Duration::ZERO
        }
    }

    /// Writes what waits, or awaits the delivery of frames if asked to; never returns with nothing done.
    pub(super) async fn progress(
        &mut self,
        delivering: bool,
        counters: &SessionCounters,
    ) -> Result<Progress, SendFault> {
        if self.has_waiting() {
            poll_fn(|cx| self.poll_flush(cx, counters)).await?;
            return Ok(Progress::Written);
        }
        if !delivering {
            return std::future::pending().await;
        }
        self.frames_delivered().await;
        Ok(Progress::Delivered)
    }

    fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        counters: &SessionCounters,
    ) -> Poll<Result<(), SendFault>> {
        let mut free = false;
        for channel in &mut self.channels {
            if !channel.is_waiting() {
                continue;
            }
            let mut moved = false;
            let polled = channel.poll_flush(cx, &mut moved, counters);
            if moved {
                self.moved = Instant::now();
            }
            match polled {
                Poll::Ready(Ok(())) => free = true,
                Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
                Poll::Pending => {}
            }
        }
        if free {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    /// Returns once the peer's transport has every frame, or the session is over.
    async fn frames_delivered(&mut self) {
        let channels = self.channels.iter_mut();
        let frames = channels.flat_map(|channel| &mut channel.sent);
        for (_, stream) in frames {
            // Fails where the session is over.
            let _ = stream.stopped().await;
        }
    }

    /// Ends the control streams: nothing more is said here. The peer ends its own when it has read everything.
    pub(super) fn finish(&mut self) {
        for channel in &mut self.channels {
            // Fails for one that ended already.
            let _ = channel.control.finish();
        }
    }
}
