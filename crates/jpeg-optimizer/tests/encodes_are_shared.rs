//! The cache as viewers use it: at once, at several qualities and sizes, and within its bounds.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use common::picture;
use frame_buffer::{FrameId, FramePool, Picture, PictureSize, VideoFrame};
use jpeg_optimizer::{
    CacheConfig, EncodeCache, EncodeError, EncodeParams, IdentifyBy, Quality, QualityLevel,
    SameFrames, StreamKey, driver,
};
use proptest::prelude::*;

fn frame(id: u64, picture: &Picture) -> VideoFrame {
    VideoFrame {
        id: FrameId(id),
        pts: Duration::from_millis(40 * id),
        duration: Duration::from_millis(40),
        picture: picture.clone(),
    }
}

fn params(quality: u8) -> EncodeParams {
    EncodeParams {
        quality: Quality::new(quality).unwrap(),
        size: None,
    }
}

fn cache(max_frames: usize, max_bytes: usize) -> EncodeCache {
    driver::encode_cache(CacheConfig {
        max_frames,
        max_bytes,
        ..CacheConfig::default()
    })
}

#[test]
fn twenty_viewers_at_three_qualities_cost_three_encodes_per_frame() {
    const VIEWERS: usize = 20;
    const FRAMES: u64 = 30;
    let cache = driver::encode_cache(CacheConfig::default());
    let stream = StreamKey::unique();
    let source = picture(320, 180);
    let together = Barrier::new(VIEWERS);
    std::thread::scope(|scope| {
        for viewer in 0..VIEWERS {
            let (cache, source, together) = (&cache, &source, &together);
            scope.spawn(move || {
                let quality = QualityLevel::ALL[viewer % 3].into();
                let params = EncodeParams {
                    quality,
                    size: None,
                };
                for id in 0..FRAMES {
                    together.wait();
                    let frame = frame(id, source);
                    let jpeg = cache.get_or_encode(stream, &frame, params).unwrap();
                    assert_eq!(jpeg.quality, quality);
                    assert_eq!(jpeg.size, source.size());
                }
            });
        }
    });
    let stats = cache.stats();
    assert_eq!(stats.misses, 3 * FRAMES);
    assert_eq!(stats.hits, (VIEWERS as u64 - 3) * FRAMES);
    assert_eq!(stats.evicted_frames, FRAMES - 5);
    assert_eq!((stats.frames, stats.jpegs, stats.failed), (5, 15, 0));
    assert!(stats.encode_ms.p50 > 0.0 && stats.encode_ms.p99 >= stats.encode_ms.p95);
}

#[test]
fn three_qualities_of_one_size_scale_once() {
    let cache = driver::encode_cache(CacheConfig::default());
    let stream = StreamKey::unique();
    let frame = frame(0, &picture(640, 360));
    for quality in [50, 70, 90] {
        let params = EncodeParams {
            size: Some(PictureSize::new(320, 180).unwrap()),
            ..params(quality)
        };
        let jpeg = cache.get_or_encode(stream, &frame, params).unwrap();
        let decoded = image::load_from_memory(&jpeg.bytes).unwrap();
        assert_eq!((decoded.width(), decoded.height()), (320, 180));
    }
    let stats = cache.stats();
    assert_eq!((stats.misses, stats.renditions), (3, 1));
}

#[test]
fn video_range_is_expanded_once_for_all_qualities() {
    let cache = driver::encode_cache(CacheConfig::default());
    let mut source = FramePool::new(0)
        .take(PictureSize::new(64, 48).unwrap())
        .unwrap();
    source.fill([16, 128, 128]);
    let frame = frame(0, &source.freeze());
    let stream = StreamKey::unique();
    for quality in [50, 70, 90] {
        let jpeg = cache
            .get_or_encode(stream, &frame, params(quality))
            .unwrap();
        let decoded = image::load_from_memory(&jpeg.bytes).unwrap().into_luma8();
        assert!(decoded.iter().all(|&luma| luma <= 2));
    }
    assert_eq!(cache.stats().renditions, 1);
}

#[test]
fn streams_do_not_see_each_other() {
    let cache = driver::encode_cache(CacheConfig::default());
    let [a, b] = [StreamKey::unique(), StreamKey::unique()];
    let (small, large) = (frame(0, &picture(64, 48)), frame(0, &picture(128, 96)));
    let size_of = |stream, frame| {
        let jpeg = cache.get_or_encode(stream, frame, params(70)).unwrap();
        jpeg.size.width
    };
    assert_eq!((size_of(a, &small), size_of(b, &large)), (64, 128));
    assert_eq!((size_of(a, &small), size_of(b, &large)), (64, 128));
    assert_eq!((cache.stats().misses, cache.stats().hits), (2, 2));

    cache.remove_stream(a);
    assert_eq!(cache.stats().frames, 1);
    assert!(cache.get(a, &small, params(70)).is_none());
    assert!(cache.get(b, &large, params(70)).is_some());
    cache.remove_stream(b);
    assert_eq!((cache.stats().frames, cache.stats().bytes), (0, 0));
}

#[test]
fn the_least_recently_used_frame_goes_first() {
    let cache = cache(2, usize::MAX);
    let stream = StreamKey::unique();
    let source = picture(64, 48);
    let ask = |id| cache.get_or_encode(stream, &frame(id, &source), params(70));
    let held = |id| cache.get(stream, &frame(id, &source), params(70)).is_some();
    ask(0).unwrap();
    ask(1).unwrap();
    ask(0).unwrap();
    ask(2).unwrap();
    assert!(held(0) && held(2) && !held(1));
    assert_eq!(cache.stats().evicted_frames, 1);
}

#[test]
fn a_refused_request_leaves_nothing_behind() {
    let cache = driver::encode_cache(CacheConfig::default());
    let frame = frame(0, &picture(64, 48));
    for width in 65..200 {
        let params = EncodeParams {
            size: Some(PictureSize::new(width, 48).unwrap()),
            ..params(70)
        };
        let result = cache.get_or_encode(StreamKey::unique(), &frame, params);
        assert!(matches!(result, Err(EncodeError::Enlarge { .. })));
    }
    assert_eq!((cache.stats().bytes, cache.stats().frames), (0, 0));
}

/// On a clock that ticks 3 ms with every look, each piece of work takes 3 ms.
#[test]
fn work_is_timed_by_the_clock_that_is_given() {
    let ticks = Arc::new(Mutex::new(Instant::now()));
    let cache = EncodeCache::new(CacheConfig::default(), move || {
        let mut now = ticks.lock().unwrap();
        *now += Duration::from_millis(3);
        *now
    });
    let frame = frame(0, &picture(64, 48));
    let half = EncodeParams {
        size: Some(PictureSize::new(32, 24).unwrap()),
        ..params(70)
    };
    cache
        .get_or_encode(StreamKey::unique(), &frame, half)
        .unwrap();
    let stats = cache.stats();
    assert_eq!((stats.encode_ms.p50, stats.rendition_ms.p99), (3.0, 3.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn bounds_hold_after_every_request(
        max_frames in 0..6_usize,
        max_bytes in 0..60_000_usize,
        requests in proptest::collection::vec((0..8_u64, 1..=100_u8, 2..=96_u32), 1..40),
    ) {
        let cache = cache(max_frames, max_bytes);
        let stream = StreamKey::unique();
        let source = picture(96, 64);
        for &(id, quality, width) in &requests {
            let params = EncodeParams {
                size: Some(PictureSize::new(width, 64).unwrap()),
                ..params(quality)
            };
            let jpeg = cache.get_or_encode(stream, &frame(id, &source), params).unwrap();
            prop_assert_eq!(jpeg.size.width, width);
            let stats = cache.stats();
            prop_assert!(stats.frames <= max_frames, "{stats:?}");
            prop_assert!(stats.bytes <= max_bytes, "{stats:?}");
            prop_assert!(stats.frames > 0 || stats.bytes == 0, "{stats:?}");
        }
        let stats = cache.stats();
        prop_assert_eq!(stats.hits + stats.misses, requests.len() as u64);
    }
}

fn by_content() -> EncodeCache {
    driver::encode_cache(CacheConfig {
        identify_by: IdentifyBy::Content,
        ..CacheConfig::default()
    })
}

#[test]
fn a_still_picture_is_encoded_once_for_as_long_as_it_stands() {
    let cache = by_content();
    let stream = StreamKey::unique();
    let other = picture(66, 48);
    let mut bytes = Vec::new();
    for id in 0..30 {
        // A copy in other memory, as a decoder makes it.
        let still = if id == 29 {
            other.clone()
        } else {
            picture(64, 48)
        };
        let frame = frame(id, &still);
        assert!(cache.get(stream, &frame, params(70)).is_none());
        for _ in 0..4 {
            bytes.push(cache.get_or_encode(stream, &frame, params(70)).unwrap());
        }
        assert!(cache.get(stream, &frame, params(70)).is_some());
    }
    let stats = cache.stats();
    assert_eq!((stats.misses, stats.same_frames, stats.frames), (2, 28, 2));
    assert_eq!(bytes[0].bytes.as_ptr(), bytes[115].bytes.as_ptr());
    assert!(bytes[0] != bytes[119] && bytes[0].content != bytes[119].content);
    assert!(stats.hit_ratio > 0.97);
}

#[test]
fn a_client_is_not_sent_what_it_shows_already() {
    let cache = by_content();
    let stream = StreamKey::unique();
    let mut same = SameFrames::new(Duration::from_secs(1));
    let start = Instant::now();
    let mut takes = |id: u64, quality: u8, source: &Picture| {
        let frame = frame(id, source);
        let jpeg = cache
            .get_or_encode(stream, &frame, params(quality))
            .unwrap();
        same.takes(start + frame.pts, &jpeg)
    };
    let (a, b) = (picture(64, 48), picture(48, 64));
    let sent: Vec<_> = (0..60).filter(|&id| takes(id, 70, &a)).collect();
    assert_eq!(sent, [0, 25, 50]); // 40 ms a frame, once a second.
    assert!(takes(60, 90, &a) && !takes(61, 90, &a));
    assert!(takes(62, 90, &b) && takes(63, 90, &a));
    assert_eq!(same.dropped(), 58);

    let by_id = driver::encode_cache(CacheConfig::default());
    let jpeg = by_id
        .get_or_encode(stream, &frame(0, &a), params(70))
        .unwrap();
    assert!((0..3).all(|_| same.takes(start, &jpeg)));
}

#[test]
fn a_stream_whose_frames_are_dropped_allocates_no_more_for_its_jpegs() {
    let cache = driver::encode_cache(CacheConfig::default());
    let stream = StreamKey::unique();
    let source = picture(64, 48);
    let memory: std::collections::HashSet<_> = (0..100)
        .map(|id| {
            cache
                .get_or_encode(stream, &frame(id, &source), params(70))
                .unwrap()
        })
        .map(|jpeg| jpeg.bytes.as_ptr())
        .collect();
    assert!(memory.len() <= 7, "{} buffers", memory.len());
}
