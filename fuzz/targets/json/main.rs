//! Text messages as frame-worker takes them: any text, and chunks of few frames that contradict each other, come
//! twice, or never.
#![no_main]

mod process;

use libfuzzer_sys::fuzz_target;
use process::worker::{Event, Harness};

fuzz_target!(|events: Vec<Event>| {
    let mut harness = Harness::default();
    for event in &events {
        harness.step(event);
    }
    harness.drain();
});
