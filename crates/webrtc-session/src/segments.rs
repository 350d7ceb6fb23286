//! Datagrams for one destination gathered into one send: equal sizes, the last may be shorter (UDP GSO). Fed by the
//! sessions' output, drained by the driver's sockets.

use core::net::{IpAddr, SocketAddr};

/// The most bytes in one send. A UDP payload cannot exceed 65,507 bytes, and the kernel checks the unsegmented size.
pub(crate) const MAX_BATCH_BYTES: usize = 65_000;

/// Where a batch leaves from and goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path {
    /// Which of the endpoint's sockets.
    pub(crate) socket: usize,
    /// The local address to send from, where the socket is bound to all of them.
    pub(crate) source: Option<IpAddr>,
    pub(crate) destination: SocketAddr,
}

/// Datagrams back to back, all `segment_bytes` long but the last.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    path: Option<Path>,
    bytes: Vec<u8>,
    segment_bytes: usize,
    segments: usize,
    sealed: bool,
}

impl Batch {
    /// Appends the datagram if it can go out in the same send.
    #[must_use]
    pub(crate) fn try_push(&mut self, path: Path, datagram: &[u8], max_segments: usize) -> bool {
        if self.path.is_none() {
            self.start(path, datagram);
            return true;
        }
        let fits = self.path == Some(path)
            && !self.sealed
            && !datagram.is_empty()
            && datagram.len() <= self.segment_bytes
            && self.segments < max_segments
            && self.bytes.len() + datagram.len() <= MAX_BATCH_BYTES;
        if fits {
            self.bytes.extend_from_slice(datagram);
            self.segments += 1;
            self.sealed = datagram.len() < self.segment_bytes;
        }
        fits
    }

    fn start(&mut self, path: Path, datagram: &[u8]) {
        self.path = Some(path);
        self.bytes.extend_from_slice(datagram);
        self.segment_bytes = datagram.len();
        self.segments = 1;
        self.sealed = datagram.is_empty();
    }

    /// Where it goes; `None` when it holds nothing.
    pub(crate) fn path(&self) -> Option<Path> {
        self.path
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn segments(&self) -> usize {
        self.segments
    }

    /// The size of each segment when there is more than one.
    pub(crate) fn segment_bytes(&self) -> Option<usize> {
        (self.segments > 1).then_some(self.segment_bytes)
    }

    /// The datagrams one by one, for where the kernel does not segment.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks(self.segment_bytes.max(1))
    }

    /// Empties it, keeping its memory.
    pub(crate) fn clear(&mut self) {
        self.path = None;
        self.bytes.clear();
        self.segments = 0;
        self.sealed = false;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(port: u16) -> Path {
        Path {
            socket: 0,
            source: None,
            destination: SocketAddr::from(([192, 0, 2, 1], port)),
        }
    }

    #[test]
    fn a_short_datagram_closes_the_batch() {
        let mut batch = Batch::default();
        assert!(batch.try_push(path(1), &[1; 100], 64));
        assert!(batch.try_push(path(1), &[2; 60], 64));
        assert!(!batch.try_push(path(1), &[3; 60], 64));
        assert_eq!((batch.segments(), batch.segment_bytes()), (2, Some(100)));
    }

    #[test]
    fn a_longer_one_another_destination_and_a_full_batch_are_refused() {
        let mut batch = Batch::default();
        assert!(batch.try_push(path(1), &[1; 100], 2));
        assert!(!batch.try_push(path(1), &[1; 101], 2));
        assert!(!batch.try_push(path(2), &[1; 100], 2));
        assert!(batch.try_push(path(1), &[1; 100], 2));
        assert!(!batch.try_push(path(1), &[1; 100], 2));
    }

    #[test]
    fn without_segmentation_each_datagram_goes_alone() {
        let mut batch = Batch::default();
        assert!(batch.try_push(path(1), &[1; 100], 1));
        assert!(!batch.try_push(path(1), &[1; 100], 1));
        assert_eq!(batch.segment_bytes(), None);
    }

    proptest! {
        /// What comes out, batch by batch, is what went in, datagram by datagram.
        #[test]
        fn loses_and_reorders_nothing(sizes in prop::collection::vec(1usize..1400, 1..300), max in 1usize..64) {
            let sent: Vec<Vec<u8>> = sizes.iter().enumerate().map(|(at, size)| vec![at as u8; *size]).collect();
            let mut seen: Vec<Vec<u8>> = Vec::new();
            let mut batch = Batch::default();
            for datagram in &sent {
                if !batch.try_push(path(1), datagram, max) {
                    prop_assert!(batch.bytes().len() <= MAX_BATCH_BYTES && batch.segments() <= max);
                    seen.extend(batch.datagrams().map(<[u8]>::to_vec));
                    batch.clear();
                    prop_assert!(batch.try_push(path(1), datagram, max));
                }
            }
            seen.extend(batch.datagrams().map(<[u8]>::to_vec));
            prop_assert_eq!(seen, sent);
        }
    }
}
