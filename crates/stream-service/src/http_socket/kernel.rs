//! What the kernel still holds of a connection's bytes: exact on Linux, unknown elsewhere.
//!
//! Asked by [`super::SendSide`]; feeds [`super::SendMeter`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

/// Bytes not sent beyond which the kernel takes no more (TCP_NOTSENT_LOWAT): a frame of 1280x720 at quality 70.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MAX_UNSENT_BYTES: u32 = 64 << 10;

/// A connection's bytes in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// Sent or not, and not acknowledged.
    pub(crate) unacked_bytes: u64,
    /// Of these, not sent yet.
    pub(crate) unsent_bytes: u64,
    /// The path's round trip, smoothed, with whatever queue stands in it.
    pub(crate) round_trip: Duration,
}

/// Asks the system.
pub(crate) trait KernelQueue: fmt::Debug + Send + Sync {
    /// `None` where it does not tell: then the time that it takes to accept a frame must do.
    fn held(&self, socket: &TcpStream) -> Option<Held>;
}

/// Of a system that does not tell.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[derive(Debug)]
struct Untold;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl KernelQueue for Untold {
    fn held(&self, _: &TcpStream) -> Option<Held> {
        None
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn of_this_system() -> Arc<dyn KernelQueue> {
    Arc::new(linux::Told)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn of_this_system() -> Arc<dyn KernelQueue> {
    Arc::new(Untold)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn limit_unsent(socket: &TcpStream) {
    let socket = socket2::SockRef::from(socket);
    if let Err(error) = socket.set_tcp_notsent_lowat(MAX_UNSENT_BYTES) {
        tracing::debug!(%error, "a connection keeps as much unsent as the system likes");
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn limit_unsent(_: &TcpStream) {}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    //! `tcp(7)`: SIOCOUTQ, SIOCOUTQNSD (linux/sockios.h) and TCP_INFO.
    #![expect(unsafe_code, reason = "ioctl and getsockopt of libc")]

    use std::mem;
    use std::os::fd::{AsRawFd as _, RawFd};
    use std::time::Duration;

    use super::{Held, KernelQueue, TcpStream};

    /// Unacknowledged bytes, sent or not.
    const SIOCOUTQ: libc::c_ulong = 0x5411;
    /// Unsent bytes.
    const SIOCOUTQNSD: libc::c_ulong = 0x894B;

    /// Of Linux.
    #[derive(Debug)]
    pub(in super::super) struct Told;

    impl KernelQueue for Told {
        fn held(&self, socket: &TcpStream) -> Option<Held> {
            let socket = socket.as_raw_fd();
            Some(Held {
                unacked_bytes: queue(socket, SIOCOUTQ)?,
                unsent_bytes: queue(socket, SIOCOUTQNSD)?,
                round_trip: round_trip(socket)?,
            })
        }
    }

    fn queue(socket: RawFd, request: libc::c_ulong) -> Option<u64> {
        let mut bytes: libc::c_int = 0;
        // SAFETY: both requests write one int, which outlives the call; the descriptor is open, for its owner is borrowed.
        let done = unsafe { libc::ioctl(socket, request as _, &raw mut bytes) };
        (done == 0).then(|| u64::try_from(bytes).unwrap_or(0))
    }

    fn round_trip(socket: RawFd) -> Option<Duration> {
        // SAFETY: all of its fields are integers, for which zero is a value.
        let mut info: libc::tcp_info = unsafe { mem::zeroed() };
        let mut length = mem::size_of::<libc::tcp_info>() as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes into `info`, which outlives the call, and the length that it wrote.
        let done = unsafe {
            libc::getsockopt(
                socket,
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                (&raw mut info).cast(),
                &raw mut length,
            )
        };
        (done == 0).then(|| Duration::from_micros(info.tcpi_rtt.into()))
    }
}
