//! A video's pictures as H.264 that is encoded here: access units as a container would give them.
//!
//! Fed by media-source's decoder; feeds `units`, which knows no difference. Read one unit ahead, because the last one before a
//! keyframe says that its sequence ends.

use bytes::Bytes;
use frame_buffer::FramePool;
use media_source::{
    AccessUnit, END_OF_SEQUENCE, FrameSource, H264Encoder, MAX_GROUP_BYTES, VideoInfo, VideoUri,
};
use progressive_loader::driver::OpenOptions;

use super::payloads::{IDLE_PICTURES, PayloadError};

/// Frames from keyframe to keyframe: what a new worker is sent again at most, and decodes for nothing.
const GROUP_FRAMES: u32 = 60;
/// Bytes after which a keyframe comes sooner: half of what may be held for a new worker.
const GROUP_BYTES: u64 = MAX_GROUP_BYTES / 2;
/// In place of a picture that its source could not decode (docs/wire.md).
const DAMAGED: [u8; 6] = [0, 0, 0, 1, 9, 0xf0];

/// The access units made of one input.
pub(super) struct EncodedUnits {
    video: Box<dyn FrameSource>,
    encoder: H264Encoder,
    /// Made, and not handed out until it is known what follows.
    held: Option<AccessUnit>,
    next_index: u64,
    /// Of the present group.
    group_frames: u32,
    group_bytes: u64,
    ended: bool,
}

impl EncodedUnits {
    pub(super) async fn open(
        uri: &VideoUri,
        open: &OpenOptions,
        quality: u8,
    ) -> Result<Self, PayloadError> {
        let pool = FramePool::new(IDLE_PICTURES);
        Ok(Self {
            video: media_source::driver::open(uri, open, pool).await?,
            encoder: H264Encoder::new(quality),
            held: None,
            next_index: 0,
            group_frames: 0,
            group_bytes: 0,
            ended: false,
        })
    }

    pub(super) fn info(&self) -> &VideoInfo {
        self.video.info()
    }

    /// The next unit; `None` at the end.
    pub(super) fn next_unit(&mut self) -> Result<Option<AccessUnit>, PayloadError> {
        if self.held.is_none() && !self.ended {
            self.held = self.make()?;
        }
        let following = if self.ended { None } else { self.make()? };
        let Some(mut unit) = std::mem::replace(&mut self.held, following) else {
            return Ok(None);
        };
        if self.held.as_ref().is_none_or(|next| next.keyframe) {
            let mut payload = unit.payload.to_vec();
            payload.extend_from_slice(&END_OF_SEQUENCE);
            unit.payload = payload.into();
        }
        Ok(Some(unit))
    }

    fn make(&mut self) -> Result<Option<AccessUnit>, PayloadError> {
        let index = self.next_index;
        let (pts, duration, encoded) = match self.video.next_frame() {
            Ok(Some(frame)) => {
                let keyframe = self.group_frames == 0
                    || self.group_frames >= GROUP_FRAMES
                    || self.group_bytes >= GROUP_BYTES;
                let made = self.encoder.encode(&frame.picture, keyframe);
                let made = made.map_err(|source| PayloadError::EncodeH264 {
                    frame: index,
                    source,
                })?;
                (frame.pts, frame.duration, (made.payload, made.keyframe))
            }
            Ok(None) => {
                self.ended = true;
                return Ok(None);
            }
            Err(media_source::DecodeError::Frame { pts, .. }) => {
                let nothing = (Bytes::from_static(&DAMAGED), false);
                (pts, std::time::Duration::ZERO, nothing)
            }
            Err(source) => {
                return Err(PayloadError::Read {
                    after: index,
                    source,
                });
            }
        };
        let (payload, keyframe) = encoded;
        self.next_index += 1;
        if keyframe {
            (self.group_frames, self.group_bytes) = (0, 0);
        }
        self.group_frames += 1;
        self.group_bytes += payload.len() as u64;
        Ok(Some(AccessUnit {
            index,
            presentation_index: index,
            pts,
            duration,
            keyframe,
            payload,
        }))
    }
}
