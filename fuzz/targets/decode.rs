//! Any bytes into the decoder: what it takes can be said again and means the same.
#![no_main]

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
    assert!(again.len() <= bytes.len(), "longer than it came");
});
