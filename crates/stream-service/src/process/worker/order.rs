//! Access units arrive in decode order and are processed in presentation order.
//!
//! Fed by the link; feeds its pipeline. Pure: which frame is next is told by the frames' indices alone.

use std::collections::BTreeMap;
use std::time::Duration;

use frame_pipeline::EncodedFrame;

use super::link::MAX_WINDOW_FRAMES;

/// Frames that wait for those shown before them.
#[derive(Debug, Default)]
pub(super) struct PresentationOrder {
    waiting: BTreeMap<u64, (EncodedFrame, Duration)>,
}

/// The sender's indices are none of a video.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "access unit {source_id} comes where frame {next} is awaited: the source_id of an access unit is its place in presentation \
     order, each once, at most {MAX_WINDOW_FRAMES} ahead"
)]
pub(super) struct OutOfOrder {
    source_id: u64,
    next: u64,
}

impl PresentationOrder {
    /// A frame has arrived with its duration; `next` is the one that [`pop`](Self::pop) gives next.
    pub(super) fn push(
        &mut self,
        next: u64,
        frame: EncodedFrame,
        duration: Duration,
    ) -> Result<(), OutOfOrder> {
        let source_id = frame.source_id;
        let ahead = source_id.checked_sub(next);
        let fits = ahead.is_some_and(|ahead| ahead < MAX_WINDOW_FRAMES.into());
        if !fits || self.waiting.contains_key(&source_id) {
            return Err(OutOfOrder { source_id, next });
        }
        self.waiting.insert(source_id, (frame, duration));
        Ok(())
    }

    /// Frame `next`, if it is here.
    pub(super) fn pop(&mut self, next: u64) -> Option<(EncodedFrame, Duration)> {
        self.waiting.remove(&next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frame_pipeline::FrameKind;

    fn frame(source_id: u64) -> EncodedFrame {
        EncodedFrame {
            index: source_id,
            source_id,
            pts: Duration::ZERO,
            kind: FrameKind::H264,
            width: 16,
            height: 16,
            payload: bytes::Bytes::new(),
            received_at: std::time::SystemTime::UNIX_EPOCH,
            failed: None,
        }
    }

    #[test]
    fn frames_leave_as_they_are_shown() {
        let (mut order, mut next, mut left) = (PresentationOrder::default(), 7, Vec::new());
        for source_id in [7, 10, 8, 9, 11] {
            order.push(next, frame(source_id), Duration::ZERO).unwrap();
            while let Some((frame, _)) = order.pop(next) {
                left.push(frame.source_id);
                next += 1;
            }
        }
        assert_eq!(left, [7, 8, 9, 10, 11]);
    }

    #[test]
    fn what_came_before_and_what_is_too_far_is_refused() {
        let mut order = PresentationOrder::default();
        order.push(7, frame(9), Duration::ZERO).unwrap();
        let most = 7 + u64::from(MAX_WINDOW_FRAMES);
        for source_id in [6, 9, most, u64::MAX] {
            let refused = order.push(7, frame(source_id), Duration::ZERO);
            assert_eq!(refused, Err(OutOfOrder { source_id, next: 7 }));
        }
        order.push(7, frame(most - 1), Duration::ZERO).unwrap();
    }
}
