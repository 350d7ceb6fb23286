//! Names of a session at its endpoint and of a channel in its session; handed out by the driver, held by the application.

use std::fmt;

/// Names a session at the endpoint that accepted or connected it.
///
/// A name is never used twice by one endpoint: the slot a session occupied may be taken by a later one, the generation
/// that is part of the name tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u64);

impl SessionId {
    pub(crate) fn new(slot: usize, generation: u32) -> Self {
        Self((u64::from(generation) << 32) | slot as u64)
    }

    pub(crate) fn slot(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }

    pub(crate) fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot(), self.generation())
    }
}

/// Names a data channel within its session; never used twice in one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(pub u32);

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_and_generation_survive_the_round_trip() {
        let id = SessionId::new(511, u32::MAX);
        assert_eq!((id.slot(), id.generation()), (511, u32::MAX));
        assert_ne!(SessionId::new(3, 1), SessionId::new(3, 2));
    }
}
