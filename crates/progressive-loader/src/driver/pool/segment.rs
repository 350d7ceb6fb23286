//! Consecutive blocks, got from whoever gives them: retried, hedged, and resumed at the block where an
//! answer broke.
//!
//! Driven by a [`span`](super::span) or a single block's request; starts [`Leg`]s, two at most at a
//! time. Dropping it aborts them.

use super::failure::Failure;
use super::leg::{Ask, Ended, Leg};
use super::shared::{Pick, Shared, Tried, now};
use crate::block::Block;
use crate::error::{BlockError, ReadError};
use crate::origin::OriginError;
use crate::plan::{Backoff, RetryBudget, stopped_after};
use std::future::pending;
use std::sync::Arc;
use std::time::Instant;
use tokio::time::sleep_until;

/// A block whose size is not known before it comes is taken for one this large.
const USUAL_BLOCK_BYTES: u64 = 256 << 10;

pub(super) struct Segment {
    shared: Arc<Shared>,
    ask: Ask,
    /// The next leaf that is owed.
    at: usize,
    legs: Vec<Leg>,
    tried: Tried,
    /// Asked first, once.
    preferred: Option<usize>,
    backoff: Backoff,
    budget: RetryBudget,
    attempts: u32,
    last: Option<(usize, Failure)>,
    /// How late the leaf that is owed is.
    lateness: Lateness,
    /// An origin was left for a faster one: once is enough, since what it had on its way is lost.
    switched: bool,
    progressed_at: Instant,
}

/// What was done about a leaf that is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lateness {
    Nothing,
    /// A second origin was not asked: there was none, or what may be fetched twice was spent.
    Alone,
    /// All that can be.
    Settled,
}

/// What a segment waited for.
enum Event {
    Item(usize, Option<Result<Block, Ended>>),
    Late,
}

impl Segment {
    pub(super) fn new(shared: &Arc<Shared>, ask: Ask, preferred: Option<usize>) -> Self {
        let options = &shared.options;
        Self {
            ask,
            at: 0,
            legs: Vec::new(),
            tried: shared.tried_nobody(),
            preferred,
            backoff: Backoff::new(options.retry),
            budget: RetryBudget::new(options.max_failures_per_read, 0.5),
            attempts: 0,
            last: None,
            lateness: Lateness::Nothing,
            switched: false,
            progressed_at: now(),
            shared: Arc::clone(shared),
        }
    }

    /// Whether every block was given.
    pub(super) fn is_over(&self) -> bool {
        self.at == self.ask.leaves().len()
    }

    /// The next block. Not to be called when the segment is over, or after an error.
    pub(super) async fn next(&mut self) -> Result<Block, ReadError> {
        let waiting_since = now();
        // Whoever takes the blocks may have paused: patience is with the origins.
        self.progressed_at = waiting_since;
        loop {
            if self.legs.is_empty() {
                self.ask_somebody().await?;
            }
            match self.event(waiting_since).await {
                Event::Late => self.late(waiting_since),
                Event::Item(index, Some(Ok(block))) => {
                    self.won(index, waiting_since);
                    self.leave_for_a_faster_one();
                    return Ok(block);
                }
                Event::Item(index, ended) => self.lost(index, ended.and_then(Result::err))?,
            }
        }
    }

    /// Starts a leg, after whatever pause it takes.
    async fn ask_somebody(&mut self) -> Result<(), ReadError> {
        loop {
            let preferred = self.preferred.take();
            match self.shared.pick(&self.tried, self.leaf_bytes(), preferred) {
                Pick::Ask { origin, probe } => {
                    self.start(origin, probe);
                    return Ok(());
                }
                Pick::Wait { until } => {
                    let pause = self.shared.pause(&self.backoff);
                    let until = until.max(now() + pause);
                    sleep_until(until.into()).await;
                    self.tried.this_round.fill(false);
                }
                Pick::Nobody => return Err(self.give_up()),
            }
        }
    }

    fn start(&mut self, origin: usize, probe: bool) {
        let leg = Leg::start(&self.shared, &self.ask, self.at, origin, probe);
        self.legs.push(leg);
    }

    async fn event(&mut self, waiting_since: Instant) -> Event {
        let hedge_at = self.hedge_at(waiting_since);
        let (first, rest) = self.legs.split_at_mut(1);
        let second = async {
            match rest.first_mut() {
                Some(leg) => leg.items.recv().await,
                None => pending().await,
            }
        };
        let late = async {
            match hedge_at {
                Some(at) => sleep_until(at.into()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            item = first[0].items.recv() => Event::Item(0, item),
            item = second => Event::Item(1, item),
            () = late => Event::Late,
        }
    }

    /// When the only leg counts as late.
    fn hedge_at(&self, waiting_since: Instant) -> Option<Instant> {
        let [leg] = self.legs.as_slice() else {
            return None;
        };
        let wanted = self.shared.options.hedge && self.shared.members.len() > 1;
        let delay = self
            .shared
            .hedge_delay(leg.origin, self.leaf_bytes(), leg.first);
        let wait = match self.lateness {
            Lateness::Nothing => delay,
            Lateness::Alone => stopped_after(delay),
            Lateness::Settled => return None,
        };
        wanted.then(|| waiting_since + wait)
    }

    /// Asks a second origin for what the first is late with; where nothing may be fetched twice, one that has stopped is left for
    /// another.
    fn late(&mut self, waiting_since: Instant) {
        let Some((late, first)) = self.legs.first().map(|leg| (leg.origin, leg.first)) else {
            return;
        };
        let bytes = self.leaf_bytes();
        if self.lateness == Lateness::Alone {
            self.lateness = Lateness::Settled;
            if self.shared.has_second(&self.tried, bytes, late) {
                tracing::debug!(late, "leaving an origin that has stopped");
                self.shared.outrun(late, waiting_since, first);
                self.tried.this_round[late] = true;
                self.legs.clear();
            }
            return;
        }
        self.lateness = Lateness::Alone;
        if let Some(Pick::Ask { origin, probe }) = self.shared.pick_second(&self.tried, bytes, late)
        {
            tracing::debug!(late, origin, "asking a second origin");
            self.lateness = Lateness::Settled;
            self.start(origin, probe);
        }
    }

    /// Leg `index` brought the block that is owed: the other one is no longer needed.
    fn won(&mut self, index: usize, waiting_since: Instant) {
        let mut winner = self.legs.swap_remove(index);
        winner.first = false;
        if index > 0 {
            for leg in &self.legs {
                self.shared.outrun(leg.origin, waiting_since, leg.first);
            }
        }
        self.legs.clear();
        self.legs.push(winner);
        self.at += 1;
        self.last = None;
        self.lateness = Lateness::Nothing;
        self.progressed_at = now();
        self.backoff.progressed();
        self.budget.succeeded();
        self.tried.this_round.fill(false);
    }

    /// An origin may turn out slow only while it gives. Its answer is left at a block's end when another
    /// is expected to bring the rest in half the time.
    fn leave_for_a_faster_one(&mut self) {
        let rest = self.ask.leaves().get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return;
        }
        let bytes = rest.iter().map(|leaf| leaf.range.end - leaf.range.start);
        let [leg] = self.legs.as_slice() else {
            return;
        };
        if self.switched {
            return;
        }
        if let Some(faster) = self.shared.much_faster_than(leg.origin, bytes.sum()) {
            self.switched = true;
            // Not as one that failed: should the faster one stop, this one is asked again.
            self.preferred = Some(faster);
            self.legs.clear();
        }
    }

    /// Leg `index` is over without the block. An error when that was once too often.
    fn lost(&mut self, index: usize, ended: Option<Ended>) -> Result<(), ReadError> {
        let leg = self.legs.remove(index);
        let ended = ended.unwrap_or_else(|| Ended {
            failure: OriginError::Broken {
                reason: "its task is gone".into(),
            }
            .into(),
            repeat: false,
        });
        self.attempts = self.attempts.saturating_add(1);
        self.tried.this_round[leg.origin] = true;
        self.tried.excluded[leg.origin] |= !ended.repeat;
        let cause = &ended.failure;
        tracing::debug!(origin = leg.origin, %cause, at = self.at, "an origin failed");
        self.keep_cause(leg.origin, ended.failure);
        // One that says no for good costs no patience: the next one may say yes.
        let since_progress = now().saturating_duration_since(self.progressed_at);
        let patient = since_progress <= self.shared.options.patience
            && (!ended.repeat || (self.backoff.failed() & self.budget.failed()));
        if patient || !self.legs.is_empty() {
            Ok(())
        } else {
            Err(self.give_up())
        }
    }

    /// What is told when the segment gives up: the last failure, but that one origin has not got a block tells less than what
    /// another did with it.
    fn keep_cause(&mut self, origin: usize, failure: Failure) {
        let tells_less = failure.is_absence();
        if !(tells_less && self.last.as_ref().is_some_and(|(_, it)| !it.is_absence())) {
            self.last = Some((origin, failure));
        }
    }

    fn leaf_bytes(&self) -> u64 {
        let leaf = self.ask.leaves().get(self.at);
        let bytes = leaf.map_or(0, |leaf| leaf.range.end - leaf.range.start);
        if bytes == 0 { USUAL_BLOCK_BYTES } else { bytes }
    }

    fn give_up(&mut self) -> ReadError {
        let name = match &self.ask {
            Ask::Block { root, .. } => format!("ipfs://{root}"),
            Ask::Leaves { span, .. } => {
                let below: String = span.path.iter().map(|name| format!("/{name}")).collect();
                format!("ipfs://{}{below}", span.root)
            }
        };
        let Some(leaf) = self.ask.leaves().get(self.at) else {
            return ReadError::Cancelled { name };
        };
        let (origin, last) = match self.last.take() {
            // The content's fault, not an origin's.
            Some((_, Failure::Invalid(problem @ BlockError::TooLarge { .. }))) => {
                return ReadError::block(self.ask.root(), leaf.cid, problem);
            }
            Some((origin, last)) => (self.shared.members[origin].origin.name(), last),
            None => ("nobody".into(), OriginError::NotFound.into()),
        };
        ReadError::GaveUp {
            name,
            origin,
            cid: Box::new(leaf.cid),
            range: leaf.range.clone(),
            attempts: self.attempts,
            last: last.into_cause(),
        }
    }
}
