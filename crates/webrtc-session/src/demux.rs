//! Which session a datagram belongs to. The driver asks it for each datagram; it learns addresses from verified checks.
//!
//! A check names its session by the local ufrag. Everything else is routed by the address it came from, and only
//! addresses from which a check with a valid integrity came are known: a flood from elsewhere costs one look-up each.
//! Both maps are bounded by the sessions: two ufrags and [`ADDRESSES_PER_SESSION`] addresses each.

use core::net::SocketAddr;
use std::collections::HashMap;

/// A peer that roams keeps this many of its addresses routable; the oldest is forgotten first.
pub(crate) const ADDRESSES_PER_SESSION: usize = 8;

/// Sessions that may share one remote address; a further one displaces the oldest.
pub(crate) const SESSIONS_PER_ADDRESS: usize = 4;

/// The sessions behind one address, the newest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Owners {
    slots: [usize; SESSIONS_PER_ADDRESS],
    len: usize,
}

impl Owners {
    pub(crate) fn as_slice(&self) -> &[usize] {
        &self.slots[..self.len]
    }

    /// Puts a new owner first; `Some` is the one that had to go.
    fn push(&mut self, slot: usize) -> Option<usize> {
        let displaced =
            (self.len == SESSIONS_PER_ADDRESS).then(|| self.slots[SESSIONS_PER_ADDRESS - 1]);
        let keep = self.len.min(SESSIONS_PER_ADDRESS - 1);
        self.slots.copy_within(..keep, 1);
        self.slots[0] = slot;
        self.len = keep + 1;
        displaced
    }

    fn remove(&mut self, slot: usize) {
        if let Some(at) = self.as_slice().iter().position(|owner| *owner == slot) {
            self.slots.copy_within(at + 1..self.len, at);
            self.len -= 1;
        }
    }
}

/// Routes by ufrag and by address.
#[derive(Debug, Default)]
pub(crate) struct Demux {
    by_ufrag: HashMap<Box<str>, usize>,
    by_address: HashMap<SocketAddr, Owners>,
    learned: Vec<Learned>,
}

#[derive(Debug, Default)]
struct Learned {
    ufrag: Box<str>,
    addresses: Vec<SocketAddr>,
}

impl Demux {
    /// Makes a session reachable by its local ufrag. Called again after an ICE restart, replaces the former ufrag.
    pub(crate) fn set_ufrag(&mut self, slot: usize, ufrag: &str) {
        if slot >= self.learned.len() {
            self.learned.resize_with(slot + 1, Learned::default);
        }
        let old = std::mem::replace(&mut self.learned[slot].ufrag, ufrag.into());
        if self.by_ufrag.get(&old) == Some(&slot) {
            self.by_ufrag.remove(&old);
        }
        self.by_ufrag.insert(ufrag.into(), slot);
    }

    pub(crate) fn by_ufrag(&self, ufrag: &str) -> Option<usize> {
        self.by_ufrag.get(ufrag).copied()
    }

    pub(crate) fn by_address(&self, address: &SocketAddr) -> Option<Owners> {
        self.by_address.get(address).copied()
    }

    /// Is this an address of this session's peer?
    pub(crate) fn knows(&self, slot: usize, address: &SocketAddr) -> bool {
        self.by_address
            .get(address)
            .is_some_and(|owners| owners.as_slice().contains(&slot))
    }

    /// A check from `address` proved to be of this session's peer.
    pub(crate) fn learn(&mut self, slot: usize, address: SocketAddr) {
        if self.knows(slot, &address) {
            return;
        }
        let Some(learned) = self.learned.get_mut(slot) else {
            return;
        };
        let oldest =
            (learned.addresses.len() == ADDRESSES_PER_SESSION).then(|| learned.addresses.remove(0));
        learned.addresses.push(address);
        if let Some(oldest) = oldest {
            self.unlink(slot, &oldest);
        }
        if let Some(displaced) = self.by_address.entry(address).or_default().push(slot) {
            self.learned[displaced]
                .addresses
                .retain(|known| *known != address);
        }
    }

    /// The session is gone: nothing routes to it any more.
    pub(crate) fn forget(&mut self, slot: usize) {
        let Some(learned) = self.learned.get_mut(slot) else {
            return;
        };
        let Learned { ufrag, addresses } = std::mem::take(learned);
        if self.by_ufrag.get(&ufrag) == Some(&slot) {
            self.by_ufrag.remove(&ufrag);
        }
        for address in &addresses {
            self.unlink(slot, address);
        }
    }

    fn unlink(&mut self, slot: usize, address: &SocketAddr) {
        if let Some(owners) = self.by_address.get_mut(address) {
            owners.remove(slot);
            if owners.len == 0 {
                self.by_address.remove(address);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn a_restart_replaces_the_ufrag() {
        let mut demux = Demux::default();
        demux.set_ufrag(3, "one");
        demux.set_ufrag(3, "two");
        assert_eq!(demux.by_ufrag("one"), None);
        assert_eq!(demux.by_ufrag("two"), Some(3));
    }

    #[test]
    fn a_roaming_peer_keeps_its_latest_addresses() {
        let mut demux = Demux::default();
        demux.set_ufrag(0, "u");
        (0..20).for_each(|port| demux.learn(0, address(port)));
        assert_eq!(demux.by_address(&address(11)), None);
        assert_eq!(demux.by_address(&address(12)).unwrap().as_slice(), [0]);
        demux.forget(0);
        assert_eq!(demux.by_address(&address(12)), None);
        assert_eq!(demux.by_ufrag("u"), None);
    }

    #[test]
    fn sessions_behind_one_address_are_all_found_the_newest_first() {
        let mut demux = Demux::default();
        for slot in 0..3 {
            demux.set_ufrag(slot, &format!("u{slot}"));
            demux.learn(slot, address(1));
        }
        assert_eq!(demux.by_address(&address(1)).unwrap().as_slice(), [2, 1, 0]);
        demux.forget(1);
        assert_eq!(demux.by_address(&address(1)).unwrap().as_slice(), [2, 0]);
    }

    proptest! {
        /// Both maps stay within their bounds and hold no trace of a session that is gone.
        #[test]
        fn bounded_and_consistent(steps in prop::collection::vec((0usize..8, 0u16..24, 0u8..8), 0..400)) {
            let mut demux = Demux::default();
            let mut alive = [false; 8];
            for (slot, port, step) in steps {
                match step {
                    0 => { demux.forget(slot); alive[slot] = false; }
                    1 => { demux.set_ufrag(slot, &format!("u{slot}-{port}")); alive[slot] = true; }
                    _ if alive[slot] => demux.learn(slot, address(port)),
                    _ => {}
                }
                prop_assert_eq!(demux.by_ufrag.len(), alive.iter().filter(|alive| **alive).count());
                prop_assert!(demux.by_address.len() <= 8 * ADDRESSES_PER_SESSION);
                for (known, owners) in &demux.by_address {
                    prop_assert!(!owners.as_slice().is_empty());
                    for owner in owners.as_slice() {
                        prop_assert!(alive[*owner]);
                        prop_assert!(demux.learned[*owner].addresses.contains(known));
                    }
                }
            }
        }
    }
}
