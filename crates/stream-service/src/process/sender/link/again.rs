//! Access units on a link: where it may end, which result is next, and what a new worker is sent.
//!
//! Part of the link's state, beside its `Groups`; links of whole pictures have none of it.

use std::time::Instant;

use datachannel_transport::{ConfigError, FrameSender, Mode, Offer, OutgoingFrame};

use super::{LinkFailure, OpenFrame, State};
use crate::process::protocol::ProcessMode;
use crate::process::sender::groups::Groups;

impl State {
    /// Whether a frame can be taken: an access unit so that all that a new worker needs can still wait at once, any other
    /// where it is not far ahead of what may be under way. Realtime frames always can.
    pub(super) fn has_room_for(&self, frame: &OutgoingFrame) -> bool {
        let (
            Some(groups),
            Mode::EveryFrame {
                max_queued_bytes, ..
            },
        ) = (&self.groups, self.config.mode)
        else {
            let every_frame = self.mode == ProcessMode::EveryFrame;
            return !every_frame || self.frames.held_frames() < self.capacity();
        };
        let bytes = groups.held().1 + frame.payload.len() as u64;
        self.frames.held_frames() < self.config.max_window.frames as usize
            && bytes <= max_queued_bytes
    }

    /// It was stopped, and what has begun can come to its end.
    pub(super) fn is_at_its_end(&self) -> bool {
        self.ending && self.groups.as_ref().is_none_or(Groups::is_complete)
    }

    pub(super) fn finish(&mut self, now: Instant) {
        self.finishing = true;
        self.frames.finish(now);
    }

    /// Frames of this run before those that `frames` counts.
    pub(super) fn counted_before(&self) -> u64 {
        match self.mode {
            ProcessMode::EveryFrame => {
                self.config.resume.next_sequence - self.start.point.next_sequence
            }
            ProcessMode::Realtime => 0,
        }
    }

    /// Frames of this run that an earlier one has counted.
    pub(super) fn counted_earlier(&self) -> u64 {
        match self.mode {
            ProcessMode::EveryFrame => self.start.answered - self.start.point.next_sequence,
            ProcessMode::Realtime => 0,
        }
    }

    /// The frame whose result is next: the first under way, or of access units the one shown next.
    pub(super) fn answered_first(&mut self, source_id: u64) -> Option<OpenFrame> {
        let Some(groups) = &mut self.groups else {
            let first = self.open.pop_front();
            return first.filter(|first| first.source_id == source_id);
        };
        groups.answered(self.answered);
        let is_next = source_id + 1 == self.answered;
        let mut open = self.open.iter();
        let at = open.position(|open| is_next && open.source_id == source_id)?;
        self.open.remove(at)
    }

    /// A new worker can decode from a keyframe on alone: sends all since the last one that serves every missing result.
    pub(super) fn begin_group_again(&mut self, now: Instant) -> Result<(), ConfigError> {
        let Some(groups) = &self.groups else {
            return Ok(());
        };
        let (point, units) = groups.restart();
        self.bytes_before += self.frames.counters().payload_bytes_acked;
        self.config.epoch = self.epoch;
        self.config.resume = point;
        self.frames = FrameSender::new(self.config)?;
        for unit in units {
            match self.frames.offer(now, unit.clone()) {
                Offer::Queued | Offer::Replaced { .. } => {}
                Offer::Full(unit) | Offer::Refused { frame: unit, .. } => {
                    self.failure.get_or_insert(LinkFailure::Refused {
                        frame: unit.meta.source_id,
                        reason: "its group is too long to be sent again".to_owned(),
                    });
                }
            }
        }
        if self.finishing {
            self.frames.finish(now);
        }
        Ok(())
    }
}
