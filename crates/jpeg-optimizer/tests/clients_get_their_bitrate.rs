//! A client's quality at its bounds, without a target, and what is said of it.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use frame_buffer::FrameId;
use jpeg_optimizer::{
    Bitrate, ClientConfig, ClientQuality, ModelBased, Quality, QualityPolicy, SentFrame, SizeModel,
    Stepwise,
};

type MakePolicy = fn() -> Box<dyn QualityPolicy>;

const POLICIES: [MakePolicy; 2] = [
    || Box::new(Stepwise::new()),
    || Box::new(ModelBased::new(Arc::new(SizeModel::new()))),
];

/// A client of pictures that all have `bytes` at quality 70, half at 30 and twice at 90, after 20 s at 30 fps.
fn after_20_s(target: Option<u64>, policy: Box<dyn QualityPolicy>) -> ClientQuality {
    let mut client = ClientQuality::new(ClientConfig::default(), policy);
    client.set_target(target.map(|bps| Bitrate::new(bps).unwrap()));
    send_20_s(&mut client);
    client
}

fn send_20_s(client: &mut ClientQuality) {
    send_20_s_from(client, std::time::Instant::now());
}

fn send_20_s_from(client: &mut ClientQuality, start: std::time::Instant) {
    for number in 0..600 {
        let at = start + std::time::Duration::from_micros(33_333 * number);
        let Some(quality) = client.next_quality(at) else {
            continue;
        };
        let length = |quality: f64| 20_000.0 * 2_f64.powf((quality - 70.0) / 30.0);
        client.sent(SentFrame {
            frame: FrameId(number),
            at,
            bytes: length(f64::from(quality.get())) as usize,
            quality,
        });
    }
}

#[test]
fn a_target_out_of_reach_gets_the_nearest_there_is() {
    for make in POLICIES {
        let least = after_20_s(Some(100_000), make()).stats();
        let most = after_20_s(Some(900_000_000), make()).stats();
        assert_eq!((least.quality.get(), most.quality.get()), (30, 90));
        let none = after_20_s(None, make()).stats();
        assert_eq!((none.quality.get(), none.quality_changes), (70, 0));
        assert!((none.bitrate_bps / 4_800_000.0 - 1.0).abs() < 0.01);
    }
}

/// 20,000 B at quality 70 are 8,000 at 30: 1.9 Mbit/s at 30 fps. The stepwise policy takes a second to get there.
#[test]
fn below_the_worst_quality_frames_are_left_out_and_the_bitrate_is_the_target() {
    for make in POLICIES {
        for (target, left_out) in [(1_000_000, 255..=300), (100_000, 530..=575)] {
            let stats = after_20_s(Some(target), make()).stats();
            assert!(left_out.contains(&stats.frames_left_out), "{stats:?}");
            assert_eq!(stats.frames + stats.frames_left_out, 600);
            let ratio = stats.bitrate_bps / target as f64;
            assert!((ratio - 1.0).abs() < 0.1, "{stats:?}");
            assert_eq!(stats.quality.get(), 30, "quality does not swing");
            assert!(stats.quality_changes <= 2, "{stats:?}");
        }
        let enough = after_20_s(Some(2_200_000), make()).stats();
        assert_eq!(enough.frames_left_out, 0, "{enough:?}");
    }
}

/// What a client got before it had a target is no debt: it would see nothing for seconds. The stream's sizes are known, as
/// they are where others watch it.
#[test]
fn a_first_target_below_the_worst_quality_leaves_no_gap() {
    let sizes = Arc::new(SizeModel::new());
    sizes.learn(FrameId(0), Quality::default(), 20_000);
    let policy = Box::new(ModelBased::new(sizes));
    let mut client = ClientQuality::new(ClientConfig::default(), policy);
    let start = std::time::Instant::now();
    send_20_s_from(&mut client, start);
    client.set_target(Some(Bitrate::new(1_000_000).unwrap()));
    send_20_s_from(&mut client, start + std::time::Duration::from_secs(20));
    let stats = client.stats();
    assert!(stats.frames >= 600 + 290, "{stats:?}");
}

#[test]
fn what_is_reached_is_said_in_figures() {
    for make in POLICIES {
        let stats = after_20_s(Some(3_500_000), make()).stats();
        assert_eq!(stats.frames, 600);
        assert!(
            (stats.bitrate_bps / 3_500_000.0 - 1.0).abs() < 0.1,
            "{stats:?}"
        );
        assert!(stats.bitrate_variance_ratio < 0.1, "{stats:?}");
        let per_second = stats.quality_changes / 20;
        assert!((1..=15).contains(&per_second), "{stats:?}");
    }
}

#[test]
fn a_lower_floor_serves_a_lower_target() {
    for make in POLICIES {
        let mut client = after_20_s(Some(100_000), make());
        for floor in [10, 60] {
            client.set_floor(Quality::new(floor).unwrap());
            send_20_s(&mut client);
            assert_eq!(client.stats().quality.get(), floor);
        }
    }
}

/// A frame at one quality goes to many clients, and is learned from once.
#[test]
fn a_frame_is_learned_once_for_each_quality() {
    let (once, often) = (SizeModel::new(), SizeModel::new());
    let [low, high] = [50, 90].map(|quality| Quality::new(quality).unwrap());
    for number in 0..40 {
        let bytes = 10_000 + 500 * number as usize;
        for (quality, bytes) in [(low, bytes), (high, 3 * bytes)] {
            once.learn(FrameId(number), quality, bytes);
            for lag in [0, 0, 0, number.min(3)] {
                often.learn(FrameId(number - lag), quality, bytes);
            }
        }
    }
    for quality in [low, Quality::default(), high] {
        let [a, b] = [&once, &often].map(|model| model.bytes(quality).unwrap());
        assert!((a - b).abs() < 1e-6, "{a} and {b} at {quality}");
    }
    let high = once.bytes(high).unwrap();
    assert!((high / (3.0 * 29_500.0) - 1.0).abs() < 0.15, "{high}");
}
