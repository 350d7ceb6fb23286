//! What a frame stream may carry: the chunks of one attempt of one frame, all of them, and nothing else.
//!
//! Fed with each message of a frame stream before the handler sees it. What passes is bounded: no stream carries more
//! payload than the frame it declared, and chunks are never empty, so that a stream that never ends soon breaks a rule.

use datachannel_transport::wire::{DecodeError, Message, decode};

use crate::outgoing_frames::FrameId;

/// Why a frame stream is not one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FrameStreamError {
    #[error("a frame stream carries chunks, this is another message")]
    NotAChunk,
    #[error("not a message: {0}")]
    Malformed(#[from] DecodeError),
    #[error("a stream of frame {first} carries a chunk of frame {other}")]
    AnotherFrame { first: u64, other: u64 },
    #[error("more payload than the {frame_bytes} bytes of frame {sequence}")]
    TooMuch { sequence: u64, frame_bytes: u64 },
    #[error("the stream of frame {sequence} ended {missing_bytes} bytes early")]
    Incomplete { sequence: u64, missing_bytes: u64 },
}

/// One frame stream's progress.
#[derive(Debug, Default)]
pub(crate) struct IncomingFrame {
    begun: Option<Begun>,
}

#[derive(Debug)]
struct Begun {
    frame: FrameId,
    frame_bytes: u64,
    left_bytes: u64,
}

impl IncomingFrame {
    /// Whether this message may travel on this stream.
    pub(crate) fn check(&mut self, message: &[u8]) -> Result<(), FrameStreamError> {
        let envelope = decode(message)?;
        let Message::Chunk(chunk) = envelope.message else {
            return Err(FrameStreamError::NotAChunk);
        };
        let frame = FrameId {
            epoch: envelope.epoch,
            sequence: chunk.sequence,
            attempt: chunk.attempt,
        };
        let frame_bytes = u64::from(chunk.frame_bytes);
        let first = self.begun.is_none();
        let begun = self.begun.get_or_insert(Begun {
            frame,
            frame_bytes,
            left_bytes: frame_bytes,
        });
        if begun.frame != frame || begun.frame_bytes != frame_bytes {
            return Err(FrameStreamError::AnotherFrame {
                first: begun.frame.sequence,
                other: frame.sequence,
            });
        }
        let bytes = chunk.payload.len() as u64;
        if bytes > begun.left_bytes || (begun.left_bytes == 0 && !first) {
            return Err(FrameStreamError::TooMuch {
                sequence: frame.sequence,
                frame_bytes,
            });
        }
        begun.left_bytes -= bytes;
        Ok(())
    }

    /// The stream ended.
    pub(crate) fn end(&self) -> Result<(), FrameStreamError> {
        match &self.begun {
            Some(begun) if begun.left_bytes > 0 => Err(FrameStreamError::Incomplete {
                sequence: begun.frame.sequence,
                missing_bytes: begun.left_bytes,
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use datachannel_transport::wire::{Chunk, encode};

    use super::*;

    fn chunk(sequence: u64, frame_bytes: u32, offset: u32, len: usize) -> Vec<u8> {
        let message = Message::Chunk(Chunk {
            sequence,
            attempt: 0,
            frame_bytes,
            offset,
            meta: None,
            payload: &vec![1; len],
        });
        let mut out = Vec::new();
        encode(9, &message, &mut out);
        out
    }

    #[test]
    fn the_chunks_of_one_frame_pass() {
        let mut stream = IncomingFrame::default();
        assert_eq!(stream.check(&chunk(7, 30, 10, 10)), Ok(()));
        assert_eq!(stream.check(&chunk(7, 30, 20, 10)), Ok(()));
        let incomplete = FrameStreamError::Incomplete {
            sequence: 7,
            missing_bytes: 10,
        };
        assert_eq!(stream.end(), Err(incomplete));
    }

    #[test]
    fn anything_else_does_not() {
        let mut stream = IncomingFrame::default();
        assert_eq!(
            stream.end(),
            Ok(()),
            "a stream that was reset before it began"
        );
        assert_eq!(stream.check(&chunk(7, 30, 10, 20)), Ok(()));
        let another = FrameStreamError::AnotherFrame { first: 7, other: 8 };
        assert_eq!(stream.check(&chunk(8, 30, 10, 10)), Err(another));
        assert!(matches!(
            stream.check(&chunk(7, 30, 10, 11)),
            Err(FrameStreamError::TooMuch { sequence: 7, .. })
        ));
        let mut ping = Vec::new();
        let message = Message::Ping { t0_us: 1 };
        encode(9, &message, &mut ping);
        assert_eq!(stream.check(&ping), Err(FrameStreamError::NotAChunk));
        assert!(matches!(
            stream.check(&[0xc1]),
            Err(FrameStreamError::Malformed(_))
        ));
    }
}
