//! Any bytes as a film: a layout whose pieces fill it and come from within the file, or a reason to leave it; the boxes of a
//! film that was put in order are in order.
#![no_main]

#[path = "../../crates/progressive-loader/src/faststart/mod.rs"]
#[allow(dead_code)]
mod faststart;

use std::ops::Range;

use faststart::{AsIs, Layout, Piece, Scan, Step};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let Ok(layout) = layout(file) else {
        return;
    };
    let whole = bytes(file, &layout, 0..layout.size_bytes());
    assert_eq!(whole.len() as u64, layout.size_bytes());
    let middle = layout.size_bytes() / 3;
    let parts = [0..middle, middle..layout.size_bytes()];
    assert_eq!(parts.map(|part| bytes(file, &layout, part)).concat(), whole);
    assert_eq!(self::layout(&whole), Err(AsIs::InOrder));
});

fn layout(file: &[u8]) -> Result<Layout, AsIs> {
    let mut scan = Scan::new(file.len() as u64);
    let mut step = scan.step();
    loop {
        match step {
            Step::Read(range) => step = scan.take(&file[range.start as usize..range.end as usize]),
            Step::Done(outcome) => return outcome,
        }
    }
}

fn bytes(file: &[u8], layout: &Layout, range: Range<u64>) -> Vec<u8> {
    let piece = |piece| match piece {
        Piece::Here(bytes) => bytes.to_vec(),
        Piece::Source(range) => file[range.start as usize..range.end as usize].to_vec(),
    };
    layout.pieces(&range).into_iter().flat_map(piece).collect()
}
