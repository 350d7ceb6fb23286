//! The paths and flows that the tests and the table share.

use std::time::{Duration, Instant};

use quic_session::CongestionControl;

use super::link::Link;
use super::loss::Loss;
use super::quic::{QuicPair, Source};
use super::tcp::TcpPair;
use super::world::{Outcome, World};

/// One flow of a scene.
pub enum Flow {
    /// A QUIC flow with this controller.
    Quic(CongestionControl, Source),
    /// Endless TCP CUBIC.
    Tcp,
}

/// A path and the flows over it.
pub struct Scene {
    pub forward: Link,
    pub back: Link,
    /// What sending a packet costs a QUIC sender's processor.
    pub cpu: Duration,
    /// Flows and when they start.
    pub flows: Vec<(Duration, Flow)>,
    pub seed: u64,
}

impl Scene {
    /// No bottleneck but the sender's processor, which sends 1452 B in 15 µs: 97 MB/s.
    pub fn open(rtt: Duration, loss: Loss) -> Self {
        let link = Link {
            loss,
            ..Link::delay(rtt / 2)
        };
        Self {
            forward: link.clone(),
            back: link,
            cpu: Duration::from_micros(15),
            flows: Vec::new(),
            seed: 1,
        }
    }

    /// A bottleneck with a queue of so many bandwidth-delay products.
    pub fn bottleneck(bits_per_second: f64, rtt: Duration, queue: f64) -> Self {
        let rate = bits_per_second / 8.0;
        Self {
            forward: Link {
                rate: Some(rate),
                queue: rate * rtt.as_secs_f64() * queue,
                ..Link::delay(rtt / 2)
            },
            back: Link::delay(rtt / 2),
            cpu: Duration::from_micros(15),
            flows: Vec::new(),
            seed: 1,
        }
    }

    /// With this loss each way.
    pub fn loss(mut self, loss: Loss) -> Self {
        self.forward.loss = loss;
        self.back.loss = loss;
        self
    }

    /// With a flow more.
    pub fn flow(mut self, start: Duration, flow: Flow) -> Self {
        self.flows.push((start, flow));
        self
    }

    /// With another draw.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// What became of the flows by then.
    pub fn run(self, until: Duration) -> Vec<Outcome> {
        let mut world = World::new(self.forward, self.seed);
        let epoch = Instant::now();
        for (index, (start, flow)) in self.flows.into_iter().enumerate() {
            let pair: Box<dyn super::world::Pair> = match flow {
                Flow::Quic(control, source) => Box::new(QuicPair::new(
                    epoch,
                    control,
                    source,
                    start,
                    self.cpu,
                    self.seed ^ (index as u64) << 32,
                )),
                Flow::Tcp => Box::new(TcpPair::new()),
            };
            world.add(pair, self.back.clone(), start, self.seed);
        }
        world.run(until)
    }
}
