//! Samples of one track, in decode order, with their place in presentation order.
//!
//! Fed by the scan and the track reader; feeds the H.264 and the MJPEG source. In a fragmented file the
//! next fragment is read when its first sample is wanted, so that playing starts before the end is there.

use std::time::Duration;

use frame_buffer::FrameId;

use super::fragments::FragmentReader;
use super::samples::Sample;
use super::scan::{ScanError, TopLevel};
use super::starts::{self, Place};
use super::timeline::Timeline;
use crate::DecodeError;
use crate::error::Broken;
use crate::input::Input;

/// Largest access unit: a keyframe of 8K at the highest level has 12 MB.
const MAX_SAMPLE_BYTES: u32 = 32 << 20;
const CONTAINER: &str = "MP4";

/// A track being read.
pub(crate) struct Demuxer {
    input: Input,
    samples: Vec<Sample>,
    timeline: Timeline,
    fragments: Option<Fragments>,
    /// What is wrong with the fragment after the last one known.
    broken: Option<Broken>,
}

/// Where the next fragment is looked for.
pub(super) struct Fragments {
    pub(super) top_level: TopLevel,
    pub(super) reader: FragmentReader,
}

/// When a frame is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) pts: Duration,
    pub(crate) duration: Duration,
}

impl Demuxer {
    pub(super) fn new(
        input: Input,
        samples: Vec<Sample>,
        mut timeline: Timeline,
        fragments: Option<Fragments>,
    ) -> Self {
        timeline.extend(&samples, 0);
        Self {
            input,
            samples,
            timeline,
            fragments,
            broken: None,
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.input.name()
    }

    /// Samples known so far.
    pub(crate) fn sample_count(&self) -> usize {
        self.samples.len()
    }

    /// Frames to be shown, as far as known.
    pub(crate) fn slot_count(&self) -> usize {
        self.timeline.slots().len()
    }

    /// Whether more frames may follow those known.
    pub(crate) fn is_open_ended(&self) -> bool {
        self.fragments.is_some()
    }

    /// From the first frame's start to the end of the last known.
    pub(crate) fn known_duration(&self) -> Duration {
        self.timeline.end()
    }

    /// Frames per second over all that is known.
    pub(crate) fn mean_rate(&self) -> f64 {
        self.timeline
            .mean_rate()
            .unwrap_or(crate::DEFAULT_FRAME_RATE)
    }

    /// The sample shown at a place in presentation order.
    pub(crate) fn sample_at(&self, slot: usize) -> Option<usize> {
        self.timeline.slots().get(slot).map(|s| s.sample as usize)
    }

    pub(crate) fn times(&self, slot: usize) -> Times {
        let (pts, duration) = self.timeline.times(slot);
        Times { pts, duration }
    }

    /// The place in presentation order of the frame shown at a time, or of the last frame; learns about fragments as far as need be.
    ///
    /// # Errors
    /// As [`extend`](Self::extend).
    pub(crate) fn slot_shown_at(&mut self, at: Duration) -> Result<usize, DecodeError> {
        while self.timeline.end() <= at && self.extend()? {}
        Ok(self.timeline.slot_at(at))
    }

    /// Where, by the container's word, decoding can start so that the frame of `slot` comes out: the latest few, the latest
    /// first.
    pub(crate) fn starts_for(&self, slot: usize) -> Vec<Place> {
        starts::starts_for(&self.samples, self.timeline.slots(), slot)
    }

    /// Whether a sample is shown; one before the edit is only decoded.
    pub(crate) fn shows(&self, sample: usize) -> bool {
        let sample = self.samples.get(sample);
        sample.is_some_and(|sample| self.timeline.shows(sample))
    }

    /// Index of the sample description that a sample is coded by.
    pub(crate) fn description(&self, sample: usize) -> usize {
        let sample = self.samples.get(sample);
        sample.map_or(0, |s| usize::from(s.description))
    }

    /// Learns about further samples; `false` when there are none.
    ///
    /// # Errors
    /// A broken fragment ends the track: nothing after it is looked for, and the error comes again. After a failure to read, the same fragment is
    /// tried again.
    pub(crate) fn extend(&mut self) -> Result<bool, DecodeError> {
        let known = self.samples.len();
        while let Some(mut fragments) = self.fragments.take() {
            match fragments.read_next(&mut self.input, &mut self.samples) {
                Ok(true) => self.fragments = Some(fragments),
                Ok(false) => return Ok(false),
                Err(FragmentError::Io(source)) => {
                    self.fragments = Some(fragments);
                    return Err(self.read_error(source));
                }
                Err(FragmentError::Broken(broken)) => {
                    // What it described before the fault is left out with the rest of it.
                    self.samples.truncate(known);
                    self.broken = Some(broken);
                }
            }
            if self.samples.len() > known {
                self.timeline.extend(&self.samples, known);
                return Ok(true);
            }
        }
        match &self.broken {
            Some(broken) => Err(broken.clone().decoding(self.name(), CONTAINER)),
            None => Ok(false),
        }
    }

    /// Reads a sample's bytes.
    pub(crate) fn read(&mut self, index: usize, into: &mut Vec<u8>) -> Result<(), DecodeError> {
        let Some(sample) = self.samples.get(index).copied() else {
            return Err(self.truncated(index));
        };
        if sample.size_bytes > MAX_SAMPLE_BYTES {
            return Err(DecodeError::Malformed {
                name: self.name().to_owned(),
                container: CONTAINER,
                what: format!(
                    "sample {index} claims {} bytes, and the limit is {MAX_SAMPLE_BYTES}",
                    sample.size_bytes
                ),
            });
        }
        let end = sample.offset.saturating_add(u64::from(sample.size_bytes));
        if end > self.input.len_bytes() {
            return Err(self.truncated(index));
        }
        self.input
            .read_vec_at(sample.offset, sample.size_bytes as usize, into)
            .map_err(|source| match source.kind() {
                std::io::ErrorKind::UnexpectedEof => self.truncated(index),
                _ => self.read_error(source),
            })
    }

    fn truncated(&self, sample: usize) -> DecodeError {
        DecodeError::Truncated {
            name: self.name().to_owned(),
            index: FrameId(sample as u64),
        }
    }

    fn read_error(&self, source: std::io::Error) -> DecodeError {
        DecodeError::Read {
            name: self.name().to_owned(),
            source,
        }
    }
}

/// Why a fragment's samples are not known.
enum FragmentError {
    Io(std::io::Error),
    Broken(Broken),
}

impl Fragments {
    /// Appends the next fragment's samples; `false` when there is none.
    fn read_next(
        &mut self,
        input: &mut Input,
        samples: &mut Vec<Sample>,
    ) -> Result<bool, FragmentError> {
        let loaded = match self.top_level.next(input, *b"moof") {
            Ok(Some(loaded)) => loaded,
            Ok(None) => return Ok(false),
            Err(ScanError::Io(source)) => return Err(FragmentError::Io(source)),
            Err(ScanError::Broken(broken)) => return Err(FragmentError::Broken(broken)),
            Err(ScanError::TooLarge { what, value, limit }) => {
                let what = format!("{what} is {value}, and the limit is {limit}");
                return Err(FragmentError::Broken(Broken(what)));
            }
        };
        let read = self.reader.read(&loaded.bytes, loaded.offset, samples);
        read.map_err(FragmentError::Broken)?;
        Ok(true)
    }
}
