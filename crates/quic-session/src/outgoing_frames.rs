//! Which stream a message travels on: chunks on a stream of their frame's own, everything else on the control stream.
//!
//! Fed with each message of a channel as its handler says it; tells the driver what to do with it. A channel's frames are
//! said one after the other, as `FrameSender` does: a chunk of another frame before the last is whole means that the
//! earlier one was given up, and its stream is reset.

use datachannel_transport::wire::{Chunk, Message, decode};

/// One sending of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameId {
    pub(crate) epoch: u32,
    pub(crate) sequence: u64,
    pub(crate) attempt: u16,
}

/// What to do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// To the control stream.
    Control,
    /// To a new stream. The stream of the frame before, if still open, is reset.
    Begin {
        frame: FrameId,
        /// The frame is whole with this message: finish the stream.
        ends: bool,
    },
    /// To the open stream.
    Continue { ends: bool },
    /// Nowhere: the rest of a frame that was reset.
    Drop,
}

/// The frame of one channel that is being sent.
#[derive(Debug, Default)]
pub(crate) struct OutgoingFrames {
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    frame: FrameId,
    left_bytes: u64,
    reset: bool,
}

impl OutgoingFrames {
    /// Where this message goes.
    pub(crate) fn route(&mut self, message: &[u8]) -> Route {
        let Ok(envelope) = decode(message) else {
            return Route::Control;
        };
        match envelope.message {
            Message::Chunk(chunk) => self.chunk(envelope.epoch, &chunk),
            _ => Route::Control,
        }
    }

    fn chunk(&mut self, epoch: u32, chunk: &Chunk<'_>) -> Route {
        let frame = FrameId {
            epoch,
            sequence: chunk.sequence,
            attempt: chunk.attempt,
        };
        let bytes = chunk.payload.len() as u64;
        let mut current = match self.current.take() {
            Some(current) if current.frame == frame => current,
            _ => {
                let left_bytes = u64::from(chunk.frame_bytes).saturating_sub(bytes);
                let ends = left_bytes == 0;
                self.current = (!ends).then_some(Current {
                    frame,
                    left_bytes,
                    reset: false,
                });
                return Route::Begin { frame, ends };
            }
        };
        current.left_bytes = current.left_bytes.saturating_sub(bytes);
        let (ends, reset) = (current.left_bytes == 0, current.reset);
        self.current = (!ends).then_some(current);
        if reset {
            Route::Drop
        } else {
            Route::Continue { ends }
        }
    }

    /// The frame is stale. Whether it is the one being sent, whose open stream is to be reset; what is still said of it
    /// is dropped.
    pub(crate) fn give_up(&mut self, sequence: u64) -> bool {
        let current = self.current.as_mut();
        current
            .filter(|current| current.frame.sequence == sequence)
            .is_some_and(|current| !std::mem::replace(&mut current.reset, true))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use datachannel_transport::wire::{ChunkMeta, encode};
    use datachannel_transport::{Encoding, FrameMeta};

    use super::*;

    fn chunk(sequence: u64, attempt: u16, frame_bytes: u32, offset: u32, len: usize) -> Vec<u8> {
        let frame = FrameMeta {
            source_id: sequence,
            pts_us: 0,
            duration_us: 0,
            width: 0,
            height: 0,
            encoding: Encoding::Opaque,
            quality: 0,
            keyframe: true,
            released_us: 0,
        };
        let meta = ChunkMeta {
            frame,
            given_up: false,
            payload_hash: 0,
        };
        let message = Message::Chunk(Chunk {
            sequence,
            attempt,
            frame_bytes,
            offset,
            meta: (offset == 0).then_some(meta),
            payload: &vec![1; len],
        });
        let mut out = Vec::new();
        encode(9, &message, &mut out);
        out
    }

    fn frame(sequence: u64, attempt: u16) -> FrameId {
        FrameId {
            epoch: 9,
            sequence,
            attempt,
        }
    }

    #[test]
    fn a_frame_has_a_stream_and_control_has_another() {
        let mut frames = OutgoingFrames::default();
        let (begin, ends) = (frame(0, 0), false);
        assert_eq!(
            frames.route(&chunk(0, 0, 30, 0, 10)),
            Route::Begin { frame: begin, ends }
        );
        let mut ping = Vec::new();
        let message = Message::Ping { t0_us: 1 };
        encode(9, &message, &mut ping);
        assert_eq!(frames.route(&ping), Route::Control);
        assert_eq!(frames.route(b"no message at all"), Route::Control);
        assert_eq!(
            frames.route(&chunk(0, 0, 30, 10, 10)),
            Route::Continue { ends: false }
        );
        assert_eq!(
            frames.route(&chunk(0, 0, 30, 20, 10)),
            Route::Continue { ends: true }
        );
        let (begin, ends) = (frame(1, 0), true);
        assert_eq!(
            frames.route(&chunk(1, 0, 10, 0, 10)),
            Route::Begin { frame: begin, ends }
        );
    }

    #[test]
    fn an_empty_frame_is_whole_at_once() {
        let mut frames = OutgoingFrames::default();
        let (begin, ends) = (frame(3, 1), true);
        assert_eq!(
            frames.route(&chunk(3, 1, 0, 0, 0)),
            Route::Begin { frame: begin, ends }
        );
    }

    #[test]
    fn the_rest_of_a_stale_frame_is_dropped() {
        let mut frames = OutgoingFrames::default();
        frames.route(&chunk(4, 0, 30, 0, 10));
        assert!(!frames.give_up(3));
        assert!(frames.give_up(4));
        assert!(!frames.give_up(4), "once is enough");
        assert_eq!(frames.route(&chunk(4, 0, 30, 10, 10)), Route::Drop);
        assert_eq!(frames.route(&chunk(4, 0, 30, 20, 10)), Route::Drop);
        let (begin, ends) = (frame(5, 0), false);
        assert_eq!(
            frames.route(&chunk(5, 0, 30, 0, 10)),
            Route::Begin { frame: begin, ends }
        );
    }

    #[test]
    fn another_attempt_has_a_stream_of_its_own() {
        let mut frames = OutgoingFrames::default();
        frames.route(&chunk(4, 0, 30, 0, 10));
        let (begin, ends) = (frame(4, 1), false);
        assert_eq!(
            frames.route(&chunk(4, 1, 30, 0, 10)),
            Route::Begin { frame: begin, ends }
        );
    }
}
