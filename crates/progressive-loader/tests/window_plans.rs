//! What the planner promises, whatever a reader does.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use progressive_loader::{Fetch, RangeSet, Window, WindowConfig};
use proptest::prelude::*;
use std::ops::Range;

const SIZE: u64 = 400;

fn byte(offset: u64) -> u8 {
    (offset * 7 + offset / 13) as u8
}

fn piece(range: Range<u64>) -> Bytes {
    range.map(byte).collect::<Vec<_>>().into()
}

#[derive(Debug, Clone)]
enum Step {
    Seek(u64),
    Read(usize),
    Deliver { which: usize, bytes: u64 },
    Fail(usize),
    Chunk(u64),
    Fast(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => (0..SIZE + 20).prop_map(Step::Seek),
        3 => (1usize..60).prop_map(Step::Read),
        6 => (0usize..4, 1u64..40).prop_map(|(which, bytes)| Step::Deliver { which, bytes }),
        1 => (0usize..4).prop_map(Step::Fail),
        1 => (0u64..200).prop_map(Step::Chunk),
        1 => any::<bool>().prop_map(Step::Fast),
    ];
    proptest::collection::vec(step, 1..120)
}

fn config() -> impl Strategy<Value = WindowConfig> {
    (1u64..120, 0u64..80, 1u64..70, 1u64..150, 1usize..4).prop_map(
        |(lookahead_bytes, keep_behind_bytes, chunk_bytes, first_chunk_bytes, max_in_flight)| {
            WindowConfig {
                size_bytes: SIZE,
                lookahead_bytes,
                keep_behind_bytes,
                chunk_bytes,
                smallest_chunk_bytes: 1 + chunk_bytes / 3,
                first_chunk_bytes,
                max_in_flight,
            }
        },
    )
}

/// A reader and a source around a window, checking every promise on the way.
struct Play {
    config: WindowConfig,
    window: Window,
    coming: Vec<Fetch>,
    /// What a piece at the edge of the window may have.
    largest_chunk_bytes: u64,
}

impl Play {
    fn new(config: WindowConfig) -> Self {
        Self {
            config,
            window: Window::new(config),
            coming: Vec::new(),
            largest_chunk_bytes: config.chunk_bytes.max(config.first_chunk_bytes),
        }
    }

    fn plan(&mut self) {
        let stale = self.window.take_stale();
        self.coming.retain(|fetch| !stale.contains(&fetch.id));
        while let Some(fetch) = self.window.next_fetch() {
            let ahead =
                self.window.position()..self.window.position() + self.config.lookahead_bytes;
            assert!(!fetch.range.is_empty() && fetch.range.end <= SIZE);
            assert!(
                ahead.start <= fetch.range.start && fetch.range.end <= ahead.end,
                "past the look-ahead"
            );
            let overlaps =
                |other: &Range<u64>| other.start < fetch.range.end && fetch.range.start < other.end;
            assert!(
                !self.window.held().iter().any(|held| overlaps(&held)),
                "fetched what is held"
            );
            assert!(
                !self.coming.iter().any(|other| overlaps(&other.range)),
                "fetched twice at once"
            );
            self.coming.push(fetch);
            assert!(self.coming.len() <= self.config.max_in_flight);
        }
    }

    fn deliver(&mut self, which: usize, bytes: u64) {
        if self.coming.is_empty() {
            return;
        }
        let index = which % self.coming.len();
        let fetch = &mut self.coming[index];
        let end = (fetch.range.start + bytes).min(fetch.range.end);
        assert!(
            self.window
                .received(fetch.id, piece(fetch.range.start..end))
        );
        fetch.range.start = end;
        if fetch.range.is_empty() {
            assert!(self.window.finished(fetch.id).is_empty());
            self.coming.remove(index);
        }
    }

    fn read(&mut self, bytes: usize) {
        match self.window.peek() {
            Some(held) => {
                let n = held.len().min(bytes);
                let at = self.window.position();
                assert_eq!(
                    held[..n],
                    piece(at..at + n as u64)[..],
                    "wrong bytes at {at}"
                );
                self.window.advance(n as u64);
            }
            None => self.window.needed_now(),
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Seek(to) => self.window.seek(to),
            Step::Read(bytes) => self.read(bytes),
            Step::Deliver { which, bytes } => self.deliver(which, bytes),
            Step::Fail(which) if !self.coming.is_empty() => {
                let fetch = self.coming.remove(which % self.coming.len());
                self.window.failed(fetch.id);
            }
            Step::Fail(_) => {}
            Step::Chunk(bytes) => {
                self.window.set_chunk_bytes(bytes);
                // Half of the look-ahead, or all of it on a fast link.
                let most = bytes.min(self.config.lookahead_bytes);
                self.largest_chunk_bytes = self.largest_chunk_bytes.max(most);
            }
            Step::Fast(is_fast) => self.window.set_fast(is_fast),
        }
        self.plan();
        let straddling = 2 * self.largest_chunk_bytes;
        let bound = self.config.lookahead_bytes + self.config.keep_behind_bytes + straddling;
        assert!(
            self.window.held_bytes() <= bound,
            "{} bytes held",
            self.window.held_bytes()
        );
        assert_eq!(self.window.held().len_bytes(), self.window.held_bytes());
    }
}

proptest! {
    #[test]
    fn any_walk_keeps_every_promise(config in config(), steps in steps()) {
        let mut play = Play::new(config);
        play.plan();
        for step in &steps {
            play.step(step);
        }
        // And from wherever that led, reading to the end gets every byte.
        play.window.needed_now();
        for _ in 0..4 * SIZE {
            play.step(&Step::Deliver { which: 0, bytes: 40 });
            play.step(&Step::Read(60));
        }
        prop_assert!(play.window.at_end());
    }

    #[test]
    fn a_range_set_is_a_set_of_bytes(edits in proptest::collection::vec((any::<bool>(), 0u64..64, 0u64..64), 0..40)) {
        let (mut set, mut model) = (RangeSet::new(), [false; 64]);
        for (insert, a, b) in edits {
            let range = a.min(b)..a.max(b);
            model[range.start as usize..range.end as usize].fill(insert);
            if insert { set.insert(range) } else { set.remove(range) }
        }
        let runs: Vec<_> = set.iter().collect();
        prop_assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start), "merged and in order");
        prop_assert_eq!(set.len_bytes(), model.iter().filter(|&&held| held).count() as u64);
        for offset in 0..64u64 {
            let held = model[offset as usize];
            prop_assert_eq!(set.run_end(offset).is_some(), held);
            let gap = set.first_gap(offset..64);
            let missing = (offset..64).find(|&o| !model[o as usize]);
            prop_assert_eq!(gap.as_ref().map(|gap| gap.start), missing);
            if let Some(gap) = gap {
                prop_assert!(gap.clone().all(|o| !model[o as usize]));
                prop_assert!(gap.end == 64 || model[gap.end as usize]);
            }
        }
    }
}

fn window(lookahead_bytes: u64, keep_behind_bytes: u64) -> Window {
    Window::new(WindowConfig {
        size_bytes: SIZE,
        lookahead_bytes,
        keep_behind_bytes,
        chunk_bytes: 10,
        smallest_chunk_bytes: 10,
        first_chunk_bytes: 10,
        max_in_flight: 2,
    })
}

#[test]
fn a_start_that_was_only_looked_at_costs_its_first_chunk() {
    let mut window = Window::new(WindowConfig {
        size_bytes: SIZE,
        lookahead_bytes: 100,
        keep_behind_bytes: 100,
        chunk_bytes: 20,
        smallest_chunk_bytes: 20,
        first_chunk_bytes: 8,
        max_in_flight: 2,
    });
    assert_eq!(fill(&mut window).as_slice(), std::slice::from_ref(&(0..8)));
    window.advance(3);
    assert_eq!(fill(&mut window), []);
    window.seek(SIZE - 5);
    let end = SIZE - 5..SIZE;
    assert_eq!(fill(&mut window).as_slice(), std::slice::from_ref(&end));
    window.seek(3);
    assert_eq!(
        fill(&mut window)[..2],
        [8..20, 20..40],
        "and then all goes on"
    );
}

#[test]
fn on_a_fast_link_a_fetch_takes_all_that_there_is_room_for() {
    let planned = |is_fast| {
        let mut window = window(100, 0);
        window.set_chunk_bytes(80);
        window.set_fast(is_fast);
        let first = fill(&mut window);
        window.advance(60);
        (first, fill(&mut window))
    };
    let (first, then) = planned(false);
    assert_eq!(first, [0..50, 50..100], "half of it at most");
    assert_eq!(then.as_slice(), std::slice::from_ref(&(100..150)));
    let (first, then) = planned(true);
    assert_eq!(first.as_slice(), std::slice::from_ref(&(0..80)));
    assert_eq!(then.as_slice(), std::slice::from_ref(&(80..160)));
}

#[test]
fn the_start_comes_in_while_the_reader_looks_for_an_index_elsewhere() {
    let mut window = Window::new(WindowConfig {
        size_bytes: SIZE,
        lookahead_bytes: 100,
        keep_behind_bytes: 100,
        chunk_bytes: 20,
        smallest_chunk_bytes: 20,
        first_chunk_bytes: 50,
        max_in_flight: 2,
    });
    let start = window.next_fetch().unwrap();
    assert_eq!(start.range, 0..50);
    assert!(window.next_fetch().is_none(), "it was only looked at");
    assert!(window.received(start.id, piece(0..8)));
    window.advance(8);
    window.seek(SIZE - 5);
    assert_eq!(window.take_stale(), []);
    let index = window.next_fetch().unwrap();
    assert_eq!(index.range, SIZE - 5..SIZE);
    assert!(window.received(start.id, piece(8..50)));
    window.seek(8);
    assert_eq!(window.peek().unwrap().len(), 42);
}

/// Delivers every fetch whole until there is none.
fn fill(window: &mut Window) -> Vec<Range<u64>> {
    let mut fetched = Vec::new();
    while let Some(fetch) = window.next_fetch() {
        assert!(window.received(fetch.id, piece(fetch.range.clone())));
        window.finished(fetch.id);
        fetched.push(fetch.range);
    }
    fetched
}

#[test]
fn no_more_than_the_look_ahead_is_fetched() {
    let mut window = window(35, 0);
    assert_eq!(fill(&mut window), [0..10, 10..20, 20..30]);
    window.advance(4);
    assert_eq!(
        fill(&mut window),
        Vec::<Range<u64>>::new(),
        "half a chunk is not worth a request"
    );
    window.advance(1);
    assert_eq!(fill(&mut window), [Range { start: 30, end: 40 }]);
}

#[test]
fn a_seek_gives_up_what_it_left_and_asks_for_what_it_found() {
    let mut window = window(30, 0);
    let (first, second) = (window.next_fetch().unwrap(), window.next_fetch().unwrap());
    assert!(window.next_fetch().is_none());
    window.seek(205);
    assert_eq!(window.take_stale(), [first.id, second.id]);
    assert!(
        !window.received(first.id, piece(0..10)),
        "what comes late is not wanted"
    );
    assert_eq!(
        window.next_fetch().unwrap().range,
        205..210,
        "up to the next chunk's boundary"
    );
}

#[test]
fn what_was_jumped_to_comes_alone_until_some_of_it_is_there() {
    let mut window = window(100, 50);
    window.seek(204);
    let target = window.next_fetch().unwrap();
    assert_eq!(target.range, 204..210);
    assert_eq!(window.next_fetch(), None);
    window.received(target.id, piece(204..206));
    assert_eq!(window.next_fetch().unwrap().range, 210..220);
    // Where a request costs more than the bytes that come beside it, both go out at once.
    window.set_fast(true);
    window.seek(304);
    let _ = window.take_stale();
    assert_eq!(window.next_fetch().unwrap().range.start, 304);
    assert!(window.next_fetch().is_some());
}

#[test]
fn asking_for_the_length_costs_nothing() {
    let mut window = window(30, 0);
    let fetch = window.next_fetch().unwrap();
    window.seek(SIZE);
    assert_eq!(window.take_stale(), []);
    assert!(window.next_fetch().is_none());
    window.seek(0);
    assert_eq!(window.take_stale(), []);
    assert!(window.received(fetch.id, piece(0..10)));
}

#[test]
fn the_byte_needed_now_does_not_wait_for_those_needed_later() {
    let mut window = window(60, 0);
    window.seek(40);
    let near = window.next_fetch().unwrap();
    window.received(near.id, piece(40..41));
    let far = window.next_fetch().unwrap();
    window.seek(20);
    assert_eq!(
        window.take_stale(),
        [far.id],
        "the farther fetch gives its slot"
    );
    assert_eq!(window.next_fetch().unwrap().range, 20..30);
    assert!(window.is_in_flight(near.id));
}

#[test]
fn what_is_near_is_kept_and_what_is_far_goes_first() {
    let mut window = window(20, 20);
    fill(&mut window);
    window.seek(300);
    fill(&mut window);
    assert_eq!(
        window.held().iter().collect::<Vec<_>>(),
        [0..20, 300..320],
        "both fit the budget"
    );
    window.seek(340);
    fill(&mut window);
    assert_eq!(
        window.held().iter().collect::<Vec<_>>(),
        [300..320, 340..360],
        "the farthest went"
    );
}

#[test]
fn a_failure_ahead_waits_until_the_reader_gets_there() {
    let mut window = window(40, 0);
    let first = window.next_fetch().unwrap();
    let second = window.next_fetch().unwrap();
    assert!(!window.failed(second.id), "not the reader's yet");
    assert!(window.received(first.id, piece(0..10)));
    window.finished(first.id);
    assert!(
        window.next_fetch().is_none(),
        "it is not hammered meanwhile"
    );
    window.advance(10);
    window.needed_now();
    let again = window.next_fetch().unwrap();
    assert_eq!(again.range, 10..20);
    assert!(window.failed(again.id), "now it is");
}
