//! Processed frames on their way back: a link of their own beside the results, numbered as these are.
//!
//! Fed by the pipeline's results; feeds the lanes' channel for pictures. A frame whose result says why it has no picture
//! has an empty opaque frame in its place, so that both links count alike.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use datachannel_transport::{
    ConfigError, Encoding, FrameMeta, FrameSender, Mode, Offer, OutgoingFrame, SenderConfig,
    SenderEvent,
};
use frame_buffer::Picture;
use frame_pipeline::{EncodedPicture, EncoderFactory, FrameResult, PictureEncoder};
use jpeg_optimizer::{JpegEncoder, Quality, Renderer};

use super::stream::is_keyframe;
use super::{MAX_WINDOW_FRAMES, first_index};
use crate::lanes::sizes::MAX_MESSAGE_BYTES;
use crate::process::protocol::{LinkQuery, MAX_PICTURE_BYTES, PictureEncoding};

/// With so many bytes of pictures that the sender does not have, no further frame goes into the pipeline.
const MAX_HELD_BYTES: u64 = 64 << 20;
/// What they come to when those in the pipeline are done too; the pipeline bounds those.
const MAX_QUEUED_BYTES: u64 = 1 << 30;

/// Pictures made that the sender may not have.
pub(super) struct Pictures {
    pub(super) link: FrameSender,
    quality: u8,
    encoding: PictureEncoding,
    /// Of those held, by sequence.
    sizes: VecDeque<u64>,
    held_bytes: u64,
    /// The sender has those below.
    pub(super) acked: u64,
}

impl Pictures {
    /// Where `query` asks for them.
    pub(super) fn of(now: Instant, query: &LinkQuery) -> Result<Option<Self>, ConfigError> {
        let Some(quality) = query.pictures else {
            return Ok(None);
        };
        let mut config = SenderConfig::every_frame(query.epoch, now);
        config.mode = Mode::EveryFrame {
            max_queued_frames: 2 * MAX_WINDOW_FRAMES as usize,
            max_queued_bytes: MAX_QUEUED_BYTES,
        };
        config.max_frame_bytes = MAX_PICTURE_BYTES;
        config.max_message_bytes = MAX_MESSAGE_BYTES;
        config.resume.next_sequence = first_index(query);
        Ok(Some(Self {
            link: FrameSender::new(config)?,
            quality,
            encoding: query.picture_encoding,
            sizes: VecDeque::new(),
            held_bytes: 0,
            acked: first_index(query),
        }))
    }

    /// Whether it would be too much to make more.
    pub(super) fn are_full(&self) -> bool {
        self.held_bytes >= MAX_HELD_BYTES
    }

    /// Puts a result's picture on its way; `Err` says why none goes.
    pub(super) fn offer(&mut self, now: Instant, result: &FrameResult) -> Result<(), String> {
        let picture = result.picture.as_ref();
        match self.put(now, result, picture) {
            Offer::Refused { reason, .. } => {
                // An empty one is taken wherever there is room for it at all.
                let _ = self.put(now, result, None);
                Err(format!("the processed frame cannot be sent back: {reason}"))
            }
            // After a goodbye nobody waits for it.
            _ => Ok(()),
        }
    }

    fn put(
        &mut self,
        now: Instant,
        result: &FrameResult,
        picture: Option<&EncodedPicture>,
    ) -> Offer {
        let meta = FrameMeta {
            source_id: result.source_id,
            pts_us: i64::try_from(result.pts.as_micros()).unwrap_or(i64::MAX),
            duration_us: 0,
            width: picture.map_or(0, |picture| picture.width),
            height: picture.map_or(0, |picture| picture.height),
            encoding: picture.map_or(Encoding::Opaque, |_| self.encoding()),
            quality: picture.map_or(0, |_| match self.encoding {
                PictureEncoding::Jpeg => self.quality,
                PictureEncoding::H264 => 0,
            }),
            keyframe: match self.encoding {
                PictureEncoding::Jpeg => true,
                PictureEncoding::H264 => picture.is_some_and(|it| is_keyframe(&it.payload)),
            },
            released_us: 0,
        };
        let payload = picture.map_or_else(Bytes::new, |picture| picture.payload.clone());
        let bytes = payload.len() as u64;
        let offer = self.link.offer(now, OutgoingFrame { meta, payload });
        if matches!(offer, Offer::Queued) {
            self.sizes.push_back(bytes);
            self.held_bytes += bytes;
        }
        offer
    }

    fn encoding(&self) -> Encoding {
        match self.encoding {
            PictureEncoding::Jpeg => Encoding::Jpeg,
            PictureEncoding::H264 => Encoding::H264,
        }
    }

    /// Notes what the sender has acknowledged.
    pub(super) fn take_acks(&mut self) {
        while let Some(event) = self.link.poll_event() {
            if let SenderEvent::Acked { sequence, .. } = event {
                self.acked = sequence + 1;
                self.held_bytes -= self.sizes.pop_front().unwrap_or(0);
            }
        }
    }
}

/// Makes JPEGs of processed frames.
pub(in crate::process::worker) struct JpegPictures {
    shared: Arc<Shared>,
}

struct Shared {
    encoder: JpegEncoder,
    renderer: Renderer,
    quality: Quality,
}

impl JpegPictures {
    pub(in crate::process::worker) fn new(quality: Quality) -> Self {
        let shared = Shared {
            encoder: JpegEncoder::new(),
            renderer: Renderer::new(),
            quality,
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl EncoderFactory for JpegPictures {
    fn make(&self) -> Box<dyn PictureEncoder> {
        Box::new(Jpeg(Arc::clone(&self.shared)))
    }
}

struct Jpeg(Arc<Shared>);

impl PictureEncoder for Jpeg {
    fn encode(&mut self, picture: &Picture) -> Result<Bytes, String> {
        let Shared {
            encoder,
            renderer,
            quality,
        } = &*self.0;
        let full_range = renderer.render(picture, picture.size());
        full_range
            .and_then(|picture| encoder.encode(&picture, *quality))
            .map_err(|error| error.to_string())
    }
}
