//! The video track of a `moov` (ISO/IEC 14496-12 §8.3 to §8.6).
//!
//! Fed by the loaded `moov`; feeds the demuxer with the samples and the decoder with its configuration.
//! The first video track that can be decoded is taken; audio, subtitles, timecode and rotation are
//! ignored.

use re_mp4::{ElstBox, MdhdBox, TkhdBox};

use super::boxes::{Atom, Atoms, FourCc, printable};
use super::fragments::{self, FragmentReader};
use super::samples::{MAX_TICKS, Sample, read_samples};
use crate::error::Broken;
use crate::h264::AvcConfig;

/// Bytes of a visual sample entry before the boxes inside it (§12.1.3).
const VISUAL_ENTRY_BYTES: usize = 78;
/// `objectTypeIndication` of JPEG in an `esds` (ISO/IEC 14496-1 table 5).
const OTI_JPEG: u8 = 0x6c;

/// What a sample description says about decoding.
#[derive(Debug, Clone)]
pub(super) enum Codec {
    /// One configuration per sample description.
    H264(Vec<AvcConfig>),
    Mjpeg,
    Unsupported(String),
}

/// A video track.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) timescale: u32,
    pub(super) edit_start_ticks: Option<i64>,
    pub(super) codec: Codec,
    /// Size in the sample entry: what the writer says, not what the stream says.
    pub(super) entry_size: (u16, u16),
    pub(super) samples: Vec<Sample>,
    pub(super) fragments: Option<FragmentReader>,
}

/// What a `moov` holds for us.
pub(super) enum Found {
    Video(Box<Track>),
    /// The handlers of the tracks there are.
    NoVideo(Vec<String>),
}

/// Reads the video track out of a whole `moov` box.
pub(super) fn read_moov(moov: &[u8], file_bytes: u64) -> Result<Found, Broken> {
    let Some(moov) = Atoms::new(moov).next().transpose()? else {
        return Err(Broken::new("box moov is empty"));
    };
    let mut others = Vec::new();
    let mut unsupported = None;
    for child in moov.children() {
        let trak = child?;
        if trak.kind != *b"trak" {
            continue;
        }
        let handler = handler(&trak)?;
        if handler != *b"vide" {
            others.push(name_of_handler(handler));
            continue;
        }
        let codec = read_codec(&trak)?;
        if matches!(codec.0, Codec::Unsupported(_)) {
            unsupported.get_or_insert((trak, codec));
            continue;
        }
        return read_track(&moov, &trak, codec, file_bytes).map(|t| Found::Video(Box::new(t)));
    }
    match unsupported {
        // No need to read the tables of what cannot be decoded.
        Some((_, (codec, entry_size))) => Ok(Found::Video(Box::new(Track {
            timescale: 1,
            edit_start_ticks: None,
            codec,
            entry_size,
            samples: Vec::new(),
            fragments: None,
        }))),
        None => Ok(Found::NoVideo(others)),
    }
}

fn read_track(
    moov: &Atom<'_>,
    trak: &Atom<'_>,
    (codec, entry_size): (Codec, (u16, u16)),
    file_bytes: u64,
) -> Result<Track, Broken> {
    let mdia = trak.required(*b"mdia")?;
    let header: MdhdBox = mdia.required(*b"mdhd")?.read()?;
    if header.timescale == 0 {
        return Err(Broken::new("box mdhd has a timescale of 0"));
    }
    let stbl = mdia.required(*b"minf")?.required(*b"stbl")?;
    let samples = read_samples(&stbl, file_bytes)?;
    let track: TkhdBox = trak.required(*b"tkhd")?.read()?;
    let fragments = fragments::defaults(moov, track.track_id)?.map(|defaults| FragmentReader {
        track_id: track.track_id,
        defaults,
        decode_ticks: decode_end(&samples),
    });
    Ok(Track {
        timescale: header.timescale,
        edit_start_ticks: edit_start(trak)?,
        codec,
        entry_size,
        samples,
        fragments,
    })
}

fn decode_end(samples: &[Sample]) -> i64 {
    samples.iter().map(|s| i64::from(s.duration_ticks)).sum()
}

fn handler(trak: &Atom<'_>) -> Result<FourCc, Broken> {
    let hdlr = trak.required(*b"mdia")?.required(*b"hdlr")?;
    // Version and flags, then what QuickTime calls the component type, then the handler (§8.4.3).
    let kind = hdlr.body().get(8..12).and_then(|b| b.try_into().ok());
    kind.ok_or_else(|| Broken::new("box hdlr is cut off"))
}

fn name_of_handler(handler: FourCc) -> String {
    match &handler {
        b"soun" => "audio".to_owned(),
        b"sbtl" | b"text" | b"subt" => "subtitles".to_owned(),
        b"tmcd" => "timecode".to_owned(),
        _ => format!("a track of type {}", printable(handler)),
    }
}

/// The composition time at which the presentation starts, from the first edit that shows media.
///
/// Empty edits delay the start, and a source starts at 0 whatever they say; the end of an edit and
/// further edits are not applied, so that no frame is left out for a rounded duration.
fn edit_start(trak: &Atom<'_>) -> Result<Option<i64>, Broken> {
    let Some(edts) = trak.child(*b"edts")? else {
        return Ok(None);
    };
    let Some(elst) = edts.child(*b"elst")? else {
        return Ok(None);
    };
    let elst: ElstBox = elst.read()?;
    let starts = elst.entries.iter().map(|edit| match elst.version {
        // re_mp4 widens the 32-bit field without its sign.
        0 => i64::from((edit.media_time as u32).cast_signed()),
        _ => edit.media_time.cast_signed(),
    });
    Ok(starts
        .into_iter()
        .find(|start| *start >= 0)
        .filter(|start| *start < MAX_TICKS))
}

/// The codec and the size in the sample entry.
fn read_codec(trak: &Atom<'_>) -> Result<(Codec, (u16, u16)), Broken> {
    let stsd = trak
        .required(*b"mdia")?
        .required(*b"minf")?
        .required(*b"stbl")?
        .required(*b"stsd")?;
    // Version, flags and the number of entries come before the entries (§8.5.2).
    let entries = stsd.body().get(8..).unwrap_or_default();
    let mut configs = Vec::new();
    let mut size = None;
    for entry in Atoms::new(entries) {
        let entry = entry?;
        size.get_or_insert(entry_size(&entry));
        match &entry.kind {
            b"avc1" | b"avc3" | b"avc2" | b"avc4" => configs.push(avc_config(&entry)?),
            b"jpeg" | b"mjpa" | b"mjpg" | b"MJPG" | b"AVDJ" if configs.is_empty() => {
                return Ok((Codec::Mjpeg, size.unwrap_or_default()));
            }
            b"mp4v" if configs.is_empty() && object_type(&entry)? == Some(OTI_JPEG) => {
                return Ok((Codec::Mjpeg, size.unwrap_or_default()));
            }
            other => {
                let name = codec_name(*other);
                return Ok((Codec::Unsupported(name), size.unwrap_or_default()));
            }
        }
    }
    if configs.is_empty() {
        return Err(Broken::new("box stsd has no entry"));
    }
    Ok((Codec::H264(configs), size.unwrap_or_default()))
}

fn entry_size(entry: &Atom<'_>) -> (u16, u16) {
    let at = |i: usize| {
        let bytes = entry.body().get(i..i + 2).and_then(|b| b.try_into().ok());
        bytes.map_or(0, u16::from_be_bytes)
    };
    (at(24), at(26))
}

fn children_of_entry<'a>(entry: &Atom<'a>) -> Atoms<'a> {
    Atoms::new(entry.body().get(VISUAL_ENTRY_BYTES..).unwrap_or_default())
}

fn avc_config(entry: &Atom<'_>) -> Result<AvcConfig, Broken> {
    for child in children_of_entry(entry) {
        let child = child?;
        if child.kind == *b"avcC" {
            return AvcConfig::parse(child.body());
        }
    }
    Err(Broken::new(format!(
        "sample entry {} has no avcC",
        printable(entry.kind)
    )))
}

/// `objectTypeIndication` of the first decoder configuration in an `esds` (ISO/IEC 14496-1 §7.2.6).
fn object_type(entry: &Atom<'_>) -> Result<Option<u8>, Broken> {
    for child in children_of_entry(entry) {
        let child = child?;
        if child.kind == *b"esds" {
            return Ok(decoder_object_type(
                child.body().get(4..).unwrap_or_default(),
            ));
        }
    }
    Ok(None)
}

fn decoder_object_type(mut bytes: &[u8]) -> Option<u8> {
    const ES_DESCRIPTOR: u8 = 3;
    const DECODER_CONFIG: u8 = 4;
    let (tag, rest) = descriptor(bytes)?;
    if tag != ES_DESCRIPTOR {
        return None;
    }
    let flags = *rest.get(2)?;
    bytes = rest.get(3..)?;
    if flags & 0x80 != 0 {
        bytes = bytes.get(2..)?;
    }
    if flags & 0x40 != 0 {
        bytes = bytes.get(1 + usize::from(*bytes.first()?)..)?;
    }
    if flags & 0x20 != 0 {
        bytes = bytes.get(2..)?;
    }
    let (tag, rest) = descriptor(bytes)?;
    (tag == DECODER_CONFIG).then(|| rest.first().copied())?
}

/// A descriptor's tag and what follows its length of one to four bytes.
fn descriptor(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (tag, mut rest) = bytes.split_first()?;
    for _ in 0..4 {
        let (length, after) = rest.split_first()?;
        rest = after;
        if length & 0x80 == 0 {
            return Some((*tag, rest));
        }
    }
    None
}

fn codec_name(kind: FourCc) -> String {
    let family = match &kind {
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => "H.265/HEVC",
        b"vvc1" | b"vvi1" => "H.266/VVC",
        b"vp08" => "VP8",
        b"vp09" => "VP9",
        b"av01" => "AV1",
        b"mp4v" => "MPEG-4 Visual",
        b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" | b"ap4x" => "Apple ProRes",
        b"mjpb" => "Motion JPEG B",
        b"s263" | b"h263" => "H.263",
        b"encv" => "encrypted video",
        _ => "the codec",
    };
    format!("{family} ({})", printable(kind))
}
