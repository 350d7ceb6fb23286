//! Who is asked first.
//!
//! Fed by the pool with each origin's [`Standing`]; feeds it with an order. Best is who is expected to
//! give the bytes soonest; those of whom nothing is known keep their configured order, before a
//! measured one only while none is measured. Now and then an unknown one goes first, or one that was
//! not asked for long, so that neither its place nor a bad minute is held against it for good. One that gave an
//! invalid block is last, always.

use super::standing::Standing;
use std::cmp::Ordering;
use std::time::{Duration, Instant};

/// One choice in this many goes to an origin of which nothing is known.
const MEET_EVERY: u64 = 4;
/// One choice in this many goes to one that was not asked for long: 6 % of the requests.
const EXPLORE_EVERY: u64 = 16;
/// What was learnt longer ago than this is worth learning again.
const STALE_AFTER: Duration = Duration::from_secs(30);

/// An origin that may be asked.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Which one; handed back.
    pub origin: usize,
    /// What is known of it.
    pub standing: &'a Standing,
}

/// Orders candidates; counts, to explore at a fixed rate.
#[derive(Debug, Clone, Default)]
pub struct Ranking {
    choices: u64,
}

impl Ranking {
    /// Counts a choice and gives the origins, best first, for `bytes` bytes.
    pub fn choose(&mut self, now: Instant, bytes: u64, candidates: &[Candidate<'_>]) -> Vec<usize> {
        self.choices += 1;
        let mut order = Self::order(bytes, candidates);
        let explored = longest_unasked(now, candidates).filter(|(age, _)| {
            let every = if *age == Duration::MAX {
                MEET_EVERY
            } else {
                EXPLORE_EVERY
            };
            self.choices.is_multiple_of(every)
        });
        if let Some((_, explored)) = explored {
            order.retain(|&origin| origin != explored);
            order.insert(0, explored);
        }
        order
    }

    /// The origins, best first, without exploring.
    #[must_use]
    pub fn order(bytes: u64, candidates: &[Candidate<'_>]) -> Vec<usize> {
        let mut order: Vec<_> = candidates.iter().collect();
        order.sort_by(|a, b| compare(bytes, a, b));
        order.iter().map(|candidate| candidate.origin).collect()
    }
}

fn compare(bytes: u64, a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
    let struck = a.standing.is_struck_out().cmp(&b.standing.is_struck_out());
    // `None` sorts last: a measured origin that works is preferred to an unknown one.
    let key = |candidate: &Candidate<'_>| {
        let expected = candidate.standing.expected(bytes);
        // One that never gave anything is no better than an unknown one.
        expected.filter(|_| candidate.standing.first_byte_within(0.5).is_some())
    };
    let expected = match (key(a), key(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => b.standing.success().total_cmp(&a.standing.success()),
    };
    struck.then(expected).then(a.origin.cmp(&b.origin))
}

/// The origin of which nothing was learnt for longest, and for how long: [`Duration::MAX`] if ever.
fn longest_unasked(now: Instant, candidates: &[Candidate<'_>]) -> Option<(Duration, usize)> {
    let age = |candidate: &Candidate<'_>| {
        candidate
            .standing
            .measured_at()
            .map_or(Duration::MAX, |at| now.saturating_duration_since(at))
    };
    candidates
        .iter()
        .filter(|candidate| !candidate.standing.is_struck_out())
        .map(|candidate| (age(candidate), candidate.origin))
        .filter(|(age, _)| *age > STALE_AFTER)
        .max_by_key(|&(age, origin)| (age, std::cmp::Reverse(origin)))
}
