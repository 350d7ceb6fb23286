//! str0m alone, two ends on two threads of one process: how fast messages of 16 KiB cross one reliable, ordered data channel on loopback.
//!
//! `peer-str0m [FRAMES=2000] [BYTES=100000]` prints megabytes a second, from the first message to the last. Tuned as far as a plain
//! loop goes: MTU 1400, 64 KiB buffered, datagrams in batches both ways (GSO, GRO), sixteen read before str0m is asked what to
//! send.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use str0m::change::SdpOffer;
use str0m::channel::ChannelId;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

const MTU_BYTES: usize = 1400;
const MESSAGE_BYTES: usize = 16 << 10;
/// Written to str0m and not yet acknowledged.
const BUFFERED_BYTES: usize = 64 << 10;
/// One receive buffer: what the kernel may put in it at once.
const BUFFER_BYTES: usize = 64 << 10;
const LARGEST_BATCH_BYTES: usize = 65_000;
/// Read before str0m is asked what to do; more than some twenty its DTLS does not hold.
const DATAGRAMS_PER_TURN: usize = 16;
const GIVE_UP_AFTER: Duration = Duration::from_secs(120);

/// One end, its socket, and what it is about to send.
struct End {
    rtc: Rtc,
    socket: UdpSocket,
    state: UdpSocketState,
    address: SocketAddr,
    batch: Vec<u8>,
    segment_bytes: usize,
    to: Option<SocketAddr>,
    deadline: Instant,
    channel: Option<ChannelId>,
    left: usize,
    received: usize,
    first: Option<Instant>,
}

impl End {
    fn new() -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        for buffer in [libc::SO_SNDBUF, libc::SO_RCVBUF] {
            set_buffer(&socket, buffer, 4 << 20);
        }
        let address = socket.local_addr()?;
        let mut rtc = Rtc::builder()
            .clear_codecs()
            .set_mtu(MTU_BYTES..=usize::MAX)
            .set_sctp_max_buffered_amount(usize::MAX)
            .build(Instant::now());
        rtc.add_local_candidate(Candidate::host(address, "udp")?);
        Ok(Self {
            rtc,
            socket,
            state,
            address,
            batch: Vec::with_capacity(LARGEST_BATCH_BYTES),
            segment_bytes: 0,
            to: None,
            deadline: Instant::now(),
            channel: None,
            left: 0,
            received: 0,
            first: None,
        })
    }

    /// Everything that str0m has to say.
    fn drain(&mut self) -> Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    self.deadline = at;
                    return Ok(());
                }
                Output::Transmit(transmit) => {
                    self.gather(transmit.destination, &transmit.contents)?
                }
                Output::Event(Event::ChannelOpen(id, _)) => self.channel = Some(id),
                Output::Event(Event::ChannelData(data)) => {
                    self.first.get_or_insert_with(Instant::now);
                    self.received += data.data.len();
                }
                Output::Event(_) => {}
            }
        }
    }

    fn gather(&mut self, to: SocketAddr, datagram: &[u8]) -> Result<()> {
        let full = self.batch.len() + datagram.len() > LARGEST_BATCH_BYTES
            || self.batch.len() >= self.segment_bytes * self.state.max_gso_segments();
        let whole = self.batch.len() % self.segment_bytes.max(1) == 0;
        if !self.batch.is_empty()
            && (full || !whole || datagram.len() > self.segment_bytes || self.to != Some(to))
        {
            self.flush()?;
        }
        if self.batch.is_empty() {
            (self.to, self.segment_bytes) = (Some(to), datagram.len());
        }
        self.batch.extend_from_slice(datagram);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let Some(destination) = self.to.take().filter(|_| !self.batch.is_empty()) else {
            return Ok(());
        };
        let transmit = Transmit {
            destination,
            ecn: None,
            contents: &self.batch,
            segment_size: (self.batch.len() > self.segment_bytes).then_some(self.segment_bytes),
            src_ip: None,
        };
        while let Err(error) = self
            .state
            .try_send(UdpSockRef::from(&self.socket), &transmit)
        {
            if error.kind() != std::io::ErrorKind::WouldBlock {
                return Err(error).context("send");
            }
            wait(&self.socket, libc::POLLOUT, Duration::from_millis(100));
        }
        self.batch.clear();
        Ok(())
    }

    /// Messages, as far as the buffer has room.
    fn write(&mut self, message: &[u8]) -> Result<()> {
        let Some(mut channel) = self.channel.and_then(|id| self.rtc.channel(id)) else {
            return Ok(());
        };
        let mut buffered = channel.buffered_amount();
        while self.left > 0 && buffered + MESSAGE_BYTES <= BUFFERED_BYTES {
            let bytes = self.left.min(MESSAGE_BYTES);
            channel.write(true, &message[..bytes])?;
            buffered += bytes;
            self.left -= bytes;
        }
        Ok(())
    }

    /// Until `over`.
    fn run(mut self, bytes: usize, over: &AtomicBool, receives: bool) -> Result<Option<Duration>> {
        let message = vec![0x5a; MESSAGE_BYTES];
        let mut buffers = vec![0; BATCH_SIZE * BUFFER_BYTES];
        let gives_up = Instant::now() + GIVE_UP_AFTER;
        self.left = if receives { 0 } else { bytes };
        while !over.load(Ordering::Relaxed) {
            self.drain()?;
            self.write(&message)?;
            self.drain()?;
            self.flush()?;
            if receives && self.received >= bytes {
                over.store(true, Ordering::Relaxed);
                return Ok(self.first.map(|first| first.elapsed()));
            }
            anyhow::ensure!(Instant::now() < gives_up, "not all arrived");
            let patience = self.deadline.saturating_duration_since(Instant::now());
            wait(
                &self.socket,
                libc::POLLIN,
                patience.min(Duration::from_millis(50)),
            );
            self.receive(&mut buffers)?;
            self.rtc.handle_input(Input::Timeout(Instant::now()))?;
        }
        Ok(None)
    }

    fn receive(&mut self, buffers: &mut [u8]) -> Result<()> {
        let mut meta = [RecvMeta::default(); BATCH_SIZE];
        let mut chunks = buffers.chunks_mut(BUFFER_BYTES);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let received = match self
            .state
            .recv(UdpSockRef::from(&self.socket), &mut slices, &mut meta)
        {
            Ok(received) => received,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error).context("receive"),
        };
        let now = Instant::now();
        for (meta, bytes) in meta.iter().zip(&slices).take(received) {
            for (number, datagram) in bytes[..meta.len].chunks(meta.stride.max(1)).enumerate() {
                let receive = Receive::new(Protocol::Udp, meta.addr, self.address, datagram)?;
                self.rtc.handle_input(Input::Receive(now, receive))?;
                if number % DATAGRAMS_PER_TURN == DATAGRAMS_PER_TURN - 1 {
                    self.drain()?;
                }
            }
            self.drain()?;
        }
        Ok(())
    }
}

fn set_buffer(socket: &UdpSocket, which: i32, bytes: i32) {
    let length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the value outlives the call and is as long as said; what the system makes of it is its own affair.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            which,
            (&raw const bytes).cast(),
            length,
        );
    }
}

fn wait(socket: &UdpSocket, events: i16, patience: Duration) {
    let mut waits = libc::pollfd {
        fd: socket.as_raw_fd(),
        events,
        revents: 0,
    };
    let micros = patience.as_micros();
    let patience = i32::try_from(micros.div_ceil(1000)).unwrap_or(i32::MAX);
    // SAFETY: one descriptor, alive for the call.
    unsafe {
        libc::poll(&raw mut waits, 1, patience);
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(|it| it.parse::<usize>());
    let frames = arguments.next().transpose()?.unwrap_or(2000);
    let bytes = frames * arguments.next().transpose()?.unwrap_or(100_000);
    let (mut from, mut to) = (End::new()?, End::new()?);
    let mut changes = from.rtc.sdp_api();
    changes.add_channel("frames".to_owned());
    let (offer, pending): (SdpOffer, _) = changes.apply().context("no offer")?;
    let answer = to.rtc.sdp_api().accept_offer(offer)?;
    from.rtc.sdp_api().accept_answer(pending, answer)?;
    let over = Arc::new(AtomicBool::new(false));
    let sender = {
        let over = Arc::clone(&over);
        thread::spawn(move || from.run(bytes, &over, false))
    };
    let took = to.run(bytes, &over, true)?.context("nothing arrived")?;
    sender
        .join()
        .map_err(|_| anyhow::anyhow!("the sender panicked"))??;
    println!("{:.1}", bytes as f64 / 1e6 / took.as_secs_f64());
    Ok(())
}
