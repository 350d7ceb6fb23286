//! From a video to what travels: each frame encoded, in order, on the caller's thread.
//!
//! Fed by media-source (or the opaque generator); feeds the link.

use std::time::Duration;

use bytes::Bytes;
use datachannel_transport::{Encoding, FrameMeta, OutgoingFrame, ResumePoint, payload_hash};
use frame_buffer::{FramePool, Picture, Plane, VideoFrame};
use jpeg_optimizer::{JpegEncoder, Quality, Renderer};
use media_source::{FrameSource, VideoUri};

use super::bgr::bgr_of;
use super::ledger::Resumed;
use super::opaque::{OpaqueFrames, SCHEME};
use super::options::{PayloadEncoding, SendOptions};
use super::units::UnitPayloads;

/// Idle picture buffers kept for reuse: the decoder's next, and the one being encoded.
pub(super) const IDLE_PICTURES: usize = 3;

/// Why frames cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The input names nothing that is known.
    #[error("{0}; opaque:?bytes=N&frames=N are payloads for measuring")]
    Uri(#[from] media_source::UriError),
    /// `opaque:` with a parameter that cannot be taken.
    #[error("{uri:?}: {reason}")]
    Opaque {
        /// As it was given.
        uri: String,
        /// What is wrong.
        reason: String,
    },
    /// The video cannot be opened.
    #[error(transparent)]
    Open(#[from] media_source::OpenError),
    /// It broke off.
    #[error("the video cannot be read on after frame {after}: {source}")]
    Read {
        /// Frames read until then.
        after: u64,
        /// What broke.
        source: media_source::DecodeError,
    },
    /// The place where an earlier run ended was not found again.
    #[error("looking for where the earlier run ended broke off: {0}")]
    Begin(String),
    /// An earlier run sent something else as this frame.
    #[error(
        "frame {frame} is not what the ledger's run sent as that: the video has changed; give another --ledger to send it from its beginning"
    )]
    Changed {
        /// The last frame of that run.
        frame: u64,
    },
    /// A picture cannot be encoded.
    #[error("frame {frame} cannot be encoded: {source}")]
    Encode {
        /// The frame.
        frame: u64,
        /// Why.
        source: jpeg_optimizer::EncodeError,
    },
    /// A picture cannot be encoded as H.264.
    #[error("frame {frame}: {source} (frame-sender --encoding jpeg)")]
    EncodeH264 {
        /// The frame.
        frame: u64,
        /// Why.
        source: media_source::H264EncodeError,
    },
}

impl PayloadError {
    /// The same, where it is known how many frames were read.
    fn after(self, read: u64) -> Self {
        match self {
            Self::Read { source, .. } => Self::Read {
                after: read,
                source,
            },
            other => other,
        }
    }
}

/// What the source gave.
pub(super) enum Payload {
    Frame(OutgoingFrame),
    /// One frame that cannot be decoded, and why; the next may be well.
    Damaged(String),
}

/// The frames of one input, encoded.
pub(super) struct Payloads {
    source: Source,
    encoding: PayloadEncoding,
    quality: Quality,
    encoder: JpegEncoder,
    renderer: Renderer,
    read: u64,
}

enum Source {
    Video(Box<dyn FrameSource>),
    Opaque(OpaqueFrames),
    Units(Box<UnitPayloads>),
}

impl Payloads {
    /// Opens the input.
    pub(super) async fn open(
        options: &SendOptions,
        quality: Quality,
    ) -> Result<Self, PayloadError> {
        let uri = &options.input;
        let source = if options.encoding.is_access_units() {
            Source::Units(Box::new(UnitPayloads::open(options).await?))
        } else if uri.starts_with(SCHEME) {
            let frames = OpaqueFrames::parse(uri).map_err(|reason| PayloadError::Opaque {
                uri: uri.clone(),
                reason,
            })?;
            Source::Opaque(frames)
        } else {
            let uri: VideoUri = uri.parse()?;
            let pool = FramePool::new(IDLE_PICTURES);
            Source::Video(media_source::driver::open(&uri, &options.open, pool).await?)
        };
        Ok(Self {
            source,
            encoding: options.encoding,
            quality,
            encoder: JpegEncoder::new(),
            renderer: Renderer::new(),
            read: 0,
        })
    }

    /// How many frames there will be, where that is known.
    pub(super) fn frame_count(&self) -> Option<u64> {
        match &self.source {
            Source::Video(video) => video.info().frame_count,
            Source::Opaque(frames) => Some(frames.frames),
            Source::Units(units) => units.frame_count(),
        }
    }

    /// Where a run goes on that had come as far as `resumed`. Blocks where the access units before it must be read.
    pub(super) fn begin(&mut self, resumed: &Resumed) -> Result<ResumePoint, PayloadError> {
        match &mut self.source {
            Source::Units(units) => units.begin_at(resumed.tally.results),
            _ => Ok(resumed.point),
        }
    }

    /// Passes over the frames up to `last`, which an earlier run has sent; of that one the payload's hash is to be `hash`.
    pub(super) fn skip_through(&mut self, last: u64, hash: u64) -> Result<(), PayloadError> {
        match &mut self.source {
            Source::Opaque(frames) => frames.skip_to(last),
            // `begin` went to the keyframe before it.
            Source::Units(_) => return Ok(()),
            Source::Video(_) => {}
        }
        while let Some(payload) = self.next_from(last)? {
            let Payload::Frame(frame) = payload else {
                continue;
            };
            if frame.meta.source_id > last || payload_hash(&frame.payload) != hash {
                break;
            }
            return Ok(());
        }
        Err(PayloadError::Changed { frame: last })
    }

    /// The next frame; those before frame `first` are read and not encoded.
    fn next_from(&mut self, first: u64) -> Result<Option<Payload>, PayloadError> {
        let Source::Video(video) = &mut self.source else {
            return self.next();
        };
        loop {
            match video.next_frame() {
                Ok(Some(frame)) if frame.id.0 >= first => {
                    return self.encode(&frame).map(Payload::Frame).map(Some);
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                Err(error) if error.is_recoverable() => {}
                Err(source) => return Err(PayloadError::Read { after: 0, source }),
            }
        }
    }

    /// The next frame; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Payload>, PayloadError> {
        let next = match &mut self.source {
            Source::Opaque(frames) => {
                return Ok(frames.next().map(|(number, payload)| {
                    let meta = meta(number, Duration::ZERO, Duration::ZERO, Encoding::Opaque);
                    Payload::Frame(OutgoingFrame { meta, payload })
                }));
            }
            Source::Units(units) => {
                let unit = units.next().map_err(|error| error.after(self.read))?;
                self.read += u64::from(unit.is_some());
                return Ok(unit.map(Payload::Frame));
            }
            Source::Video(video) => video.next_frame(),
        };
        match next {
            Ok(Some(frame)) => {
                self.read += 1;
                self.encode(&frame).map(Payload::Frame).map(Some)
            }
            Ok(None) => Ok(None),
            Err(error) if error.is_recoverable() => Ok(Some(Payload::Damaged(error.to_string()))),
            Err(source) => Err(PayloadError::Read {
                after: self.read,
                source,
            }),
        }
    }

    fn encode(&self, frame: &VideoFrame) -> Result<OutgoingFrame, PayloadError> {
        let failed = |source| PayloadError::Encode {
            frame: frame.id.0,
            source,
        };
        let size = frame.picture.size();
        let picture = self.renderer.render(&frame.picture, size).map_err(failed)?;
        let (encoding, quality, payload) = match self.encoding {
            PayloadEncoding::Jpeg => {
                let jpeg = self
                    .encoder
                    .encode(&picture, self.quality)
                    .map_err(failed)?;
                (Encoding::Jpeg, self.quality.get(), jpeg)
            }
            PayloadEncoding::Bgr => (Encoding::Bgr, 0, Bytes::from(bgr_of(&picture))),
            // Access units are made elsewhere.
            PayloadEncoding::Raw | PayloadEncoding::Source | PayloadEncoding::H264 => {
                (Encoding::I420, 0, planes(&picture))
            }
        };
        let meta = FrameMeta {
            width: size.width,
            height: size.height,
            quality,
            ..meta(frame.id.0, frame.pts, frame.duration, encoding)
        };
        Ok(OutgoingFrame { meta, payload })
    }
}

pub(super) fn meta(
    source_id: u64,
    pts: Duration,
    duration: Duration,
    encoding: Encoding,
) -> FrameMeta {
    FrameMeta {
        source_id,
        pts_us: i64::try_from(pts.as_micros()).unwrap_or(i64::MAX),
        duration_us: u32::try_from(duration.as_micros()).unwrap_or(0),
        width: 0,
        height: 0,
        encoding,
        quality: 0,
        keyframe: true,
        released_us: 0,
    }
}

/// Y, U, V one behind the other, without padding.
fn planes(picture: &Picture) -> Bytes {
    let size = picture.size();
    let chroma = size.width.div_ceil(2) as usize * size.height.div_ceil(2) as usize;
    let mut bytes = Vec::with_capacity((size.width * size.height) as usize + 2 * chroma);
    for plane in Plane::ALL {
        for row in picture.plane(plane).rows() {
            bytes.extend_from_slice(row);
        }
    }
    Bytes::from(bytes)
}
