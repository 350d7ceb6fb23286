//! What the decoder must know before it starts, from a sequence parameter set (ITU-T H.264 §7.3.2.1.1).
//!
//! Fed by `avcC` or the first sample; feeds the choice to decode at all, [`VideoInfo`](crate::VideoInfo)
//! and the colour range of the pictures.

use frame_buffer::ColorRange;

/// The fields of a sequence parameter set that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sps {
    pub(super) profile: u8,
    /// `constraint_set0_flag` is the lowest bit of these six, reversed from the stream: bit 7 of the byte.
    constraints: u8,
    /// 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub(super) chroma_format: u32,
    pub(super) bit_depth: u32,
    pub(super) interlaced: bool,
    /// Cropped size in luma samples.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) full_range: bool,
}

impl Sps {
    /// Parses a NAL unit, header byte included. `None` when it is cut off or not sane.
    pub(super) fn parse(nal: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(nal.get(1..)?);
        let profile = bits.take(8)? as u8;
        let constraints = bits.take(8)? as u8;
        bits.take(8)?; // level_idc
        bits.unsigned()?; // seq_parameter_set_id
        let (chroma_format, bit_depth) = match profile {
            100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135 => {
                high_profile_fields(&mut bits)?
            }
            _ => (1, 8),
        };
        bits.unsigned()?; // log2_max_frame_num_minus4
        skip_picture_order(&mut bits)?;
        bits.unsigned()?; // max_num_ref_frames
        bits.take(1)?; // gaps_in_frame_num_value_allowed_flag
        let width_mbs = bits.unsigned()?.checked_add(1)?;
        let height_units = bits.unsigned()?.checked_add(1)?;
        let interlaced = bits.take(1)? == 0;
        if interlaced {
            bits.take(1)?; // mb_adaptive_frame_field_flag
        }
        bits.take(1)?; // direct_8x8_inference_flag
        let crop = crop(&mut bits, chroma_format, interlaced)?;
        let height_mbs = height_units.checked_mul(1 + u32::from(interlaced))?;
        let width = width_mbs.checked_mul(16)?.checked_sub(crop.0)?;
        let height = height_mbs.checked_mul(16)?.checked_sub(crop.1)?;
        Some(Self {
            profile,
            constraints,
            chroma_format,
            bit_depth,
            interlaced,
            width,
            height,
            full_range: full_range(&mut bits).unwrap_or(false),
        })
    }

    /// The profile as ffprobe names it.
    pub(super) fn profile_name(&self) -> String {
        let constrained = self.constraints & 0x40 != 0; // constraint_set1_flag
        match self.profile {
            66 if constrained => "Constrained Baseline".to_owned(),
            66 => "Baseline".to_owned(),
            77 => "Main".to_owned(),
            88 => "Extended".to_owned(),
            100 => "High".to_owned(),
            110 => "High 10".to_owned(),
            122 => "High 4:2:2".to_owned(),
            244 => "High 4:4:4 Predictive".to_owned(),
            other => format!("profile {other}"),
        }
    }

    /// The range of the pictures' samples.
    pub(super) fn range(&self) -> ColorRange {
        if self.full_range {
            ColorRange::Full
        } else {
            ColorRange::Limited
        }
    }

    /// What keeps openh264 from decoding this, if anything.
    pub(super) fn obstacle(&self) -> Option<String> {
        if self.bit_depth != 8 {
            return Some(format!("{} bits per sample", self.bit_depth));
        }
        match self.chroma_format {
            1 => {}
            0 => return Some("grey without chroma".to_owned()),
            2 => return Some("4:2:2 chroma".to_owned()),
            _ => return Some("4:4:4 chroma".to_owned()),
        }
        if self.interlaced {
            return Some("interlaced".to_owned());
        }
        None
    }
}

fn high_profile_fields(bits: &mut Bits) -> Option<(u32, u32)> {
    let chroma_format = bits.unsigned()?;
    if chroma_format == 3 {
        bits.take(1)?; // separate_colour_plane_flag
    }
    let luma = bits.unsigned()?.checked_add(8)?;
    let chroma = bits.unsigned()?.checked_add(8)?;
    bits.take(1)?; // qpprime_y_zero_transform_bypass_flag
    if bits.take(1)? == 1 {
        let lists = if chroma_format == 3 { 12 } else { 8 };
        for list in 0..lists {
            if bits.take(1)? == 1 {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some((chroma_format, luma.max(chroma)))
}

fn skip_scaling_list(bits: &mut Bits, entries: usize) -> Option<()> {
    let [mut last, mut next] = [8i64, 8i64];
    for _ in 0..entries {
        if next != 0 {
            next = (last + bits.signed()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

fn skip_picture_order(bits: &mut Bits) -> Option<()> {
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            bits.take(1)?; // delta_pic_order_always_zero_flag
            bits.signed()?; // offset_for_non_ref_pic
            bits.signed()?; // offset_for_top_to_bottom_field
            let cycle = bits.unsigned()?;
            if cycle > 255 {
                return None;
            }
            for _ in 0..cycle {
                bits.signed()?;
            }
        }
        _ => {}
    }
    Some(())
}

/// Luma samples cut off in width and height (equations 7-19 to 7-22).
fn crop(bits: &mut Bits, chroma_format: u32, interlaced: bool) -> Option<(u32, u32)> {
    if bits.take(1)? == 0 {
        return Some((0, 0));
    }
    let unit_x = if matches!(chroma_format, 1 | 2) { 2 } else { 1 };
    let unit_y = if chroma_format == 1 { 2 } else { 1 } * (1 + u32::from(interlaced));
    let x = bits.unsigned()?.checked_add(bits.unsigned()?)?;
    let y = bits.unsigned()?.checked_add(bits.unsigned()?)?;
    Some((x.checked_mul(unit_x)?, y.checked_mul(unit_y)?))
}

/// `video_full_range_flag` of the VUI (Annex E.1.1).
fn full_range(bits: &mut Bits) -> Option<bool> {
    const EXTENDED_SAR: u32 = 255;
    if bits.take(1)? == 0 {
        return Some(false);
    }
    if bits.take(1)? == 1 && bits.take(8)? == EXTENDED_SAR {
        bits.take(32)?;
    }
    if bits.take(1)? == 1 {
        bits.take(1)?; // overscan_appropriate_flag
    }
    if bits.take(1)? == 0 {
        return Some(false);
    }
    bits.take(3)?; // video_format
    Some(bits.take(1)? == 1)
}

/// Bits of an RBSP, emulation prevention bytes skipped (§7.4.1.1).
struct Bits {
    rbsp: Vec<u8>,
    position: usize,
}

impl Bits {
    fn new(ebsp: &[u8]) -> Self {
        let mut rbsp = Vec::with_capacity(ebsp.len());
        let mut zeros = 0;
        for &byte in ebsp {
            if zeros >= 2 && byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            rbsp.push(byte);
        }
        Self { rbsp, position: 0 }
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.rbsp.get(self.position / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.position % 8) & 1);
            self.position += 1;
        }
        Some(value)
    }

    /// `ue(v)` (§9.1).
    fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
    }

    /// `se(v)` (§9.1.1).
    fn signed(&mut self) -> Option<i64> {
        let code = i64::from(self.unsigned()?);
        Some(if code % 2 == 1 {
            code / 2 + 1
        } else {
            -code / 2
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x264, High, 1920x1080 (1088 coded, 8 rows cropped), limited range.
    const HIGH_1080P: [u8; 29] = [
        0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44, 0x00, 0x00,
        0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc6, 0x58, 0x00, 0x00,
    ];

    #[test]
    fn a_high_profile_set_gives_its_cropped_size() {
        let sps = Sps::parse(&HIGH_1080P);
        let sps = sps.map(|s| {
            (
                s.profile_name(),
                s.width,
                s.height,
                s.obstacle(),
                s.full_range,
            )
        });
        assert_eq!(sps, Some(("High".to_owned(), 1920, 1080, None, false)));
    }

    #[test]
    fn no_truncation_or_bit_flip_panics() {
        for end in 0..HIGH_1080P.len() {
            let _ = Sps::parse(&HIGH_1080P[..end]);
        }
        for bit in 8..HIGH_1080P.len() * 8 {
            let mut set = HIGH_1080P;
            set[bit / 8] ^= 1 << (bit % 8);
            let _ = Sps::parse(&set);
        }
    }
}
