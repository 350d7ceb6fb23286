//! What a user of the pipeline implements: how frames are decoded and what is computed from them.
//!
//! The driver makes one decoder per decode thread and one processor of each kind per worker
//! thread, so that neither needs to be shared. A panic in either costs the frame it happened at;
//! the instance is dropped and made anew.

use std::sync::Arc;

use bytes::Bytes;
use frame_buffer::Picture;
use serde_json::Value;

use crate::{DecodedFrame, EncodedFrame, FrameContent};

/// What was found in a frame, by name.
pub type Fields = serde_json::Map<String, Value>;

/// What a processor makes of one frame.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// What it found.
    pub fields: Fields,
    /// The frame as it is to be shown after it, with boxes drawn in for one; of any size. Default: as it was. Only
    /// pipelines with an encoder do anything with it; of several processors' pictures the last one counts.
    pub picture: Option<Picture>,
}

impl From<Fields> for Output {
    fn from(fields: Fields) -> Self {
        Self {
            fields,
            picture: None,
        }
    }
}

impl FromIterator<(String, Value)> for Output {
    fn from_iter<T: IntoIterator<Item = (String, Value)>>(fields: T) -> Self {
        Fields::from_iter(fields).into()
    }
}

/// Makes pixels of payloads, on one thread.
pub trait FrameDecoder: Send {
    /// Decodes one frame.
    ///
    /// # Errors
    /// Says why the payload cannot be decoded; the frame's result carries it as `decode: …`.
    fn decode(&mut self, frame: &EncodedFrame) -> Result<FrameContent, String>;
}

/// Makes a decoder for each decode thread, and another after a panic.
pub trait DecoderFactory: Send + Sync {
    /// A fresh decoder.
    fn make(&self) -> Box<dyn FrameDecoder>;
}

/// Makes bytes of processed pictures, on one thread.
pub trait PictureEncoder: Send {
    /// Encodes one picture.
    ///
    /// # Errors
    /// Says why it cannot be encoded; the frame's result carries it as `encode: …`.
    fn encode(&mut self, picture: &Picture) -> Result<Bytes, String>;
}

/// Makes an encoder for each worker thread, and another after a panic.
pub trait EncoderFactory: Send + Sync {
    /// A fresh encoder.
    fn make(&self) -> Box<dyn PictureEncoder>;
}

/// Ends a processor's call from another thread: see [`FrameProcessor::interrupter`].
pub type Interrupter = Arc<dyn Fn() + Send + Sync>;

/// Computes something from frames, on one thread.
pub trait FrameProcessor: Send {
    /// One result per frame of `batch`, in the same order. Frames of a batch follow each other in
    /// the stream, but other workers may have those before and after.
    ///
    /// Each `Err` becomes an error of that frame's result. After a panic in a batch of several
    /// frames each of them is processed again, alone, so that only the guilty one has an error.
    fn process(&mut self, batch: &[DecodedFrame]) -> Vec<Result<Output, String>>;

    /// Whether it reads pixels. Where no processor of the pipeline does, frames are not decoded
    /// and their content is the payload. Asked once, of the first instance.
    fn needs_pixels(&self) -> bool {
        true
    }

    /// Whether it reads [`DecodedFrame::previous`]. Asked once, of the first instance.
    fn needs_previous(&self) -> bool {
        false
    }

    /// Something that makes a call of [`process`](Self::process) return soon, called at most once
    /// and from another thread: when the call took longer than the pipeline's timeout, and when the
    /// pipeline is dropped. Without one a call that never returns keeps its thread for good.
    fn interrupter(&self) -> Option<Interrupter> {
        None
    }
}

/// Makes a processor for each worker thread, and another after a panic or a timeout.
pub trait ProcessorFactory: Send + Sync {
    /// Under which its fields and errors appear in results.
    fn name(&self) -> &str;

    /// A fresh instance. The pipeline's timeout does not apply to it.
    ///
    /// # Errors
    /// [`ProcessorError`] when the processor cannot start. Fatal when the pipeline starts; later
    /// an error of the frames that the worker takes, and tried again for the next.
    fn make(&self) -> Result<Box<dyn FrameProcessor>, ProcessorError>;
}

/// Why a processor cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessorError {
    /// It could not start.
    #[error("processor {name} cannot start: {reason}")]
    Start {
        /// The processor's name.
        name: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// Making it panicked.
    #[error("processor {name} panicked while it started: {message}")]
    Panicked {
        /// The processor's name.
        name: String,
        /// What the panic said.
        message: String,
    },
}
