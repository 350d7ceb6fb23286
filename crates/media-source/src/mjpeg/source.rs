//! JPEGs with times in, frames out.
//!
//! Fed by any [`JpegStream`]; hands out frames.

use std::time::Duration;

use frame_buffer::{FrameId, FramePool, Picture, PictureSize, VideoFrame};

use crate::error::Broken;
use crate::{DecodeError, FrameSource, JpegDecoder, JpegError, OpenError, VideoInfo};

/// What a wrapping says about its frames.
#[derive(Debug, Clone)]
pub(crate) struct StreamInfo {
    pub(crate) container: &'static str,
    pub(crate) frame_rate: f64,
    pub(crate) frame_count: Option<u64>,
    pub(crate) duration: Option<Duration>,
}

/// One frame of a wrapping.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit {
    pub(crate) pts: Duration,
    pub(crate) duration: Duration,
    /// Whether the frame before is shown again, and no JPEG was written out.
    pub(crate) repeat: bool,
}

/// A wrapping of JPEGs.
pub(crate) trait JpegStream: Send {
    /// The input, for messages.
    fn name(&self) -> &str;
    fn info(&self) -> StreamInfo;
    /// Replaces `jpeg` with the next one; `None` at the end.
    fn next_jpeg(&mut self, jpeg: &mut Vec<u8>) -> Result<Option<Unit>, DecodeError>;
    fn rewind(&mut self) -> Result<(), DecodeError>;
    /// Goes to the last JPEG from which the frame shown at `to` follows; its index. Where the wrapping knows no way there,
    /// to the first.
    fn seek(&mut self, to: Duration) -> Result<u64, DecodeError> {
        let _ = to;
        self.rewind()?;
        Ok(0)
    }
}

/// Frames of MJPEG in any wrapping.
pub(crate) struct MjpegSource<S> {
    stream: S,
    decoder: JpegDecoder,
    info: VideoInfo,
    jpeg: Vec<u8>,
    next_id: u64,
    last: Option<Picture>,
    failed: bool,
}

impl<S: JpegStream> MjpegSource<S> {
    /// Reads the first JPEG's header, so that the size is known and a video that is none is refused.
    pub(crate) fn open(mut stream: S, pool: FramePool) -> Result<Self, OpenError> {
        let decoder = JpegDecoder::new(pool).map_err(|e| OpenError::Decoder {
            name: stream.name().to_owned(),
            reason: e.to_string(),
        })?;
        let mut jpeg = Vec::new();
        let size = first_size(&mut stream, &decoder, &mut jpeg)?;
        stream
            .rewind()
            .map_err(|error| broken(&stream, &error.to_string()))?;
        let about = stream.info();
        Ok(Self {
            info: VideoInfo {
                size,
                frame_rate: about.frame_rate,
                frame_count: about.frame_count,
                duration: about.duration,
                codec: "MJPEG".to_owned(),
                container: about.container.to_owned(),
            },
            stream,
            decoder,
            jpeg,
            next_id: 0,
            last: None,
            failed: false,
        })
    }

    fn advance(&mut self) -> Result<Option<VideoFrame>, DecodeError> {
        let Some(unit) = self.stream.next_jpeg(&mut self.jpeg)? else {
            return Ok(None);
        };
        let id = FrameId(self.next_id);
        self.next_id += 1;
        let picture = match &self.last {
            Some(last) if unit.repeat => Ok(last.clone()),
            None if unit.repeat => Err("there is no frame before it to show again".to_owned()),
            _ => self.decoder.decode(&self.jpeg).map_err(|e| e.to_string()),
        };
        let picture = picture.map_err(|reason| DecodeError::Frame {
            name: self.stream.name().to_owned(),
            index: id,
            pts: unit.pts,
            reason,
        })?;
        self.last = Some(picture.clone());
        Ok(Some(VideoFrame {
            id,
            pts: unit.pts,
            duration: unit.duration,
            picture,
        }))
    }
}

/// The size that the first JPEG declares.
fn first_size(
    stream: &mut impl JpegStream,
    decoder: &JpegDecoder,
    jpeg: &mut Vec<u8>,
) -> Result<PictureSize, OpenError> {
    let first = loop {
        match stream.next_jpeg(jpeg) {
            Ok(Some(unit)) if unit.repeat => {}
            other => break other,
        }
    };
    match first {
        Ok(Some(_)) => {}
        Ok(None) => return Err(broken(stream, "it holds no frame")),
        Err(DecodeError::Read { name, source }) => return Err(OpenError::Read { name, source }),
        Err(error) => return Err(broken(stream, &error.to_string())),
    }
    let header = decoder.header(jpeg).map_err(|error| match error {
        JpegError::Unsupported(kind) => {
            let codec = format!("{kind} JPEG");
            crate::sniff::unsupported(stream.name(), stream.info().container, &codec)
        }
        error => broken(stream, &format!("its first JPEG: {error}")),
    })?;
    Ok(header.size)
}

fn broken(stream: &impl JpegStream, what: &str) -> OpenError {
    Broken::new(what).opening(stream.name(), stream.info().container)
}

impl<S: JpegStream> FrameSource for MjpegSource<S> {
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
        self.stream.rewind()?;
        self.next_id = 0;
        self.last = None;
        self.failed = false;
        Ok(())
    }

    fn seek(&mut self, to: Duration) -> Result<(), DecodeError> {
        self.next_id = self.stream.seek(to)?;
        self.last = None;
        self.failed = false;
        Ok(())
    }
}
