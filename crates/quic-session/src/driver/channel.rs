//! One channel's sending: at most one message that waits to be written, the stream of the frame it belongs to, and the
//! streams of frames before it for as long as they may have to be reset.
//!
//! Fed by the session's sending half, which pulls for it from the handler; writes to quinn's streams.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use web_transport_quinn::{SendStream, Session, SessionError, WriteError};

use super::totals::SessionCounters;
use crate::framing::prefix;
use crate::limits::MAX_SENT_FRAMES;
use crate::outgoing_frames::{FrameId, OutgoingFrames, Route};
use crate::preamble::frame_preamble;
use crate::{ChannelId, SessionHandler};

/// Stream codes, as in `docs/wire.md`.
pub(super) mod code {
    /// Nobody wants this any more.
    pub(in crate::driver) const STALE: u32 = 0;
    /// Refused: no such channel, or the stream never ended.
    pub(in crate::driver) const REFUSED: u32 = 1;
}

/// Control messages go before frames that wait beside them.
const CONTROL_PRIORITY: i32 = 1;

/// Frames go in the order in which they were begun, and what was lost of an older one before anything of a newer one but its first packet, which
/// WebTransport's header puts before everything. Among streams of one priority quinn sends it after all that waits.
fn frame_priority(stream: &SendStream) -> i32 {
    let begun_before = stream.quic_id().index();
    i32::try_from(begun_before).map_or(i32::MIN, |begun_before| -1 - begun_before)
}
/// Stale frames taken from a handler in one go: as many as can be named.
const MAX_STALE: usize = MAX_SENT_FRAMES;
/// Dropped messages after which a channel is left alone until the next turn.
const MAX_DROPS: usize = 64;

type Opening = BoxFuture<'static, Result<SendStream, SessionError>>;

/// Why sending stopped.
#[derive(Debug)]
pub(super) enum SendFault {
    /// The peer wants no more of this channel.
    ChannelClosed(ChannelId),
    /// The session is over; its reason is known elsewhere.
    SessionLost,
}

/// A channel, as far as sending goes.
pub(super) struct Channel {
    pub(super) id: ChannelId,
    pub(super) control: SendStream,
    frames: OutgoingFrames,
    /// The stream of the frame that is being sent.
    current: Option<SendStream>,
    /// Finished, and perhaps not delivered yet.
    pub(super) sent: VecDeque<(FrameId, SendStream)>,
    frame: Option<FrameId>,
    waiting: Waiting,
}

/// A message that is not written yet.
enum Waiting {
    Nothing,
    Control(Message),
    Opening(Opening, Message, bool),
    Frame(Message, bool),
}

/// A message with what goes before it.
struct Message([Bytes; 2]);

impl Message {
    fn new(before: &[u8], message: Vec<u8>) -> Self {
        let mut head = BytesMut::with_capacity(before.len() + 4);
        head.extend_from_slice(before);
        head.extend_from_slice(&prefix(message.len()));
        Self([head.freeze(), message.into()])
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut SendStream,
    ) -> Poll<Result<bool, WriteError>> {
        let Self(chunks) = self;
        let unsent = chunks.iter().take_while(|chunk| chunk.is_empty()).count();
        if unsent == chunks.len() {
            return Poll::Ready(Ok(true));
        }
        // Writes something and is ready, or nothing and is not: to begin anew costs and loses nothing.
        let written = ready!(pin!(stream.write_chunks(&mut chunks[unsent..])).poll(cx))?;
        let whole = chunks.iter().all(Bytes::is_empty);
        debug_assert!(written.bytes > 0 || whole);
        Poll::Ready(Ok(whole))
    }
}

impl Channel {
    pub(super) fn new(id: ChannelId, control: SendStream) -> Self {
        // Fails for a closed stream only, which the next write finds out.
        let _ = control.set_priority(CONTROL_PRIORITY);
        Self {
            id,
            control,
            frames: OutgoingFrames::default(),
            current: None,
            sent: VecDeque::new(),
            frame: None,
            waiting: Waiting::Nothing,
        }
    }

    /// Resets what the handler says is stale.
    pub(super) fn reset_stale(
        &mut self,
        now: Instant,
        handler: &mut dyn SessionHandler,
        counters: &SessionCounters,
    ) {
        for _ in 0..MAX_STALE {
            let Some(sequence) = handler.poll_stale(now, self.id) else {
                return;
            };
            self.give_up(sequence, counters);
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        !matches!(self.waiting, Waiting::Nothing)
    }

    /// Whether the handler said something, now or before.
    pub(super) fn pull(
        &mut self,
        now: Instant,
        session: &Session,
        room_bytes: usize,
        handler: &mut dyn SessionHandler,
        counters: &SessionCounters,
    ) -> bool {
        for _ in 0..MAX_DROPS {
            if self.is_waiting() {
                return true;
            }
            let mut message = Vec::new();
            if !handler.poll_message(now, self.id, room_bytes, &mut message) {
                return false;
            }
            if message.is_empty() || message.len() > room_bytes {
                let (bytes, channel) = (message.len(), self.id);
                tracing::error!(%channel, bytes, room_bytes, "a message that does not fit is dropped");
                continue;
            }
            self.take(session, message, counters);
        }
        true
    }

    fn take(&mut self, session: &Session, message: Vec<u8>, counters: &SessionCounters) {
        let bytes = message.len() as u64;
        let route = self.frames.route(&message);
        self.waiting = match route {
            Route::Drop => return,
            Route::Control => Waiting::Control(Message::new(&[], message)),
            Route::Continue { ends } => Waiting::Frame(Message::new(&[], message), ends),
            Route::Begin { frame, ends } => {
                self.reset_current(counters);
                self.frame = Some(frame);
                counters.frame_streams_sent.add(1);
                let session = session.clone();
                let opening = Box::pin(async move { session.open_uni().await });
                let message = Message::new(&frame_preamble(self.id.0), message);
                Waiting::Opening(opening, message, ends)
            }
        };
        counters.messages_sent.add(1);
        counters.message_bytes_sent.add(bytes);
    }

    pub(super) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        moved: &mut bool,
        counters: &SessionCounters,
    ) -> Poll<Result<(), SendFault>> {
        loop {
            let done = match &mut self.waiting {
                Waiting::Nothing => return Poll::Ready(Ok(())),
                Waiting::Control(message) => {
                    let written = ready!(message.poll_write(cx, &mut self.control));
                    written.map_err(|error| match error {
                        WriteError::SessionError(_) => SendFault::SessionLost,
                        _ => SendFault::ChannelClosed(self.id),
                    })?
                }
                Waiting::Opening(opening, ..) => {
                    let opened = ready!(Pin::new(opening).poll(cx));
                    let stream = opened.map_err(|_| SendFault::SessionLost)?;
                    // Fails for a closed stream only, which the next write finds out.
                    let _ = stream.set_priority(frame_priority(&stream));
                    self.current = Some(stream);
                    self.opened();
                    false
                }
                Waiting::Frame(message, ends) => {
                    let ends = *ends;
                    let Some(stream) = self.current.as_mut() else {
                        self.waiting = Waiting::Nothing;
                        continue;
                    };
                    match ready!(message.poll_write(cx, stream)) {
                        Ok(whole) => {
                            if whole && ends {
                                self.finish_current();
                            }
                            whole
                        }
                        Err(WriteError::SessionError(_)) => {
                            return Poll::Ready(Err(SendFault::SessionLost));
                        }
                        Err(_) => {
                            // The peer stopped this stream: the frame is of no use to it.
                            self.drop_current(counters);
                            true
                        }
                    }
                }
            };
            *moved = true;
            if done {
                self.waiting = Waiting::Nothing;
            }
        }
    }

    /// The stream is there: its first message can be written.
    fn opened(&mut self) {
        let waiting = std::mem::replace(&mut self.waiting, Waiting::Nothing);
        if let Waiting::Opening(_, message, ends) = waiting {
            self.waiting = Waiting::Frame(message, ends);
        }
    }

    /// The frame is whole: its stream is kept for as long as it may have to be reset.
    fn finish_current(&mut self) {
        if let (Some(mut stream), Some(frame)) = (self.current.take(), self.frame.take()) {
            // Fails for a stream that the peer stopped.
            let _ = stream.finish();
            if self.sent.len() >= MAX_SENT_FRAMES {
                self.sent.pop_front();
            }
            self.sent.push_back((frame, stream));
        }
    }

    /// The frame in progress will not be whole.
    pub(super) fn reset_current(&mut self, counters: &SessionCounters) {
        if let Some(mut stream) = self.current.take()
            && stream.reset(code::STALE).is_ok()
        {
            counters.streams_reset.add(1);
        }
        self.frame = None;
        if matches!(self.waiting, Waiting::Opening(..) | Waiting::Frame(..)) {
            self.waiting = Waiting::Nothing;
        }
    }

    /// As [`reset_current`](Self::reset_current), with the rest of what is said of the frame dropped.
    fn drop_current(&mut self, counters: &SessionCounters) {
        if let Some(frame) = self.frame {
            self.frames.give_up(frame.sequence);
        }
        self.reset_current(counters);
    }

    /// The frame is stale.
    fn give_up(&mut self, sequence: u64, counters: &SessionCounters) {
        let is_current = self.frame.is_some_and(|frame| frame.sequence == sequence);
        if is_current {
            self.drop_current(counters);
        }
        for (frame, stream) in &mut self.sent {
            if frame.sequence == sequence && stream.reset(code::STALE).is_ok() {
                counters.streams_reset.add(1);
            }
        }
        self.sent.retain(|(frame, _)| frame.sequence != sequence);
    }
}
