//! A flow of the kernel's own TCP across a wire: what ours is compared with, and what it has to share with.
//!
//! Fed by nothing but zeros. Its congestion control is set on the sender's socket, whatever the system's default is.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use rustix::net::sockopt::set_tcp_congestion;
use testkit::driver::Wire;

const AVAILABLE: &str = "/proc/sys/net/ipv4/tcp_available_congestion_control";
/// Bytes in one write or read: few enough calls at 100 MB/s.
const CHUNK_BYTES: usize = 256 << 10;

/// The first of these that this kernel has.
pub(super) fn available<'a>(wanted: &[&'a str]) -> Result<&'a str> {
    let have = std::fs::read_to_string(AVAILABLE).context(AVAILABLE)?;
    let found = wanted
        .iter()
        .find(|&&one| have.split_whitespace().any(|it| it == one));
    found
        .copied()
        .ok_or_else(|| anyhow!("this kernel has none of {wanted:?}, but {have}"))
}

/// A flow from the near machine to the far one that does not end by itself.
pub(super) struct TcpFlow {
    port: u16,
    stop: Arc<AtomicBool>,
    sender: TcpStream,
    threads: Vec<JoinHandle<()>>,
}

impl TcpFlow {
    pub(super) fn start(wire: &Wire, congestion: &str) -> Result<Self> {
        let (mut sender, mut receiver) = connect(wire, congestion)?;
        let stop = Arc::new(AtomicBool::new(false));
        let port = receiver.local_addr()?.port();
        let (handle, stopped) = (sender.try_clone()?, Arc::clone(&stop));
        let send = move || {
            let chunk = vec![0; CHUNK_BYTES];
            while !stopped.load(Ordering::Relaxed) && sender.write_all(&chunk).is_ok() {}
        };
        let receive = move || {
            let mut chunk = vec![0; CHUNK_BYTES];
            while receiver.read(&mut chunk).is_ok_and(|len| len > 0) {}
        };
        Ok(Self {
            port,
            stop,
            sender: handle,
            threads: vec![thread::spawn(send), thread::spawn(receive)],
        })
    }

    /// Where it goes, which tells it from others.
    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for TcpFlow {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Ends the write that waits, too; one that has failed is over already.
        let _ = self.sender.shutdown(Shutdown::Both);
        // They hold nothing that matters: the reader ends when the wire's queues have run out, or with the process.
        self.threads.clear();
    }
}

/// Megabytes a second of that many bytes, from the first written until the last is read.
pub(super) fn transfer(wire: &Wire, congestion: &str, bytes: u64) -> Result<f64> {
    let (mut sender, mut receiver) = connect(wire, congestion)?;
    let began = Instant::now();
    let send = move || io::copy(&mut io::repeat(0).take(bytes), &mut sender);
    let sending = thread::spawn(send);
    let (mut chunk, mut received) = (vec![0; CHUNK_BYTES], 0);
    while received < bytes {
        let len = receiver.read(&mut chunk)? as u64;
        anyhow::ensure!(len > 0, "TCP ended after {received} of {bytes} bytes");
        received += len;
    }
    let took = began.elapsed();
    sending
        .join()
        .map_err(|_| anyhow!("TCP's sender panicked"))??;
    Ok(bytes as f64 / 1e6 / took.as_secs_f64())
}

/// The sender's end and the receiver's.
fn connect(wire: &Wire, congestion: &str) -> Result<(TcpStream, TcpStream)> {
    let at = SocketAddr::from((wire.far().address(), 0));
    let listener = wire.far().enter(|| TcpListener::bind(at))?;
    let to = listener.local_addr()?;
    let sender = wire.near().enter(|| TcpStream::connect(to))?;
    set_tcp_congestion(&sender, congestion).with_context(|| format!("TCP's {congestion}"))?;
    Ok((sender, listener.accept()?.0))
}
