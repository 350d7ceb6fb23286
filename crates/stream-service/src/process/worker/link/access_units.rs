//! A link that brings access units: from the receiver at once to the decoder, and in presentation order to the pipeline.
//!
//! Fed by the link's receiver; feeds `order` and `units`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datachannel_transport::{Encoding, GoodbyeCode, ReceivedFrame};
use frame_pipeline::EncodedFrame;
use media_source::AccessUnit;

use super::super::units::Units;
use super::{State, WorkerLink, encoded};

impl WorkerLink {
    /// The access units that have arrived, for its pipeline's decoder.
    pub(in super::super) fn units(&self) -> Arc<Units> {
        Arc::clone(&self.units)
    }
}

impl Drop for WorkerLink {
    fn drop(&mut self) {
        self.units.close();
    }
}

impl State {
    /// The frame as the pipeline's next.
    pub(super) fn numbered(&mut self, frame: EncodedFrame, duration: Duration) -> EncodedFrame {
        self.durations.push_back((self.next_index, duration));
        self.next_index += 1;
        frame
    }

    /// Access units are taken at once, whatever room the pipeline has: its decoder may wait for them. They are confirmed,
    /// and so make room for others, as results are.
    pub(super) fn take_units(&mut self, now: Instant) {
        while self.order.is_some()
            && let Some(frame) = self.frames.poll_frame()
        {
            self.take_unit(now, frame);
        }
    }

    pub(super) fn take_unit(&mut self, now: Instant, frame: ReceivedFrame) {
        self.arrivals.add(now, 1);
        let duration = duration_of(&frame);
        let (meta, index) = (frame.meta, frame.sequence);
        let encoded = encoded(frame, meta.source_id);
        let unit = AccessUnit {
            index,
            presentation_index: meta.source_id,
            pts: encoded.pts,
            duration,
            keyframe: meta.keyframe,
            payload: encoded.payload.clone(),
        };
        let Some(order) = &mut self.order else {
            return;
        };
        let taken = match meta.encoding {
            Encoding::H264 => order
                .push(self.next_index, encoded, duration)
                .map_err(|error| error.to_string()),
            _ => Err("other frames among access units: a link carries one kind".to_owned()),
        };
        match taken {
            Ok(()) => self.units.push(unit),
            Err(why) => {
                tracing::warn!(why, "the sender broke the protocol");
                self.goodbye(now, GoodbyeCode::ProtocolError, &why);
            }
        }
    }
}

pub(super) fn duration_of(frame: &ReceivedFrame) -> Duration {
    Duration::from_micros(frame.meta.duration_us.into())
}
