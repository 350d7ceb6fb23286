//! Which protocol the frames channel speaks: the first message on it says, by being binary or text.
//!
//! Fed by lanes with what came; feeds the link with frames, from `FrameReceiver` (docs/wire.md) or from the JSON protocol
//! (docs/json-protocol.md). One link speaks one of them: whatever comes of the other is counted and said.

use std::time::{Duration, Instant, SystemTime};

use datachannel_transport::{Encoding, GoodbyeCode, LaneId};
use frame_pipeline::EncodedFrame;
use webrtc_session::MessageKind;

use super::access_units::duration_of;
use super::{Results, State, encoded};
use crate::process::protocol::ProcessMode;
use crate::process::worker::json::JsonIntake;
use crate::process::worker::order::PresentationOrder;

/// What came first.
#[derive(Default)]
pub(super) enum Upstream {
    /// Nothing yet.
    #[default]
    Unknown,
    Binary,
    Json(Box<JsonIntake>),
}

impl Upstream {
    pub(super) fn json(&self) -> Option<&JsonIntake> {
        match self {
            Self::Json(json) => Some(json),
            Self::Unknown | Self::Binary => None,
        }
    }
}

impl State {
    pub(super) fn on_upstream_message(
        &mut self,
        now: Instant,
        lane: LaneId,
        binary: bool,
        message: &[u8],
    ) {
        if matches!(self.upstream, Upstream::Unknown) {
            // Text frames are not acknowledged as results are on a link that can be resumed.
            let is_json = !binary && matches!(self.results, Results::Plain(_));
            self.upstream = if is_json {
                Upstream::Json(Box::default())
            } else {
                Upstream::Binary
            };
        }
        match &mut self.upstream {
            Upstream::Json(json) if binary => json.on_binary(),
            Upstream::Json(json) => json.on_text(message),
            _ if binary => self.on_frames_message(now, lane, message),
            _ => {
                let text = "text where frames are binary; frames as text need a link that began with text, offered \
                            without `link`";
                tracing::warn!(%lane, "the sender broke the protocol: {text}");
                self.goodbye(now, GoodbyeCode::ProtocolError, text);
            }
        }
    }

    /// The next frame that came, as the pipeline takes it, and how long it lasts. At the first access unit the link becomes
    /// one of access units.
    pub(super) fn upstream_frame(&mut self, now: Instant) -> Option<(EncodedFrame, Duration)> {
        if let Upstream::Json(json) = &mut self.upstream {
            let frame = json.poll_frame()?;
            let duration = frame.duration;
            self.arrivals.add(now, 1);
            return Some((frame.encoded(self.next_index, SystemTime::now()), duration));
        }
        let frame = self.frames.poll_frame()?;
        if frame.meta.encoding == Encoding::H264 && self.mode == ProcessMode::EveryFrame {
            self.order = Some(PresentationOrder::default());
            self.take_unit(now, frame);
            return self.order.as_mut()?.pop(self.next_index);
        }
        self.arrivals.add(now, 1);
        let duration = duration_of(&frame);
        Some((encoded(frame, self.next_index), duration))
    }

    /// What goes down on the frames channel.
    pub(super) fn poll_upstream(
        &mut self,
        now: Instant,
        lane: LaneId,
        room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Option<MessageKind> {
        let all_out = self.all_results_out();
        let Upstream::Json(json) = &mut self.upstream else {
            let said = self.frames.poll_message(now, lane, room_bytes, out);
            return said.then_some(MessageKind::Binary);
        };
        if all_out {
            json.finish();
        }
        if let Some(reply) = json.poll_reply(room_bytes) {
            out.extend_from_slice(reply.as_bytes());
            return Some(MessageKind::Text);
        }
        if matches!(&self.results, Results::Plain(plain) if !plain.has_channel()) {
            return self.poll_results(now, lane, room_bytes, out);
        }
        None
    }

    /// Whether a JSON link has sent the result of every frame that it will ever have.
    pub(super) fn all_results_out(&self) -> bool {
        let drained = self.upstream.json().is_some_and(JsonIntake::is_drained);
        drained
            && self.waiting.is_none()
            && self.answered == self.next_index
            && self.results.len() == 0
    }
}

#[cfg(test)]
mod tests;
