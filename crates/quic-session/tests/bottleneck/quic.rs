//! A QUIC flow: two quinn-proto connections, frames that go out on a stream each, a receiver that reads all at once.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use quic_session::{CongestionControl, FairConfig};
use quinn_proto::congestion::ControllerFactory;
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig,
    Event, ServerConfig, StreamEvent, StreamId, TransportConfig, VarInt, WriteError,
};

use super::plain_crypto::Plain;
use super::world::{End, Outbox, Packet, Pair};

/// IPv4 and UDP.
const HEADERS: usize = 28;
/// Fixed, so that its discovery does not come into it.
const MTU: u16 = 1452;
/// Segments of one send, as on Linux with GSO.
const BATCH: usize = 10;

/// What there is to send: frames, each with the time of its release.
#[derive(Clone, Debug)]
pub struct Source(Vec<(Duration, usize)>);

impl Source {
    /// This many bytes, all there from the start, in frames of 100 kB.
    pub fn bulk(bytes: u64) -> Self {
        Self::bursts(&[(Duration::ZERO, bytes)])
    }

    /// A frame of this size each so often.
    pub fn frames(bytes: usize, every: Duration, count: u32) -> Self {
        Self((0..count).map(|i| (every * i, bytes)).collect())
    }

    /// So many bytes released at each of these times.
    pub fn bursts(bursts: &[(Duration, u64)]) -> Self {
        let frame = 100_000;
        Self(
            bursts
                .iter()
                .flat_map(|&(at, bytes)| {
                    (0..bytes.div_ceil(frame)).map(move |_| (at, frame as usize))
                })
                .collect(),
        )
    }
}

struct Side {
    endpoint: Endpoint,
    connection: Option<(ConnectionHandle, Connection)>,
}

pub(super) struct QuicPair {
    epoch: Instant,
    sides: [Side; 2],
    frames: VecDeque<(Duration, usize)>,
    releases: Vec<Duration>,
    writing: Option<(StreamId, usize)>,
    zeros: Bytes,
    delivered: u64,
    whole: usize,
    ages: Vec<Duration>,
    /// What sending a packet costs the sender's processor, and when that is free again.
    cpu: Duration,
    cpu_free: Duration,
    buffer: Vec<u8>,
    now: Duration,
}

fn address(end: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1000 + end as u16))
}

fn transport(factory: Arc<dyn ControllerFactory + Send + Sync>) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    config
        .congestion_controller_factory(factory)
        .initial_mtu(MTU)
        .mtu_discovery_config(None)
        .max_concurrent_uni_streams(VarInt::from_u32(10_000))
        .stream_receive_window(VarInt::from_u32(4 << 20))
        .send_window(32 << 20)
        .max_idle_timeout(None);
    Arc::new(config)
}

impl QuicPair {
    pub(super) fn new(
        epoch: Instant,
        control: CongestionControl,
        source: Source,
        start: Duration,
        cpu: Duration,
        seed: u64,
    ) -> Self {
        // The flows of a scene have one clock.
        let factory: Arc<dyn ControllerFactory + Send + Sync> = match control {
            CongestionControl::Fair => Arc::new(FairConfig {
                looks_from: epoch,
                ..FairConfig::default()
            }),
            others => others.factory(),
        };
        let mut endpoint_config = EndpointConfig::new(Arc::new(Plain));
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        endpoint_config.rng_seed(Some(bytes)).grease_quic_bit(false);
        let endpoint_config = Arc::new(endpoint_config);
        let mut server_config = ServerConfig::new(Arc::new(Plain), Arc::new(Plain));
        server_config.transport_config(transport(Arc::clone(&factory)));
        let mut client = Endpoint::new(Arc::clone(&endpoint_config), None, false, None);
        let server = Endpoint::new(endpoint_config, Some(Arc::new(server_config)), false, None);
        let mut client_config = ClientConfig::new(Arc::new(Plain));
        client_config.transport_config(transport(factory));
        let connection = client
            .connect(epoch + start, client_config, address(1), "server")
            .unwrap();
        Self {
            epoch,
            sides: [
                Side {
                    endpoint: client,
                    connection: Some(connection),
                },
                Side {
                    endpoint: server,
                    connection: None,
                },
            ],
            releases: source.0.iter().map(|frame| start + frame.0).collect(),
            frames: source
                .0
                .into_iter()
                .map(|(at, n)| (start + at, n))
                .collect(),
            writing: None,
            zeros: Bytes::from(vec![0; 1 << 20]),
            delivered: 0,
            whole: 0,
            ages: Vec::new(),
            cpu,
            cpu_free: Duration::ZERO,
            buffer: Vec::new(),
            now: Duration::ZERO,
        }
    }

    fn receive(
        &mut self,
        now: Duration,
        end: End,
        data: &[u8],
        ecn: Option<quinn_proto::EcnCodepoint>,
    ) {
        let at = self.epoch + now;
        let mut reply = Vec::new();
        let side = &mut self.sides[end as usize];
        let remote = address(1 - end as usize);
        match side
            .endpoint
            .handle(at, remote, None, ecn, BytesMut::from(data), &mut reply)
        {
            Some(DatagramEvent::ConnectionEvent(_, event)) => {
                if let Some((_, connection)) = &mut side.connection {
                    connection.handle_event(event);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                side.connection = Some(
                    side.endpoint
                        .accept(incoming, at, &mut reply, None)
                        .unwrap(),
                );
            }
            Some(DatagramEvent::Response(_)) | None => {}
        }
    }

    fn write(&mut self, now: Duration) {
        let Some((_, connection)) = &mut self.sides[0].connection else {
            return;
        };
        if connection.is_handshaking() {
            return;
        }
        loop {
            let (id, left) = match self.writing.take() {
                Some(writing) => writing,
                None => {
                    let Some(&(at, bytes)) = self.frames.front() else {
                        return;
                    };
                    if at > now {
                        return;
                    }
                    let Some(id) = connection.streams().open(Dir::Uni) else {
                        return;
                    };
                    self.frames.pop_front();
                    // The oldest frame first, as in the session's driver.
                    let priority = -1 - id.index() as i32;
                    connection.send_stream(id).set_priority(priority).unwrap();
                    (id, bytes)
                }
            };
            let mut chunks = [self.zeros.slice(..left)];
            match connection.send_stream(id).write_chunks(&mut chunks) {
                Ok(written) if written.bytes == left => {
                    connection.send_stream(id).finish().unwrap();
                }
                Ok(written) => self.writing = Some((id, left - written.bytes)),
                Err(WriteError::Blocked) => {
                    self.writing = Some((id, left));
                    return;
                }
                Err(error) => panic!("write: {error}"),
            }
        }
    }

    fn read(&mut self, now: Duration, id: StreamId) {
        let Some((_, connection)) = &mut self.sides[1].connection else {
            return;
        };
        let mut stream = connection.recv_stream(id);
        let Ok(mut chunks) = stream.read(true) else {
            return;
        };
        loop {
            match chunks.next(usize::MAX) {
                Ok(Some(chunk)) => self.delivered += chunk.bytes.len() as u64,
                Ok(None) => {
                    self.whole += 1;
                    self.ages.push(now - self.releases[id.index() as usize]);
                    break;
                }
                Err(_) => break,
            }
        }
        let _ = chunks.finalize();
    }

    fn events(&mut self, now: Duration, end: End) {
        let side = &mut self.sides[end as usize];
        let Some((handle, connection)) = &mut side.connection else {
            return;
        };
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(event) = side.endpoint.handle_event(*handle, event) {
                connection.handle_event(event);
            }
        }
        let mut readable = Vec::new();
        while let Some(event) = connection.poll() {
            match event {
                Event::Stream(StreamEvent::Opened { dir: Dir::Uni }) => {
                    while let Some(id) = connection.streams().accept(Dir::Uni) {
                        readable.push(id);
                    }
                }
                Event::Stream(StreamEvent::Readable { id }) => readable.push(id),
                Event::ConnectionLost { reason } => panic!("connection lost at {now:?}: {reason}"),
                _ => {}
            }
        }
        for id in readable {
            self.read(now, id);
        }
        if end == End::Sender {
            self.write(now);
        }
    }

    fn transmit(&mut self, now: Duration, end: End, out: &mut Outbox) {
        let Some((_, connection)) = &mut self.sides[end as usize].connection else {
            return;
        };
        while end == End::Receiver || self.cpu_free <= now {
            self.buffer.clear();
            let Some(transmit) =
                connection.poll_transmit(self.epoch + now, BATCH, &mut self.buffer)
            else {
                return;
            };
            let segment = transmit.segment_size.unwrap_or(transmit.size);
            for datagram in self.buffer[..transmit.size].chunks(segment) {
                let packet = Packet::Quic(datagram.to_vec(), transmit.ecn);
                out.push((packet, datagram.len() + HEADERS));
                if end == End::Sender {
                    self.cpu_free = self.cpu_free.max(now) + self.cpu;
                }
            }
        }
    }
}

impl Pair for QuicPair {
    fn handle(&mut self, now: Duration, end: End, packet: Option<Packet>, out: &mut Outbox) {
        self.now = now;
        match packet {
            Some(Packet::Quic(data, ecn)) => self.receive(now, end, &data, ecn),
            Some(_) => panic!("not a QUIC packet"),
            None => {
                let at = self.epoch + now;
                if let Some((_, connection)) = &mut self.sides[end as usize].connection
                    && connection
                        .poll_timeout()
                        .is_some_and(|timeout| timeout <= at)
                {
                    connection.handle_timeout(at);
                }
            }
        }
        self.events(now, end);
        self.transmit(now, end, out);
        if end == End::Receiver {
            self.events(now, end);
        }
    }

    fn wake(&mut self, end: End) -> Option<Duration> {
        let (_, connection) = self.sides[end as usize].connection.as_mut()?;
        let timer = connection
            .poll_timeout()
            .map(|at| at.saturating_duration_since(self.epoch));
        if end == End::Receiver {
            return timer;
        }
        let release = self
            .frames
            .front()
            .map(|frame| frame.0)
            .filter(|&at| at > self.now);
        let cpu = Some(self.cpu_free).filter(|&at| at > self.now);
        [timer, release, cpu].into_iter().flatten().min()
    }

    fn delivered(&self) -> u64 {
        self.delivered
    }

    fn done(&self) -> bool {
        self.whole == self.releases.len()
    }

    fn ages(&self) -> Vec<Duration> {
        self.ages.clone()
    }

    fn window(&self) -> u64 {
        self.sides[0]
            .connection
            .as_ref()
            .map_or(0, |(_, connection)| connection.congestion_state().window())
    }
}
