//! What both machines know of a lane: its name and its limits.
//!
//! Fed by the lane's driver when a data channel or a stream opens; feeds the chunk size.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_LANES, MAX_MESSAGE_BYTES, MIN_LANE_MESSAGE_BYTES};

/// Names one lane of a link. Chosen by whoever opens it; may be used again once the lane is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LaneId(pub u32);

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lane {}", self.0)
    }
}

/// What a lane can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneLimits {
    /// Longest message the lane takes, in bytes: at least 2,048; above 1 MiB it is treated as 1 MiB.
    /// For a data channel, the smaller of both sides' `max-message-size` (RFC 8841 §6). The room a lane offers
    /// when it is empty must not be less than 4 KiB and less than a quarter of this.
    pub max_message_bytes: usize,
    /// Bytes of a message that one of the lane's datagrams carries, where none carries bytes of two messages, as on a data
    /// channel: messages that are multiples of it leave no datagram short, and equal ones can go out in one system call.
    /// Default 1, which cuts frames into equal pieces; 0 is taken for 1.
    pub fragment_bytes: usize,
}

impl Default for LaneLimits {
    /// 16 KiB, which every data-channel implementation carries, and no fragments.
    fn default() -> Self {
        Self {
            max_message_bytes: crate::limits::DEFAULT_CHUNK_MESSAGE_BYTES,
            fragment_bytes: 1,
        }
    }
}

/// Why a lane was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LaneError {
    /// The name is in use.
    #[error("{0} is open already: close it first or choose another id")]
    AlreadyOpen(LaneId),
    /// The link has as many lanes as it may have.
    #[error("{0} refused: {MAX_LANES} lanes are open, close one first")]
    TooMany(LaneId),
    /// Control messages would not fit.
    #[error(
        "{lane} carries messages of {max_message_bytes} B; at least {MIN_LANE_MESSAGE_BYTES} B are needed"
    )]
    MessagesTooShort {
        /// The lane.
        lane: LaneId,
        /// Its limit.
        max_message_bytes: usize,
    },
}

/// The open lanes of one machine, each with that machine's own state `T`. At most [`MAX_LANES`], so
/// a scan is quicker than any map.
#[derive(Debug)]
pub(crate) struct Lanes<T> {
    open: Vec<(LaneId, T)>,
}

impl<T> Lanes<T> {
    pub(crate) fn new() -> Self {
        Self { open: Vec::new() }
    }

    /// Takes a lane; its limit is clamped to what this crate makes at most.
    pub(crate) fn open(
        &mut self,
        id: LaneId,
        limits: LaneLimits,
        state: impl FnOnce(usize) -> T,
    ) -> Result<(), LaneError> {
        if self.get_mut(id).is_some() {
            return Err(LaneError::AlreadyOpen(id));
        }
        if self.open.len() >= MAX_LANES {
            return Err(LaneError::TooMany(id));
        }
        let max_message_bytes = limits.max_message_bytes;
        if max_message_bytes < MIN_LANE_MESSAGE_BYTES {
            return Err(LaneError::MessagesTooShort {
                lane: id,
                max_message_bytes,
            });
        }
        self.open
            .push((id, state(max_message_bytes.min(MAX_MESSAGE_BYTES))));
        Ok(())
    }

    pub(crate) fn close(&mut self, id: LaneId) -> Option<T> {
        let at = self.open.iter().position(|(open, _)| *open == id)?;
        Some(self.open.remove(at).1)
    }

    pub(crate) fn get(&self, id: LaneId) -> Option<&T> {
        let mut open = self.open.iter();
        open.find(|(open, _)| *open == id).map(|(_, state)| state)
    }

    pub(crate) fn get_mut(&mut self, id: LaneId) -> Option<&mut T> {
        self.open
            .iter_mut()
            .find(|(open, _)| *open == id)
            .map(|(_, state)| state)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.open.iter().map(|(_, state)| state)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.open.iter_mut().map(|(_, state)| state)
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}
