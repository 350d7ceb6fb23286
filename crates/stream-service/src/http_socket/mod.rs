//! HTTP connections whose send side can be seen: what was handed over, what the kernel still holds, when it took it all.
//!
//! Fed by the listener ([`crate::https`]); feeds [`crate::controller`] through each request's [`SendSide`]. A server that writes whenever
//! there is room hides a slow client behind megabytes of buffers: by the time it is noticed, frames are seconds late.

mod kernel;
mod meter;

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

pub(crate) use kernel::KernelQueue;
pub(crate) use meter::{SendMeter, SendState};

/// Between two looks at a connection whose answer may be stalled.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// One connection.
#[derive(Debug)]
pub(crate) struct SeenStream {
    socket: Arc<TcpStream>,
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Counts {
    written: AtomicU64,
    /// Bytes went out since the last flush.
    dirty: AtomicBool,
    /// Times that everything above the socket had been handed to it.
    flushes: watch::Sender<u64>,
}

impl SeenStream {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self {
            socket: Arc::new(socket),
            counts: Arc::new(Counts {
                written: AtomicU64::new(0),
                dirty: AtomicBool::new(false),
                flushes: watch::Sender::new(0),
            }),
        }
    }

    fn count(&self, written: usize) {
        self.counts
            .written
            .fetch_add(written as u64, Ordering::Relaxed);
        self.counts.dirty.store(true, Ordering::Relaxed);
    }

    /// Writes once the kernel has room.
    fn poll_with(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.poll_write_ready(cx))?;
            match write(&self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    self.count(*written.as_ref().unwrap_or(&0));
                    return Poll::Ready(written);
                }
            }
        }
    }
}

impl AsyncRead for SeenStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_read_ready(cx))?;
            match self.socket.try_read(buffer.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for SeenStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |socket| socket.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |socket| socket.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Called when nothing is left above; TCP itself has nothing to flush.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.counts.dirty.swap(false, Ordering::Relaxed) {
            self.counts.flushes.send_modify(|flushes| *flushes += 1);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match SockRef::from(&*self.socket).shutdown(Shutdown::Write) {
            // The peer was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            done => Poll::Ready(done),
        }
    }
}

/// A connection's send side, as a request's handler sees it. It does not keep the connection open.
#[derive(Debug, Clone)]
pub(crate) struct SendSide {
    socket: Weak<TcpStream>,
    counts: Arc<Counts>,
    kernel: Arc<dyn KernelQueue>,
}

impl SendSide {
    /// Of this connection.
    pub(crate) fn of(stream: &SeenStream) -> Self {
        Self {
            socket: Arc::downgrade(&stream.socket),
            counts: Arc::clone(&stream.counts),
            kernel: kernel::of_this_system(),
        }
    }

    /// Keeps little more than a frame in the kernel that was not sent yet, where the system can.
    pub(crate) fn prefer_fresh(&self) {
        if let Some(socket) = self.socket.upgrade() {
            kernel::limit_unsent(&socket);
        }
    }

    /// A mark for [`all_taken_since`](Self::all_taken_since).
    pub(crate) fn mark(&self) -> u64 {
        *self.counts.flushes.borrow()
    }

    /// Done when the kernel has taken everything that was given to the server since the mark.
    pub(crate) async fn all_taken_since(&self, mark: u64) {
        let mut flushes = self.counts.flushes.subscribe();
        let _ = flushes.wait_for(|&flushes| flushes > mark).await;
    }

    /// What it holds now; `None`: the connection is gone.
    pub(crate) fn state(&self) -> Option<SendState> {
        let socket = self.socket.upgrade()?;
        let held = self.kernel.held(&socket);
        Some(SendState {
            written_bytes: self.counts.written.load(Ordering::Relaxed),
            flushes: self.mark(),
            held,
        })
    }

    /// Ends the connection: the server finds it over, and what the kernel still holds is thrown away with it.
    pub(crate) fn abort(&self) {
        let Some(socket) = self.socket.upgrade() else {
            return;
        };
        let socket = SockRef::from(&*socket);
        let ended = socket.set_linger(Some(Duration::ZERO));
        if let Err(error) = ended.and(socket.shutdown(Shutdown::Both)) {
            tracing::debug!(%error, "a stalled connection had ended by itself");
        }
    }
}

/// Looks at a connection as long as `answer` lives, and ends it once its client has taken nothing for `limit`.
pub(crate) async fn end_when_stalled<T>(side: SendSide, answer: Weak<T>, limit: Duration) {
    let mut meter = SendMeter::new(Instant::now());
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(state) = side.state().filter(|_| answer.strong_count() > 0) else {
            return;
        };
        let now = Instant::now();
        meter.sample(now, state);
        if meter.stalled_for(now) >= limit {
            tracing::info!(
                ?limit,
                "a client takes nothing of its answer; closing its connection"
            );
            return side.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    /// A connection that the kernel takes nothing more for, and its client, which reads nothing.
    async fn full() -> (SeenStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(client, listener.accept());
        let mut stream = SeenStream::new(accepted.unwrap().0);
        std::future::poll_fn(|cx| {
            while let Poll::Ready(written) = Pin::new(&mut stream).poll_write(cx, &[0; 65536]) {
                written.unwrap();
            }
            Poll::Ready(())
        })
        .await;
        (stream, client.unwrap())
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_of_its_answer_loses_the_connection() {
        let (mut stream, mut client) = full().await;
        let answer = Arc::new(());
        let watched = Arc::downgrade(&answer);
        end_when_stalled(SendSide::of(&stream), watched, Duration::from_secs(1)).await;
        assert!(matches!(stream.read(&mut [0; 8]).await, Ok(0) | Err(_)));
        drop(stream);
        let mut taken = Vec::new();
        assert!(
            client.read_to_end(&mut taken).await.is_err(),
            "it was reset"
        );
    }

    #[tokio::test]
    async fn a_connection_whose_answer_is_over_is_left_alone() {
        let (mut stream, mut client) = full().await;
        let over = Arc::downgrade(&Arc::new(()));
        end_when_stalled(SendSide::of(&stream), over, Duration::ZERO).await;
        let mut taken = [0; 65536];
        client.read_exact(&mut taken).await.unwrap();
        std::future::poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx))
            .await
            .unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.expect("whole");
    }
}
