//! A worker's encoder: from the picture that a frame is to be shown as to bytes.
//!
//! Fed by the worker with what its processors made; what it makes goes into the frame's result.

use std::sync::Arc;
use std::time::Instant;

use frame_buffer::{FramePool, Picture};

use super::caught;
use super::slots::Processed;
use crate::result::Made;
use crate::{DecodedFrame, EncodedPicture, EncoderFactory, FrameContent, PictureEncoder, bgr};

/// Pictures made of BGR frames that idle in the pool: each is encoded before the next is made.
const POOLED_PICTURES: usize = 1;

pub(super) struct Encode {
    factory: Option<Arc<dyn EncoderFactory>>,
    encoder: Option<Box<dyn PictureEncoder>>,
    pool: FramePool,
}

impl Encode {
    /// Encodes nothing without a factory.
    pub(super) fn new(factory: Option<Arc<dyn EncoderFactory>>) -> Self {
        Self {
            factory,
            encoder: None,
            pool: FramePool::new(POOLED_PICTURES),
        }
    }

    /// Gives each frame of the batch its picture, or the error that says why it has none.
    pub(super) fn batch(&mut self, frames: &[DecodedFrame], processed: &mut Processed) {
        let Some(results) = &mut processed.results else {
            return;
        };
        let Some(factory) = self.factory.clone() else {
            return;
        };
        for (frame, made) in frames.iter().zip(results) {
            let began = Instant::now();
            match self.frame(&*factory, frame, made) {
                Ok(picture) => made.picture = Some(picture),
                Err(error) => made.errors.push(format!("encode: {error}")),
            }
            made.encode = began.elapsed();
        }
    }

    fn frame(
        &mut self,
        factory: &dyn EncoderFactory,
        frame: &DecodedFrame,
        made: &mut Made,
    ) -> Result<EncodedPicture, String> {
        let picture = match made.drawn.take() {
            Some(drawn) => drawn,
            None => self.as_it_came(&frame.content)?,
        };
        let encoder = &mut self.encoder;
        let encoded = caught::call(|| {
            let encoder = encoder.get_or_insert_with(|| factory.make());
            encoder.encode(&picture)
        });
        let payload = encoded.unwrap_or_else(|message| {
            let broken = self.encoder.take();
            if caught::call(|| drop(broken)).is_err() {
                tracing::error!("an encoder panicked again while it was dropped");
            }
            Err(format!("panicked: {message}"))
        })?;
        let size = picture.size();
        Ok(EncodedPicture {
            payload,
            width: size.width,
            height: size.height,
        })
    }

    fn as_it_came(&self, content: &FrameContent) -> Result<Picture, String> {
        match content {
            FrameContent::Picture(picture) => Ok(picture.clone()),
            FrameContent::Bgr {
                width,
                height,
                bytes,
            } => bgr::to_picture(&self.pool, *width, *height, bytes)
                .map_err(|error| error.to_string()),
            FrameContent::Opaque(_) => {
                Err("the frame is no picture, and no processor made one of it".to_owned())
            }
        }
    }
}
