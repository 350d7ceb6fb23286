//! `avcC` and length-prefixed NAL units to Annex B (ISO/IEC 14496-15 §5.3.3, ITU-T H.264 Annex B).
//!
//! Fed by the sample description and each sample; feeds the decoder.

use crate::error::Broken;

const START_CODE: [u8; 4] = [0, 0, 0, 1];
const NAL_TYPE_IDR: u8 = 5;
const NAL_TYPE_SPS: u8 = 7;
const NAL_TYPE_PPS: u8 = 8;

/// How one sample description codes its samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AvcConfig {
    pub(super) profile: u8,
    /// Bytes of each NAL unit's length: 1, 2 or 4 (3 is not forbidden by the arithmetic, and read).
    length_bytes: usize,
    sps: Vec<Vec<u8>>,
    pps: Vec<Vec<u8>>,
}

impl AvcConfig {
    /// Parses the body of an `avcC` box.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Broken> {
        let cut = || Broken::new("box avcC is cut off");
        let (head, mut rest) = body.split_at_checked(6).ok_or_else(cut)?;
        let [version, profile, _, _, lengths, sps_count] = *head else {
            return Err(cut());
        };
        if version != 1 {
            return Err(Broken::new(format!(
                "box avcC has version {version}, not 1"
            )));
        }
        let sps = parameter_sets(&mut rest, usize::from(sps_count & 0x1f)).ok_or_else(cut)?;
        let (pps_count, mut rest) = rest.split_first().ok_or_else(cut)?;
        let pps = parameter_sets(&mut rest, usize::from(*pps_count)).ok_or_else(cut)?;
        Ok(Self {
            profile,
            length_bytes: usize::from(lengths & 3) + 1,
            sps,
            pps,
        })
    }

    /// The first sequence parameter set, header byte included; an `avc3` track may have none here.
    pub(super) fn sps(&self) -> Option<&[u8]> {
        self.sps.first().map(Vec::as_slice)
    }

    /// Appends the parameter sets as Annex B.
    pub(super) fn write_parameter_sets(&self, out: &mut Vec<u8>) {
        write_nal_units(self.sps.iter().chain(&self.pps), out);
    }

    /// The NAL units of a sample; an error where a length leaves the sample.
    pub(super) fn nal_units<'a>(
        &self,
        sample: &'a [u8],
    ) -> impl Iterator<Item = Result<&'a [u8], Broken>> + use<'a> {
        NalUnits {
            rest: sample,
            length_bytes: self.length_bytes,
        }
    }

    /// Appends a sample as Annex B.
    pub(super) fn write_sample(&self, sample: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        for nal in self.nal_units(sample) {
            write_nal_units([nal?], out);
        }
        Ok(())
    }
}

/// Whether a NAL unit is a slice of an IDR picture.
pub(super) fn is_idr(nal: &[u8]) -> bool {
    nal.first().is_some_and(|b| b & 0x1f == NAL_TYPE_IDR)
}

/// Whether a NAL unit is coded data of a picture, partitions included (Table 7-1).
pub(super) fn is_slice(nal: &[u8]) -> bool {
    nal.first()
        .is_some_and(|b| (1..=NAL_TYPE_IDR).contains(&(b & 0x1f)))
}

/// Whether a NAL unit is a sequence parameter set.
pub(super) fn is_sps(nal: &[u8]) -> bool {
    nal.first().is_some_and(|b| b & 0x1f == NAL_TYPE_SPS)
}

/// Whether a NAL unit is a sequence or picture parameter set.
pub(super) fn is_parameter_set(nal: &[u8]) -> bool {
    is_sps(nal) || nal.first().is_some_and(|b| b & 0x1f == NAL_TYPE_PPS)
}

/// Appends NAL units as Annex B; empty ones are left out.
pub(super) fn write_nal_units<N: AsRef<[u8]>>(
    nal_units: impl IntoIterator<Item = N>,
    out: &mut Vec<u8>,
) {
    for nal in nal_units {
        if !nal.as_ref().is_empty() {
            out.extend_from_slice(&START_CODE);
            out.extend_from_slice(nal.as_ref());
        }
    }
}

/// The NAL units of an access unit in Annex B form, without their start codes.
pub(super) fn split_annex_b(annex_b: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut starts = (0..annex_b.len().saturating_sub(2))
        .filter(|&at| annex_b[at..].starts_with(&START_CODE[1..]))
        .map(|at| at + START_CODE.len() - 1)
        .peekable();
    std::iter::from_fn(move || {
        let start = starts.next()?;
        let end = starts.peek().map_or(annex_b.len(), |next| next - 3);
        Some(annex_b.get(start..end).unwrap_or_default())
    })
}

fn parameter_sets(rest: &mut &[u8], count: usize) -> Option<Vec<Vec<u8>>> {
    let mut sets = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (set, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        sets.push(set.to_vec());
        *rest = after;
    }
    Some(sets)
}

struct NalUnits<'a> {
    rest: &'a [u8],
    length_bytes: usize,
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = Result<&'a [u8], Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let split = self.rest.split_at_checked(self.length_bytes);
        let Some((prefix, after)) = split else {
            self.rest = &[];
            return Some(Err(Broken::new("a NAL unit's length is cut off")));
        };
        let length = prefix.iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
        let Some((nal, after)) = after.split_at_checked(length) else {
            let what = format!(
                "a NAL unit claims {length} bytes where {} are left",
                after.len()
            );
            self.rest = &[];
            return Some(Err(Broken::new(what)));
        };
        self.rest = after;
        Some(Ok(nal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(length_bytes: u8) -> AvcConfig {
        let mut body = vec![1, 66, 0, 30, 0xfc | (length_bytes - 1), 0xe1];
        body.extend([0, 2, 0x67, 66, 1, 0, 1, 0x68]);
        AvcConfig::parse(&body).unwrap()
    }

    #[test]
    fn every_length_size_becomes_start_codes() {
        for (length_bytes, sample) in [
            (1, vec![2, 0x65, 9, 1, 0x41]),
            (2, vec![0, 2, 0x65, 9, 0, 1, 0x41]),
            (4, vec![0, 0, 0, 2, 0x65, 9, 0, 0, 0, 1, 0x41]),
        ] {
            let mut out = Vec::new();
            config(length_bytes)
                .write_sample(&sample, &mut out)
                .unwrap();
            assert_eq!(out, [0, 0, 0, 1, 0x65, 9, 0, 0, 0, 1, 0x41]);
        }
    }

    #[test]
    fn parameter_sets_come_with_start_codes() {
        let mut out = Vec::new();
        config(4).write_parameter_sets(&mut out);
        assert_eq!(out, [0, 0, 0, 1, 0x67, 66, 0, 0, 0, 1, 0x68]);
    }

    #[test]
    fn annex_b_is_split_at_its_start_codes() {
        let stream = [0, 0, 0, 1, 0x67, 66, 0, 0, 1, 0x68, 0, 0, 1, 0x65, 9];
        let units: Vec<&[u8]> = split_annex_b(&stream).collect();
        assert_eq!(units, [&[0x67, 66][..], &[0x68], &[0x65, 9]]);
        for end in 0..stream.len() {
            let _ = split_annex_b(&stream[..end]).count();
        }
    }

    #[test]
    fn a_length_beyond_the_sample_is_an_error() {
        let broken = config(4).write_sample(&[0, 0, 1, 0, 5], &mut Vec::new());
        assert_eq!(
            broken.unwrap_err().0,
            "a NAL unit claims 256 bytes where 1 are left"
        );
    }

    #[test]
    fn every_truncation_of_avcc_is_an_error() {
        let mut body = vec![1, 66, 0, 30, 0xff, 0xe1];
        body.extend([0, 2, 0x67, 66, 1, 0, 1, 0x68]);
        for end in 0..body.len() {
            assert!(AvcConfig::parse(&body[..end]).is_err(), "{end} bytes");
        }
    }
}
