//! How long a content has been read in order, and how far ahead a request then goes.
//!
//! Fed by a source with the ranges it is asked for; tells it how much to ask for at once. A request costs the server work,
//! and the reader a round trip, whatever its length: a gateway may resolve the path and read the file's start for each. So
//! whoever reads on and on is given one long answer; it waits, and with it the
//! server, while the reader wants no more.

use std::ops::Range;
use std::time::{Duration, Instant};

/// From so much on, an answer goes on past its range, in bytes: more than a player reads at once to fill its look-ahead.
const LONG_BYTES: u64 = 12 << 20;
/// A reader that asks for nothing for so long has what it wants, and does not read on and on.
const PAUSE: Duration = Duration::from_millis(250);

/// The ranges that were asked for last, as far as each followed the one before without a pause.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// Where the last range ended.
    next: u64,
    bytes: u64,
    /// When a range was begun or ended last.
    touched_at: Option<Instant>,
}

impl Run {
    /// A range is about to be read. Whether it follows the last one.
    pub(crate) fn starts(&mut self, now: Instant, range: &Range<u64>) -> bool {
        let follows = range.start == self.next;
        if !follows || self.is_over(now) {
            self.bytes = 0;
        }
        self.bytes = self.bytes.saturating_add(range.end - range.start);
        self.next = range.end;
        self.touched_at = Some(now);
        follows
    }

    /// A range has been read.
    pub(crate) fn ended(&mut self, now: Instant) {
        self.touched_at = Some(now);
    }

    /// Whether the reader has paused.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        let idle = |touched_at| now.saturating_duration_since(touched_at) > PAUSE;
        self.touched_at.is_some_and(idle)
    }

    /// Where the next range starts, if it follows.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Whether one answer at a time is the quickest.
    pub(crate) fn is_long(&self) -> bool {
        self.bytes >= LONG_BYTES
    }

    /// How far to go from the start of `asked`: `most_bytes` in a long run, nothing where another range has been begun since.
    /// What a server has sent for nothing when the reader leaves such an answer is what the sockets hold, however far it goes.
    pub(crate) fn ahead_bytes(&self, asked: &Range<u64>, most_bytes: u64) -> u64 {
        if self.is_long() && asked.end == self.next {
            most_bytes
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn an_answer_goes_on_once_enough_was_read_in_order() {
        let (mut run, now) = (Run::default(), Instant::now());
        assert!(run.starts(now, &(0..11 * MIB)) && !run.is_long());
        assert_eq!(run.ahead_bytes(&(0..11 * MIB), 64 * MIB), 0);
        let second = 11 * MIB..14 * MIB;
        assert!(run.starts(now, &second) && run.is_long());
        assert_eq!(run.ahead_bytes(&second, 256 * MIB), 256 * MIB);
    }

    #[test]
    fn a_jump_begins_anew_and_an_overtaken_range_stays_as_it_is() {
        let (mut run, now) = (Run::default(), Instant::now());
        run.starts(now, &(0..20 * MIB));
        run.starts(now, &(20 * MIB..21 * MIB));
        assert_eq!(run.ahead_bytes(&(0..20 * MIB), 64 * MIB), 0, "overtaken");
        let elsewhere = 50 * MIB..51 * MIB;
        assert!(!run.starts(now, &elsewhere) && !run.is_long());
        assert_eq!(run.next(), 51 * MIB);
    }

    #[test]
    fn a_player_that_reads_when_it_needs_more_is_not_in_a_run() {
        let (mut run, mut now) = (Run::default(), Instant::now());
        for chunk in 0..100 {
            assert!(run.starts(now, &(chunk * MIB..(chunk + 1) * MIB)));
            assert!(!run.is_long());
            now += Duration::from_millis(100);
            run.ended(now);
            now += Duration::from_millis(400);
            assert!(run.is_over(now));
        }
    }
}
