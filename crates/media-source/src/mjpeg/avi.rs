//! MJPEG in AVI: RIFF chunks, one JPEG each (AVI RIFF File Reference; OpenDML AVI File Format Extensions 1.02).
//!
//! Fed by the input; feeds [`MjpegSource`](super::MjpegSource). The chunks of `movi` are walked in file
//! order, which is presentation order, so no index is needed: a file whose recorder died before writing
//! one plays as well, and the further `AVIX` parts of OpenDML are simply walked into.

use std::time::Duration;

use frame_buffer::FrameId;

use super::scan::MAX_JPEG_BYTES;
use super::source::{JpegStream, StreamInfo, Unit};
use crate::error::Broken;
use crate::input::Input;
use crate::mp4::printable;
use crate::rate::Rate;
use crate::{DecodeError, OpenError, sniff};

const CONTAINER: &str = "AVI";
/// Largest header list: real ones have some hundred bytes, with metadata some kB.
const MAX_HEADER_BYTES: u64 = 1 << 20;
/// Chunks passed over on the way to the next frame: audio and index chunks come by the handful.
const MAX_CHUNKS_SKIPPED: usize = 65_536;

pub(crate) struct AviStream {
    input: Input,
    header: Header,
    movi_offset: u64,
    offset: u64,
    next: u64,
}

/// The video stream's header.
#[derive(Debug, Clone, Copy)]
struct Header {
    /// Number of the stream, as its chunks carry it: two decimal digits.
    digits: [u8; 2],
    rate: Rate,
    frames: u64,
}

impl AviStream {
    pub(super) fn open(mut input: Input) -> Result<Self, OpenError> {
        let name = input.name().to_owned();
        let found = find_lists(&mut input).map_err(|e| e.opening(&name))?;
        let header = read_header(&found.header).map_err(|b| b.opening(&name, CONTAINER))?;
        let header = match header {
            Stream::Mjpeg(header) => header,
            Stream::Other(codec) => return Err(sniff::unsupported(&name, CONTAINER, &codec)),
            Stream::None => {
                return Err(OpenError::NoVideoTrack {
                    name,
                    container: CONTAINER.to_owned(),
                    found: "no stream of type vids".to_owned(),
                });
            }
        };
        Ok(Self {
            input,
            header,
            movi_offset: found.movi_offset,
            offset: found.movi_offset,
            next: 0,
        })
    }

    /// The next chunk of the video stream: where its data is, and how long.
    fn next_chunk(&mut self) -> Result<Option<(u64, u32)>, AviError> {
        for _ in 0..MAX_CHUNKS_SKIPPED {
            let Some(chunk) = chunk_at(&mut self.input, self.offset)? else {
                return Ok(None);
            };
            let body = self.offset + 8;
            if chunk.opens_frames() {
                self.offset = body + 4;
                continue;
            }
            if !chunk.id.iter().all(|b| b.is_ascii_graphic() || *b == b' ') {
                return Err(Broken::new(format!("no chunk starts at byte {}", self.offset)).into());
            }
            self.offset = chunk.end(self.offset);
            let [a, b, kind @ ..] = chunk.id;
            if [a, b] == self.header.digits && matches!(&kind, b"dc" | b"db") {
                return Ok(Some((body, chunk.size_bytes)));
            }
        }
        let what = format!("more than {MAX_CHUNKS_SKIPPED} chunks without a frame");
        Err(Broken::new(what).into())
    }

    /// The last chunk with data up to frame `index`, which a frame without shows again: where it is found, and which frame it is.
    fn walk_to(&mut self, index: u64) -> Result<(u64, u64), AviError> {
        (self.offset, self.next) = (self.movi_offset, 0);
        let mut place = (self.offset, self.next);
        while self.next <= index {
            let here = (self.offset, self.next);
            let Some((_, size_bytes)) = self.next_chunk()? else {
                break;
            };
            if size_bytes > 0 {
                place = here;
            }
            self.next += 1;
        }
        Ok(place)
    }
}

impl JpegStream for AviStream {
    fn name(&self) -> &str {
        self.input.name()
    }

    fn info(&self) -> StreamInfo {
        let frames = self.header.frames;
        StreamInfo {
            container: CONTAINER,
            frame_rate: self.header.rate.fps(),
            // 0 is what a recorder leaves that could not come back to the header.
            frame_count: (frames > 0).then_some(frames),
            duration: (frames > 0).then(|| self.header.rate.start(frames)),
        }
    }

    fn next_jpeg(&mut self, jpeg: &mut Vec<u8>) -> Result<Option<Unit>, DecodeError> {
        let index = self.next;
        let truncated = |name: &str| DecodeError::Truncated {
            name: name.to_owned(),
            index: FrameId(index),
        };
        let chunk = self
            .next_chunk()
            .map_err(|e| e.decoding(self.input.name()))?;
        let Some((offset, size_bytes)) = chunk else {
            // A header that counts more frames than there are is common where a recorder died; the
            // bytes say where the video ends.
            return Ok(None);
        };
        let len = size_bytes as usize;
        if offset + u64::from(size_bytes) > self.input.len_bytes() {
            return Err(truncated(self.input.name()));
        }
        if len > MAX_JPEG_BYTES {
            let what =
                format!("frame {index} claims {len} bytes, and the limit is {MAX_JPEG_BYTES}");
            return Err(Broken::new(what).decoding(self.input.name(), CONTAINER));
        }
        self.input
            .read_vec_at(offset, len, jpeg)
            .map_err(|source| {
                let name = self.input.name().to_owned();
                match source.kind() {
                    std::io::ErrorKind::UnexpectedEof => truncated(&name),
                    _ => DecodeError::Read { name, source },
                }
            })?;
        self.next += 1;
        let (pts, duration) = self.header.rate.times(index);
        Ok(Some(Unit {
            pts,
            duration,
            // A chunk without data is a dropped frame: the one before stays (AVI RIFF File Reference).
            repeat: len == 0,
        }))
    }

    fn rewind(&mut self) -> Result<(), DecodeError> {
        self.offset = self.movi_offset;
        self.next = 0;
        Ok(())
    }

    fn seek(&mut self, to: Duration) -> Result<u64, DecodeError> {
        let before = (self.offset, self.next);
        let found = self.walk_to(self.header.rate.index_at(to));
        (self.offset, self.next) = found.as_ref().map_or(before, |place| *place);
        found
            .map(|(_, index)| index)
            .map_err(|e| e.decoding(self.input.name()))
    }
}

/// Why a chunk could not be read.
enum AviError {
    Io(std::io::Error),
    Broken(Broken),
}

impl From<std::io::Error> for AviError {
    fn from(e: std::io::Error) -> Self {
        Self::Io(e)
    }
}

impl From<Broken> for AviError {
    fn from(e: Broken) -> Self {
        Self::Broken(e)
    }
}

impl AviError {
    fn opening(self, name: &str) -> OpenError {
        match self {
            Self::Io(source) => OpenError::Read {
                name: name.to_owned(),
                source,
            },
            Self::Broken(broken) => broken.opening(name, CONTAINER),
        }
    }

    fn decoding(self, name: &str) -> DecodeError {
        match self {
            Self::Io(source) => DecodeError::Read {
                name: name.to_owned(),
                source,
            },
            Self::Broken(broken) => broken.decoding(name, CONTAINER),
        }
    }
}

/// A chunk's header, and the type of a list.
struct Chunk {
    id: [u8; 4],
    size_bytes: u32,
    list: [u8; 4],
}

impl Chunk {
    /// A list whose content is walked rather than passed over.
    fn opens_frames(&self) -> bool {
        matches!(&self.id, b"LIST" | b"RIFF") && matches!(&self.list, b"movi" | b"rec " | b"AVIX")
    }

    /// Where the next chunk starts: data is padded to an even length.
    fn end(&self, offset: u64) -> u64 {
        offset + 8 + u64::from(self.size_bytes).next_multiple_of(2)
    }
}

/// The chunk at an offset; `None` at the end of the file.
fn chunk_at(input: &mut Input, offset: u64) -> std::io::Result<Option<Chunk>> {
    if offset >= input.len_bytes() {
        return Ok(None);
    }
    let mut bytes = [0; 12];
    input.seek_to(offset)?;
    if input.read_up_to(&mut bytes)? < 8 {
        return Ok(None);
    }
    let [a, b, c, d, s0, s1, s2, s3, list @ ..] = bytes;
    Ok(Some(Chunk {
        id: [a, b, c, d],
        size_bytes: u32::from_le_bytes([s0, s1, s2, s3]),
        list,
    }))
}

struct Lists {
    /// The content of `hdrl`.
    header: Vec<u8>,
    /// Where the chunks of `movi` start.
    movi_offset: u64,
}

fn find_lists(input: &mut Input) -> Result<Lists, AviError> {
    let mut offset = 12;
    let mut header = None;
    for _ in 0..MAX_CHUNKS_SKIPPED {
        let Some(chunk) = chunk_at(input, offset)? else {
            break;
        };
        match (&chunk.id, &chunk.list) {
            (b"LIST", b"hdrl") => {
                let len = u64::from(chunk.size_bytes).saturating_sub(4);
                if len > MAX_HEADER_BYTES {
                    let what = format!("its header claims {len} bytes");
                    return Err(Broken::new(what).into());
                }
                let mut bytes = Vec::new();
                input
                    .read_vec_at(offset + 12, len as usize, &mut bytes)
                    .map_err(|_| Broken::new("its header is cut off"))?;
                header = Some(bytes);
            }
            (b"LIST", b"movi") => {
                let header = header.ok_or_else(|| Broken::new("list hdrl is missing"))?;
                return Ok(Lists {
                    header,
                    movi_offset: offset + 12,
                });
            }
            _ => {}
        }
        offset = chunk.end(offset);
    }
    Err(Broken::new("list movi, which holds the frames, is missing: the file was cut off").into())
}

/// What the header says of the first video stream.
enum Stream {
    Mjpeg(Header),
    Other(String),
    None,
}

fn read_header(hdrl: &[u8]) -> Result<Stream, Broken> {
    let mut number = 0u8;
    for (id, body) in Chunks(hdrl) {
        if id != *b"LIST" || !body.starts_with(b"strl") {
            continue;
        }
        let stream = read_stream(&body[4..], number)?;
        if !matches!(stream, Stream::None) {
            return Ok(stream);
        }
        number = number.saturating_add(1);
    }
    Ok(Stream::None)
}

fn read_stream(strl: &[u8], number: u8) -> Result<Stream, Broken> {
    let body = |wanted: &[u8; 4]| Chunks(strl).find(|(id, _)| id == wanted).map(|(_, b)| b);
    let header = body(b"strh").ok_or_else(|| Broken::new("a stream has no strh"))?;
    if !header.starts_with(b"vids") {
        return Ok(Stream::None);
    }
    let format = body(b"strf").ok_or_else(|| Broken::new("the video stream has no strf"))?;
    let compression = fourcc(format, 16).ok_or_else(|| Broken::new("chunk strf is cut off"))?;
    let cut = || Broken::new("chunk strh is cut off");
    let scale = le32(header, 20).ok_or_else(cut)?;
    let rate = le32(header, 24).ok_or_else(cut)?;
    let frames = le32(header, 32).ok_or_else(cut)?;
    if !is_mjpeg(compression) {
        return Ok(Stream::Other(format!(
            "the codec {}",
            printable(compression)
        )));
    }
    if scale == 0 || rate == 0 {
        return Err(Broken::new(format!("its frame rate is {rate}/{scale}")));
    }
    Ok(Stream::Mjpeg(Header {
        digits: [b'0' + number / 10 % 10, b'0' + number % 10],
        rate: Rate {
            frames: rate.into(),
            seconds: scale.into(),
        },
        frames: frames.into(),
    }))
}

fn is_mjpeg(compression: [u8; 4]) -> bool {
    matches!(
        &compression.map(|b| b.to_ascii_uppercase()),
        b"MJPG" | b"JPEG" | b"AVRN" | b"DMB1" | b"JPGL" | b"LJPG" | b"AVDJ"
    )
}

/// Chunks in memory. One that is cut off ends the walk.
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (id, rest) = self.0.split_first_chunk::<4>()?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        let size = u32::from_le_bytes(*size) as usize;
        let body = rest.get(..size)?;
        self.0 = rest.get(size.next_multiple_of(2)..).unwrap_or_default();
        Some((*id, body))
    }
}

fn fourcc(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..at + 4)?.try_into().ok()
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    fourcc(bytes, at).map(u32::from_le_bytes)
}
