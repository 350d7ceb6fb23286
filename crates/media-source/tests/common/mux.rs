//! Small videos made on the spot: an H.264 clip of the test pattern by openh264's encoder, and a minimal
//! MP4 writer around it.

use frame_buffer::{FramePool, PictureSize};
use media_source::{FrameSource, PatternOptions, TestPattern};
use openh264::OpenH264API;
use openh264::encoder::{BitRate, Encoder, EncoderConfig, FrameRate, IntraFramePeriod};
use openh264::formats::YUVSlices;

/// An encoded clip: parameter sets, and the NAL units of each access unit.
#[derive(Clone)]
pub(crate) struct Clip {
    pub(crate) size: PictureSize,
    pub(crate) sps: Vec<u8>,
    pub(crate) pps: Vec<u8>,
    pub(crate) access_units: Vec<Vec<Vec<u8>>>,
}

/// The pattern's first frames as H.264, a keyframe every `gop` frames. Both sides of `size` must be even.
pub(crate) fn encode_pattern(size: PictureSize, frames: u64, gop: u32) -> Clip {
    let config = EncoderConfig::new()
        .bitrate(BitRate::from_bps(4_000_000))
        .max_frame_rate(FrameRate::from_hz(30.0))
        .skip_frames(false)
        .scene_change_detect(false)
        .intra_frame_period(IntraFramePeriod::from_num_frames(gop));
    let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), config).unwrap();
    let options = PatternOptions {
        size,
        frames: Some(frames),
        ..PatternOptions::default()
    };
    let mut pattern = TestPattern::new(options, FramePool::new(2)).unwrap();
    let mut clip = Clip {
        size,
        sps: Vec::new(),
        pps: Vec::new(),
        access_units: Vec::new(),
    };
    while let Some(frame) = pattern.next_frame().unwrap() {
        let picture = &frame.picture;
        let planes = (picture.y(), picture.u(), picture.v());
        let strides = (picture.y_stride(), picture.c_stride(), picture.c_stride());
        let dimensions = (size.width as usize, size.height as usize);
        let slices = YUVSlices::new(planes, dimensions, strides);
        let stream = encoder.encode(&slices).unwrap().to_vec();
        clip.access_units
            .push(split(&stream, &mut clip.sps, &mut clip.pps));
    }
    clip
}

/// The NAL units of an Annex B access unit, parameter sets set aside.
fn split(stream: &[u8], sps: &mut Vec<u8>, pps: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let mut units = Vec::new();
    for unit in openh264::nal_units(stream) {
        let start = unit.iter().position(|b| *b == 1).unwrap() + 1;
        let unit = unit[start..].to_vec();
        match unit[0] & 0x1f {
            7 => *sps = unit,
            8 => *pps = unit,
            _ => units.push(unit),
        }
    }
    units
}

/// One sample of a track.
#[derive(Clone)]
pub(crate) struct MuxSample {
    pub(crate) data: Vec<u8>,
    pub(crate) duration: u32,
    pub(crate) shift: i32,
}

/// A track to be written.
#[derive(Clone)]
pub(crate) struct Mux {
    pub(crate) size: PictureSize,
    pub(crate) timescale: u32,
    /// The sample entry box.
    pub(crate) entry: Vec<u8>,
    pub(crate) samples: Vec<MuxSample>,
    /// Numbers of the sync samples, from 1; `None` for no table of them.
    pub(crate) sync: Option<Vec<u32>>,
    /// `media_time` of an edit list.
    pub(crate) edit: Option<i32>,
    pub(crate) moov_first: bool,
    /// Samples in each fragment; 0 for none.
    pub(crate) per_fragment: usize,
    /// Handler of the track.
    pub(crate) handler: [u8; 4],
}

impl Mux {
    /// A clip at 30 fps with four-byte NAL lengths.
    pub(crate) fn h264(clip: &Clip) -> Self {
        Self::h264_with_lengths(clip, 4)
    }

    pub(crate) fn h264_with_lengths(clip: &Clip, length_bytes: usize) -> Self {
        let samples = clip.access_units.iter().map(|units| MuxSample {
            data: length_prefixed(units, length_bytes),
            duration: 1000,
            shift: 0,
        });
        Self {
            size: clip.size,
            timescale: 30_000,
            entry: avc_entry(b"avc1", clip, length_bytes, true),
            samples: samples.collect(),
            sync: None,
            edit: None,
            moov_first: true,
            per_fragment: 0,
            handler: *b"vide",
        }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let ftyp = bx(b"ftyp", &[b"isom\0\0\x02\0isomiso2avc1mp41"]);
        if self.per_fragment > 0 {
            return self.write_fragmented(ftyp);
        }
        let data: Vec<u8> = self.samples.iter().flat_map(|s| s.data.clone()).collect();
        let mdat = bx(b"mdat", &[&data]);
        if self.moov_first {
            let moov_bytes = self.moov(0).len();
            let moov = self.moov((ftyp.len() + moov_bytes + 8) as u32);
            return [ftyp, moov, mdat].concat();
        }
        let moov = self.moov(ftyp.len() as u32 + 8);
        [ftyp, mdat, moov].concat()
    }

    fn write_fragmented(&self, ftyp: Vec<u8>) -> Vec<u8> {
        let trex = full(b"trex", &words(&[1, 1, 0, 0, 0]));
        let empty = Self {
            samples: Vec::new(),
            ..self.clone()
        };
        let moov = empty.moov_with(0, &bx(b"mvex", &[&trex]));
        let mut file = [ftyp, moov].concat();
        let mut decode_time = 0;
        for (i, samples) in self.samples.chunks(self.per_fragment).enumerate() {
            let moof_bytes = moof(i as u32, decode_time, 0, samples).len();
            file.extend(moof(i as u32, decode_time, moof_bytes as u32 + 8, samples));
            let data: Vec<u8> = samples.iter().flat_map(|s| s.data.clone()).collect();
            file.extend(bx(b"mdat", &[&data]));
            decode_time += samples.iter().map(|s| s.duration).sum::<u32>();
        }
        file
    }

    fn moov(&self, first_offset: u32) -> Vec<u8> {
        self.moov_with(first_offset, &[])
    }

    fn moov_with(&self, first_offset: u32, extra: &[u8]) -> Vec<u8> {
        let duration: u32 = self.samples.iter().map(|s| s.duration).sum();
        let mvhd = full(b"mvhd", &words(&[0, 0, self.timescale, duration]));
        let mut tkhd = words(&[0, 0, 1, 0, duration]);
        tkhd.extend([0; 52]);
        tkhd.extend(words(&[self.size.width << 16, self.size.height << 16]));
        let mdhd = full(b"mdhd", &words(&[0, 0, self.timescale, duration, 0]));
        let hdlr = full(b"hdlr", &[&[0; 4], &self.handler[..], &[0; 13]].concat());
        let minf = bx(b"minf", &[&self.stbl(first_offset)]);
        let mdia = bx(b"mdia", &[&mdhd, &hdlr, &minf]);
        let edts = self.edit.map_or(Vec::new(), |media_time| {
            let elst = words(&[1, duration, media_time as u32, 0x0001_0000]);
            bx(b"edts", &[&full(b"elst", &elst)])
        });
        let trak = bx(b"trak", &[&full(b"tkhd", &tkhd), &edts, &mdia]);
        bx(b"moov", &[&mvhd, &sound_track(), &trak, extra])
    }

    fn stbl(&self, first_offset: u32) -> Vec<u8> {
        const PER_CHUNK: usize = 3;
        let count = self.samples.len() as u32;
        let stsd = full(b"stsd", &[words(&[1]), self.entry.clone()].concat());
        let runs = |values: Vec<u32>| {
            let mut table = vec![values.len() as u32];
            table.extend(values.into_iter().flat_map(|v| [1, v]));
            words(&table)
        };
        let stts = full(
            b"stts",
            &runs(self.samples.iter().map(|s| s.duration).collect()),
        );
        let ctts = full(
            b"ctts",
            &runs(self.samples.iter().map(|s| s.shift as u32).collect()),
        );
        let mut sizes = vec![0, count];
        sizes.extend(self.samples.iter().map(|s| s.data.len() as u32));
        let mut offsets = Vec::new();
        let mut offset = first_offset;
        for chunk in self.samples.chunks(PER_CHUNK) {
            offsets.push(offset);
            offset += chunk.iter().map(|s| s.data.len() as u32).sum::<u32>();
        }
        let chunks = offsets.len() as u32;
        let last = (self.samples.len() % PER_CHUNK) as u32;
        let stsc = match (chunks, last) {
            (0, _) => words(&[0]),
            (1, _) | (_, 0) => words(&[1, 1, PER_CHUNK as u32, 1]),
            _ => words(&[2, 1, PER_CHUNK as u32, 1, chunks, last, 1]),
        };
        let stco = full(b"stco", &[words(&[chunks]), words(&offsets)].concat());
        let stsz = full(b"stsz", &words(&sizes));
        let stss = self.sync.as_ref().map_or(Vec::new(), |numbers| {
            let count = words(&[numbers.len() as u32]);
            full(b"stss", &[count, words(numbers)].concat())
        });
        let stsc = full(b"stsc", &stsc);
        bx(b"stbl", &[&stsd, &stts, &stss, &ctts, &stsc, &stsz, &stco])
    }
}

/// A sound track that no reader of video need understand: its sample entry is nonsense.
fn sound_track() -> Vec<u8> {
    let hdlr = full(b"hdlr", &[&[0; 4][..], b"soun", &[0; 13]].concat());
    let stsd = full(b"stsd", &[words(&[1]), bx(b"mp4a", &[b"?"])].concat());
    let minf = bx(b"minf", &[&bx(b"stbl", &[&stsd])]);
    bx(b"trak", &[&bx(b"mdia", &[&hdlr, &minf])])
}

fn moof(sequence: u32, decode_time: u32, data_offset: u32, samples: &[MuxSample]) -> Vec<u8> {
    let mfhd = full(b"mfhd", &words(&[sequence + 1]));
    // default-base-is-moof
    let tfhd = boxed(b"tfhd", 0, 0x02_0000, &words(&[1]));
    let tfdt = full(b"tfdt", &words(&[decode_time]));
    let mut run = vec![samples.len() as u32, data_offset];
    for sample in samples {
        run.extend([
            sample.duration,
            sample.data.len() as u32,
            sample.shift as u32,
        ]);
    }
    // data offset, sample durations, sizes and composition offsets
    let trun = boxed(b"trun", 1, 0x0b01, &words(&run));
    bx(b"moof", &[&mfhd, &bx(b"traf", &[&tfhd, &tfdt, &trun])])
}

pub(crate) fn length_prefixed(units: &[Vec<u8>], length_bytes: usize) -> Vec<u8> {
    let mut data = Vec::new();
    for unit in units {
        data.extend_from_slice(&(unit.len() as u32).to_be_bytes()[4 - length_bytes..]);
        data.extend_from_slice(unit);
    }
    data
}

/// A sample entry for H.264, its parameter sets left out where they are in the samples.
pub(crate) fn avc_entry(
    kind: &[u8; 4],
    clip: &Clip,
    length_bytes: usize,
    with_sets: bool,
) -> Vec<u8> {
    let mut avcc = vec![1, clip.sps[1], clip.sps[2], clip.sps[3]];
    avcc.push(0xfc | (length_bytes - 1) as u8);
    if with_sets {
        for (marker, set) in [(0xe1, &clip.sps), (1, &clip.pps)] {
            avcc.push(marker);
            avcc.extend((set.len() as u16).to_be_bytes());
            avcc.extend(set);
        }
    } else {
        avcc.extend([0xe0, 0]);
    }
    visual_entry(kind, clip.size, &bx(b"avcC", &[&avcc]))
}

/// A visual sample entry with boxes inside.
pub(crate) fn visual_entry(kind: &[u8; 4], size: PictureSize, inside: &[u8]) -> Vec<u8> {
    let mut fields = vec![0; 78];
    fields[7] = 1;
    fields[24..26].copy_from_slice(&(size.width as u16).to_be_bytes());
    fields[26..28].copy_from_slice(&(size.height as u16).to_be_bytes());
    bx(kind, &[&fields, inside])
}

pub(crate) fn bx(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut out = ((body.len() + 8) as u32).to_be_bytes().to_vec();
    out.extend_from_slice(kind);
    out.extend(body);
    out
}

fn full(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    boxed(kind, 0, 0, body)
}

fn boxed(kind: &[u8; 4], version: u8, flags: u32, body: &[u8]) -> Vec<u8> {
    let head = (u32::from(version) << 24 | flags).to_be_bytes();
    bx(kind, &[&head, body])
}

pub(crate) fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_be_bytes()).collect()
}
