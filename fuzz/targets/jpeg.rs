//! Any bytes into the JPEG decoder: a picture of the size that was declared, or an error; never beyond the limits.
#![no_main]

use std::cell::RefCell;

use frame_buffer::FramePool;
use jpeg_optimizer::{DecodeLimits, DecodeScale, JpegDecoder};
use libfuzzer_sys::fuzz_target;

/// Small, so that a run spends its time on what is in a JPEG and not on its size.
const LIMITS: DecodeLimits = DecodeLimits {
    max_pixels: 1 << 18,
    max_bytes: 4 << 20,
    max_scans: 16,
};

thread_local! {
    /// One decoder for all inputs: what one leaves behind must not harm the next.
    static DECODER: RefCell<Option<JpegDecoder>> =
        RefCell::new(JpegDecoder::with_limits(FramePool::new(4), LIMITS).ok());
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, jpeg)) = input.split_first() else {
        return;
    };
    let scale = match choice % 4 {
        0 => DecodeScale::Whole,
        1 => DecodeScale::Half,
        2 => DecodeScale::Quarter,
        _ => DecodeScale::Eighth,
    };
    DECODER.with_borrow_mut(|decoder| {
        let decoder = decoder.as_mut().expect("a decoder");
        let header = decoder.header(jpeg);
        let picture = decoder.decode_scaled(jpeg, scale);
        match (header, picture) {
            (Ok(header), Ok(picture)) => {
                assert_eq!(picture.size(), scale.apply(header.size));
                assert!(header.scans <= LIMITS.max_scans);
                let pixels = header.size.width as usize * header.size.height as usize;
                assert!(pixels <= LIMITS.max_pixels);
            }
            (Err(_), Ok(_)) => panic!("decoded what has no header"),
            (_, Err(_)) => {}
        }
    });
});
