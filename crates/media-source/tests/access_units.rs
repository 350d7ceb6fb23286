//! A video's own access units are all there, each keyframe can be begun at, and they decode to what the video shows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod common;

use std::io::Cursor;
use std::process::Command;

use bytes::Bytes;
use common::mux::{Mux, avc_entry, encode_pattern, length_prefixed};
use common::{SMALL, frames, have, number, open, packed, pattern_jpegs, shared_clip};
use frame_buffer::{FramePool, VideoFrame};
use media_source::{
    AccessUnit, AccessUnits, DecodeError, DecodedUnit, H264Decoder, MAX_GROUP_UNITS, OpenError,
    open_access_units,
};

fn open_units(bytes: Vec<u8>) -> Result<AccessUnits, OpenError> {
    let len = bytes.len() as u64;
    open_access_units(Box::new(Cursor::new(bytes)), len, "clip")
}

fn units(bytes: Vec<u8>) -> Vec<AccessUnit> {
    let mut source = open_units(bytes).unwrap();
    std::iter::from_fn(|| source.next_unit().unwrap()).collect()
}

/// What comes out of a fresh decoder, which is never told of an end.
fn decoded(units: &[AccessUnit]) -> Vec<DecodedUnit> {
    let mut decoder = H264Decoder::new(FramePool::new(4)).unwrap();
    units.iter().flat_map(|unit| decoder.decode(unit)).collect()
}

/// The same pictures at the same times as `expected` from its frame `from` on.
fn assert_shows(decoded: &[DecodedUnit], expected: &[VideoFrame], from: usize) {
    assert_eq!(decoded.len(), expected.len() - from);
    for (unit, frame) in decoded.iter().zip(&expected[from..]) {
        assert_eq!(unit.presentation_index, frame.id.0);
        assert_eq!(unit.pts, frame.pts);
        assert_eq!(unit.duration, frame.duration);
        let picture = unit.picture.as_ref().unwrap();
        assert_eq!(packed(picture), packed(&frame.picture), "{}", frame.id.0);
        assert_eq!(picture.range(), frame.picture.range());
    }
}

/// Every unit is there, and from every keyframe on they decode to the video's frames.
fn assert_same_video(bytes: Vec<u8>) -> usize {
    let expected = frames(&mut *open(bytes.clone()).unwrap());
    let units = units(bytes);
    assert_eq!(units.len(), expected.len());
    let indices: Vec<u64> = units.iter().map(|unit| unit.index).collect();
    assert_eq!(indices, (0..units.len() as u64).collect::<Vec<_>>());
    assert!(units[0].keyframe);
    let keyframes: Vec<usize> = (0..units.len()).filter(|&at| units[at].keyframe).collect();
    // In a video of keyframes alone, some must do.
    for &keyframe in keyframes.iter().step_by(keyframes.len().div_ceil(6)) {
        assert_shows(&decoded(&units[keyframe..]), &expected, keyframe);
    }
    keyframes.len()
}

#[test]
fn each_keyframe_is_a_place_to_begin() {
    let clip = encode_pattern(SMALL, 40, 12);
    for per_fragment in [0, 12, 9] {
        let mut mux = Mux::h264(&clip);
        mux.per_fragment = per_fragment;
        assert_eq!(assert_same_video(mux.write()), 4, "{per_fragment}");
    }
}

#[test]
fn nothing_is_kept_back_where_nothing_is_reordered() {
    let units = units(Mux::h264(&encode_pattern(SMALL, 10, 10)).write());
    let mut decoder = H264Decoder::new(FramePool::new(4)).unwrap();
    for unit in &units {
        let left = decoder.decode(unit);
        assert_eq!(left.len(), 1);
        assert_eq!(
            u64::from(number(left[0].picture.as_ref().unwrap())),
            unit.index
        );
    }
}

#[test]
fn parameter_sets_from_within_the_stream_are_repeated() {
    let clip = encode_pattern(SMALL, 12, 4);
    let mut mux = Mux::h264(&clip);
    mux.entry = avc_entry(b"avc3", &clip, 4, false);
    let sets = length_prefixed(&[clip.sps.clone(), clip.pps.clone()], 4);
    mux.samples[0].data.splice(0..0, sets);
    assert_eq!(assert_same_video(mux.write()), 3);
}

#[test]
fn a_damaged_unit_costs_its_picture_and_is_counted() {
    let mut mux = Mux::h264(&encode_pattern(SMALL, 15, 5));
    mux.samples[7].data[0] = 0x7f;
    let units = units(mux.write());
    assert_eq!(units.len(), 15);
    assert_eq!(units[7].payload[..], [0, 0, 0, 1, 9, 0xf0]);
    let decoded = decoded(&units);
    let indices: Vec<u64> = decoded.iter().map(|it| it.presentation_index).collect();
    assert_eq!(indices, (0..15).collect::<Vec<_>>());
    for (index, unit) in decoded.iter().enumerate() {
        match &unit.picture {
            Ok(picture) => assert_eq!(number(picture), index as u32),
            Err(_) => assert!((7..10).contains(&index), "{index}"),
        }
    }
    assert!(decoded[7].picture.is_err());
}

#[test]
fn whatever_order_units_come_in_each_has_one_outcome() {
    let units = units(Mux::h264(&encode_pattern(SMALL, 12, 6)).write());
    for seed in 0..30_u64 {
        let mut shuffled = units.clone();
        let mut state = seed * 2 + 1;
        for at in (1..shuffled.len()).rev() {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        shuffled.truncate(8 + seed as usize % 5);
        let mut decoder = H264Decoder::new(FramePool::new(4)).unwrap();
        let mut left: Vec<_> = shuffled.iter().flat_map(|it| decoder.decode(it)).collect();
        left.extend(decoder.flush());
        let mut indices: Vec<u64> = left.iter().map(|it| it.presentation_index).collect();
        indices.sort_unstable();
        let mut expected: Vec<u64> = shuffled.iter().map(|it| it.presentation_index).collect();
        expected.sort_unstable();
        assert_eq!(indices, expected, "seed {seed}");
    }
}

#[test]
fn noise_is_an_error_and_not_the_end() {
    let mut units = units(Mux::h264(&encode_pattern(SMALL, 6, 3)).write());
    units[1].payload = Bytes::from_static(&[0, 0, 1, 0x67, 0xff, 0, 0, 1, 0x41, 1, 2, 3]);
    let decoded = decoded(&units);
    assert_eq!(decoded.len(), 6);
    assert!(decoded[1].picture.is_err());
    assert!(decoded[3..].iter().all(|it| it.picture.is_ok()));
}

#[test]
fn a_video_that_cannot_be_sent_as_it_is_says_what_can() {
    let said = |result: Result<AccessUnits, OpenError>, texts: &[&str]| {
        let error = result.err().expect("it has none").to_string();
        for text in texts {
            assert!(error.contains(text), "{error}");
        }
    };
    let jpeg = pattern_jpegs(1).remove(0);
    said(open_units(jpeg), &["clip", "it is JPEG", "--encoding jpeg"]);
    let mut hidden = Mux::h264(&encode_pattern(SMALL, 6, 6));
    hidden.edit = Some(2000);
    said(
        open_units(hidden.write()),
        &["edit list hides", "--encoding jpeg"],
    );
    said(open_units(b"no video at all".to_vec()), &["not a video"]);
    let mut high_10 = encode_pattern(SMALL, 2, 2);
    high_10.sps = vec![0x67, 110, 0, 30, 0xa6, 0xcd, 0x94, 0x16, 0x9b, 0x20];
    if let Err(error) = open_units(Mux::h264(&high_10).write()) {
        assert!(error.to_string().contains("cannot be decoded"), "{error}");
    }
}

#[test]
fn a_group_without_end_and_a_wild_order_are_refused_where_they_show() {
    let clip = encode_pattern(SMALL, MAX_GROUP_UNITS + 2, 100_000);
    let mut source = open_units(Mux::h264(&clip).write()).unwrap();
    for _ in 0..MAX_GROUP_UNITS {
        source.next_unit().unwrap().unwrap();
    }
    let error = source.next_unit().unwrap_err();
    assert!(matches!(&error, DecodeError::NotAsCoded { index, .. } if index.0 == MAX_GROUP_UNITS));
    assert!(error.to_string().contains("no keyframe for"), "{error}");
    assert!(source.next_unit().unwrap().is_none(), "that was its end");

    let mut mux = Mux::h264(&encode_pattern(SMALL, 40, 40));
    mux.samples[3].shift = 30_000;
    let mut source = open_units(mux.write()).unwrap();
    let error = std::iter::repeat_with(|| source.next_unit()).find_map(Result::err);
    let error = error.unwrap().to_string();
    assert!(error.contains("places from where it is decoded"), "{error}");
}

#[test]
fn the_shared_clips_decode_to_the_same_frames() {
    for name in ["car-detection.mp4", "bottle-detection.mp4"] {
        let Some(path) = shared_clip(name) else {
            return;
        };
        let bytes = std::fs::read(&path).unwrap();
        let mut video = open(bytes.clone()).unwrap();
        let mut source = open_units(bytes).unwrap();
        let mut decoder = H264Decoder::new(FramePool::new(4)).unwrap();
        let mut count = 0;
        while let Some(unit) = source.next_unit().unwrap() {
            for unit in decoder.decode(&unit) {
                let frame = video.next_frame().unwrap().unwrap();
                assert_eq!((unit.presentation_index, unit.pts), (frame.id.0, frame.pts));
                assert_eq!(
                    packed(&unit.picture.unwrap()),
                    packed(&frame.picture),
                    "{count}"
                );
                count += 1;
            }
        }
        assert!(
            video.next_frame().unwrap().is_none(),
            "{name}: {count} frames"
        );
    }
}

/// x264's ways of reordering: every keyframe is a place to begin, and no end needs to be told.
#[test]
fn reordered_streams_decode_from_each_keyframe() {
    if !have("ffmpeg") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for options in [
        "bframes=0:weightp=2:keyint=25",
        "bframes=3:b-adapt=0:keyint=30",
        "bframes=7:b-pyramid=normal:b-adapt=0:keyint=25:ref=4",
        "bframes=5:b-pyramid=strict:open-gop=1:keyint=20",
        "bframes=16:b-adapt=0:keyint=60",
        "slices=4:bframes=2:weightp=2:8x8dct=1:keyint=24",
        "keyint=1",
    ] {
        for flags in ["+faststart", "+frag_keyframe+empty_moov"] {
            let path = dir.path().join("clip.mp4");
            let status = Command::new("ffmpeg")
                .args(["-y", "-v", "error", "-f", "lavfi", "-i"])
                .arg("testsrc2=size=322x182:rate=30000/1001:duration=3")
                .args(["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "fast"])
                .args(["-x264-params", options, "-movflags", flags])
                .arg(&path)
                .status()
                .unwrap();
            assert!(status.success());
            let keyframes = assert_same_video(std::fs::read(&path).unwrap());
            assert!(keyframes > 0, "{options}");
        }
    }
}
