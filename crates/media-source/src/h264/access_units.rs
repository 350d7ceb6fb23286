//! A video's own access units, read and not decoded.
//!
//! Fed by the MP4 demuxer with samples in decode order; feeds whoever sends a video as it is coded. What leaves
//! here can be decoded from each keyframe on with nothing but what follows, and in bounded memory: a video of
//! which that is not so ends with an error before the unit at which it shows.

use std::time::Duration;

use bytes::Bytes;

use super::avcc;
use super::{Track, reorder_span};
use crate::{DecodeError, OpenError, VideoInfo};
use frame_buffer::FrameId;

/// Most places that a picture may be shown earlier or later than it is decoded: the largest reorder depth of H.264
/// (`max_num_reorder_frames`, Annex E.2.1).
pub const MAX_REORDERED_UNITS: u64 = 16;
/// Most access units from one keyframe to the next: 34 s at 30 fps. Encoders put a keyframe every 1 to 10 s.
pub const MAX_GROUP_UNITS: u64 = 1024;
/// Their payload bytes: ten seconds at 26 Mbit/s.
pub const MAX_GROUP_BYTES: u64 = 32 << 20;
/// The NAL unit that ends a sequence, with its start code: what follows is a keyframe (ITU-T H.264 §7.4.1.2.3).
pub const END_OF_SEQUENCE: [u8; 5] = [0, 0, 0, 1, 10];
/// An access unit delimiter: what stands for a unit that the container has damaged, where none at all would be taken for one
/// that was lost on the way, and perhaps the last.
const DELIMITER: [u8; 6] = [0, 0, 0, 1, 9, 0xf0];
/// Parameter sets remembered from within the stream: more than any encoder writes.
const MAX_PARAMETER_SETS: usize = 32;

/// One coded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// Its place in decode order, from 0.
    pub index: u64,
    /// Its picture's place in presentation order, from 0: at most [`MAX_REORDERED_UNITS`] from `index`.
    pub presentation_index: u64,
    /// When its picture is shown; the first one shown is at 0.
    pub pts: Duration,
    /// For how long.
    pub duration: Duration,
    /// Decoding can begin here: an IDR picture, its parameter sets with it, and nothing after it is shown before
    /// anything that came before it.
    pub keyframe: bool,
    /// The NAL units in Annex B form (ITU-T H.264 §B.1); a delimiter alone where the container's copy is damaged. The last
    /// unit before a keyframe, and the last of all, end with [`END_OF_SEQUENCE`], so that a decoder keeps nothing back.
    pub payload: Bytes,
}

impl AccessUnit {
    /// Whether a decoder can let go of every picture: what follows is a keyframe, or nothing.
    #[must_use]
    pub fn ends_sequence(&self) -> bool {
        self.payload.ends_with(&END_OF_SEQUENCE)
    }
}

/// The access units of one H.264 track, in decode order. Every picture of the video is in them, once.
///
/// Reads block the calling thread.
pub struct AccessUnits {
    track: Track,
    info: VideoInfo,
    next: usize,
    /// The place in presentation order of each sample known.
    slots: Vec<u32>,
    slots_known: usize,
    /// Parameter sets that came within the stream, for a keyframe that has none.
    inband_sets: Vec<Vec<u8>>,
    active_description: Option<usize>,
    shown_until: u64,
    group_units: u64,
    group_bytes: u64,
    sample: Vec<u8>,
    /// Read already: whether a unit ends its sequence is known by the one behind it.
    ahead: Option<(AccessUnit, Vec<u8>)>,
    ending: Option<DecodeError>,
    ended: bool,
}

impl AccessUnits {
    pub(crate) fn new(track: Track, info: VideoInfo) -> Result<Self, OpenError> {
        let hidden = (0..track.demuxer.sample_count()).find(|at| !track.demuxer.shows(*at));
        if let Some(sample) = hidden {
            return Err(OpenError::NoAccessUnits {
                name: track.demuxer.name().to_owned(),
                reason: format!("its edit list hides access unit {sample}"),
            });
        }
        Ok(Self {
            track,
            info,
            next: 0,
            slots: Vec::new(),
            slots_known: 0,
            inband_sets: Vec::new(),
            active_description: None,
            shown_until: 0,
            group_units: 0,
            group_bytes: 0,
            sample: Vec::new(),
            ahead: None,
            ending: None,
            ended: false,
        })
    }

    /// What is known of the video.
    #[must_use]
    pub fn info(&self) -> &VideoInfo {
        &self.info
    }

    /// The next access unit; `None` at the end.
    ///
    /// # Errors
    /// None is recoverable: [`DecodeError::NotAsCoded`] for a video that can be decoded and not be sent as it is,
    /// else as [`FrameSource::next_frame`](crate::FrameSource::next_frame).
    pub fn next_unit(&mut self) -> Result<Option<AccessUnit>, DecodeError> {
        if self.ahead.is_none() {
            self.ahead = self.read_ahead();
        }
        let Some((mut unit, mut payload)) = self.ahead.take() else {
            return self.ending.take().map_or(Ok(None), Err);
        };
        self.ahead = self.read_ahead();
        if self.ahead.as_ref().is_none_or(|(next, _)| next.keyframe) {
            payload.extend_from_slice(&END_OF_SEQUENCE);
        }
        unit.payload = Bytes::from(payload);
        Ok(Some(unit))
    }

    fn read_ahead(&mut self) -> Option<(AccessUnit, Vec<u8>)> {
        if self.ended {
            return None;
        }
        let unit = self.read().unwrap_or_else(|error| {
            self.ending = Some(error);
            None
        });
        self.ended = unit.is_none();
        unit
    }

    /// The next unit, without what ends a sequence.
    fn read(&mut self) -> Result<Option<(AccessUnit, Vec<u8>)>, DecodeError> {
        let at = self.next;
        let demuxer = &mut self.track.demuxer;
        if at >= demuxer.sample_count() && !demuxer.extend()? {
            return Ok(None);
        }
        demuxer.read(at, &mut self.sample)?;
        self.know_slots();
        let index = at as u64;
        let Some(slot) = self.slots.get(at).copied().filter(|_| self.shows(at)) else {
            return Err(self.not_as_coded(index, "its edit list hides it".to_owned()));
        };
        let presentation_index = u64::from(slot);
        if reorder_span(index, presentation_index) > MAX_REORDERED_UNITS {
            let reason = format!(
                "it is shown as frame {presentation_index}, more than {MAX_REORDERED_UNITS} places from where it is decoded"
            );
            return Err(self.not_as_coded(index, reason));
        }
        let (payload, has_idr) = self.annex_b(at);
        let keyframe = has_idr && self.shown_until == index;
        self.count(index, keyframe, payload.len() as u64)?;
        let times = self.track.demuxer.times(slot as usize);
        self.shown_until = self.shown_until.max(presentation_index + 1);
        self.next += 1;
        let unit = AccessUnit {
            index,
            presentation_index,
            pts: times.pts,
            duration: times.duration,
            keyframe,
            payload: Bytes::new(),
        };
        Ok(Some((unit, payload)))
    }

    fn shows(&self, sample: usize) -> bool {
        self.track.demuxer.shows(sample)
    }

    /// Notes where samples are shown that have become known.
    fn know_slots(&mut self) {
        self.slots.resize(self.track.demuxer.sample_count(), 0);
        while let Some(sample) = self.track.demuxer.sample_at(self.slots_known) {
            if let Some(slot) = self.slots.get_mut(sample) {
                *slot = self.slots_known as u32;
            }
            self.slots_known += 1;
        }
    }

    /// Keeps the group within what both ends can hold.
    fn count(&mut self, index: u64, keyframe: bool, bytes: u64) -> Result<(), DecodeError> {
        if keyframe {
            (self.group_units, self.group_bytes) = (0, 0);
        }
        self.group_units += 1;
        self.group_bytes += bytes;
        if self.group_units > MAX_GROUP_UNITS || self.group_bytes > MAX_GROUP_BYTES {
            let (units, bytes) = (self.group_units, self.group_bytes);
            let reason = format!(
                "there was no keyframe for {units} frames of {bytes} bytes, and the limit is {MAX_GROUP_UNITS} frames \
                 and {MAX_GROUP_BYTES} bytes"
            );
            return Err(self.not_as_coded(index, reason));
        }
        Ok(())
    }

    /// The sample just read as Annex B, and whether it is an IDR picture.
    fn annex_b(&mut self, at: usize) -> (Vec<u8>, bool) {
        let description = self.track.demuxer.description(at);
        let configs = &self.track.configs;
        let Some(config) = configs.get(description).or(configs.first()) else {
            return (DELIMITER.to_vec(), false);
        };
        let Ok(nal_units) = config
            .nal_units(&self.sample)
            .collect::<Result<Vec<_>, _>>()
        else {
            return (DELIMITER.to_vec(), false);
        };
        let has_idr = nal_units.iter().any(|nal| avcc::is_idr(nal));
        let has_sps = nal_units.iter().any(|nal| avcc::is_sps(nal));
        remember_sets(&mut self.inband_sets, &nal_units);
        let mut out = Vec::with_capacity(self.sample.len() + 128);
        if has_idr || self.active_description != Some(description) {
            config.write_parameter_sets(&mut out);
            self.active_description = Some(description);
            if !has_sps {
                avcc::write_nal_units(&self.inband_sets, &mut out);
            }
        }
        avcc::write_nal_units(&nal_units, &mut out);
        (out, has_idr)
    }

    fn not_as_coded(&self, index: u64, reason: String) -> DecodeError {
        DecodeError::NotAsCoded {
            name: self.track.demuxer.name().to_owned(),
            index: FrameId(index),
            reason,
        }
    }
}

/// Keeps the parameter sets of an access unit: a sequence parameter set begins them anew.
fn remember_sets(known: &mut Vec<Vec<u8>>, nal_units: &[&[u8]]) {
    if nal_units.iter().any(|nal| avcc::is_sps(nal)) {
        known.clear();
    }
    for set in nal_units.iter().filter(|nal| avcc::is_parameter_set(nal)) {
        if known.len() < MAX_PARAMETER_SETS && !known.iter().any(|have| have == set) {
            known.push(set.to_vec());
        }
    }
}
