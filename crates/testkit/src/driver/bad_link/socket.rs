//! A UDP socket that takes and gives several datagrams with one call of the system, where it can.
//!
//! Called by the relay. At 80 MB/s 60,000 datagrams a second come and go: one call for each costs most of a core.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};

use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};

use super::control::udp_socket;

/// Buffers of one call, each as long as what the system may have joined.
const BUFFERS: usize = 4;
const BUFFER_BYTES: usize = 64 << 10;
/// Datagrams of one call that sends, and their bytes: what the kernel takes.
const MAX_SEGMENTS: usize = 16;
const MAX_SEND_BYTES: usize = 60_000;

#[derive(Debug)]
pub(super) struct RelaySocket {
    pub(super) io: UdpSocket,
    state: UdpSocketState,
}

impl RelaySocket {
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let io = udp_socket(address)?;
        let state = UdpSocketState::new(UdpSockRef::from(&io))?;
        Ok(Self { io, state })
    }

    /// Takes what has come, some datagrams at most.
    pub(super) fn receive<'a>(
        &self,
        buffers: &'a mut ReceiveBuffers,
    ) -> io::Result<impl Iterator<Item = (SocketAddr, &'a [u8])> + use<'a>> {
        let mut chunks = buffers.bytes.chunks_mut(BUFFER_BYTES);
        let mut slices: [IoSliceMut<'_>; BUFFERS] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let socket = UdpSockRef::from(&self.io);
        let filled = self.state.recv(socket, &mut slices, &mut buffers.meta)?;
        let filled = buffers.meta.iter().take(filled);
        let filled = filled.zip(buffers.bytes.chunks(BUFFER_BYTES));
        Ok(filled.flat_map(|(meta, bytes)| {
            let bytes = bytes.get(..meta.len).unwrap_or_default();
            bytes
                .chunks(meta.stride.max(1))
                .map(move |datagram| (meta.addr, datagram))
        }))
    }

    /// Sends datagrams that [`Segments`] put together; how many the system did not take.
    pub(super) fn send(&self, to: SocketAddr, segments: &Segments) -> u64 {
        let several = segments.count > 1;
        let size = several.then_some(segments.size);
        if self.send_bytes(to, &segments.bytes, size).is_ok() {
            return 0;
        }
        // It may tell of an earlier datagram that nobody took, or of a system that takes one at a time.
        let datagrams = segments.bytes.chunks(segments.size.max(1));
        let unsent = datagrams.filter(|datagram| self.send_bytes(to, datagram, None).is_err());
        unsent.count() as u64
    }

    fn send_bytes(
        &self,
        destination: SocketAddr,
        contents: &[u8],
        segment_size: Option<usize>,
    ) -> io::Result<()> {
        let transmit = Transmit {
            destination,
            ecn: None,
            contents,
            segment_size,
            src_ip: None,
        };
        self.state.try_send(UdpSockRef::from(&self.io), &transmit)
    }

    /// How many datagrams one call may send.
    pub(super) fn max_segments(&self) -> usize {
        self.state.max_gso_segments().min(MAX_SEGMENTS)
    }
}

/// What is received into.
#[derive(Debug)]
pub(super) struct ReceiveBuffers {
    bytes: Vec<u8>,
    meta: [RecvMeta; BUFFERS],
}

impl ReceiveBuffers {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; BUFFERS * BUFFER_BYTES],
            meta: [RecvMeta::default(); BUFFERS],
        }
    }
}

/// Datagrams for one receiver that leave with one call: of one length, but that the last may be shorter.
#[derive(Debug, Default)]
pub(super) struct Segments {
    bytes: Vec<u8>,
    size: usize,
    count: usize,
    closed: bool,
}

impl Segments {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        (self.size, self.count, self.closed) = (0, 0, false);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// `false`: it has to go with another call.
    pub(super) fn push(&mut self, datagram: &[u8], most: usize) -> bool {
        if self.count == 0 {
            self.size = datagram.len();
        }
        let fits = self.count < most && self.bytes.len() + datagram.len() <= MAX_SEND_BYTES;
        if self.count > 0 && (self.closed || !fits || datagram.len() > self.size) {
            return false;
        }
        // The system takes an empty one only alone.
        self.closed = datagram.len() < self.size || datagram.is_empty();
        self.bytes.extend_from_slice(datagram);
        self.count += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(of: &[usize]) -> Vec<usize> {
        let mut segments = Segments::default();
        let mut calls = Vec::new();
        for &length in of {
            if !segments.push(&vec![7; length], 4) {
                calls.push(segments.count);
                segments.clear();
                assert!(segments.push(&vec![7; length], 4));
            }
        }
        calls.push(segments.count);
        calls
    }

    #[test]
    fn datagrams_of_one_length_leave_together_and_a_shorter_one_ends_them() {
        assert_eq!(lengths(&[100, 100, 100]), [3]);
        assert_eq!(lengths(&[100, 100, 40, 40, 40]), [3, 2]);
        assert_eq!(lengths(&[40, 100, 100]), [1, 2]);
        assert_eq!(lengths(&[9; 9]), [4, 4, 1]);
        assert_eq!(lengths(&[0, 0, 5, 0]), [1, 1, 2]);
        assert_eq!(lengths(&[40_000, 40_000]), [1, 1]);
    }
}
