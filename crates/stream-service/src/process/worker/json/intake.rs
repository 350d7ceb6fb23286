//! What becomes of the frames that a client sends: opened, whole, failed or refused; each is told.
//!
//! Fed with messages; pulled by the link for whole frames (into the pipeline) and for replies (onto the channel). Frames
//! come out in the order in which it was decided what becomes of them.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use frame_pipeline::{EncodedFrame, FrameKind};
use serde::Serialize;

use super::fault::Fault;
use super::limits::{MAX_HELD_BYTES, MAX_HELD_FRAMES, MAX_OPEN_FRAMES};
use super::memory::Memory;
use super::message::{Chunk, Eof, Message};
use super::open_frame::{Added, OpenFrame};
use super::reply::{Replies, shortened};

/// What happened so far. `begun = completed + failed + abandoned + open`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(in crate::process::worker) struct JsonCounters {
    /// Text messages.
    pub(in crate::process::worker) messages: u64,
    /// Frames of which a chunk was taken up.
    pub(in crate::process::worker) begun: u64,
    pub(in crate::process::worker) completed: u64,
    /// Frames whose result is an error for what came of them.
    pub(in crate::process::worker) failed: u64,
    /// Frames given back as `busy` after some of their chunks were taken.
    pub(in crate::process::worker) abandoned: u64,
    /// Frames given back as `busy`, or too late, at their first chunk.
    pub(in crate::process::worker) refused: u64,
    /// Chunks that were there already, or of frames that are over.
    pub(in crate::process::worker) needless_chunks: u64,
    /// Messages that belong to no frame because they could not be read, or were binary.
    pub(in crate::process::worker) bad_messages: u64,
    /// Replies that a peer did not read in time.
    pub(in crate::process::worker) replies_dropped: u64,
}

/// A frame on its way to the pipeline.
#[derive(Debug)]
pub(in crate::process::worker) struct JsonFrame {
    frame_id: u64,
    pts: Duration,
    /// How long it lasts, zero if not known.
    pub(in crate::process::worker) duration: Duration,
    kind: FrameKind,
    size: (u32, u32),
    payload: Bytes,
    failed: Option<String>,
}

impl JsonFrame {
    /// As the pipeline takes it.
    pub(in crate::process::worker) fn encoded(
        self,
        index: u64,
        received_at: SystemTime,
    ) -> EncodedFrame {
        EncodedFrame {
            index,
            source_id: self.frame_id,
            pts: self.pts,
            kind: self.kind,
            width: self.size.0,
            height: self.size.1,
            payload: self.payload,
            received_at,
            failed: self.failed,
        }
    }
}

/// One client's frames.
#[derive(Debug, Default)]
pub(in crate::process::worker) struct JsonIntake {
    /// In the order in which they were begun.
    open: VecDeque<OpenFrame>,
    /// Whole or failed.
    ready: VecDeque<JsonFrame>,
    ready_bytes: usize,
    over: Memory,
    refused: Memory,
    replies: Replies,
    counters: JsonCounters,
    /// Of a whole frame, as held.
    largest_bytes: usize,
    highest_frame_id: Option<u64>,
    next_frame_id: u64,
    /// Frames that the pipeline has.
    taken: u64,
    ended: bool,
    answered_eof: bool,
    closing: bool,
}

impl JsonIntake {
    /// Takes a text message.
    pub(in crate::process::worker) fn on_text(&mut self, message: &[u8]) {
        self.counters.messages += 1;
        if self.closing {
            return;
        }
        match Message::read(message) {
            Ok(Message::Chunk(chunk)) => self.on_chunk(&chunk),
            Ok(Message::Eof(eof)) => self.on_eof(&eof),
            Err(fault) => self.on_bad_message(&fault),
        }
    }

    /// A binary message came on the same channel.
    pub(in crate::process::worker) fn on_binary(&mut self) {
        self.on_bad_message(&Fault::Binary);
    }

    /// The next frame for the pipeline: its client hears that it was taken.
    pub(in crate::process::worker) fn poll_frame(&mut self) -> Option<JsonFrame> {
        let frame = self.ready.pop_front()?;
        self.ready_bytes -= frame.payload.len();
        self.taken += 1;
        self.next_frame_id = self.next_frame_id.max(frame.frame_id + 1);
        self.replies
            .ack(frame.frame_id, self.next_frame_id, self.window());
        Some(frame)
    }

    /// The next message for the client, if it is no longer than `room_bytes`.
    pub(in crate::process::worker) fn poll_reply(&mut self, room_bytes: usize) -> Option<String> {
        self.replies.poll(room_bytes)
    }

    /// Whether no frame comes any more and the pipeline has them all.
    pub(in crate::process::worker) fn is_drained(&self) -> bool {
        self.ended && self.ready.is_empty()
    }

    /// Every result is out: the end is answered, once.
    pub(in crate::process::worker) fn finish(&mut self) {
        if self.is_drained() && !std::mem::replace(&mut self.answered_eof, true) {
            let refused = self.counters.refused + self.counters.abandoned;
            self.replies.eof(self.taken, self.taken, refused);
        }
    }

    /// The link ends here: nothing is taken after this, and the client hears why.
    pub(in crate::process::worker) fn close(&mut self, why: &str) {
        if !std::mem::replace(&mut self.closing, true) {
            self.replies.error(None, &Fault::Closing(why.to_owned()));
        }
    }

    pub(in crate::process::worker) fn counters(&self) -> JsonCounters {
        JsonCounters {
            replies_dropped: self.replies.dropped(),
            ..self.counters
        }
    }

    /// Bytes of open and waiting frames.
    pub(in crate::process::worker) fn held_bytes(&self) -> usize {
        let open: usize = self.open.iter().map(OpenFrame::held_bytes).sum();
        open + self.ready_bytes
    }

    /// How many frames the client may have under way beyond those acknowledged: as many of the largest so far as may
    /// be held.
    fn window(&self) -> usize {
        (MAX_HELD_BYTES / self.largest_bytes.max(1)).clamp(1, MAX_HELD_FRAMES)
    }

    fn held_frames(&self) -> usize {
        self.open.len() + self.ready.len()
    }

    fn on_bad_message(&mut self, fault: &Fault) {
        self.counters.bad_messages += 1;
        self.replies.error(None, fault);
    }

    fn on_chunk(&mut self, chunk: &Chunk) {
        if self.over.knows(chunk.frame_id) {
            self.counters.needless_chunks += 1;
            return;
        }
        let known = |frame: &OpenFrame| frame.frame_id() == chunk.frame_id;
        let at = match self.open.iter().position(known) {
            Some(at) => at,
            None if self.begin(chunk) => self.open.len() - 1,
            None => return,
        };
        let room_bytes = MAX_HELD_BYTES.saturating_sub(self.held_bytes());
        let added = self.open[at].add(chunk, room_bytes);
        match added {
            Ok(Some(Added::New)) if self.open[at].is_whole() => self.complete(at),
            Ok(Some(Added::New)) => {}
            Ok(Some(Added::Again)) => self.counters.needless_chunks += 1,
            Ok(None) => self.abandon(at),
            Err(fault) => self.fail(at, &fault),
        }
    }

    /// Makes room for a new frame and opens it; `false` where it is refused.
    fn begin(&mut self, chunk: &Chunk) -> bool {
        let frame_id = chunk.frame_id;
        if self.refused.knows(frame_id) {
            if chunk.index != 0 {
                // The rest of what was refused.
                self.counters.needless_chunks += 1;
                return false;
            }
            self.refused.forget(frame_id);
        }
        let refusal = if self.ended {
            Some(Fault::AfterEof)
        } else {
            self.is_full().then(|| self.busy())
        };
        if let Some(fault) = refusal {
            self.counters.refused += 1;
            self.refuse(frame_id, &fault);
            return false;
        }
        if self.open.len() == MAX_OPEN_FRAMES {
            self.give_up_oldest();
        }
        self.counters.begun += 1;
        self.highest_frame_id = self.highest_frame_id.max(Some(frame_id));
        self.open.push_back(OpenFrame::new(chunk));
        true
    }

    fn is_full(&self) -> bool {
        self.held_frames() >= MAX_HELD_FRAMES || self.held_bytes() >= MAX_HELD_BYTES
    }

    fn busy(&self) -> Fault {
        Fault::Busy {
            frames: self.held_frames(),
            bytes: self.held_bytes(),
        }
    }

    fn refuse(&mut self, frame_id: u64, fault: &Fault) {
        self.refused.remember(frame_id);
        self.replies.error(Some(frame_id), fault);
    }

    /// No room for the rest of a frame that was begun: it is given back as if it had not been.
    fn abandon(&mut self, at: usize) {
        let busy = self.busy();
        if let Some(frame) = self.open.remove(at) {
            self.counters.abandoned += 1;
            self.refuse(frame.frame_id(), &busy);
        }
    }

    fn complete(&mut self, at: usize) {
        let Some(frame) = self.open.remove(at) else {
            return;
        };
        self.counters.completed += 1;
        self.largest_bytes = self.largest_bytes.max(frame.held_bytes());
        self.ready(frame, None);
    }

    fn fail(&mut self, at: usize, fault: &Fault) {
        let Some(frame) = self.open.remove(at) else {
            return;
        };
        self.counters.failed += 1;
        self.replies.error(Some(frame.frame_id()), fault);
        self.ready(frame, Some(shortened(fault.to_string())));
    }

    fn give_up_oldest(&mut self) {
        if let Some(fault) = self.open.front().map(OpenFrame::incomplete) {
            self.fail(0, &fault);
        }
    }

    /// It is decided what becomes of the frame: its result comes after those of all before it.
    fn ready(&mut self, frame: OpenFrame, failed: Option<String>) {
        self.over.remember(frame.frame_id());
        let meta = frame.meta();
        let ready = JsonFrame {
            frame_id: frame.frame_id(),
            pts: meta.pts(),
            duration: meta.duration(),
            kind: meta.kind(),
            size: meta.size(),
            payload: if failed.is_some() {
                Bytes::new()
            } else {
                frame.into_payload()
            },
            failed,
        };
        self.ready_bytes += ready.payload.len();
        self.ready.push_back(ready);
    }

    fn on_eof(&mut self, eof: &Eof) {
        if std::mem::replace(&mut self.ended, true) {
            return self.on_bad_message(&Fault::AfterEof);
        }
        while !self.open.is_empty() {
            self.give_up_oldest();
        }
        let frames = self.counters.completed + self.counters.failed;
        let last = self.highest_frame_id.unwrap_or(0);
        let claims = [
            ("total_frames", eof.total_frames, frames),
            ("frame_id", eof.last_frame_id, last),
        ];
        for (what, said, got) in claims {
            if let Some(said) = said.filter(|said| *said != got) {
                self.replies
                    .error(None, &Fault::WrongEof { what, said, got });
            }
        }
    }
}

#[cfg(test)]
mod tests;
