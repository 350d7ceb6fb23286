//! What a seed decides before anything moves: how lanes, processes and the application behave.

use std::time::Duration;

use testkit::LinkConfig;

use crate::support::Rng;

/// How a world behaves.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Lanes that are kept open.
    pub lanes: u64,
    /// A lane lives up to this long; 0 = for ever.
    pub life_ms: u64,
    /// A lane is cut, and comes back, about this often; 0 = never.
    pub cut_every_ms: u64,
    /// Processes that die and come back at most.
    pub restarts: u64,
    /// Most bytes of one frame.
    pub frame_bytes: u64,
    /// The application takes a frame up to this long after the one before.
    pub hunger_ms: u64,
    /// The application offers a frame up to this long after the one before; 0 = whenever there is room.
    pub pause_ms: u64,
    /// Whether lanes take the names of closed ones, whose messages may still come.
    pub names_come_back: bool,
    /// Whether the receiver is told the epoch beforehand.
    pub epoch_is_told: bool,
}

impl Weather {
    /// Small frames mostly: many of them meet more than many bytes do.
    pub fn new(rng: &mut Rng) -> Self {
        let epoch_is_told = rng.chance(50);
        Self {
            lanes: 1 + rng.below(3),
            life_ms: [0, 2000, 600, 200][rng.below(4) as usize],
            cut_every_ms: [0, 0, 800, 300][rng.below(4) as usize],
            restarts: rng.below(4),
            frame_bytes: [300, 2000, 2000, 8000, 8000, 40_000][rng.below(6) as usize],
            hunger_ms: [0, 5, 40][rng.below(3) as usize],
            pause_ms: 0,
            // The name alone would not tell a message of an earlier process's link from one of this.
            names_come_back: epoch_is_told && rng.chance(50),
            epoch_is_told,
        }
    }

    /// One direction of a lane: up to 40 ms away, slow or quick, in order or not.
    pub fn link(rng: &mut Rng, delay: Duration, max_message_bytes: usize) -> LinkConfig {
        LinkConfig {
            delay,
            jitter: Duration::from_millis([0, 0, 5, 30][rng.below(4) as usize]),
            rate_bytes_per_s: [None, Some(300_000), Some(2_000_000), Some(20_000_000)]
                [rng.below(4) as usize],
            ordered: rng.chance(50),
            queue_bytes: max_message_bytes.max(4096) << rng.below(3),
            ..LinkConfig::default()
        }
    }
}

/// What a run, or many, has met: calm weather proves nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Lanes that died.
    pub deaths: u64,
    /// Cuts that a lane survived.
    pub cuts: u64,
    /// Messages that came after their lane was closed on that side.
    pub late: u64,
    /// Senders that came back as another process.
    pub sender_restarts: u64,
    /// Receivers that came back as another process.
    pub receiver_restarts: u64,
    /// Senders that were told an older point than the receiver's, and had to be told again.
    pub told_twice: u64,
    /// Frames sent more than once.
    pub resent: u64,
    /// Realtime frames that were dropped.
    pub dropped: u64,
}

impl Met {
    pub fn add(&mut self, other: &Self) {
        self.deaths += other.deaths;
        self.cuts += other.cuts;
        self.late += other.late;
        self.sender_restarts += other.sender_restarts;
        self.receiver_restarts += other.receiver_restarts;
        self.told_twice += other.told_twice;
        self.resent += other.resent;
        self.dropped += other.dropped;
    }
}
