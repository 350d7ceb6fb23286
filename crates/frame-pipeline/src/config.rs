//! What a user may set, checked before any thread starts.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::{DataOutput, ProcessorError, driver};

/// Worker threads.
pub const WORKERS_RANGE: RangeInclusive<usize> = 1..=64;
/// Decode threads.
pub const DECODERS_RANGE: RangeInclusive<usize> = 1..=64;
/// Frames in a batch.
pub const BATCH_RANGE: RangeInclusive<usize> = 1..=256;
/// Frames in the pipeline: 4096 is over two minutes at 30 fps.
pub const MAX_FRAMES_RANGE: RangeInclusive<usize> = 1..=4096;
/// Default batch wait: a third of a frame time at 60 fps.
pub const DEFAULT_BATCH_WAIT: Duration = Duration::from_millis(5);
/// Default frames in the pipeline: some for each of a few workers and a batch for each.
pub const DEFAULT_MAX_FRAMES: usize = 64;
/// Default bytes in the pipeline: 256 MiB, which holds 64 frames of 1920x1080 with room for their
/// payloads.
pub const DEFAULT_MAX_BYTES: u64 = 256 << 20;
/// Default time a batch may take: longer than any model that anyone waits for.
pub const DEFAULT_FRAME_TIMEOUT: Duration = Duration::from_secs(60);
/// Decoding keeps up with more workers than it has threads; this many are enough for most.
const DEFAULT_MOST_DECODERS: usize = 4;

/// Settings of a [`driver::Pipeline`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineConfig {
    /// Threads that process, 1–64; default: the machine's cores.
    pub workers: usize,
    /// Threads that decode, 1–64; default: the machine's cores, at most 4. H.264 uses one of them.
    pub decoders: usize,
    /// Frames in a batch, 1–256 and at most `max_frames`; default 1.
    pub batch: usize,
    /// How long a frame waits at most for its batch to fill; default 5 ms.
    pub batch_wait: Duration,
    /// Frames in the pipeline, 1–4096; default 64. What comes beyond is refused.
    pub max_frames: usize,
    /// Bytes in the pipeline: payloads, pixels and results that wait; default 256 MiB, at least 1.
    /// What comes beyond is refused, but one frame always fits.
    pub max_bytes: u64,
    /// How long a batch may take; default 60 s, more than zero. Its frames then get an error
    /// result, and its thread is left behind and replaced. No more than `workers` threads are
    /// left behind at a time; then batches are waited for, and the pipeline with them. `None`:
    /// batches may take forever.
    pub frame_timeout: Option<Duration>,
    /// Which of the processors' fields results carry; default all.
    pub output: DataOutput,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        let cores = driver::cores();
        Self {
            workers: cores.min(*WORKERS_RANGE.end()),
            decoders: cores.min(DEFAULT_MOST_DECODERS),
            batch: 1,
            batch_wait: DEFAULT_BATCH_WAIT,
            max_frames: DEFAULT_MAX_FRAMES,
            max_bytes: DEFAULT_MAX_BYTES,
            frame_timeout: Some(DEFAULT_FRAME_TIMEOUT),
            output: DataOutput::All,
        }
    }
}

impl PipelineConfig {
    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// [`PipelineError`] naming the setting and its range.
    pub fn check(&self) -> Result<(), PipelineError> {
        check("workers", self.workers, WORKERS_RANGE)?;
        check("decoders", self.decoders, DECODERS_RANGE)?;
        check("batch", self.batch, BATCH_RANGE)?;
        check("max_frames", self.max_frames, MAX_FRAMES_RANGE)?;
        if self.batch > self.max_frames {
            return Err(PipelineError::BatchNeverFills {
                batch: self.batch,
                max_frames: self.max_frames,
            });
        }
        if self.max_bytes == 0 {
            return Err(PipelineError::Zero { name: "max_bytes" });
        }
        if self.frame_timeout == Some(Duration::ZERO) {
            return Err(PipelineError::Zero {
                name: "frame_timeout",
            });
        }
        Ok(())
    }
}

fn check(
    name: &'static str,
    got: usize,
    range: RangeInclusive<usize>,
) -> Result<(), PipelineError> {
    if range.contains(&got) {
        return Ok(());
    }
    let (min, max) = range.into_inner();
    Err(PipelineError::OutOfRange {
        name,
        got,
        min,
        max,
    })
}

/// Why a pipeline does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// A setting is out of its range.
    #[error("{name} = {got} is out of range: {min} to {max}")]
    OutOfRange {
        /// The setting.
        name: &'static str,
        /// Value asked for.
        got: usize,
        /// Smallest value.
        min: usize,
        /// Largest value.
        max: usize,
    },
    /// A setting is zero where that means nothing.
    #[error("{name} must be more than zero")]
    Zero {
        /// The setting.
        name: &'static str,
    },
    /// Batches are larger than the pipeline.
    #[error(
        "batches of {batch} frames never fill where the pipeline holds {max_frames}: raise max_frames or lower batch"
    )]
    BatchNeverFills {
        /// Frames in a batch.
        batch: usize,
        /// Frames in the pipeline.
        max_frames: usize,
    },
    /// There is nothing to do with frames.
    #[error("no processor: give at least one, `none` to only check and count frames")]
    NoProcessor,
    /// A processor cannot be made.
    #[error(transparent)]
    Processor(#[from] ProcessorError),
    /// The system refuses another thread.
    #[error(
        "cannot start thread {name}: {source}; use fewer workers or raise the limit of threads"
    )]
    Thread {
        /// The thread's name.
        name: String,
        /// What the system says.
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range() {
        PipelineConfig::default().check().unwrap();
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let default = PipelineConfig::default;
        for (config, name) in [
            (
                PipelineConfig {
                    workers: 0,
                    ..default()
                },
                "workers",
            ),
            (
                PipelineConfig {
                    workers: 65,
                    ..default()
                },
                "workers",
            ),
            (
                PipelineConfig {
                    decoders: 0,
                    ..default()
                },
                "decoders",
            ),
            (
                PipelineConfig {
                    batch: 257,
                    ..default()
                },
                "batch",
            ),
            (
                PipelineConfig {
                    batch: 65,
                    ..default()
                },
                "max_frames",
            ),
            (
                PipelineConfig {
                    max_frames: 0,
                    ..default()
                },
                "max_frames",
            ),
            (
                PipelineConfig {
                    max_bytes: 0,
                    ..default()
                },
                "max_bytes",
            ),
            (
                PipelineConfig {
                    frame_timeout: Some(Duration::ZERO),
                    ..default()
                },
                "frame_timeout",
            ),
        ] {
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
