//! Whatever the bytes are: no panic, an end, and bounded memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]
#![allow(unsafe_code, reason = "the counting allocator")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use common::mux::{Mux, MuxSample, encode_pattern, visual_entry};
use common::{SMALL, open, outcomes, pattern_jpegs};
use testkit::Rng;

/// Refuses single allocations that no small file can justify. libjpeg-turbo and openh264 have allocators of
/// their own and are not seen here.
struct Guard;

static LARGEST_BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system allocator's; only sizes are noted.
unsafe impl GlobalAlloc for Guard {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST_BYTES.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST_BYTES.fetch_max(size, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static GUARD: Guard = Guard;

/// The largest list of samples (2^22 of 32 bytes), the largest that a damaged count may ask for.
const LARGEST_ALLOWED_BYTES: usize = 128 << 20;

/// Opens and plays; whatever comes, it must come to an end, and every error must name the input.
fn try_to_play(bytes: Vec<u8>) -> usize {
    match open(bytes) {
        Err(error) => {
            assert!(error.to_string().contains("clip"), "{error}");
            0
        }
        Ok(mut source) => {
            let outcomes = outcomes(&mut *source);
            for error in outcomes.iter().filter_map(|o| o.as_ref().err()) {
                assert!(error.to_string().contains("clip"), "{error}");
            }
            outcomes.iter().filter(|o| o.is_ok()).count()
        }
    }
}

fn small_h264(per_fragment: usize, moov_first: bool) -> Vec<u8> {
    let mut mux = Mux::h264(&encode_pattern(SMALL, 4, 2));
    mux.per_fragment = per_fragment;
    mux.moov_first = moov_first;
    mux.edit = Some(0);
    mux.write()
}

fn small_mjpeg() -> Vec<u8> {
    let samples = pattern_jpegs(3).into_iter().map(|data| MuxSample {
        data,
        duration: 1,
        shift: 0,
    });
    let mux = Mux {
        size: SMALL,
        timescale: 25,
        entry: visual_entry(b"jpeg", SMALL, &[]),
        samples: samples.collect(),
        sync: None,
        edit: None,
        moov_first: true,
        per_fragment: 0,
        handler: *b"vide",
    };
    mux.write()
}

fn small_avi() -> Vec<u8> {
    let chunk = |id: &[u8], body: Vec<u8>| {
        [
            id,
            &(body.len() as u32).to_le_bytes(),
            &body,
            &vec![0; body.len() % 2],
        ]
        .concat()
    };
    let mut strh = b"vidsMJPG".to_vec();
    strh.extend([0; 12]);
    strh.extend([1_u32, 25, 0, 3].map(u32::to_le_bytes).concat());
    let mut strf = vec![0; 40];
    strf[16..20].copy_from_slice(b"MJPG");
    let strl = [b"strl".to_vec(), chunk(b"strh", strh), chunk(b"strf", strf)].concat();
    let hdrl = [b"hdrl".to_vec(), chunk(b"LIST", strl)].concat();
    let frames = pattern_jpegs(3)
        .into_iter()
        .map(|jpeg| chunk(b"00dc", jpeg));
    let movi = [b"movi".to_vec(), frames.collect::<Vec<_>>().concat()].concat();
    chunk(
        b"RIFF",
        [b"AVI ".to_vec(), chunk(b"LIST", hdrl), chunk(b"LIST", movi)].concat(),
    )
}

fn small_multipart() -> Vec<u8> {
    let mut dump = Vec::new();
    for (i, jpeg) in pattern_jpegs(3).iter().enumerate() {
        dump.extend(b"--b\r\nContent-Type: image/jpeg\r\n");
        if i != 1 {
            dump.extend(format!("Content-Length: {}\r\n", jpeg.len()).into_bytes());
        }
        dump.extend(b"\r\n");
        dump.extend(jpeg);
        dump.extend(b"\r\n");
    }
    dump
}

fn samples() -> Vec<(&'static str, Vec<u8>, usize)> {
    vec![
        ("moov first", small_h264(0, true), 4),
        ("moov last", small_h264(0, false), 4),
        ("fragments", small_h264(2, true), 4),
        ("mjpeg in mp4", small_mjpeg(), 3),
        ("avi", small_avi(), 3),
        ("multipart", small_multipart(), 3),
        ("jpegs", pattern_jpegs(3).concat(), 3),
    ]
}

#[test]
fn truncation_anywhere_is_an_error_or_fewer_frames() {
    for (name, bytes, frames) in samples() {
        assert_eq!(try_to_play(bytes.clone()), frames, "{name}: whole");
        // Every length near the start, where the structure is, then in steps through the data.
        let ends = (0..bytes.len()).filter(|end| *end < 1500 || end % 97 == 0);
        for end in ends {
            let delivered = try_to_play(bytes[..end].to_vec());
            assert!(
                delivered <= frames,
                "{name}: {delivered} frames of {end} bytes"
            );
        }
    }
    let largest = LARGEST_BYTES.load(Ordering::Relaxed);
    assert!(largest <= LARGEST_ALLOWED_BYTES, "{largest} bytes at once");
}

#[test]
fn damage_anywhere_is_survived() {
    for (name, bytes, _) in samples() {
        for seed in 0..400 {
            let mut rng = Rng::new(seed);
            let mut damaged = bytes.clone();
            // Half of the runs damage the structure near the start only.
            let reach = if seed % 2 == 0 {
                bytes.len()
            } else {
                bytes.len().min(1500)
            } as u64;
            for _ in 0..=rng.below(8) {
                let at = rng.below(reach) as usize;
                damaged[at] = match rng.below(4) {
                    0 => 0xff,
                    1 => 0,
                    2 => damaged[at] ^ 1 << rng.below(8),
                    _ => rng.below(256) as u8,
                };
            }
            let played = std::panic::catch_unwind(|| try_to_play(damaged));
            assert!(played.is_ok(), "{name}: seed {seed}");
        }
    }
    let largest = LARGEST_BYTES.load(Ordering::Relaxed);
    assert!(largest <= LARGEST_ALLOWED_BYTES, "{largest} bytes at once");
}

#[test]
fn counts_that_cannot_be_true_take_no_memory() {
    let bytes = small_h264(0, true);
    for kind in [
        b"stsz", b"stts", b"ctts", b"stsc", b"stco", b"elst", b"stsd",
    ] {
        let at = bytes.windows(4).position(|w| w == kind).unwrap();
        // The count stands after version and flags; stsz has the common size before it.
        for offset in [8, 12] {
            for value in [u32::MAX, 0x7fff_ffff, 0x0040_0000] {
                let mut damaged = bytes.clone();
                let field = at + offset..at + offset + 4;
                damaged[field].copy_from_slice(&value.to_be_bytes());
                try_to_play(damaged);
            }
        }
    }
    let fragments = small_h264(2, true);
    let trun = fragments.windows(4).position(|w| w == b"trun").unwrap();
    for flags in [0_u32, 0x0100_0000] {
        let mut damaged = fragments.clone();
        damaged[trun + 4..trun + 8].copy_from_slice(&flags.to_be_bytes());
        damaged[trun + 8..trun + 12].fill(0xff);
        try_to_play(damaged);
    }
    let largest = LARGEST_BYTES.load(Ordering::Relaxed);
    assert!(largest <= LARGEST_ALLOWED_BYTES, "{largest} bytes at once");
}
