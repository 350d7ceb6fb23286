//! Any `Range` header for a content of any size: parts within it, none empty, none touching another, no more than are served.
#![no_main]

#[path = "../../crates/stream-service/src/controller/ipfs/range_header.rs"]
mod range_header;

use libfuzzer_sys::fuzz_target;
use range_header::{MAX_PARTS, Wanted, wanted};

fuzz_target!(|input: (u64, &str)| {
    let (size_bytes, value) = input;
    let Wanted::Parts(parts) = wanted(value, size_bytes) else {
        return;
    };
    assert!((1..=MAX_PARTS).contains(&parts.len()));
    for (at, part) in parts.iter().enumerate() {
        assert!(part.start < part.end && part.end <= size_bytes);
        let touches =
            |other: &std::ops::Range<u64>| other.start <= part.end && part.start <= other.end;
        assert!(!parts[..at].iter().any(touches));
    }
});
