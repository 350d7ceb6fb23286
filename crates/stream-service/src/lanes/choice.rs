//! Which kind of lane carries the frames of a link that has several: the best that works, and no flapping between them.
//!
//! Fed about ten times a second with how each kind fares; its word goes to the link, which begins frames on that kind's
//! lanes alone. Pure: `now` is an argument.
//!
//! QUIC ranks first (measured: five times the goodput of data channels on loopback, a hundred times at 5 % loss), WebSocket
//! last. Rank decides among what works; a kind that falls silent, carries less than the one before it did, or is much
//! slower to answer, is left and not tried again for a while that doubles each time.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Ways of carrying a link's messages, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LaneKind {
    /// WebTransport.
    Quic,
    /// WebRTC data channels.
    Data,
    /// A WebSocket.
    WebSocket,
}

impl LaneKind {
    /// All of them, the best first.
    pub(crate) const ALL: [Self; 3] = [Self::Quic, Self::Data, Self::WebSocket];
}

/// How a kind's lanes fare.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct LaneFigures {
    /// Since when at least one of them is open; `None`: none is.
    pub(crate) open_since: Option<Instant>,
    /// When the peer was last heard on any of them.
    pub(crate) heard: Option<Instant>,
    /// Ping → pong.
    pub(crate) round_trip: Option<Duration>,
    /// Payload bytes a second that were acknowledged over the last second.
    pub(crate) goodput: f64,
}

/// Why a kind carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChoiceReason {
    /// It was open first.
    First,
    /// It ranks higher than the one before.
    Better,
    /// The one before fell silent or closed.
    OtherSilent,
    /// The one before carried less than this one had.
    OtherCarriedLess,
    /// The one before answered much later.
    OtherSlower,
}

/// Lanes answer pings every 500 ms or carry frames and acks; silent for longer, one is not counted on.
const SILENT_AFTER: Duration = Duration::from_millis(900);
/// A better kind is moved to once it has been open this long.
const SETTLES_AFTER: Duration = Duration::from_millis(300);
/// What goodput is compared over, and how long a difference must last.
const COMPARED_OVER: Duration = Duration::from_secs(3);
/// Less than this share of the other's goodput is less.
const LESS: f64 = 0.7;
/// A round trip is much longer from twice the other's and this.
const LONGER_BY: Duration = Duration::from_millis(20);
/// A kind that fell silent is not tried again for this long, doubled each time.
const SILENT_SHUNNED_FOR: Duration = Duration::from_secs(2);
/// A kind that was worse is not tried again for this long, doubled each time.
const WORSE_SHUNNED_FOR: Duration = Duration::from_secs(15);
/// The longest that it is not tried.
const SHUNNED_FOR_MAX: Duration = Duration::from_secs(120);

/// Decides.
#[derive(Debug, Clone, Default)]
pub(crate) struct LaneChoice {
    active: Option<(LaneKind, ChoiceReason)>,
    active_since: Option<Instant>,
    /// What the kind before the present one carried when it had enough to do.
    before: Option<(LaneKind, f64)>,
    /// Since when it has been carrying less, or been slower.
    worse_since: Option<Instant>,
    shunned: [Shunned; 3],
}

#[derive(Debug, Clone, Copy, Default)]
struct Shunned {
    until: Option<Instant>,
    times: u32,
}

impl LaneChoice {
    /// The kind that carries, and why.
    pub(crate) fn active(&self) -> Option<(LaneKind, ChoiceReason)> {
        self.active
    }

    /// How long it has been carrying.
    pub(crate) fn active_for(&self, now: Instant) -> Duration {
        self.active_since
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at))
    }

    /// Takes in how each kind of [`LaneKind::ALL`] fares. `busy`: frames wait, so that goodput is what the lanes can do.
    /// Whether another kind carries from now on.
    pub(crate) fn update(&mut self, now: Instant, figures: &[LaneFigures; 3], busy: bool) -> bool {
        let works = |kind: &LaneKind| {
            let it = &figures[*kind as usize];
            let heard = it.heard.max(it.open_since);
            it.open_since.is_some()
                && heard.is_some_and(|at| now.saturating_duration_since(at) < SILENT_AFTER)
        };
        let working: Vec<LaneKind> = LaneKind::ALL.into_iter().filter(works).collect();
        let Some((active, _)) = self.active else {
            return match working.first() {
                Some(first) => self.move_to(now, *first, ChoiceReason::First),
                None => false,
            };
        };
        if !working.contains(&active) {
            // With nothing else to go to, it may come back.
            let Some(other) = working.first().copied() else {
                return false;
            };
            self.shun(now, active, SILENT_SHUNNED_FOR);
            return self.move_to(now, other, ChoiceReason::OtherSilent);
        }
        if let Some((other, reason)) = self.is_worse(now, active, figures, &working, busy) {
            self.shun(now, active, WORSE_SHUNNED_FOR);
            return self.move_to(now, other, reason);
        }
        let settled = |kind: &LaneKind| {
            let since = figures[*kind as usize].open_since;
            since.is_some_and(|since| now.saturating_duration_since(since) >= SETTLES_AFTER)
        };
        let tempting = |kind: &LaneKind| {
            let shunned_until = self.shunned[*kind as usize].until;
            let slower = !busy && is_slower(&figures[*kind as usize], &figures[active as usize]);
            settled(kind) && !slower && shunned_until.is_none_or(|until| now >= until)
        };
        let mut ranked = working.into_iter().take_while(|kind| *kind < active);
        let better = ranked.find(tempting);
        let Some(better) = better else {
            return false;
        };
        self.before = busy.then(|| (active, figures[active as usize].goodput));
        self.move_to(now, better, ChoiceReason::Better)
    }

    /// The kind to go back to, once the present one has been worse for long enough.
    fn is_worse(
        &mut self,
        now: Instant,
        active: LaneKind,
        figures: &[LaneFigures; 3],
        working: &[LaneKind],
        busy: bool,
    ) -> Option<(LaneKind, ChoiceReason)> {
        let mine = &figures[active as usize];
        let carries_less = self.before.filter(|(kind, goodput)| {
            busy && working.contains(kind) && mine.goodput < LESS * goodput
        });
        let less = carries_less.map(|(kind, _)| (kind, ChoiceReason::OtherCarriedLess));
        // While frames wait, the round trip is that of a queue that this lane alone has.
        let others = working.iter().filter(|kind| **kind != active && !busy);
        let quicker = others
            .copied()
            .find(|kind| is_slower(mine, &figures[*kind as usize]));
        let worse = less.or(quicker.map(|kind| (kind, ChoiceReason::OtherSlower)));
        if worse.is_none() {
            self.worse_since = None;
            return None;
        }
        let since = *self.worse_since.get_or_insert(now);
        let long_enough = now.saturating_duration_since(since) >= COMPARED_OVER
            && self.active_for(now) >= COMPARED_OVER;
        worse.filter(|_| long_enough)
    }

    fn shun(&mut self, now: Instant, kind: LaneKind, shunned_for: Duration) {
        let shunned = &mut self.shunned[kind as usize];
        let wait = shunned_for.saturating_mul(1 << shunned.times.min(10));
        shunned.until = Some(now + wait.min(SHUNNED_FOR_MAX));
        shunned.times += 1;
    }

    fn move_to(&mut self, now: Instant, kind: LaneKind, reason: ChoiceReason) -> bool {
        if reason != ChoiceReason::Better {
            self.before = None;
        }
        self.active = Some((kind, reason));
        self.active_since = Some(now);
        self.worse_since = None;
        true
    }
}

fn is_slower(one: &LaneFigures, other: &LaneFigures) -> bool {
    let both = one.round_trip.zip(other.round_trip);
    both.is_some_and(|(one, other)| one > 2 * other + LONGER_BY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use LaneKind::{Data, Quic, WebSocket};

    const STEP: Duration = Duration::from_millis(100);

    /// A world of lanes, ten looks a second.
    struct World {
        choice: LaneChoice,
        now: Instant,
        figures: [LaneFigures; 3],
        silent: [bool; 3],
        busy: bool,
        moves: Vec<(LaneKind, ChoiceReason)>,
    }

    impl World {
        fn new() -> Self {
            Self {
                choice: LaneChoice::default(),
                now: Instant::now(),
                figures: [LaneFigures::default(); 3],
                silent: [false; 3],
                busy: false,
                moves: Vec::new(),
            }
        }

        fn open(&mut self, kind: LaneKind, round_trip_ms: u64, goodput: f64) {
            self.figures[kind as usize] = LaneFigures {
                open_since: Some(self.now),
                heard: Some(self.now),
                round_trip: Some(Duration::from_millis(round_trip_ms)),
                goodput,
            };
        }

        fn run(&mut self, steps: u32) -> &[(LaneKind, ChoiceReason)] {
            let before = self.moves.len();
            for _ in 0..steps {
                self.now += STEP;
                for (it, silent) in self.figures.iter_mut().zip(self.silent) {
                    if it.open_since.is_some() && !silent {
                        it.heard = Some(self.now);
                    }
                }
                if self.choice.update(self.now, &self.figures, self.busy) {
                    self.moves.extend(self.choice.active());
                }
            }
            &self.moves[before..]
        }
    }

    #[test]
    fn the_first_that_opens_carries_and_the_better_one_takes_over() {
        let mut world = World::new();
        assert_eq!(world.run(5), []);
        world.open(WebSocket, 10, 0.0);
        assert_eq!(world.run(1), [(WebSocket, ChoiceReason::First)]);
        world.open(Data, 10, 0.0);
        world.open(Quic, 10, 0.0);
        assert_eq!(world.run(50), [(Quic, ChoiceReason::Better)]);
    }

    #[test]
    fn one_that_falls_silent_is_left_within_a_second_and_tried_later_each_time() {
        let mut world = World::new();
        world.open(Data, 10, 0.0);
        world.open(Quic, 10, 0.0);
        world.run(10);
        let mut tried_after = Vec::new();
        for _ in 0..3 {
            world.silent[Quic as usize] = true;
            assert_eq!(world.run(10), [(Data, ChoiceReason::OtherSilent)]);
            world.silent[Quic as usize] = false;
            let mut steps = 0;
            while world.run(1).is_empty() {
                steps += 1;
            }
            assert_eq!(world.moves.last(), Some(&(Quic, ChoiceReason::Better)));
            tried_after.push(steps);
        }
        assert!(
            tried_after.is_sorted() && tried_after[2] > 3 * tried_after[0],
            "{tried_after:?}"
        );
    }

    #[test]
    fn one_that_closes_with_nothing_beside_it_stays_until_something_opens() {
        let mut world = World::new();
        world.open(Quic, 10, 0.0);
        world.run(5);
        world.figures[Quic as usize].open_since = None;
        assert_eq!(world.run(30), []);
        world.open(WebSocket, 10, 0.0);
        assert_eq!(world.run(1), [(WebSocket, ChoiceReason::OtherSilent)]);
    }

    #[test]
    fn one_that_carries_less_than_the_one_before_is_left_after_three_seconds() {
        let mut world = World::new();
        world.busy = true;
        world.open(Data, 10, 30e6);
        world.run(20);
        world.open(Quic, 10, 5e6);
        assert_eq!(world.run(4), [(Quic, ChoiceReason::Better)]);
        assert_eq!(world.run(29), []);
        assert_eq!(world.run(5), [(Data, ChoiceReason::OtherCarriedLess)]);
        assert_eq!(world.run(10), []);
    }

    #[test]
    fn a_paced_stream_goes_by_the_round_trip() {
        let mut world = World::new();
        world.open(Data, 30, 1e6);
        world.open(Quic, 200, 1e6);
        assert_eq!(
            world.run(60),
            [
                (Quic, ChoiceReason::First),
                (Data, ChoiceReason::OtherSlower)
            ]
        );
        // A little slower is no reason.
        let mut world = World::new();
        world.open(Data, 30, 1e6);
        world.open(Quic, 50, 1e6);
        assert_eq!(world.run(60), [(Quic, ChoiceReason::First)]);
    }

    #[test]
    fn whatever_happens_it_moves_seldom_and_never_to_what_is_not_open() {
        for seed in 0..200_u64 {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut next = move |bound: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % bound
            };
            let mut world = World::new();
            for _ in 0..3000 {
                let kind = LaneKind::ALL[next(3) as usize];
                match next(40) {
                    0 => {
                        let (round_trip_ms, goodput) = (next(300), next(50_000_000) as f64);
                        world.open(kind, round_trip_ms, goodput);
                    }
                    1 => world.figures[kind as usize].open_since = None,
                    2 => world.silent[kind as usize] = next(2) == 0,
                    3 => world.busy = next(2) == 0,
                    _ => {}
                }
                if let Some((kind, _)) = world.run(1).last() {
                    assert!(
                        world.figures[*kind as usize].open_since.is_some(),
                        "seed {seed}"
                    );
                }
            }
            // Five minutes; a lane opens, closes or falls silent about every second.
            assert!(
                world.moves.len() < 200,
                "seed {seed}: {} moves",
                world.moves.len()
            );
        }
    }
}
