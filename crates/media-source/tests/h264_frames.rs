//! Every frame of an H.264 MP4 comes out, in presentation order, at its true time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::time::Duration;

use common::mux::{Mux, avc_entry, encode_pattern, length_prefixed};
use common::{SMALL, assert_seamless, frames, have, millis, numbers, open, outcomes};
use frame_buffer::ColorRange;
use media_source::{DecodeError, FrameSource, Looped};

#[test]
fn every_frame_comes_out_once_with_its_number() {
    let clip = encode_pattern(SMALL, 40, 12);
    for moov_first in [true, false] {
        let mut mux = Mux::h264(&clip);
        mux.moov_first = moov_first;
        let mut source = open(mux.write()).unwrap();
        assert_eq!(source.info().frame_count, Some(40));
        assert_eq!(source.info().size, SMALL);
        assert_eq!(source.info().codec, "H.264 Constrained Baseline");
        assert!((source.info().frame_rate - 30.0).abs() < 1e-9);
        let frames = frames(&mut *source);
        assert_eq!(numbers(&frames), (0..40).collect::<Vec<_>>());
        assert_eq!(frames[0].id.0, 0);
        assert_eq!(frames[0].pts, Duration::ZERO);
        assert_eq!(frames[30].pts, Duration::from_secs(1));
        assert_eq!(frames[0].picture.range(), ColorRange::Limited);
        assert_seamless(&frames);
    }
}

#[test]
fn nal_lengths_of_two_bytes_are_read() {
    let clip = encode_pattern(SMALL, 5, 5);
    let mut source = open(Mux::h264_with_lengths(&clip, 2).write()).unwrap();
    assert_eq!(numbers(&frames(&mut *source)), [0, 1, 2, 3, 4]);
}

#[test]
fn parameter_sets_may_come_in_the_samples() {
    let clip = encode_pattern(SMALL, 5, 5);
    let mut mux = Mux::h264(&clip);
    mux.entry = avc_entry(b"avc3", &clip, 4, false);
    let sets = length_prefixed(&[clip.sps.clone(), clip.pps.clone()], 4);
    mux.samples[0].data.splice(0..0, sets);
    let mut source = open(mux.write()).unwrap();
    assert_eq!(source.info().size, SMALL);
    assert_eq!(numbers(&frames(&mut *source)), [0, 1, 2, 3, 4]);
}

#[test]
fn a_variable_frame_rate_keeps_its_times() {
    let clip = encode_pattern(SMALL, 4, 4);
    let mut mux = Mux::h264(&clip);
    for (sample, duration) in mux.samples.iter_mut().zip([3000, 300, 9000, 600]) {
        sample.duration = duration;
    }
    let mut source = open(mux.write()).unwrap();
    let frames = frames(&mut *source);
    let starts: Vec<_> = frames.iter().map(|f| f.pts).collect();
    assert_eq!(starts, [millis(0), millis(100), millis(110), millis(410)]);
    assert_eq!(frames[3].duration, millis(20));
}

#[test]
fn frames_before_the_edit_are_decoded_and_not_shown() {
    let clip = encode_pattern(SMALL, 6, 6);
    let mut mux = Mux::h264(&clip);
    mux.edit = Some(2000);
    let mut source = open(mux.write()).unwrap();
    assert_eq!(source.info().frame_count, Some(4));
    let frames = frames(&mut *source);
    assert_eq!(numbers(&frames), [2, 3, 4, 5]);
    assert_eq!((frames[0].id.0, frames[0].pts), (0, Duration::ZERO));
}

#[test]
fn a_fragmented_file_gives_every_frame_too() {
    let clip = encode_pattern(SMALL, 25, 10);
    let mut mux = Mux::h264(&clip);
    mux.per_fragment = 10;
    let mut source = open(mux.write()).unwrap();
    assert_eq!(
        source.info().frame_count,
        None,
        "its end is not known before it is read"
    );
    for _pass in 0..2 {
        let frames = frames(&mut *source);
        assert_eq!(numbers(&frames), (0..25).collect::<Vec<_>>());
        assert_seamless(&frames);
        source.rewind().unwrap();
    }
}

#[test]
fn looping_has_no_seam() {
    let clip = encode_pattern(SMALL, 7, 7);
    let mut looped = Looped::new(open(Mux::h264(&clip).write()).unwrap());
    let frames: Vec<_> = (0..21)
        .map(|_| looped.next_frame().unwrap().unwrap())
        .collect();
    assert_seamless(&frames);
    let expected: Vec<u32> = (0..21).map(|i| i % 7).collect();
    assert_eq!(numbers(&frames), expected);
}

#[test]
fn a_damaged_access_unit_costs_its_frame_and_not_the_video() {
    let clip = encode_pattern(SMALL, 20, 5);
    let mut mux = Mux::h264(&clip);
    for byte in mux.samples[7].data.iter_mut().skip(6) {
        *byte = !*byte;
    }
    let mut source = open(mux.write()).unwrap();
    let outcomes = outcomes(&mut *source);
    assert_eq!(outcomes.len(), 20, "each frame is delivered or reported");
    for (index, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(frame) => {
                assert_eq!(frame.id.0, index as u64);
                assert_eq!(common::number(&frame.picture), index as u32);
            }
            Err(DecodeError::Frame { index: id, pts, .. }) => {
                assert_eq!(id.0, index as u64);
                assert_eq!(
                    *pts,
                    Duration::from_nanos(index as u64 * 1_000_000_000 / 30)
                );
                assert!(
                    (7..10).contains(&index),
                    "frame {index} lost outside the damaged group"
                );
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(outcomes[7].is_err(), "the damaged frame is reported");
}

#[test]
fn a_sample_whose_nal_lengths_lie_costs_its_frame() {
    let clip = encode_pattern(SMALL, 10, 5);
    let mut mux = Mux::h264(&clip);
    mux.samples[9].data[0] = 0x7f;
    let mut source = open(mux.write()).unwrap();
    let outcomes = outcomes(&mut *source);
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 9);
    let error = outcomes[9].as_ref().unwrap_err().to_string();
    assert!(
        error.contains("frame #9") && error.contains("NAL unit claims"),
        "{error}"
    );
}

#[test]
fn a_cut_off_file_delivers_what_is_there_and_says_so() {
    let clip = encode_pattern(SMALL, 10, 10);
    let mut bytes = Mux::h264(&clip).write();
    let last = clip.access_units[9].iter().map(Vec::len).sum::<usize>();
    bytes.truncate(bytes.len() - last);
    let mut source = open(bytes).unwrap();
    let outcomes = outcomes(&mut *source);
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 9);
    let Some(Err(error @ DecodeError::Truncated { index, .. })) = outcomes.last() else {
        panic!("the end is not reported: {:?}", outcomes.last());
    };
    assert_eq!(index.0, 9);
    assert!(error.to_string().starts_with("clip is cut off"));
}

#[test]
fn rewinding_in_the_middle_starts_over() {
    let clip = encode_pattern(SMALL, 12, 4);
    let mut source = open(Mux::h264(&clip).write()).unwrap();
    for _ in 0..5 {
        source.next_frame().unwrap();
    }
    source.rewind().unwrap();
    let frames = frames(&mut *source);
    assert_eq!(numbers(&frames), (0..12).collect::<Vec<_>>());
    assert_eq!((frames[0].id.0, frames[0].pts), (0, Duration::ZERO));
}

/// x264's ways of reordering, against ffmpeg: pixels, count, times.
#[test]
fn reordered_streams_equal_ffmpegs_decode() {
    if !have("ffmpeg") || !have("ffprobe") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let variants = [
        ("no-b", "bframes=0:weightp=2", f64::INFINITY),
        (
            "no-direct",
            "bframes=3:b-adapt=0:keyint=30:direct=none",
            f64::INFINITY,
        ),
        ("b3", "bframes=3:b-adapt=0:keyint=30", 35.0),
        (
            "pyramid",
            "bframes=7:b-pyramid=normal:b-adapt=0:keyint=25:ref=4",
            35.0,
        ),
        (
            "strict",
            "bframes=5:b-pyramid=strict:open-gop=1:keyint=20",
            35.0,
        ),
        ("slices", "slices=4:bframes=2:weightp=2:8x8dct=1", 35.0),
        ("intra", "keyint=1", f64::INFINITY),
    ];
    for (name, options, min_psnr) in variants {
        for (container, flags) in [
            ("whole", "+faststart"),
            ("fragments", "+frag_keyframe+empty_moov"),
        ] {
            let path = dir.path().join(format!("{name}-{container}.mp4"));
            common::encode_with_x264("322x182", options, flags, &path);
            let bytes = std::fs::read(&path).unwrap();
            let mut source = open(bytes.clone()).unwrap();
            let count = common::assert_equals_ffmpeg(&mut *source, &path, min_psnr);
            assert_eq!(count, 120, "{name} {container}");
            let mut source = open(bytes).unwrap();
            let frames = frames(&mut *source);
            assert_seamless(&frames);
            let times = common::ffprobe_times(&path);
            for (frame, time) in frames.iter().zip(&times) {
                let difference = frame.pts.as_secs_f64() - (time - times[0]);
                assert!(difference.abs() < 1e-5, "{name} {container}: {difference}");
            }
        }
    }
}
