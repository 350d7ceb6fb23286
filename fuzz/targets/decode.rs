//! Any bytes into the decoder: what it takes can be said again and means the same.
#![no_main]

use datachannel_transport::limits::MAX_STATS_ENTRIES;
use datachannel_transport::wire::{decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(envelope) = decode(bytes) else {
        return;
    };
    let mut again = Vec::new();
    encode(envelope.epoch, &envelope.message, &mut again);
    assert_eq!(decode(&again).as_ref(), Ok(&envelope));
    // At its shortest it is a fixed point.
    let mut third = Vec::new();
    encode(envelope.epoch, &envelope.message, &mut third);
    assert_eq!(again, third);
    // A statistic may come as an integer of one byte, and is said as a float of nine.
    let most = bytes.len() + 8 * MAX_STATS_ENTRIES;
    assert!(again.len() <= most, "longer than it came");
});
