//! One UDP socket: bound with large buffers, received from and sent to in batches (quinn-udp: recvmmsg, GRO, GSO).
//! Feeds the loop with datagrams, is fed by `transmit`.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::addresses::LocalAddresses;
use crate::BindError;
use crate::segments::{Batch, Path};

/// What one receive buffer holds: a UDP payload, or as many coalesced ones as the kernel puts in one (GRO).
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;

pub(super) struct UdpIo {
    io: UdpSocket,
    state: UdpSocketState,
    pub(super) local: LocalAddresses,
    bound: SocketAddr,
}

impl UdpIo {
    /// Binds, with the buffer sizes asked for or as near as the system allows.
    pub(super) fn bind(
        address: SocketAddr,
        advertised: &[IpAddr],
        buffer_bytes: usize,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError::Socket { address, source };
        let socket = open(address, buffer_bytes).map_err(failed)?;
        let io = UdpSocket::from_std(socket.into()).map_err(failed)?;
        let bound = io.local_addr().map_err(failed)?;
        let state = UdpSocketState::new(UdpSockRef::from(&io)).map_err(failed)?;
        let local = LocalAddresses::discover(bound, advertised)?;
        let opened = Self {
            io,
            state,
            local,
            bound,
        };
        opened.log();
        Ok(opened)
    }

    fn log(&self) {
        let socket = SockRef::from(&self.io);
        tracing::debug!(
            address = %self.bound,
            candidates = ?self.local.candidates(),
            send_buffer_bytes = socket.send_buffer_size().unwrap_or(0),
            receive_buffer_bytes = socket.recv_buffer_size().unwrap_or(0),
            gso_segments = self.state.max_gso_segments(),
            gro_segments = self.state.gro_segments(),
            "UDP socket"
        );
    }

    pub(super) fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Datagrams that one send may carry; 1 where the kernel does not segment.
    pub(super) fn max_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Resolves when a receive may succeed.
    pub(super) fn poll_readable(
        &self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        self.io.poll_recv_ready(cx)
    }

    /// Resolves when a send may succeed.
    pub(super) fn poll_writable(
        &self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        self.io.poll_send_ready(cx)
    }

    /// Receives as many datagrams as one system call gives.
    pub(super) fn receive(&self, buffers: &mut ReceiveBuffers) -> io::Result<usize> {
        let mut chunks = buffers.bytes.chunks_mut(RECEIVE_BUFFER_BYTES);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let received = self.io.try_io(Interest::READABLE, || {
            self.state
                .recv(UdpSockRef::from(&self.io), &mut slices, &mut buffers.meta)
        });
        buffers.filled = *received.as_ref().unwrap_or(&0);
        received
    }

    /// Sends a batch; `WouldBlock` when the socket is full. Where the kernel turns out not to segment, the datagrams go
    /// one by one.
    pub(super) fn send(&self, batch: &Batch) -> io::Result<()> {
        let Some(path) = batch.path() else {
            return Ok(());
        };
        match self.send_bytes(path, batch.bytes(), batch.segment_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock && batch.segments() > 1 => {
                batch
                    .datagrams()
                    .try_for_each(|datagram| self.send_bytes(path, datagram, None))
            }
            sent => sent,
        }
    }

    fn send_bytes(
        &self,
        path: Path,
        contents: &[u8],
        segment_size: Option<usize>,
    ) -> io::Result<()> {
        let transmit = Transmit {
            destination: self.to_wire(path.destination),
            ecn: None,
            contents,
            segment_size,
            src_ip: path.source.map(|ip| self.ip_to_wire(ip)),
        };
        self.io.try_io(Interest::WRITABLE, || {
            self.state.try_send(UdpSockRef::from(&self.io), &transmit)
        })
    }

    /// A socket for both families wants IPv4 addresses mapped (RFC 4291 §2.5.5.2).
    fn to_wire(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V4(v4) if self.bound.is_ipv6() => {
                SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())
            }
            other => other,
        }
    }

    fn ip_to_wire(&self, ip: IpAddr) -> IpAddr {
        self.to_wire(SocketAddr::new(ip, 0)).ip()
    }
}

fn open(address: SocketAddr, buffer_bytes: usize) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // A smaller buffer than asked for costs datagrams under load and nothing else; `log` says what was given.
    let _ = socket.set_send_buffer_size(buffer_bytes);
    let _ = socket.set_recv_buffer_size(buffer_bytes);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Where datagrams are received into, reused from call to call: 2 MiB of address space, of which pages are taken as far
/// as datagrams have ever reached into them.
pub(super) struct ReceiveBuffers {
    bytes: Vec<u8>,
    meta: [RecvMeta; BATCH_SIZE],
    filled: usize,
}

/// One received datagram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received<'a> {
    pub(super) source: SocketAddr,
    pub(super) local_ip: Option<IpAddr>,
    pub(super) bytes: &'a [u8],
}

impl ReceiveBuffers {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; RECEIVE_BUFFER_BYTES * BATCH_SIZE],
            meta: [RecvMeta::default(); BATCH_SIZE],
            filled: 0,
        }
    }

    /// Stands in while the real ones are read from.
    pub(super) fn placeholder() -> Self {
        Self {
            bytes: Vec::new(),
            meta: [RecvMeta::default(); BATCH_SIZE],
            filled: 0,
        }
    }

    /// The datagrams of the last receive, coalesced ones taken apart.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = Received<'_>> {
        let filled = self
            .meta
            .iter()
            .take(self.filled)
            .zip(self.bytes.chunks(RECEIVE_BUFFER_BYTES));
        filled.flat_map(|(meta, buffer)| {
            let source = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
            let local_ip = meta.dst_ip.map(|ip| ip.to_canonical());
            let received = buffer.get(..meta.len).unwrap_or_default();
            received
                .chunks(meta.stride.max(1))
                .map(move |bytes| Received {
                    source,
                    local_ip,
                    bytes,
                })
        })
    }
}
