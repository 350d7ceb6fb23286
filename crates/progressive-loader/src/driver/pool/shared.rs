//! What all reads of a pool share: the origins, what is known of them, and who is asked next.
//!
//! Fed by the legs with outcomes; asked by the segments before each request. The lock is held for
//! decisions only.

use super::failure::Failure;
use super::options::PoolOptions;
use super::snapshot::{OriginSnapshot, PoolSnapshot};
use crate::driver::cache::BlockCache;
pub(super) use crate::driver::clock::now;
use crate::driver::verifier::Verifier;
use crate::error::BlockError;
use crate::fetch::Demand;
use crate::origin::{Origin, OriginError};
use crate::plan::{
    Admission, Backoff, Breaker, Candidate, HedgeBudget, Jitter, Ranking, RetryBudget, Standing,
    hedge_delay,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Failures of one origin before its retries stop, each good block giving a quarter back.
const ORIGIN_RETRIES: u32 = 64;
/// A demand that is not repeated for this long is over.
const DEMAND_LASTS: Duration = Duration::from_secs(5);

pub(super) struct Shared {
    pub(super) members: Vec<Member>,
    pub(super) options: PoolOptions,
    pub(super) cache: Option<BlockCache>,
    pub(super) verifier: Verifier,
    state: Mutex<State>,
}

pub(super) struct Member {
    pub(super) origin: Arc<dyn Origin>,
    pub(super) turns: Semaphore,
}

struct State {
    records: Vec<Record>,
    ranking: Ranking,
    hedge: HedgeBudget,
    jitter: Jitter,
    demand: Option<(Instant, Demand)>,
}

struct Record {
    standing: Standing,
    breaker: Breaker,
    budget: RetryBudget,
    /// When a block of it came last: what several requests bring at once is one stream of bytes.
    arrived_at: Option<Instant>,
    requests: u64,
    failures: u64,
    not_found: u64,
    outrun: u64,
    blocks: u64,
    bytes: u64,
}

/// Whom one read has asked.
#[derive(Debug, Clone)]
pub(super) struct Tried {
    /// Not again for this read.
    pub(super) excluded: Vec<bool>,
    /// Not again before a pause.
    pub(super) this_round: Vec<bool>,
}

/// Who is asked next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    Ask {
        origin: usize,
        probe: bool,
    },
    /// Everyone was asked, or is left alone until then.
    Wait {
        until: Instant,
    },
    /// Nobody is left to ask.
    Nobody,
}

/// A block that came.
pub(super) struct Arrival {
    pub(super) origin: usize,
    pub(super) bytes: u64,
    pub(super) waiting_since: Instant,
    /// The first of its answer.
    pub(super) first: bool,
}

impl Shared {
    pub(super) fn new(
        origins: Vec<Arc<dyn Origin>>,
        options: PoolOptions,
        cache: Option<BlockCache>,
    ) -> Self {
        let record = || Record {
            standing: Standing::new(),
            breaker: Breaker::new(options.breaker),
            budget: RetryBudget::new(ORIGIN_RETRIES, 0.25),
            arrived_at: None,
            requests: 0,
            failures: 0,
            not_found: 0,
            outrun: 0,
            blocks: 0,
            bytes: 0,
        };
        let state = State {
            records: origins.iter().map(|_| record()).collect(),
            ranking: Ranking::default(),
            hedge: HedgeBudget::new(),
            jitter: Jitter::new(options.seed),
            demand: None,
        };
        let member = |origin| Member {
            origin,
            turns: Semaphore::new(options.max_in_flight_per_origin.max(1)),
        };
        Self {
            members: origins.into_iter().map(member).collect(),
            options,
            cache,
            verifier: Verifier::default(),
            state: Mutex::new(state),
        }
    }

    pub(super) fn tried_nobody(&self) -> Tried {
        Tried {
            excluded: vec![false; self.members.len()],
            this_round: vec![false; self.members.len()],
        }
    }

    /// Chooses whom to ask for some `bytes`; `preferred` first, if it may be asked.
    pub(super) fn pick(&self, tried: &Tried, bytes: u64, preferred: Option<usize>) -> Pick {
        let now = now();
        let mut state = self.lock();
        let mut order = state.choose(now, bytes, |i| !tried.excluded[i]);
        if order.is_empty() {
            return Pick::Nobody;
        }
        if let Some(at) = order.iter().position(|&i| Some(i) == preferred) {
            order[..=at].rotate_right(1);
        }
        for &origin in order.iter().filter(|&&i| !tried.this_round[i]) {
            if let Some(probe) = state.admit(origin, now) {
                return Pick::Ask { origin, probe };
            }
        }
        let opens = |&i: &usize| state.records[i].breaker.clone().admit(now);
        let until = order.iter().map(|i| match opens(i) {
            Admission::Yes { .. } => now,
            Admission::NotBefore(until) => until,
        });
        Pick::Wait {
            until: until.min().unwrap_or(now),
        }
    }

    /// Chooses who is asked beside `late`, when there is one and the budget for it.
    pub(super) fn pick_second(&self, tried: &Tried, bytes: u64, late: usize) -> Option<Pick> {
        let now = now();
        let mut state = self.lock();
        let origin = state.second(now, tried, bytes, late)?;
        if !state.hedge.spend(bytes) {
            return None;
        }
        let probe = state.admit(origin, now)?;
        Some(Pick::Ask { origin, probe })
    }

    /// Whether there is another that may be asked in place of `late`.
    pub(super) fn has_second(&self, tried: &Tried, bytes: u64, late: usize) -> bool {
        let now = now();
        self.lock().second(now, tried, bytes, late).is_some()
    }

    /// The origins that work at present, best first, with their bandwidths.
    pub(super) fn working(&self, bytes: u64) -> Vec<(usize, Option<u64>)> {
        let now = now();
        let state = self.lock();
        let candidates = state.candidates(|i| {
            let record = &state.records[i];
            !record.standing.is_struck_out() && record.breaker.would_admit(now)
        });
        Ranking::order(bytes, &candidates)
            .into_iter()
            .map(|i| (i, state.records[i].standing.bytes_per_second()))
            .collect()
    }

    /// Another origin that is expected to bring `bytes` in half the time.
    pub(super) fn much_faster_than(&self, origin: usize, bytes: u64) -> Option<usize> {
        let working = self.working(bytes);
        let &(best, Some(_)) = working.first().filter(|(best, _)| *best != origin)? else {
            return None;
        };
        let state = self.lock();
        let expected = |i: usize| state.records[i].standing.expected(bytes);
        let (this, other) = (expected(origin)?, expected(best)?);
        (other < this / 2).then_some(best)
    }

    pub(super) fn hedge_delay(&self, origin: usize, bytes: u64, first: bool) -> Duration {
        let urgent = self
            .demand()
            .dry_in
            .is_some_and(|dry_in| dry_in < DEMAND_LASTS);
        hedge_delay(&self.lock().records[origin].standing, bytes, first, urgent)
    }

    pub(super) fn pause(&self, backoff: &Backoff) -> Duration {
        backoff.pause(&mut self.lock().jitter)
    }

    pub(super) fn asked(&self, origin: usize) {
        self.lock().records[origin].requests += 1;
    }

    pub(super) fn arrived(&self, arrival: &Arrival) {
        let now = now();
        let mut state = self.lock();
        state.hedge.fetched(arrival.bytes);
        let record = &mut state.records[arrival.origin];
        let since = arrival.waiting_since;
        if arrival.first {
            let took = now.saturating_duration_since(since);
            record.standing.answered(now, arrival.bytes, took);
        } else {
            let since = record.arrived_at.map_or(since, |at| at.max(since));
            let took = now.saturating_duration_since(since);
            record.standing.went_on(now, arrival.bytes, took);
        }
        record.arrived_at = Some(now);
        record.breaker.succeeded();
        record.budget.succeeded();
        record.blocks += 1;
        record.bytes += arrival.bytes;
    }

    /// Counts a failure; returns whether the origin may be asked again for the same.
    pub(super) fn failed(&self, origin: usize, failure: &Failure, waiting_since: Instant) -> bool {
        let now = now();
        let mut state = self.lock();
        let record = &mut state.records[origin];
        record.failures += 1;
        let took = now.saturating_duration_since(waiting_since);
        record.standing.failed(now, took);
        match failure {
            // Sound, but larger than a block may be: so is everyone's.
            Failure::Invalid(BlockError::TooLarge { .. }) => record.breaker.succeeded(),
            Failure::Invalid(problem) => {
                record.standing.strike_out();
                let name = self.members[origin].origin.name();
                tracing::warn!(
                    origin = name,
                    ?problem,
                    "an origin sent a wrong block, and is asked last from now on"
                );
            }
            Failure::Origin(OriginError::NotFound) => {
                record.not_found += 1;
                record.breaker.succeeded();
            }
            Failure::Origin(OriginError::Refused { .. }) => record.breaker.succeeded(),
            Failure::Origin(_) | Failure::Stalled(_) => record.breaker.failed(now),
        }
        if let Some(pause) = failure.retry_after() {
            let pause = self.options.retry.bounded(pause);
            record.breaker.hold_off(now, pause);
        }
        record.budget.failed() && failure.is_worth_repeating()
    }

    /// A request was given up while it was waited for since `waiting_since`.
    pub(super) fn outrun(&self, origin: usize, waiting_since: Instant, first: bool) {
        let now = now();
        let record = &mut self.lock().records[origin];
        record.outrun += 1;
        let waited = now.saturating_duration_since(waiting_since);
        record.standing.outrun(now, waited, first);
    }

    pub(super) fn abandoned(&self, origin: usize, probe: bool) {
        self.lock().records[origin].breaker.abandoned(probe);
    }

    /// Takes a reader's demand: the more pressing one of several readers counts.
    pub(super) fn demanded(&self, demand: Demand) {
        let (now, current) = (now(), self.demand());
        let joined = Demand {
            bytes_per_second: demand.bytes_per_second.max(current.bytes_per_second),
            dry_in: match (demand.dry_in, current.dry_in) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
        };
        let mut state = self.lock();
        state.demand = match state.demand {
            // A more pressing one that is not repeated runs out.
            Some((since, held)) if held == joined && held != demand => Some((since, held)),
            _ => Some((now, joined)),
        };
    }

    pub(super) fn demand(&self) -> Demand {
        let now = now();
        let fresh = |since: Instant| now.saturating_duration_since(since) < DEMAND_LASTS;
        let demand = self.lock().demand;
        demand
            .filter(|(since, _)| fresh(*since))
            .map_or_else(Demand::default, |(_, demand)| demand)
    }

    pub(super) fn snapshot(&self) -> PoolSnapshot {
        let now = now();
        let state = self.lock();
        let origins = self.members.iter().zip(&state.records);
        PoolSnapshot {
            origins: origins
                .map(|(member, record)| record.snapshot(member.origin.name(), now))
                .collect(),
            hedged_bytes: state.hedge.spent_bytes(),
            cache: self.cache.as_ref().map(BlockCache::snapshot),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn candidates(&self, may: impl Fn(usize) -> bool) -> Vec<Candidate<'_>> {
        let records = self.records.iter().enumerate();
        records
            .filter(|(i, _)| may(*i))
            .map(|(origin, record)| Candidate {
                origin,
                standing: &record.standing,
            })
            .collect()
    }

    fn choose(&mut self, now: Instant, bytes: u64, may: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut ranking = std::mem::take(&mut self.ranking);
        let order = ranking.choose(now, bytes, &self.candidates(may));
        self.ranking = ranking;
        order
    }

    /// Who is asked beside `late`, or in its place.
    fn second(&mut self, now: Instant, tried: &Tried, bytes: u64, late: usize) -> Option<usize> {
        let usable = |record: &Record| !record.standing.is_struck_out();
        let allowed: Vec<_> = self.records.iter().map(usable).collect();
        let may = |i: usize| i != late && allowed[i] && !tried.excluded[i] && !tried.this_round[i];
        let order = self.choose(now, bytes, may);
        let admitted = |&i: &usize| self.records[i].breaker.would_admit(now);
        order.into_iter().find(admitted)
    }

    /// Whether a request may be made, and if so whether it is a probe.
    fn admit(&mut self, origin: usize, now: Instant) -> Option<bool> {
        match self.records[origin].breaker.admit(now) {
            Admission::Yes { probe } => Some(probe),
            Admission::NotBefore(_) => None,
        }
    }
}

impl Record {
    fn snapshot(&self, name: String, now: Instant) -> OriginSnapshot {
        let first_byte_ms = |share| {
            let within = self.standing.first_byte_within(share)?;
            u64::try_from(within.as_millis()).ok()
        };
        OriginSnapshot {
            name,
            requests: self.requests,
            failures: self.failures,
            not_found: self.not_found,
            outrun: self.outrun,
            blocks: self.blocks,
            bytes: self.bytes,
            struck_out: self.standing.is_struck_out(),
            state: self.breaker.state(now),
            success: self.standing.success(),
            bytes_per_second: self.standing.bytes_per_second(),
            first_byte_p50_ms: first_byte_ms(0.5),
            first_byte_p95_ms: first_byte_ms(0.95),
        }
    }
}
