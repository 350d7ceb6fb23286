//! Access units in, frames in presentation order out.
//!
//! openh264 gives pictures back late and in its own idea of display order. Here each is put where the
//! container says it belongs: the timeline names the sample to be shown next, and access units go into
//! the decoder until the picture of that sample has come out, or is known to be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use frame_buffer::{ColorRange, FrameId, FramePool, Picture, VideoFrame};

use super::avcc::{AvcConfig, is_idr, is_sps};
use super::decoder::{Decoded, Decoder};
use super::to_picture;
use crate::mp4::{Demuxer, Place};
use crate::{DecodeError, FrameSource, OpenError, VideoInfo};

/// Pictures held back for their turn: the largest reorder depth of H.264 (`max_dec_frame_buffering`,
/// Annex A.3.1) and one. When so many later ones are there, the one awaited will not come.
pub(super) const MAX_HELD_PICTURES: usize = 17;
/// Failures held back likewise. A picture may come out behind a run of damaged access units, so these
/// have a bound of their own.
const MAX_HELD_FAILURES: usize = 64;

/// Frames of one H.264 track.
pub(crate) struct H264Source {
    demuxer: Demuxer,
    configs: Vec<AvcConfig>,
    info: VideoInfo,
    range: ColorRange,
    pool: FramePool,
    decoder: Decoder,
    /// The sample that goes into the decoder next.
    next_sample: usize,
    /// The slot in presentation order that comes out next.
    next_slot: usize,
    /// What became of samples whose turn to be shown has not come.
    outcomes: BTreeMap<usize, Result<Picture, String>>,
    /// Samples given up although the decoder may yet give their picture.
    abandoned: BTreeSet<usize>,
    /// The description whose parameter sets the decoder has.
    active_description: Option<usize>,
    flushed: bool,
    /// Why no more access units can be read, to be said once what went before is delivered.
    ending: Option<DecodeError>,
    failed: bool,
    sample: Vec<u8>,
    annex_b: Vec<u8>,
}

impl H264Source {
    pub(super) fn new(
        demuxer: Demuxer,
        configs: Vec<AvcConfig>,
        info: VideoInfo,
        range: ColorRange,
        pool: FramePool,
    ) -> Result<Self, OpenError> {
        let decoder = Decoder::new().map_err(|reason| OpenError::Decoder {
            name: demuxer.name().to_owned(),
            reason,
        })?;
        Ok(Self {
            demuxer,
            configs,
            info,
            range,
            pool,
            decoder,
            next_sample: 0,
            next_slot: 0,
            outcomes: BTreeMap::new(),
            abandoned: BTreeSet::new(),
            active_description: None,
            flushed: false,
            ending: None,
            failed: false,
            sample: Vec::new(),
            annex_b: Vec::new(),
        })
    }

    fn advance(&mut self) -> Result<Option<VideoFrame>, DecodeError> {
        loop {
            let Some(awaited) = self.demuxer.sample_at(self.next_slot) else {
                if self.demuxer.extend()? {
                    continue;
                }
                return Ok(None);
            };
            if let Some(outcome) = self.outcomes.remove(&awaited) {
                return self.deliver(outcome).map(Some);
            }
            if self.flushed
                && let Some(error) = self.ending.take()
            {
                return Err(error);
            }
            if self.flushed || self.holds_too_much() {
                self.abandoned.insert(awaited);
                let reason = "the decoder gave no picture for it".to_owned();
                return self.deliver(Err(reason)).map(Some);
            }
            self.feed()?;
        }
    }

    /// The frame of the next slot, or why there is none.
    fn deliver(&mut self, outcome: Result<Picture, String>) -> Result<VideoFrame, DecodeError> {
        let times = self.demuxer.times(self.next_slot);
        let id = FrameId(self.next_slot as u64);
        self.next_slot += 1;
        match outcome {
            Ok(picture) => Ok(VideoFrame {
                id,
                pts: times.pts,
                duration: times.duration,
                picture,
            }),
            Err(reason) => Err(DecodeError::Frame {
                name: self.demuxer.name().to_owned(),
                index: id,
                pts: times.pts,
                reason,
            }),
        }
    }

    /// Puts one more access unit into the decoder, or gets the last pictures out of it.
    fn feed(&mut self) -> Result<(), DecodeError> {
        let index = self.next_sample;
        match self.read_sample(index) {
            Ok(true) => self.next_sample += 1,
            Ok(false) => return self.flush(),
            Err(error) => {
                self.ending = Some(error);
                return self.flush();
            }
        }
        if let Err(reason) = self.write_access_unit(index) {
            self.settle(index, Err(reason));
            return Ok(());
        }
        let outcome = self.decoder.decode(&self.annex_b, index as u64);
        let error = outcome.error;
        let picture = match outcome.picture {
            Some(decoded) => copy_out(&self.demuxer, &self.pool, self.range, &decoded)?,
            None => None,
        };
        let own_picture = picture.as_ref().is_some_and(|(of, _)| *of == index);
        if let Some((of, picture)) = picture {
            self.settle(of, Ok(picture));
        }
        if let Some(reason) = error {
            // The decoder wants parameter sets again before it goes on at the next IDR picture.
            self.active_description = None;
            if !own_picture {
                self.settle(index, Err(reason));
            }
        }
        Ok(())
    }

    /// Whether a fresh decoder can decode a sample, which the container's word alone does not say: it takes an IDR picture
    /// (a recovery point is none), and its parameter sets.
    fn can_start_at(&mut self, sample: usize) -> Result<bool, DecodeError> {
        let description = self.demuxer.description(sample);
        let Some(config) = self.configs.get(description).or(self.configs.first()) else {
            return Ok(false);
        };
        self.demuxer.read(sample, &mut self.sample)?;
        let nal_units = || config.nal_units(&self.sample).flatten();
        let has_sets = config.sps().is_some() || nal_units().any(is_sps);
        Ok(has_sets && nal_units().any(is_idr))
    }

    fn start_at(&mut self, place: Place) -> Result<(), DecodeError> {
        // A fresh decoder costs less than a frame and knows nothing of what was decoded before.
        self.decoder = Decoder::new().map_err(|reason| DecodeError::Decoder {
            name: self.demuxer.name().to_owned(),
            reason,
        })?;
        self.next_sample = place.sample;
        self.next_slot = place.slot;
        self.outcomes.clear();
        self.abandoned.clear();
        self.active_description = None;
        self.flushed = false;
        self.ending = None;
        self.failed = false;
        Ok(())
    }

    fn read_sample(&mut self, index: usize) -> Result<bool, DecodeError> {
        if index >= self.demuxer.sample_count() && !self.demuxer.extend()? {
            return Ok(false);
        }
        self.demuxer.read(index, &mut self.sample)?;
        Ok(true)
    }

    fn holds_too_much(&self) -> bool {
        let pictures = self.outcomes.values().filter(|o| o.is_ok()).count();
        pictures >= MAX_HELD_PICTURES || self.outcomes.len() - pictures >= MAX_HELD_FAILURES
    }

    /// Writes sample `index` as Annex B, with parameter sets where the decoder needs them.
    fn write_access_unit(&mut self, index: usize) -> Result<(), String> {
        let description = self.demuxer.description(index);
        let Some(config) = self.configs.get(description).or(self.configs.first()) else {
            return Err(format!(
                "there is no sample description {}",
                description + 1
            ));
        };
        self.annex_b.clear();
        let needs_sets = match self.active_description {
            Some(active) => active != description,
            None => index == 0 || config.nal_units(&self.sample).flatten().any(is_idr),
        };
        if needs_sets {
            config.write_parameter_sets(&mut self.annex_b);
            self.active_description = Some(description);
        }
        config
            .write_sample(&self.sample, &mut self.annex_b)
            .map_err(|broken| broken.0)?;
        if self.annex_b.is_empty() {
            return Err("the access unit is empty".to_owned());
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DecodeError> {
        while let Some(decoded) = self.decoder.flush() {
            if let Some((of, picture)) = copy_out(&self.demuxer, &self.pool, self.range, &decoded)?
            {
                self.settle(of, Ok(picture));
            }
        }
        self.flushed = true;
        Ok(())
    }

    /// Notes what became of a sample, unless it is not shown or was given up.
    fn settle(&mut self, sample: usize, outcome: Result<Picture, String>) {
        if self.demuxer.shows(sample) && !self.abandoned.remove(&sample) {
            self.outcomes.insert(sample, outcome);
        }
    }
}

/// The sample that a decoded picture is of, and the picture. `None` for a sample that is not shown.
fn copy_out(
    demuxer: &Demuxer,
    pool: &FramePool,
    range: ColorRange,
    decoded: &Decoded<'_>,
) -> Result<Option<(usize, Picture)>, DecodeError> {
    let sample = decoded.tag as usize;
    if !demuxer.shows(sample) {
        return Ok(None);
    }
    match to_picture(pool, range, decoded) {
        Ok(picture) => Ok(Some((sample, picture))),
        Err(source) => Err(DecodeError::Picture {
            name: demuxer.name().to_owned(),
            source,
        }),
    }
}

impl FrameSource for H264Source {
    fn info(&self) -> &VideoInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Result<Option<VideoFrame>, DecodeError> {
        if self.failed {
            return Ok(None);
        }
        let result = self.advance();
        self.failed = result.as_ref().is_err_and(|e| !e.is_recoverable());
        result
    }

    fn rewind(&mut self) -> Result<(), DecodeError> {
        self.start_at(Place::START)
    }

    fn seek(&mut self, to: Duration) -> Result<(), DecodeError> {
        let slot = self.demuxer.slot_shown_at(to)?;
        for place in self.demuxer.starts_for(slot) {
            if self.can_start_at(place.sample)? {
                return self.start_at(place);
            }
        }
        self.start_at(Place::START)
    }
}
