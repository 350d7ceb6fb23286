//! The optimizer's settings as a configuration file has them, checked.
//!
//! Fed by YAML or TOML through serde, in the spelling that users of such optimizers know (`Streaming:` with
//! `CACHE_SIZE` and the like) or in lower case; feeds the cache's and the clients' configuration. Nothing is used
//! before all of it was checked.

use serde::Deserialize;

use crate::{
    Bitrate, BitrateError, CacheConfig, ClientConfig, IdentifyBy, LadderError, Quality,
    QualityLadder, QualityRange, RangeError, RawBitrate, TargetConfig,
};

/// Most frames that a cache may be told to hold: at 1280x720 they come to 100 MB.
pub const MAX_CACHE_FRAMES: i64 = 128;
/// Fewest bytes that a cache may be told to hold: a frame of 1280x720 and its rendition do not fit into less.
pub const MIN_CACHE_BYTES: i64 = 1 << 20;
/// Most bytes that a cache may be told to hold: 1 GiB.
pub const MAX_CACHE_BYTES: i64 = 1 << 30;

/// The document around the settings: `Streaming: {…}`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamingDocument {
    /// The settings.
    #[serde(rename = "Streaming", alias = "streaming")]
    pub streaming: RawStreamingConfig,
}

/// The settings as they were written. What is left out has its default.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawStreamingConfig {
    /// Whether encodes are shared and qualities adapted; default true.
    #[serde(rename = "ENABLE_OPTIMIZER", alias = "enable_optimizer")]
    pub enable_optimizer: Option<bool>,
    /// Frames in the cache: 1 to [`MAX_CACHE_FRAMES`]; default 5.
    #[serde(rename = "CACHE_SIZE", alias = "cache_size")]
    pub cache_size: Option<i64>,
    /// Bytes in the cache: 1 MiB to [`MAX_CACHE_BYTES`]; default 16 MiB.
    #[serde(rename = "CACHE_BYTES", alias = "cache_bytes")]
    pub cache_bytes: Option<i64>,
    /// Whether frames that show what the one before showed are found by their content and left out; default false.
    #[serde(rename = "DROP_SAME_FRAMES", alias = "drop_same_frames")]
    pub drop_same_frames: Option<bool>,
    /// The ladder: 1 to 8 qualities, best or worst first; default 90, 70, 50.
    #[serde(rename = "QUALITY_LEVELS", alias = "quality_levels")]
    pub quality_levels: Option<Vec<i64>>,
    /// Whether each client's quality follows its bitrate; default true.
    #[serde(rename = "ADAPTIVE_QUALITY", alias = "adaptive_quality")]
    pub adaptive_quality: Option<bool>,
    /// The floor: 1 to 100; default 30.
    #[serde(rename = "MIN_QUALITY", alias = "min_quality")]
    pub min_quality: Option<i64>,
    /// The ceiling: 1 to 100; default 95.
    #[serde(rename = "MAX_QUALITY", alias = "max_quality")]
    pub max_quality: Option<i64>,
    /// Each client's bitrate: bits per second, or `800k`, `2.5M`; default: what its link carries.
    #[serde(rename = "TARGET_BITRATE", alias = "target_bitrate")]
    pub target_bitrate: Option<RawBitrate>,
}

/// Checked settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamingConfig {
    /// Whether encodes are shared and qualities adapted.
    pub enabled: bool,
    /// Frames in the cache.
    pub cache_frames: usize,
    /// Bytes in the cache.
    pub cache_bytes: usize,
    /// Whether frames are told apart by what they show, and the same ones are left out.
    pub drop_same_frames: bool,
    /// The ladder.
    pub ladder: QualityLadder,
    /// Whether each client's quality follows its bitrate.
    pub adaptive: bool,
    /// Floor and ceiling.
    pub range: QualityRange,
    /// Each client's bitrate, where it is configured.
    pub target: Option<Bitrate>,
}

/// A setting that cannot be taken; each names its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamingConfigError {
    /// A cache of no frame, or of too many.
    #[error(
        "CACHE_SIZE: {got} frames are out of range: 1 to {MAX_CACHE_FRAMES} (to switch it off: ENABLE_OPTIMIZER: false)"
    )]
    CacheSize {
        /// What was written.
        got: i64,
    },
    /// A cache of too few bytes, or of too many.
    #[error("CACHE_BYTES: {got} is out of range: {MIN_CACHE_BYTES} to {MAX_CACHE_BYTES} bytes")]
    CacheBytes {
        /// What was written.
        got: i64,
    },
    /// A number that is no quality.
    #[error("{key}: quality {got} is out of range: 1 to 100")]
    Quality {
        /// The key.
        key: &'static str,
        /// What was written.
        got: i64,
    },
    /// Levels that are no ladder.
    #[error("QUALITY_LEVELS: {0}")]
    Levels(LadderError),
    /// MIN_QUALITY above MAX_QUALITY.
    #[error("MIN_QUALITY, MAX_QUALITY: {0}")]
    Range(RangeError),
    /// A level that no client could get.
    #[error(
        "QUALITY_LEVELS: {level} is outside of MIN_QUALITY {floor} to MAX_QUALITY {ceiling}: leave it out, or widen the range"
    )]
    LevelOutOfRange {
        /// The level.
        level: Quality,
        /// The floor.
        floor: Quality,
        /// The ceiling.
        ceiling: Quality,
    },
    /// A target that no client can be given.
    #[error("TARGET_BITRATE: {0}")]
    Target(BitrateError),
}

impl RawStreamingConfig {
    /// Checks all of it.
    ///
    /// # Errors
    /// [`StreamingConfigError`], the first that is found.
    pub fn check(self) -> Result<StreamingConfig, StreamingConfigError> {
        use StreamingConfigError as E;
        let range = QualityRange::default();
        let floor = quality("MIN_QUALITY", self.min_quality, range.floor())?;
        let ceiling = quality("MAX_QUALITY", self.max_quality, range.ceiling())?;
        let range = QualityRange::new(floor, ceiling).map_err(E::Range)?;
        let ladder = match self.quality_levels {
            Some(levels) => self::ladder(&levels, range)?,
            // Its levels outside of the range are moved to its bounds.
            None => QualityLadder::default(),
        };
        let frames = self.cache_size.unwrap_or(crate::DEFAULT_MAX_FRAMES as i64);
        if !(1..=MAX_CACHE_FRAMES).contains(&frames) {
            return Err(E::CacheSize { got: frames });
        }
        let bytes = self.cache_bytes.unwrap_or(crate::DEFAULT_MAX_BYTES as i64);
        if !(MIN_CACHE_BYTES..=MAX_CACHE_BYTES).contains(&bytes) {
            return Err(E::CacheBytes { got: bytes });
        }
        Ok(StreamingConfig {
            enabled: self.enable_optimizer.unwrap_or(true),
            cache_frames: frames as usize,
            cache_bytes: bytes as usize,
            drop_same_frames: self.drop_same_frames.unwrap_or(false),
            ladder,
            adaptive: self.adaptive_quality.unwrap_or(true),
            range,
            target: self
                .target_bitrate
                .map(Bitrate::try_from)
                .transpose()
                .map_err(E::Target)?,
        })
    }
}

impl Default for StreamingConfig {
    /// What a document that sets nothing gives.
    fn default() -> Self {
        Self {
            enabled: true,
            cache_frames: crate::DEFAULT_MAX_FRAMES,
            cache_bytes: crate::DEFAULT_MAX_BYTES,
            drop_same_frames: false,
            ladder: QualityLadder::default(),
            adaptive: true,
            range: QualityRange::default(),
            target: None,
        }
    }
}

impl StreamingConfig {
    /// The cache's part. Where the optimizer is off, nothing is kept.
    pub fn cache(&self) -> CacheConfig {
        CacheConfig {
            max_frames: if self.enabled { self.cache_frames } else { 0 },
            max_bytes: self.cache_bytes,
            identify_by: if self.drop_same_frames {
                IdentifyBy::Content
            } else {
                IdentifyBy::Id
            },
        }
    }

    /// Each client's part.
    pub fn client(&self) -> ClientConfig {
        ClientConfig {
            ladder: self.ladder.clone(),
            range: self.range,
            ..ClientConfig::default()
        }
    }

    /// Where each client's target starts from; `None` where qualities do not adapt.
    pub fn target(&self) -> Option<TargetConfig> {
        (self.enabled && self.adaptive).then(|| TargetConfig {
            configured: self.target,
            floor: self.range.floor(),
            ..TargetConfig::default()
        })
    }
}

fn quality(
    key: &'static str,
    written: Option<i64>,
    default: Quality,
) -> Result<Quality, StreamingConfigError> {
    let Some(got) = written else {
        return Ok(default);
    };
    u8::try_from(got)
        .ok()
        .and_then(|number| Quality::new(number).ok())
        .ok_or(StreamingConfigError::Quality { key, got })
}

fn ladder(levels: &[i64], range: QualityRange) -> Result<QualityLadder, StreamingConfigError> {
    let numbers = levels
        .iter()
        .map(|&level| quality("QUALITY_LEVELS", Some(level), Quality::default()).map(u8::from));
    let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
    let ladder = QualityLadder::new(&numbers).map_err(StreamingConfigError::Levels)?;
    let (floor, ceiling) = (range.floor(), range.ceiling());
    let outside = |level: &&Quality| !(floor..=ceiling).contains(level);
    match ladder.rungs().iter().find(outside) {
        Some(&level) => Err(StreamingConfigError::LevelOutOfRange {
            level,
            floor,
            ceiling,
        }),
        None => Ok(ladder),
    }
}
