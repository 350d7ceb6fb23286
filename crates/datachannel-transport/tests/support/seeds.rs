//! Which seeds a seeded test runs, on all cores, and how a failure says which one it was.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Seeds between two words on how far it is, where a range was asked for.
const SEEDS_PER_WORD: u64 = 5000;

/// The seeds of a seeded test: `FRAMEWAY_SEED=n` alone or `FRAMEWAY_SEEDS=from..to`, where one is set.
pub fn seeds(default: Range<u64>) -> Range<u64> {
    let number = |text: &str| -> u64 {
        let parsed = text.trim().parse();
        parsed.unwrap_or_else(|_| panic!("FRAMEWAY_SEED, FRAMEWAY_SEEDS: {text:?} is not a number"))
    };
    if let Ok(seed) = std::env::var("FRAMEWAY_SEED") {
        let seed = number(&seed);
        return seed..seed + 1;
    }
    match std::env::var("FRAMEWAY_SEEDS") {
        Ok(range) => match range.split_once("..") {
            Some((from, to)) => number(from)..number(to),
            None => panic!("FRAMEWAY_SEEDS={range}: write from..to"),
        },
        Err(_) => default,
    }
}

/// Runs all `seeds`, each with `run`, and adds up what they return. The first that panics is named.
pub fn each_seed<T: Default + Send>(
    name: &str,
    seeds: Range<u64>,
    run: impl Fn(u64) -> T + Sync,
    add: impl Fn(&mut T, &T) + Sync,
) -> T {
    let (next, failed) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let sum = Mutex::new(T::default());
    let failure = Mutex::new(None);
    let talks = std::env::var_os("FRAMEWAY_SEEDS").is_some();
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            match catch_unwind(AssertUnwindSafe(|| run(seed))) {
                Ok(one) => add(&mut sum.lock().unwrap(), &one),
                Err(panic) => {
                    failed.store(true, Ordering::Relaxed);
                    eprintln!("{name}: failed; FRAMEWAY_SEED={seed} replays it");
                    *failure.lock().unwrap() = Some(panic);
                }
            }
            let done = seed + 1 - seeds.start;
            if talks && (done.is_multiple_of(SEEDS_PER_WORD) || seed + 1 == seeds.end) {
                eprintln!("{name}: {done} of {} seeds", seeds.end - seeds.start);
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        (0..cores).for_each(|_| {
            scope.spawn(work);
        });
    });
    if let Some(panic) = failure.into_inner().unwrap() {
        resume_unwind(panic);
    }
    sum.into_inner().unwrap()
}
