//! The YAML that users write, and what is said of what cannot be taken.

#![allow(clippy::unwrap_used)]

use jpeg_optimizer::{
    Bitrate, BitrateError, IdentifyBy, LadderError, Quality, StreamingConfig, StreamingConfigError,
    StreamingDocument,
};

fn read(yaml: &str) -> Result<StreamingConfig, StreamingConfigError> {
    let document: StreamingDocument = serde_saphyr::from_str(yaml).unwrap();
    document.streaming.check()
}

fn one(setting: &str) -> StreamingConfigError {
    read(&format!("Streaming:\n  {setting}\n")).unwrap_err()
}

fn quality(quality: u8) -> Quality {
    Quality::new(quality).unwrap()
}

#[test]
fn what_users_write_is_understood() {
    let config = read(
        "Streaming:\n  ENABLE_OPTIMIZER: true\n  CACHE_SIZE: 8\n  QUALITY_LEVELS: [85, 60, 40]\n  \
         ADAPTIVE_QUALITY: true\n  MIN_QUALITY: 35\n  MAX_QUALITY: 90\n  TARGET_BITRATE: 2500000\n",
    )
    .unwrap();
    assert!(config.enabled && config.adaptive);
    assert_eq!(config.cache().max_frames, 8);
    let client = config.client();
    let rungs: Vec<_> = client
        .ladder
        .within(client.range)
        .iter()
        .map(|it| it.get())
        .collect();
    assert_eq!(rungs, [35, 40, 60, 85]);
    let target = config.target().unwrap();
    assert_eq!(target.configured, Some(Bitrate::new(2_500_000).unwrap()));
    assert_eq!(target.floor, quality(35));
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = read("streaming: {}\n").unwrap();
    assert_eq!((config.cache_frames, config.target), (5, None));
    let rungs: Vec<_> = config.ladder.rungs().iter().map(|it| it.get()).collect();
    assert_eq!(rungs, [50, 70, 90]);
    assert_eq!(
        (config.range.floor(), config.range.ceiling()),
        (quality(30), quality(95))
    );
    assert_eq!(read("Streaming: {}").unwrap(), StreamingConfig::default());
    let same = read("Streaming: {DROP_SAME_FRAMES: true, CACHE_BYTES: 2097152}").unwrap();
    assert_eq!(same.cache().identify_by, IdentifyBy::Content);
    assert_eq!(same.cache().max_bytes, 2 << 20);
    let off = read("Streaming: {ENABLE_OPTIMIZER: false}").unwrap();
    assert_eq!((off.cache().max_frames, off.target()), (0, None));
    let lower = read("Streaming: {target_bitrate: 800k, adaptive_quality: false}").unwrap();
    assert_eq!(
        (lower.target, lower.target()),
        (Some(Bitrate::new(800_000).unwrap()), None)
    );
}

#[test]
fn what_cannot_be_taken_is_named() {
    use StreamingConfigError as E;
    for got in [0, 101, -1, 70_000] {
        let key = "MIN_QUALITY";
        assert_eq!(one(&format!("MIN_QUALITY: {got}")), E::Quality { key, got });
        let key = "QUALITY_LEVELS";
        assert_eq!(
            one(&format!("QUALITY_LEVELS: [90, {got}]")),
            E::Quality { key, got }
        );
    }
    assert_eq!(one("QUALITY_LEVELS: []"), E::Levels(LadderError::Empty));
    let duplicate = LadderError::Duplicate { got: quality(70) };
    assert_eq!(one("QUALITY_LEVELS: [90, 70, 70]"), E::Levels(duplicate));
    let unsorted = LadderError::Unsorted { got: quality(70) };
    assert_eq!(one("QUALITY_LEVELS: [90, 50, 70]"), E::Levels(unsorted));
    let many = LadderError::TooMany { got: 9 };
    assert_eq!(
        one("QUALITY_LEVELS: [90,80,70,60,50,45,40,35,31]"),
        E::Levels(many)
    );
    for got_bps in [0, -1, 10_000_000_000] {
        let target = E::Target(BitrateError::OutOfRange { got_bps });
        assert_eq!(one(&format!("TARGET_BITRATE: {got_bps}")), target);
    }
    assert!(matches!(
        one("TARGET_BITRATE: fast"),
        E::Target(BitrateError::Unreadable { .. })
    ));
    let rounded = E::Target(BitrateError::OutOfRange { got_bps: 3 });
    assert_eq!(one("TARGET_BITRATE: 2.5"), rounded);
    let list = serde_saphyr::from_str::<StreamingDocument>("Streaming: {TARGET_BITRATE: [1]}");
    let told = list.unwrap_err().to_string();
    assert!(told.contains("800k"), "{told}");
    let five = read("Streaming: {TARGET_BITRATE: 5e6}").unwrap().target;
    assert_eq!(five.map(Bitrate::bps), Some(5_000_000));
    for got in [0, (1 << 30) + 1] {
        assert_eq!(one(&format!("CACHE_BYTES: {got}")), E::CacheBytes { got });
    }
    for got in [0, 129, -1] {
        assert_eq!(one(&format!("CACHE_SIZE: {got}")), E::CacheSize { got });
    }
    let range = read("Streaming: {MIN_QUALITY: 80, MAX_QUALITY: 40}").unwrap_err();
    assert!(range.to_string().starts_with("MIN_QUALITY, MAX_QUALITY:"));
    // Levels that somebody wrote are within what they wrote; the default ones are moved to it.
    assert!(read("Streaming: {MIN_QUALITY: 60}").is_ok());
    let outside = one("QUALITY_LEVELS: [90, 50]\n  MIN_QUALITY: 60").to_string();
    assert!(
        outside.contains("50 is outside of MIN_QUALITY 60"),
        "{outside}"
    );
}

#[test]
fn unknown_keys_and_kinds_are_refused() {
    for yaml in [
        "Streaming: {CACHE_SIZ: 5}",
        "Streaming: {CACHE_SIZE: many}",
        "Streaming: {QUALITY_LEVELS: 70}",
        "Streem: {}",
        "[]",
    ] {
        assert!(
            serde_saphyr::from_str::<StreamingDocument>(yaml).is_err(),
            "{yaml}"
        );
    }
}
