//! The window planner: what to fetch next, what to keep, what to give up.
//!
//! Fed by the reader with its position and by the fetches with the pieces that arrive; feeds the
//! driver with the next range to fetch, the fetches to cancel, and the reader with bytes. It does
//! no I/O and knows no clock, so every decision can be replayed.
//!
//! Policy. Wanted is `[position, position + lookahead)` and nothing else: a reader that stops costs
//! nothing more. At a place it has just jumped to, the look-ahead starts small and grows with what is
//! read there (see [`Ramp`]), so that a demuxer's hops are cheap. Ranges end on multiples of the
//! smallest chunk, so that neighbouring fetches share blocks rarely. What the reader jumped to comes alone until the
//! first of it is there, unless the link is fast. The first fetch of the content's start comes to its end
//! while the reader looks elsewhere. When the memory budget (`lookahead + keep_behind`) is exceeded, whole pieces
//! outside the wanted window are dropped, the one farthest from it first.

use crate::plan::{Ramp, SMALLEST_CHUNK_BYTES};
use crate::ranges::RangeSet;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;

/// What a [`Window`] is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowConfig {
    /// The content's size in bytes.
    pub size_bytes: u64,
    /// How far ahead of the reader to fetch, in bytes; at least 1.
    pub lookahead_bytes: u64,
    /// How much to keep of what lies outside the look-ahead, in bytes.
    pub keep_behind_bytes: u64,
    /// The size of one fetch in bytes; lowered to half the look-ahead, so that one is always possible.
    /// [`Window::set_chunk_bytes`] changes it.
    pub chunk_bytes: u64,
    /// The smallest fetch in bytes, at most `chunk_bytes`: fetches end on multiples of it.
    pub smallest_chunk_bytes: u64,
    /// The first fetch of the content's start in bytes, where that is another size than `smallest_chunk_bytes`; lowered to
    /// the look-ahead. Nothing else is fetched until half of it is read, or the reader jumps; it is fetched to its end even
    /// then, since a demuxer that looks for the index elsewhere comes back.
    pub first_chunk_bytes: u64,
    /// How many fetches may be on their way at once; at least 1.
    pub max_in_flight: usize,
}

/// Names one fetch of a [`Window`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FetchId(u64);

/// One range to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Hand this back with each piece, and at the end.
    pub id: FetchId,
    /// The bytes to fetch.
    pub range: Range<u64>,
}

/// A fetch on its way: what has not arrived yet.
#[derive(Debug)]
struct InFlight {
    id: FetchId,
    rest: Range<u64>,
}

/// What is held, what is on its way, and what to do next. See the module's text for the policy.
#[derive(Debug)]
pub struct Window {
    config: WindowConfig,
    position: u64,
    ramp: Ramp,
    is_fast: bool,
    /// What one fetch may be where it need not leave room for another, in bytes.
    most_chunk_bytes: u64,
    pieces: BTreeMap<u64, Bytes>,
    held: RangeSet,
    held_bytes: u64,
    in_flight: Vec<InFlight>,
    /// The first fetch of the content's start.
    opening: Option<FetchId>,
    /// A fetch failed here; nothing at or past it is fetched ahead until the reader needs it.
    blocked_from: Option<u64>,
    next_id: u64,
}

impl Window {
    /// A window at position 0 that holds nothing.
    #[must_use]
    pub fn new(config: WindowConfig) -> Self {
        let lookahead_bytes = config.lookahead_bytes.max(1);
        let chunk_bytes = config.chunk_bytes.clamp(1, (lookahead_bytes / 2).max(1));
        let smallest_chunk_bytes = config.smallest_chunk_bytes.clamp(1, chunk_bytes);
        let config = WindowConfig {
            lookahead_bytes,
            chunk_bytes,
            smallest_chunk_bytes,
            max_in_flight: config.max_in_flight.max(1),
            ..config
        };
        Self {
            config,
            position: 0,
            ramp: Ramp::new(
                Some(config.first_chunk_bytes.clamp(1, lookahead_bytes))
                    .filter(|&bytes| bytes != smallest_chunk_bytes),
                smallest_chunk_bytes.max(SMALLEST_CHUNK_BYTES),
            ),
            is_fast: false,
            most_chunk_bytes: chunk_bytes,
            pieces: BTreeMap::new(),
            held: RangeSet::new(),
            held_bytes: 0,
            in_flight: Vec::new(),
            opening: None,
            blocked_from: None,
            next_id: 0,
        }
    }

    /// Where the reader is, in bytes from the start; may lie past the end.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Moves the reader. What is still useful stays; see [`Window::take_stale`] for what is not.
    pub fn seek(&mut self, position: u64) {
        self.position = position;
        self.ramp.jump(position);
        self.blocked_from = None;
    }

    /// The bytes held from the position on, up to the end of the piece they are in; `None` when the
    /// byte at the position is not there. Does not move the position.
    #[must_use]
    pub fn peek(&self) -> Option<Bytes> {
        let (&start, piece) = self.pieces.range(..=self.position).next_back()?;
        let skip = usize::try_from(self.position - start).ok()?;
        (skip < piece.len()).then(|| piece.slice(skip..))
    }

    /// Moves the reader forward by `bytes` it has read.
    pub fn advance(&mut self, bytes: u64) {
        self.position = self.position.saturating_add(bytes);
        self.ramp.read_to(self.position);
    }

    /// Changes the size of the fetches to come, in bytes: lowered to half the look-ahead, and to a
    /// multiple of the smallest.
    pub fn set_chunk_bytes(&mut self, bytes: u64) {
        self.most_chunk_bytes = bytes;
        self.config.chunk_bytes = self.chunk_within(bytes, self.config.lookahead_bytes);
    }

    /// Whether the link is a fast one. There the look-ahead grows sooner at a new place (see [`Ramp`]), and a fetch goes on to its
    /// end, as far as one may.
    pub fn set_fast(&mut self, is_fast: bool) {
        self.is_fast = is_fast;
        self.ramp.set_fast(is_fast);
    }

    /// Changes how many fetches may be on their way at once; at least 1. Those that are stay.
    pub fn set_max_in_flight(&mut self, fetches: usize) {
        self.config.max_in_flight = fetches.max(1);
    }

    /// The size of the next fetch, in bytes; on a fast link at least that.
    #[must_use]
    pub fn chunk_bytes(&self) -> u64 {
        let ahead = self.ramp.ahead_bytes().min(self.config.lookahead_bytes);
        self.chunk_within(self.config.chunk_bytes, ahead)
    }

    /// Half of what is fetched ahead at most, so that one chunk is read while the next one comes.
    fn chunk_within(&self, bytes: u64, ahead_bytes: u64) -> u64 {
        let unit = self.config.smallest_chunk_bytes;
        let units = bytes.min(ahead_bytes / 2) / unit;
        units.max(1) * unit
    }

    /// Bytes held from the position on, without a gap.
    #[must_use]
    pub fn held_ahead_bytes(&self) -> u64 {
        self.held
            .run_end(self.position)
            .map_or(0, |end| end - self.position)
    }

    /// Whether anything is on its way.
    #[must_use]
    pub fn is_fetching(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// The reader waits for the byte at its position: a failure that was met while fetching ahead no
    /// longer holds the fetch of it back.
    pub fn needed_now(&mut self) {
        self.blocked_from = None;
    }

    /// Whether the reader is at or past the end.
    #[must_use]
    pub fn at_end(&self) -> bool {
        self.position >= self.config.size_bytes
    }

    /// The next range to fetch, now counted as on its way; `None` when there is nothing to do.
    pub fn next_fetch(&mut self) -> Option<Fetch> {
        if self.in_flight.len() >= self.config.max_in_flight {
            return None;
        }
        let range = self.next_range()?;
        let id = FetchId(self.next_id);
        self.next_id += 1;
        if self.ramp.opening_bytes().is_some() {
            self.opening = Some(id);
        }
        self.in_flight.push(InFlight {
            id,
            rest: range.clone(),
        });
        Some(Fetch { id, range })
    }

    fn next_range(&self) -> Option<Range<u64>> {
        let window = self.wanted();
        let mut covered = self.held.clone();
        covered.extend(self.in_flight.iter().map(|fetch| fetch.rest.clone()));
        let gap = covered.first_gap(window.start..self.config.size_bytes)?;
        if gap.start >= window.end || self.blocked_from.is_some_and(|from| gap.start >= from) {
            return None;
        }
        if gap.start > self.position && self.waits_after_a_jump() {
            return None;
        }
        let chunk_end = match self.ramp.opening_bytes() {
            Some(opening_bytes) => opening_bytes,
            None => {
                let unit = self.config.smallest_chunk_bytes;
                let chunk_end = (gap.start - gap.start % unit).saturating_add(self.chunk_bytes());
                if self.is_fast {
                    let most_end = gap.start.saturating_add(self.most_chunk_bytes);
                    chunk_end.max(window.end.min(most_end) / unit * unit)
                } else {
                    chunk_end
                }
            }
        };
        let chunk_end = chunk_end.min(gap.end);
        if chunk_end <= gap.start {
            return None;
        }
        (chunk_end <= window.end).then_some(gap.start..chunk_end)
    }

    /// A reader that has jumped waits for the byte that it jumped to: another fetch would share a slow link with that one's.
    fn waits_after_a_jump(&self) -> bool {
        self.ramp.has_just_jumped() && !self.is_fast && self.held_ahead_bytes() == 0
    }

    /// `[position, position + lookahead)`, less after a jump, and cut at the end of the content.
    fn wanted(&self) -> Range<u64> {
        let start = self.position.min(self.config.size_bytes);
        let ahead = self.ramp.ahead_bytes().min(self.config.lookahead_bytes);
        start..start.saturating_add(ahead).min(self.config.size_bytes)
    }

    /// The fetches that the reader's last move made useless, no longer counted as on their way. When
    /// the byte at the position is neither held nor coming and no slot is free, the farthest fetch
    /// gives its slot up. A reader at the end usually only asks for the length and will come back: what
    /// is on its way for it then is kept.
    pub fn take_stale(&mut self) -> Vec<FetchId> {
        let wanted = self.wanted();
        if wanted.is_empty() {
            return Vec::new();
        }
        let opening = self.opening;
        let useful = |fetch: &InFlight| {
            let near = fetch.rest.start < wanted.end && fetch.rest.end > wanted.start;
            near || opening == Some(fetch.id)
        };
        let mut stale: Vec<FetchId> = self
            .in_flight
            .extract_if(.., |fetch| !useful(fetch))
            .map(|fetch| fetch.id)
            .collect();
        let coming = self
            .in_flight
            .iter()
            .any(|fetch| fetch.rest.contains(&self.position));
        let missing = self.held.run_end(self.position).is_none() && !coming;
        if missing && self.in_flight.len() >= self.config.max_in_flight {
            let farthest = (0..self.in_flight.len()).max_by_key(|&i| self.in_flight[i].rest.start);
            stale.extend(farthest.map(|i| self.in_flight.swap_remove(i).id));
        }
        stale
    }

    /// A piece of fetch `id` arrived, in order. Returns whether the fetch is still wanted: `false`
    /// for one that was given up, or that sends more than was asked.
    pub fn received(&mut self, id: FetchId, piece: Bytes) -> bool {
        let Some(fetch) = self.in_flight.iter_mut().find(|fetch| fetch.id == id) else {
            return false;
        };
        let len = piece.len() as u64;
        if len > fetch.rest.end - fetch.rest.start {
            return false;
        }
        if len > 0 {
            let start = fetch.rest.start;
            fetch.rest.start += len;
            self.held.insert(start..start + len);
            self.held_bytes += len;
            self.pieces.insert(start, piece);
        }
        self.evict();
        true
    }

    /// Whether fetch `id` is still on its way.
    #[must_use]
    pub fn is_in_flight(&self, id: FetchId) -> bool {
        self.in_flight.iter().any(|fetch| fetch.id == id)
    }

    /// Fetch `id` is over. Returns the bytes it still owed: empty when it delivered all.
    pub fn finished(&mut self, id: FetchId) -> Range<u64> {
        let index = self.in_flight.iter().position(|fetch| fetch.id == id);
        index.map_or(0..0, |i| self.in_flight.swap_remove(i).rest)
    }

    /// Fetch `id` failed. Returns `true` when the reader stands on a byte it owed, so that the failure
    /// is the reader's; otherwise nothing from there on is fetched until the reader gets there.
    pub fn failed(&mut self, id: FetchId) -> bool {
        let owed = self.finished(id);
        if owed.is_empty() {
            return false;
        }
        if owed.contains(&self.position) {
            return true;
        }
        self.blocked_from = Some(
            self.blocked_from
                .map_or(owed.start, |from| from.min(owed.start)),
        );
        false
    }

    /// The ranges held in memory.
    #[must_use]
    pub fn held(&self) -> &RangeSet {
        &self.held
    }

    /// How many bytes are held in memory: at most `lookahead + keep_behind` plus the pieces that
    /// straddle the window's two edges.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    fn evict(&mut self) {
        let budget = self
            .config
            .lookahead_bytes
            .saturating_add(self.config.keep_behind_bytes);
        while self.held_bytes > budget {
            let Some(range) = self.farthest_unwanted() else {
                return;
            };
            self.pieces.remove(&range.start);
            self.held_bytes -= range.end - range.start;
            self.held.remove(range);
        }
    }

    /// The piece wholly outside the wanted window that lies farthest from it. Pieces are in order, so
    /// it is the first one or the last one.
    fn farthest_unwanted(&self) -> Option<Range<u64>> {
        let wanted = self.wanted();
        let span = |(&start, piece): (&u64, &Bytes)| start..start + piece.len() as u64;
        let first = self
            .pieces
            .first_key_value()
            .map(span)
            .filter(|piece| piece.end <= wanted.start);
        let last = self
            .pieces
            .last_key_value()
            .map(span)
            .filter(|piece| piece.start >= wanted.end);
        let behind = first.map(|piece| (wanted.start - piece.end, piece));
        let ahead = last.map(|piece| (piece.start - wanted.end, piece));
        behind
            .into_iter()
            .chain(ahead)
            .max_by_key(|(distance, _)| *distance)
            .map(|(_, piece)| piece)
    }
}
