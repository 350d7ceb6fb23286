//! Pictures become H.264, one access unit each, and come back as they were.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use frame_buffer::{FramePool, Picture, PictureSize};
use media_source::{
    AccessUnit, FrameSource as _, H264Decoder, H264EncodeError, H264Encoder, PatternOptions,
    TestPattern,
};

fn pictures(size: PictureSize, count: u64) -> Vec<Picture> {
    let options = PatternOptions {
        size,
        frames: Some(count),
        ..PatternOptions::default()
    };
    let mut pattern = TestPattern::new(options, FramePool::new(2)).unwrap();
    let mut pictures = Vec::new();
    while let Some(frame) = pattern.next_frame().unwrap() {
        pictures.push(frame.picture);
    }
    pictures
}

fn size(width: u32, height: u32) -> PictureSize {
    PictureSize { width, height }
}

/// Mean difference of luma samples.
fn difference(one: &Picture, other: &Picture) -> f64 {
    let pairs = one.y().iter().zip(other.y());
    let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.y().len() as f64
}

#[test]
fn every_picture_is_one_unit_and_keyframes_come_when_asked_for() {
    let pictures = pictures(size(320, 180), 40);
    let mut encoder = H264Encoder::new(85);
    let mut decoder = H264Decoder::new(FramePool::new(4)).unwrap();
    let mut decoded = Vec::new();
    for (index, picture) in pictures.iter().enumerate() {
        let asked = index % 15 == 0;
        let made = encoder.encode(picture, asked).unwrap();
        assert_eq!(made.keyframe, asked, "{index}");
        let unit = AccessUnit {
            index: index as u64,
            presentation_index: index as u64,
            pts: Duration::from_millis(40 * index as u64),
            duration: Duration::from_millis(40),
            keyframe: made.keyframe,
            payload: made.payload,
        };
        decoded.extend(decoder.decode(&unit));
    }
    for one in decoded.iter().take(30) {
        let index = one.presentation_index as usize;
        let picture = one.picture.as_ref().unwrap();
        let apart = difference(&pictures[index], picture);
        assert!(apart < 4.0, "{index}: {apart}");
    }
    assert!(decoded.len() >= 30, "{}", decoded.len());
}

#[test]
fn quality_decides_how_many_bytes_it_takes() {
    let pictures = pictures(size(320, 180), 10);
    let bytes = |quality| {
        let mut encoder = H264Encoder::new(quality);
        let units = pictures.iter().map(|it| encoder.encode(it, false).unwrap());
        units.map(|unit| unit.payload.len()).sum::<usize>()
    };
    let [poor, good, best] = [10, 85, 100].map(bytes);
    assert!(poor < good && good < best, "{poor} {good} {best}");
}

#[test]
fn a_new_size_begins_anew_with_a_keyframe() {
    let mut encoder = H264Encoder::new(85);
    for side in [
        size(320, 180),
        size(320, 180),
        size(321, 181),
        size(320, 180),
    ] {
        let picture = &pictures(side, 1)[0];
        let unit = encoder.encode(picture, false).unwrap();
        assert!(!unit.payload.is_empty());
    }
    let small = pictures(size(320, 180), 1);
    assert!(!encoder.encode(&small[0], false).unwrap().keyframe);
    let other = pictures(size(160, 90), 1);
    assert!(encoder.encode(&other[0], false).unwrap().keyframe);
}

#[test]
fn what_it_cannot_encode_it_says() {
    let mut encoder = H264Encoder::new(85);
    let huge = pictures(size(4096, 2160), 1);
    let error = encoder.encode(&huge[0], false).unwrap_err();
    assert!(
        matches!(error, H264EncodeError::Size { width: 4096, .. }),
        "{error}"
    );
    let short = encoder.encode_i420(size(64, 64), &[0; 100], false);
    assert!(matches!(
        short,
        Err(H264EncodeError::Length { bytes: 100, .. })
    ));
    let odd = encoder.encode_i420(size(65, 64), &[0; 65 * 64 * 3 / 2], false);
    assert!(odd.is_err());
    // And goes on.
    let flat = vec![128; 64 * 64 * 3 / 2];
    assert!(
        encoder
            .encode_i420(size(64, 64), &flat, false)
            .unwrap()
            .keyframe
    );
}
