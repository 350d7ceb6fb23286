//! Who may put how many bytes into a session's send buffer. The session asks it before each pull from the handler.
//!
//! str0m has one send buffer for all channels of a session, so a channel that always has something to send would leave
//! no room to the others. Here every open channel owns a reserve, and all share a pool on top: a channel draws on its
//! reserve first and on the pool after that. With one channel the two together are exactly the configured buffer.

use crate::ChannelId;

/// Accounts for the bytes that each channel has buffered (written and not yet acknowledged by the peer's SCTP).
#[derive(Debug)]
pub(crate) struct RoomLedger {
    pool_bytes: usize,
    reserve_bytes: usize,
    channels: Vec<(ChannelId, usize)>,
}

impl RoomLedger {
    /// `buffered_bytes` is what a session with one channel may have buffered; `reserve_bytes` of it are that channel's
    /// own. Each further channel brings a reserve of its own on top.
    pub(crate) fn new(buffered_bytes: usize, reserve_bytes: usize) -> Self {
        let reserve_bytes = reserve_bytes.min(buffered_bytes);
        Self {
            pool_bytes: buffered_bytes - reserve_bytes,
            reserve_bytes,
            channels: Vec::new(),
        }
    }

    /// The most a channel can ever be given: its reserve and the whole pool.
    pub(crate) fn ample_bytes(&self) -> usize {
        self.pool_bytes + self.reserve_bytes
    }

    /// Changes what a session with one channel may have buffered; what is buffered beyond it stays.
    pub(crate) fn set_ample(&mut self, buffered_bytes: usize) {
        self.pool_bytes = buffered_bytes.saturating_sub(self.reserve_bytes);
    }

    pub(crate) fn open(&mut self, channel: ChannelId) {
        self.close(channel);
        self.channels.push((channel, 0));
    }

    pub(crate) fn close(&mut self, channel: ChannelId) {
        self.channels.retain(|(id, _)| *id != channel);
    }

    /// Replaces what is known about the channel by what the transport reports.
    pub(crate) fn set_buffered(&mut self, channel: ChannelId, bytes: usize) {
        if let Some((_, buffered)) = self.channels.iter_mut().find(|(id, _)| *id == channel) {
            *buffered = bytes;
        }
    }

    /// Counts a message that was just written.
    pub(crate) fn add(&mut self, channel: ChannelId, bytes: usize) {
        if let Some((_, buffered)) = self.channels.iter_mut().find(|(id, _)| *id == channel) {
            *buffered = buffered.saturating_add(bytes);
        }
    }

    /// Bytes that this channel may write now: what is left of its reserve, and what is left of the pool.
    pub(crate) fn room_bytes(&self, channel: ChannelId) -> usize {
        let Some((_, buffered)) = self.channels.iter().find(|(id, _)| *id == channel) else {
            return 0;
        };
        self.reserve_bytes.saturating_sub(*buffered) + self.free_pool_bytes()
    }

    /// Bytes buffered over all open channels.
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.channels.iter().map(|(_, buffered)| buffered).sum()
    }

    fn free_pool_bytes(&self) -> usize {
        let drawn: usize = self
            .channels
            .iter()
            .map(|(_, buffered)| buffered.saturating_sub(self.reserve_bytes))
            .sum();
        self.pool_bytes.saturating_sub(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: ChannelId = ChannelId(0);
    const B: ChannelId = ChannelId(1);

    #[test]
    fn one_channel_may_fill_the_whole_buffer() {
        let mut ledger = RoomLedger::new(64, 16);
        ledger.open(A);
        assert_eq!(ledger.room_bytes(A), 64);
        ledger.add(A, 64);
        assert_eq!(ledger.room_bytes(A), 0);
    }

    #[test]
    fn a_full_channel_leaves_the_other_its_reserve() {
        let mut ledger = RoomLedger::new(64, 16);
        ledger.open(A);
        ledger.open(B);
        ledger.add(A, ledger.room_bytes(A));
        assert_eq!(ledger.room_bytes(A), 0);
        assert_eq!(ledger.room_bytes(B), 16);
    }

    #[test]
    fn an_unknown_or_closed_channel_has_no_room() {
        let mut ledger = RoomLedger::new(64, 16);
        assert_eq!(ledger.room_bytes(A), 0);
        ledger.open(A);
        ledger.close(A);
        assert_eq!(ledger.room_bytes(A), 0);
    }

    proptest! {
        /// Whatever the channels do, the sum stays under its bound and no one eats another's reserve.
        #[test]
        fn no_sequence_of_writes_and_acks_starves_a_channel(
            buffered in 1usize..100_000,
            reserve in 1usize..100_000,
            steps in prop::collection::vec((0u32..6, any::<bool>(), 1usize..200_000), 1..200),
        ) {
            let mut ledger = RoomLedger::new(buffered, reserve);
            let reserve = reserve.min(buffered);
            (0..6).for_each(|id| ledger.open(ChannelId(id)));
            let mut held = [0usize; 6];
            for (id, write, bytes) in steps {
                let channel = ChannelId(id);
                let slot = &mut held[id as usize];
                if write {
                    let bytes = bytes.min(ledger.room_bytes(channel));
                    ledger.add(channel, bytes);
                    *slot += bytes;
                } else {
                    *slot -= bytes.min(*slot);
                    ledger.set_buffered(channel, *slot);
                }
                prop_assert_eq!(ledger.buffered_bytes(), held.iter().sum::<usize>());
                prop_assert!(ledger.buffered_bytes() <= buffered + 5 * reserve);
                for (other, held) in held.iter().enumerate() {
                    prop_assert!(ledger.room_bytes(ChannelId(other as u32)) + held >= reserve);
                }
            }
        }
    }
}
