//! The event loop: what arrives when, who wakes when, and what each flow delivered.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::link::{Link, LinkState};

/// The sending end of a flow's bulk, or the end it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Sender,
    Receiver,
}

/// What travels.
#[derive(Debug)]
pub(super) enum Packet {
    Quic(Vec<u8>, Option<quinn_proto::EcnCodepoint>),
    Segment { transmission: u64, sequence: u64 },
    Ack { transmissions: Vec<u64> },
}

/// Packets that an end sends now, with their size on the wire.
pub(super) type Outbox = Vec<(Packet, usize)>;

/// A pair of ends.
pub(super) trait Pair {
    /// A packet is there, or (none) the end's own time has come.
    fn handle(&mut self, now: Duration, end: End, packet: Option<Packet>, out: &mut Outbox);
    /// When an end wants to wake.
    fn wake(&mut self, end: End) -> Option<Duration>;
    /// What the receiver has of the application's bytes.
    fn delivered(&self) -> u64;
    /// All that was to be sent is there.
    fn done(&self) -> bool;
    /// From release to arrival of each frame, in order of arrival.
    fn ages(&self) -> Vec<Duration> {
        Vec::new()
    }
    /// The sender's congestion window in bytes.
    fn window(&self) -> u64;
}

enum Event {
    Arrival(usize, End, Packet),
    Wake(usize, End),
    Sample,
}

struct Scheduled(Duration, u64, Event);

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

struct Member {
    pair: Box<dyn Pair>,
    back: LinkState,
    armed: [Option<Duration>; 2],
    outcome: Outcome,
}

/// What became of a flow.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Bytes delivered by the end of each tenth of a second.
    pub delivered: Vec<u64>,
    /// The sender's window at the same times.
    pub windows: Vec<u64>,
    /// When the last byte was there.
    pub finished: Option<Duration>,
    /// Share of packets, of all flows, that the shared queue or a policer dropped.
    pub drop_ratio: f64,
    /// Age of each frame when it was whole.
    pub ages: Vec<Duration>,
}

/// How often `Outcome` takes a sample.
const SAMPLE: Duration = Duration::from_millis(100);

impl Outcome {
    /// Mean goodput between two times, in bytes per second.
    pub fn goodput(&self, from: Duration, to: Duration) -> f64 {
        let at = |time: Duration| {
            let index = (time.as_millis() / SAMPLE.as_millis()) as usize;
            index
                .checked_sub(1)
                .and_then(|i| {
                    self.delivered
                        .get(i.min(self.delivered.len().saturating_sub(1)))
                })
                .copied()
                .unwrap_or(0)
        };
        (at(to) - at(from)) as f64 / (to - from).as_secs_f64()
    }

    /// The window at a time.
    pub fn window(&self, at: Duration) -> u64 {
        self.windows[((at.as_millis() / SAMPLE.as_millis()) as usize).min(self.windows.len()) - 1]
    }

    /// Age that this share of the frames did not exceed.
    pub fn age(&self, share: f64) -> Duration {
        let mut ages = self.ages.clone();
        ages.sort();
        ages[((ages.len() - 1) as f64 * share) as usize]
    }
}

/// Flows over one shared forward link, each with its own way back.
pub struct World {
    now: Duration,
    count: u64,
    events: BinaryHeap<Reverse<Scheduled>>,
    forward: LinkState,
    members: Vec<Member>,
}

impl World {
    pub(super) fn new(forward: Link, seed: u64) -> Self {
        let mut world = Self {
            now: Duration::ZERO,
            count: 0,
            events: BinaryHeap::new(),
            forward: LinkState::new(forward, seed),
            members: Vec::new(),
        };
        world.schedule(SAMPLE, Event::Sample);
        world
    }

    pub(super) fn add(&mut self, pair: Box<dyn Pair>, back: Link, start: Duration, seed: u64) {
        let index = self.members.len();
        self.members.push(Member {
            pair,
            back: LinkState::new(back, seed ^ (0xabcd << 8) ^ index as u64),
            armed: [Some(start), None],
            outcome: Outcome::default(),
        });
        self.schedule(start, Event::Wake(index, End::Sender));
    }

    fn schedule(&mut self, at: Duration, event: Event) {
        self.count += 1;
        self.events.push(Reverse(Scheduled(at, self.count, event)));
    }

    /// Runs until then, or until each flow is done.
    pub fn run(mut self, until: Duration) -> Vec<Outcome> {
        let mut out = Vec::new();
        while let Some(Reverse(Scheduled(at, _, event))) = self.events.pop() {
            if at > until {
                break;
            }
            self.now = at;
            match event {
                Event::Sample => {
                    if self.sample() {
                        break;
                    }
                    self.schedule(at + SAMPLE, Event::Sample);
                }
                Event::Arrival(index, end, packet) => {
                    self.handle(index, end, Some(packet), &mut out);
                }
                Event::Wake(index, end) => {
                    if self.members[index].armed[end as usize] == Some(at) {
                        self.members[index].armed[end as usize] = None;
                        self.handle(index, end, None, &mut out);
                    }
                }
            }
        }
        let drop_ratio = self.forward.drop_ratio();
        self.members
            .into_iter()
            .map(|member| Outcome {
                drop_ratio,
                ages: member.pair.ages(),
                ..member.outcome
            })
            .collect()
    }

    /// Whether all are done.
    fn sample(&mut self) -> bool {
        let mut all = true;
        for member in &mut self.members {
            member.outcome.delivered.push(member.pair.delivered());
            member.outcome.windows.push(member.pair.window());
            all &= member.outcome.finished.is_some();
        }
        all
    }

    fn handle(&mut self, index: usize, end: End, packet: Option<Packet>, out: &mut Outbox) {
        let now = self.now;
        let member = &mut self.members[index];
        member.pair.handle(now, end, packet, out);
        if member.outcome.finished.is_none() && member.pair.done() {
            member.outcome.finished = Some(now);
        }
        for (packet, bytes) in out.drain(..) {
            let (link, to) = match end {
                End::Sender => (&mut self.forward, End::Receiver),
                End::Receiver => (&mut self.members[index].back, End::Sender),
            };
            if let Some(at) = link.send(now, bytes) {
                self.schedule(at, Event::Arrival(index, to, packet));
            }
        }
        let member = &mut self.members[index];
        if let Some(at) = member.pair.wake(end) {
            let at = at.max(now);
            if member.armed[end as usize].is_none_or(|armed| at < armed) {
                member.armed[end as usize] = Some(at);
                self.schedule(at, Event::Wake(index, end));
            }
        }
    }
}
