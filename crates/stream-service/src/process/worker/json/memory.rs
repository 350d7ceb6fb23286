//! Frames that are over, by id: the last so many.

use std::collections::VecDeque;

use super::limits::REMEMBERED_FRAMES;

/// Ids, the oldest of which goes when there are [`REMEMBERED_FRAMES`].
#[derive(Debug, Default)]
pub(super) struct Memory(VecDeque<u64>);

impl Memory {
    pub(super) fn knows(&self, frame_id: u64) -> bool {
        self.0.contains(&frame_id)
    }

    pub(super) fn remember(&mut self, frame_id: u64) {
        if self.0.len() == REMEMBERED_FRAMES {
            self.0.pop_front();
        }
        self.0.push_back(frame_id);
    }

    pub(super) fn forget(&mut self, frame_id: u64) {
        self.0.retain(|known| *known != frame_id);
    }
}
