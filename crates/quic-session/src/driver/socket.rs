//! The UDP socket: opened with our settings, and watched for datagrams that cannot be QUIC.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};
use socket2::{Domain, Protocol, Socket, Type};

use super::totals::Totals;

/// The shortest packet that can mean anything to its receiver (RFC 9000 §10.3.3).
const LEAST_PACKET_BYTES: usize = 21;
/// "Fixed bit": set in every packet, for nobody is told that it need not be (RFC 9000 §17, RFC 9287).
const FIXED_BIT: u8 = 0x40;

/// Opens a UDP socket that quinn can use.
pub(super) fn open(
    bind: SocketAddr,
    buffer_bytes: usize,
    totals: &Arc<Totals>,
) -> io::Result<Arc<dyn AsyncUdpSocket>> {
    let socket = Socket::new(Domain::for_address(bind), Type::DGRAM, Some(Protocol::UDP))?;
    if bind.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    // The kernel may give less (Linux: net.core.rmem_max, wmem_max).
    socket.set_recv_buffer_size(buffer_bytes)?;
    socket.set_send_buffer_size(buffer_bytes)?;
    socket.bind(&bind.into())?;
    let (receives, sends) = (socket.recv_buffer_size()?, socket.send_buffer_size()?);
    tracing::debug!(%bind, receives, sends, "QUIC socket buffers, bytes");
    Ok(Arc::new(Watched {
        socket: TokioRuntime.wrap_udp_socket(socket.into())?,
        totals: Arc::clone(totals),
    }))
}

struct Watched {
    socket: Arc<dyn AsyncUdpSocket>,
    totals: Arc<Totals>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

impl AsyncUdpSocket for Watched {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let filled = ready!(self.socket.poll_recv(cx, bufs, meta))?;
        let received = bufs.iter().zip(meta.iter()).take(filled);
        let strange: usize = received
            .map(|(buffer, meta)| {
                let bytes = buffer.get(..meta.len).unwrap_or_default();
                let datagrams = bytes.chunks(meta.stride.max(1));
                let strange = datagrams.filter(|datagram| !may_be_quic(datagram));
                strange.count() + usize::from(bytes.is_empty())
            })
            .sum();
        if strange > 0 {
            self.totals.dropped_not_quic.add(strange as u64);
        }
        Poll::Ready(Ok(filled))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}

fn may_be_quic(datagram: &[u8]) -> bool {
    let fixed = datagram.first().is_some_and(|first| first & FIXED_BIT != 0);
    fixed && datagram.len() >= LEAST_PACKET_BYTES
}
