//! The sample tables of a track (ISO/IEC 14496-12 §8.6, §8.7) as one list of samples in decode order.
//!
//! Fed by the `stbl` box; feeds the timeline and the demuxer. The tables of a hostile file may disagree
//! with each other and with the file's length: whatever they say, the list is bounded and the arithmetic
//! checked.

use re_mp4::{Co64Box, CttsBox, StcoBox, StscBox, StssBox, StszBox, SttsBox};

use super::boxes::Atom;
use crate::error::Broken;

/// Most samples in one track: 38 hours at 30 fps, and 128 MiB of list.
pub(super) const MAX_SAMPLES: usize = 1 << 22;
/// Times are kept below this many ticks, so that sums of a time, an offset and a duration cannot overflow.
pub(super) const MAX_TICKS: i64 = i64::MAX / 4;

/// One access unit: where it lies and when it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) offset: u64,
    /// Composition time in ticks of the track's timescale, before any edit.
    pub(super) pts_ticks: i64,
    pub(super) size_bytes: u32,
    pub(super) duration_ticks: u32,
    /// Index into the track's sample descriptions, from 0.
    pub(super) description: u16,
    /// Whether the container calls it a sync sample: one that decoding can start at.
    pub(super) sync: bool,
}

/// Builds the list from an `stbl`.
pub(super) fn read_samples(stbl: &Atom<'_>, file_bytes: u64) -> Result<Vec<Sample>, Broken> {
    let Some(stsz) = stbl.child(*b"stsz")? else {
        let compact = stbl.child(*b"stz2")?.is_some();
        return Err(Broken::new(if compact {
            "sample sizes are in an stz2 box, which is not read"
        } else {
            "box stbl has no stsz"
        }));
    };
    let sizes: StszBox = stsz.read()?;
    let count = check_count(&sizes, file_bytes)?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut samples = place(stbl, &sizes, count)?;
    let durations: SttsBox = stbl.required(*b"stts")?.read()?;
    let offsets = match stbl.child(*b"ctts")? {
        Some(ctts) => Some(ctts.read::<CttsBox>()?),
        None => None,
    };
    time(&mut samples, &durations, offsets.as_ref())?;
    mark_sync(stbl, &mut samples)?;
    Ok(samples)
}

/// Which samples are sync samples: those of the table, or every one where there is none (§8.6.2.1).
fn mark_sync(stbl: &Atom<'_>, samples: &mut [Sample]) -> Result<(), Broken> {
    let Some(stss) = stbl.child(*b"stss")? else {
        samples.iter_mut().for_each(|sample| sample.sync = true);
        return Ok(());
    };
    for number in stss.read::<StssBox>()?.entries {
        // Samples are numbered from 1; what is numbered beyond the last is of no sample.
        let index = (number as usize).checked_sub(1);
        if let Some(sample) = index.and_then(|index| samples.get_mut(index)) {
            sample.sync = true;
        }
    }
    Ok(())
}

/// The number of samples, or why it cannot be true.
fn check_count(sizes: &StszBox, file_bytes: u64) -> Result<usize, Broken> {
    let count = sizes.sample_count as usize;
    if count > MAX_SAMPLES {
        return Err(Broken::new(format!(
            "{count} samples in one track, and the limit is {MAX_SAMPLES}"
        )));
    }
    let total = u64::from(sizes.sample_size) * count as u64;
    if total > file_bytes {
        return Err(Broken::new(format!(
            "{count} samples of {} bytes do not fit a file of {file_bytes} bytes",
            sizes.sample_size
        )));
    }
    Ok(count)
}

/// Where each sample lies: sizes and chunks.
fn place(stbl: &Atom<'_>, sizes: &StszBox, count: usize) -> Result<Vec<Sample>, Broken> {
    let chunks = chunk_offsets(stbl)?;
    let runs: StscBox = stbl.required(*b"stsc")?.read()?;
    let mut samples = Vec::with_capacity(count);
    let mut run = 0;
    for (chunk, &chunk_offset) in chunks.iter().enumerate() {
        while let Some(next) = runs.entries.get(run + 1)
            && next.first_chunk as usize <= chunk + 1
        {
            run += 1;
        }
        let Some(entry) = runs.entries.get(run) else {
            return Err(Broken::new("box stsc has no entry"));
        };
        let mut offset = chunk_offset;
        for _ in 0..entry.samples_per_chunk {
            if samples.len() == count {
                return Ok(samples);
            }
            let size_bytes = match sizes.sample_size {
                0 => sizes.sample_sizes[samples.len()],
                same => same,
            };
            samples.push(Sample {
                offset,
                pts_ticks: 0,
                size_bytes,
                duration_ticks: 0,
                description: entry.sample_description_index.saturating_sub(1) as u16,
                sync: false,
            });
            offset = offset
                .checked_add(u64::from(size_bytes))
                .ok_or_else(|| Broken::new("a chunk offset is beyond 64 bits"))?;
        }
    }
    if samples.len() < count {
        return Err(Broken::new(format!(
            "stsz counts {count} samples, but the chunks of stco and stsc hold {}",
            samples.len()
        )));
    }
    Ok(samples)
}

fn chunk_offsets(stbl: &Atom<'_>) -> Result<Vec<u64>, Broken> {
    if let Some(stco) = stbl.child(*b"stco")? {
        let stco: StcoBox = stco.read()?;
        return Ok(stco.entries.into_iter().map(u64::from).collect());
    }
    let co64: Co64Box = stbl.required(*b"co64")?.read()?;
    Ok(co64.entries)
}

/// When each sample is shown: decode durations added up, plus the composition offset.
///
/// As FFmpeg does, a table that is too short goes on with its last duration, or with no offset.
fn time(
    samples: &mut [Sample],
    durations: &SttsBox,
    offsets: Option<&CttsBox>,
) -> Result<(), Broken> {
    if durations.entries.is_empty() {
        return Err(Broken::new("box stts has no entry"));
    }
    let last = durations.entries.last().map_or(0, |e| e.sample_delta);
    let mut deltas = durations
        .entries
        .iter()
        .flat_map(|e| std::iter::repeat_n(e.sample_delta, e.sample_count as usize))
        .chain(std::iter::repeat(last));
    let mut shifts = offsets
        .map(|c| c.entries.as_slice())
        .unwrap_or_default()
        .iter()
        .flat_map(|e| std::iter::repeat_n(e.sample_offset, e.sample_count as usize));
    // At most 2^22 samples of less than 2^32 ticks: no sum here leaves 56 bits.
    let mut decode_ticks: i64 = 0;
    for sample in samples {
        sample.duration_ticks = deltas.next().unwrap_or(last);
        sample.pts_ticks = decode_ticks + i64::from(shifts.next().unwrap_or(0));
        decode_ticks += i64::from(sample.duration_ticks);
    }
    Ok(())
}
