//! One released frame to every viewer: encoded once per quality in use, offered to each link, sockets woken.
//!
//! Fed by [`super::releaser`] and, for HTTP clients, by [`crate::controller`]; feeds each viewer's link.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datachannel_transport::{Encoding, FrameMeta, GoodbyeCode, OutgoingFrame};
use frame_buffer::{PictureSize, VideoFrame};
use jpeg_optimizer::{EncodeError, EncodeParams, EncodedJpeg, Quality};

use super::framerate::FrameRateLimit;
use crate::model::stream::{Stream, lock};
use crate::model::viewer::{Viewer, ViewerId};

/// A frame that has left the ring.
#[derive(Debug, Clone)]
pub(crate) struct Released {
    /// The frame.
    pub(crate) frame: VideoFrame,
    /// When it left, on the service's clock.
    pub(crate) at: Instant,
}

/// The stream's end of the fan-out, owned by its releasing thread.
pub(crate) struct Fanout {
    stream: Arc<Stream>,
    clock: Instant,
    limit: FrameRateLimit,
    viewers: Vec<Arc<Viewer>>,
}

impl Fanout {
    pub(crate) fn new(stream: Arc<Stream>, clock: Instant) -> Self {
        let limit = FrameRateLimit::new(stream.params.framerate);
        Self {
            stream,
            clock,
            limit,
            viewers: Vec::new(),
        }
    }

    /// Delivers one frame that left the ring `at`.
    pub(crate) fn release(&mut self, frame: &VideoFrame, at: Instant) {
        lock(&self.stream.meters).released.add(at, 1);
        if !self.limit.takes(frame.pts) {
            return;
        }
        let released = Released {
            frame: frame.clone(),
            at,
        };
        self.stream.latest.send_replace(Some(released.clone()));
        self.viewers.clear();
        let (viewers, stream) = (&mut self.viewers, &self.stream);
        stream.for_each_viewer(|viewer| viewers.push(Arc::clone(viewer)));
        if viewers.is_empty() && stream.params.benchmark {
            report(
                stream,
                encode_for(
                    stream,
                    &released,
                    stream.rate().quality.fixed_level().quality(),
                )
                .map(drop),
            );
        }
        // Taken out so that a viewer is not held beyond this frame.
        let mut delivered = false;
        for viewer in std::mem::take(&mut self.viewers) {
            match offer_to(&self.stream, &viewer, &released, self.clock) {
                Ok(offered) => delivered |= offered,
                Err(error) => report(&self.stream, Err(error)),
            }
        }
        if delivered {
            lock(&self.stream.meters).delivered.add(at, 1);
        }
    }

    /// Offers the frame released last to viewers that have just come, so that they need not wait for the next one.
    pub(crate) fn welcome(&mut self, newcomers: &[ViewerId]) {
        let Some(released) = self.stream.latest.borrow().clone() else {
            return;
        };
        for viewer in newcomers.iter().filter_map(|&id| self.stream.viewer(id)) {
            report(
                &self.stream,
                offer_to(&self.stream, &viewer, &released, self.clock).map(drop),
            );
        }
    }

    /// The last frame went out: every link ends once it is acknowledged.
    pub(crate) fn finish(&mut self) {
        let now = Instant::now();
        match self.stream.failure.get() {
            Some(error) => self
                .stream
                .for_each_viewer(|viewer| viewer.goodbye(now, GoodbyeCode::Failed, error)),
            None => self.stream.for_each_viewer(|viewer| viewer.finish(now)),
        }
    }
}

fn report(stream: &Stream, result: Result<(), EncodeError>) {
    if let Err(error) = result {
        tracing::warn!(stream = %stream.id, %error, "a frame was not encoded");
    }
}

/// Whether the viewer took the frame.
fn offer_to(
    stream: &Stream,
    viewer: &Viewer,
    released: &Released,
    clock: Instant,
) -> Result<bool, EncodeError> {
    let Some(quality) = viewer.wants(Instant::now(), stream.rate()) else {
        return Ok(false);
    };
    let jpeg = encode_for(stream, released, quality)?;
    let frame = &released.frame;
    let meta = FrameMeta {
        source_id: frame.id.0,
        pts_us: micros(frame.pts) as i64,
        duration_us: u32::try_from(frame.duration.as_micros()).unwrap_or(u32::MAX),
        width: jpeg.size.width,
        height: jpeg.size.height,
        encoding: Encoding::Jpeg,
        quality: jpeg.quality.get(),
        keyframe: true,
        released_us: micros(released.at.saturating_duration_since(clock)),
    };
    let payload = jpeg.bytes.clone();
    let (now, bytes) = (Instant::now(), payload.len() as u64);
    let offered = viewer.offer(now, OutgoingFrame { meta, payload }, jpeg.quality);
    if offered {
        lock(&stream.meters).delivered_bytes.add(now, bytes);
    }
    Ok(offered)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The frame as a JPEG of that quality and the stream's own size.
pub(crate) fn encode_for(
    stream: &Stream,
    released: &Released,
    quality: Quality,
) -> Result<EncodedJpeg, EncodeError> {
    let params = encode_params(stream, released, quality);
    let jpeg = stream
        .cache
        .get_or_encode(stream.cache_key, &released.frame, params)?;
    // Whatever was encoded for whomever teaches what a frame costs: the next client starts right.
    stream
        .sizes
        .learn(released.frame.id, quality, jpeg.bytes.len());
    Ok(jpeg)
}

/// The same if it is there already; never blocks.
pub(crate) fn encoded_for(
    stream: &Stream,
    released: &Released,
    quality: Quality,
) -> Option<EncodedJpeg> {
    let params = encode_params(stream, released, quality);
    stream.cache.get(stream.cache_key, &released.frame, params)
}

fn encode_params(stream: &Stream, released: &Released, quality: Quality) -> EncodeParams {
    let size = rendition_size(
        stream.params.width,
        stream.params.height,
        released.frame.picture.size(),
    );
    EncodeParams {
        quality,
        size: Some(size),
    }
}

/// The size to deliver: as asked for; where one side is missing, the aspect ratio gives it.
pub(crate) fn rendition_size(
    width: Option<u32>,
    height: Option<u32>,
    source: PictureSize,
) -> PictureSize {
    let scaled = |side: u32, from: u32, to: u32| {
        let exact = u64::from(side) * u64::from(to) / u64::from(from.max(1));
        // Even, so that the chroma planes are whole.
        (u32::try_from(exact).unwrap_or(8192) & !1).clamp(16, 8192)
    };
    match (width, height) {
        (None, None) => source,
        (Some(width), Some(height)) => PictureSize { width, height },
        (Some(width), None) => PictureSize {
            width,
            height: scaled(width, source.width, source.height),
        },
        (None, Some(height)) => PictureSize {
            width: scaled(height, source.height, source.width),
            height,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_side_given_keeps_the_aspect_ratio() {
        let source = PictureSize {
            width: 1280,
            height: 720,
        };
        let size = |w, h| rendition_size(w, h, source);
        assert_eq!(size(None, None), source);
        assert_eq!(
            size(Some(640), None),
            PictureSize {
                width: 640,
                height: 360
            }
        );
        assert_eq!(
            size(None, Some(480)),
            PictureSize {
                width: 852,
                height: 480
            }
        );
        assert_eq!(
            size(Some(100), Some(100)),
            PictureSize {
                width: 100,
                height: 100
            }
        );
    }
}
