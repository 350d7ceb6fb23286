//! What every source of frames has in common.
//!
//! Fed by the demuxers and decoders of this crate; feeds whatever fills a frame buffer.

use std::io::{Read, Seek};
use std::time::Duration;

use frame_buffer::{PictureSize, VideoFrame};

use crate::DecodeError;

/// What is known of a video once it is open.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoInfo {
    /// Size of the first picture in luma samples, cropping applied. A stream may change size on the way;
    /// each picture says its own.
    pub size: PictureSize,
    /// Mean frame rate in frames per second, above 0. Single frames may last longer or shorter: see
    /// [`VideoFrame::duration`].
    pub frame_rate: f64,
    /// Frames from start to end, where the container tells without being read to its end.
    pub frame_count: Option<u64>,
    /// From the first frame's start to the last one's end, where known.
    pub duration: Option<Duration>,
    /// The codec's name with its profile, e.g. `H.264 High`.
    pub codec: String,
    /// The container's name, e.g. `MP4`.
    pub container: String,
}

/// A stream of decoded frames in presentation order.
///
/// Ids count presentation slots from 0, so a frame that could not be decoded leaves a gap. The first
/// frame's pts is 0; pts rise strictly.
pub trait FrameSource: Send {
    /// What is known of the video.
    fn info(&self) -> &VideoInfo;

    /// The next frame; `None` at the end, and from then on until [`rewind`](Self::rewind).
    ///
    /// # Errors
    /// A [recoverable](DecodeError::is_recoverable) error costs one frame: call again for the next one.
    /// After any other the source is at its end.
    fn next_frame(&mut self) -> Result<Option<VideoFrame>, DecodeError>;

    /// Back to the first frame, with id 0 and pts 0. Parses nothing again.
    ///
    /// # Errors
    /// [`DecodeError::Read`] when the bytes cannot be sought, [`DecodeError::Decoder`] when a fresh
    /// decoder cannot be made.
    fn rewind(&mut self) -> Result<(), DecodeError>;

    /// Goes to the last place from which decoding can start and the frame shown at `to` still comes out; `to` counts
    /// from the first frame. Nothing else changes: each frame keeps the id and the pts that it has when the video is
    /// played through. The frame shown at `to` is the first that comes out and ends after it, so a caller passes over
    /// those with `pts + duration <= to`. A time beyond the end goes to the last such place.
    ///
    /// How far back that is: with H.264 in MP4 to a keyframe, as a rule some seconds at most; with JPEGs in MP4, AVI or
    /// a folder, and with the test pattern, nowhere; with any other source to the start. A fragmented MP4 says which frames there are piece by
    /// piece: the headers of all fragments up to `to` are read, once. An AVI has those of its frames passed over one by one.
    ///
    /// # Errors
    /// As [`rewind`](Self::rewind), and [`DecodeError::Truncated`] or [`DecodeError::Malformed`] when the container is cut off
    /// or broken on the way to `to`. The source then goes on where it was.
    fn seek(&mut self, to: Duration) -> Result<(), DecodeError> {
        let _ = to;
        self.rewind()
    }
}

impl<S: FrameSource + ?Sized> FrameSource for Box<S> {
    fn info(&self) -> &VideoInfo {
        (**self).info()
    }

    fn next_frame(&mut self) -> Result<Option<VideoFrame>, DecodeError> {
        (**self).next_frame()
    }

    fn rewind(&mut self) -> Result<(), DecodeError> {
        (**self).rewind()
    }

    fn seek(&mut self, to: Duration) -> Result<(), DecodeError> {
        (**self).seek(to)
    }
}

/// Bytes that a demuxer can read: a file, a cursor, or the loader's blocking reader.
pub trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadSeek for T {}
