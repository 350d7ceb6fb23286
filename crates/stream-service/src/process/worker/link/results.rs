//! How a link's results travel: as a link of their own, or as text.
//!
//! Fed by the pipeline's results; feeds the lanes.

use std::time::Instant;

use bytes::Bytes;
use datachannel_transport::{
    Encoding, FrameMeta, FrameSender, Mode, Offer, OutgoingFrame, SenderConfig,
};

use super::plain::PlainResults;
use super::{MAX_WINDOW_FRAMES, first_index};
use crate::lanes::sizes::MAX_MESSAGE_BYTES;
use crate::process::document::ResultDocument;
use crate::process::protocol::LinkQuery;

/// Results that wait or travel, in bytes; what one processor says about a frame is seldom a thousandth of it.
const MAX_RESULT_BYTES: u64 = 16 << 20;

/// How results travel.
pub(super) enum Results {
    /// As opaque frames of a link: acknowledged, sent again.
    Linked(Box<FrameSender>),
    /// As text messages, each once.
    Plain(PlainResults),
}

impl Results {
    /// Results made that the sender may not have.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Linked(sender) => sender.held_frames(),
            Self::Plain(queue) => queue.len(),
        }
    }
}

/// Results are numbered as their frames are, so that a result's ack confirms its frame.
pub(super) fn results_of(
    now: Instant,
    query: &LinkQuery,
) -> Result<Results, datachannel_transport::ConfigError> {
    if query.link.is_none() {
        return Ok(Results::Plain(PlainResults::default()));
    }
    let mut config = SenderConfig::every_frame(query.epoch, now);
    config.mode = Mode::EveryFrame {
        max_queued_frames: 2 * MAX_WINDOW_FRAMES as usize,
        max_queued_bytes: MAX_RESULT_BYTES,
    };
    config.max_frame_bytes = MAX_RESULT_BYTES as u32;
    // As many answers as there may be frames: each waits for those before it to arrive.
    config.max_window.frames = MAX_WINDOW_FRAMES;
    config.max_message_bytes = MAX_MESSAGE_BYTES;
    config.resume.next_sequence = first_index(query);
    Ok(Results::Linked(Box::new(FrameSender::new(config)?)))
}

pub(super) fn text_of(document: &ResultDocument) -> String {
    // A map of JSON values is JSON; a number that is none has been made null before.
    serde_json::to_string(document).unwrap_or_default()
}

/// Puts a result on its way; one that is too long is replaced by its error.
pub(super) fn offer_result(now: Instant, sender: &mut FrameSender, mut document: ResultDocument) {
    let meta = FrameMeta {
        source_id: document.video_metadata.frame_id,
        pts_us: document.video_metadata.pts,
        duration_us: 0,
        width: 0,
        height: 0,
        encoding: Encoding::Opaque,
        quality: 0,
        keyframe: true,
        released_us: 0,
    };
    for _ in 0..2 {
        let payload = Bytes::from(text_of(&document));
        let bytes = payload.len();
        match sender.offer(now, OutgoingFrame { meta, payload }) {
            Offer::Full(_) | Offer::Refused { .. }
                if !document.serialized_output_data.is_empty() =>
            {
                document.serialized_output_data.clear();
                document.errors.push(format!(
                    "the result of {bytes} bytes does not fit beside those under way (at most {MAX_RESULT_BYTES} together); \
                     ask for fewer fields"
                ));
            }
            Offer::Queued | Offer::Replaced { .. } => return,
            other => {
                // After a goodbye nobody waits for it.
                tracing::debug!(?other, "a result was not taken");
                return;
            }
        }
    }
}
