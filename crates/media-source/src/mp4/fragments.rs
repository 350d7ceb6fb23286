//! Movie fragments (ISO/IEC 14496-12 §8.8): samples that are described beside their data.
//!
//! Fed by one `moof` at a time; feeds the same list of samples as the tables of a whole file.

use re_mp4::{TfdtBox, TfhdBox, TrexBox, TrunBox};

use super::boxes::{Atom, Atoms};
use super::samples::{MAX_SAMPLES, MAX_TICKS, Sample};
use crate::error::Broken;

/// `sample_is_non_sync_sample` in a sample's flags (§8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;

/// What a fragment leaves out (`trex`).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Defaults {
    pub(super) description: u32,
    pub(super) duration_ticks: u32,
    pub(super) size_bytes: u32,
    pub(super) sample_flags: u32,
}

impl From<TrexBox> for Defaults {
    fn from(trex: TrexBox) -> Self {
        Self {
            description: trex.default_sample_description_index,
            duration_ticks: trex.default_sample_duration,
            size_bytes: trex.default_sample_size,
            sample_flags: trex.default_sample_flags,
        }
    }
}

impl Defaults {
    /// With what a fragment's own header says instead.
    fn overridden_by(self, header: &TfhdBox) -> Self {
        Self {
            description: header.sample_description_index.unwrap_or(self.description),
            duration_ticks: header
                .default_sample_duration
                .unwrap_or(self.duration_ticks),
            size_bytes: header.default_sample_size.unwrap_or(self.size_bytes),
            sample_flags: header.default_sample_flags.unwrap_or(self.sample_flags),
        }
    }
}

/// The defaults of a track, from `moov/mvex`; `None` when the file has no fragments.
pub(super) fn defaults(moov: &Atom<'_>, track_id: u32) -> Result<Option<Defaults>, Broken> {
    let Some(mvex) = moov.child(*b"mvex")? else {
        return Ok(None);
    };
    for child in mvex.children() {
        let child = child?;
        if child.kind == *b"trex" {
            let trex: TrexBox = child.read()?;
            if trex.track_id == track_id {
                return Ok(Some(trex.into()));
            }
        }
    }
    Ok(Some(Defaults::default()))
}

/// Reads the fragments of one track.
#[derive(Debug, Clone)]
pub(super) struct FragmentReader {
    pub(super) track_id: u32,
    pub(super) defaults: Defaults,
    /// Decode time after the last fragment, for one that does not state its own.
    pub(super) decode_ticks: i64,
}

impl FragmentReader {
    /// Appends the samples that a `moof` (whole, header included, at `offset` in the file) describes.
    pub(super) fn read(
        &mut self,
        moof: &[u8],
        offset: u64,
        samples: &mut Vec<Sample>,
    ) -> Result<(), Broken> {
        let Some(moof) = Atoms::new(moof).next().transpose()? else {
            return Ok(());
        };
        // Data that no box places follows the data before it (§8.8.7.1).
        let mut data_offset = offset;
        for child in moof.children() {
            let child = child?;
            if child.kind == *b"traf" {
                self.read_track(&child, offset, &mut data_offset, samples)?;
            }
        }
        Ok(())
    }

    fn read_track(
        &mut self,
        traf: &Atom<'_>,
        moof_offset: u64,
        data_offset: &mut u64,
        samples: &mut Vec<Sample>,
    ) -> Result<(), Broken> {
        let header: TfhdBox = traf.required(*b"tfhd")?.read()?;
        let ours = header.track_id == self.track_id;
        if ours {
            self.read_decode_time(traf)?;
        }
        let defaults = self.defaults.overridden_by(&header);
        let based_on_moof = header.flags & TfhdBox::FLAG_DEFAULT_BASE_IS_MOOF != 0;
        let base = match header.base_data_offset {
            Some(base) => base,
            None if based_on_moof => moof_offset,
            None => *data_offset,
        };
        *data_offset = base;
        for child in traf.children() {
            let child = child?;
            if child.kind == *b"trun" {
                let run = read_run(&child)?;
                if let Some(shift) = run.data_offset {
                    *data_offset = base.saturating_add_signed(i64::from(shift));
                }
                let sink = ours.then_some(&mut *samples);
                self.read_samples(&run, defaults, data_offset, sink)?;
            }
        }
        Ok(())
    }

    fn read_decode_time(&mut self, traf: &Atom<'_>) -> Result<(), Broken> {
        if let Some(tfdt) = traf.child(*b"tfdt")? {
            let tfdt: TfdtBox = tfdt.read()?;
            self.decode_ticks = i64::try_from(tfdt.base_media_decode_time)
                .ok()
                .filter(|t| *t < MAX_TICKS)
                .ok_or_else(|| Broken::new("box tfdt has a decode time beyond 61 bits"))?;
        }
        Ok(())
    }

    fn read_samples(
        &mut self,
        run: &TrunBox,
        defaults: Defaults,
        data_offset: &mut u64,
        mut samples: Option<&mut Vec<Sample>>,
    ) -> Result<(), Broken> {
        for i in 0..run.sample_count as usize {
            let size_bytes = run
                .sample_sizes
                .get(i)
                .copied()
                .unwrap_or(defaults.size_bytes);
            if let Some(samples) = samples.as_deref_mut() {
                if samples.len() >= MAX_SAMPLES {
                    return Err(Broken::new(format!("more than {MAX_SAMPLES} samples")));
                }
                let durations = run.sample_durations.get(i).copied();
                let duration_ticks = durations.unwrap_or(defaults.duration_ticks);
                // Version 1 offsets are signed; those of version 0 are below 2^31 in practice.
                let shift = run.sample_cts.get(i).map_or(0, |cts| cts.cast_signed());
                samples.push(Sample {
                    offset: *data_offset,
                    pts_ticks: self.decode_ticks + i64::from(shift),
                    size_bytes,
                    duration_ticks,
                    description: defaults.description.saturating_sub(1) as u16,
                    sync: sample_flags(run, defaults, i) & NON_SYNC == 0,
                });
                self.decode_ticks = (self.decode_ticks + i64::from(duration_ticks)).min(MAX_TICKS);
            }
            *data_offset = data_offset
                .checked_add(u64::from(size_bytes))
                .ok_or_else(|| Broken::new("a fragment's data offset is beyond 64 bits"))?;
        }
        Ok(())
    }
}

/// Flags of a run's sample: its own, the first one's, or the fragment's.
fn sample_flags(run: &TrunBox, defaults: Defaults, index: usize) -> u32 {
    let first = run.first_sample_flags.filter(|_| index == 0);
    let own = run.sample_flags.get(index).copied();
    first.or(own).unwrap_or(defaults.sample_flags)
}

/// A `trun`, once its count is known to be sane: one that leaves every field out takes no bytes per
/// sample, so the box's size does not bound it.
fn read_run(trun: &Atom<'_>) -> Result<TrunBox, Broken> {
    let count = trun
        .body()
        .get(4..8)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_be_bytes);
    if count as usize > MAX_SAMPLES {
        return Err(Broken::new(format!(
            "box trun counts {count} samples, and the limit is {MAX_SAMPLES}"
        )));
    }
    trun.read()
}
