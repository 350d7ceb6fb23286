//! What comes out: one result per frame, whatever happened to it.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use frame_buffer::Picture;
use serde_json::Value;

use crate::{EncodedFrame, Fields};

/// Longest error text in bytes: enough for a panic's message, and a bound on what a processor can
/// make results hold.
pub(crate) const MAX_ERROR_BYTES: usize = 1024;

/// How long a frame spent where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// In the decoder.
    pub decode: Duration,
    /// Waiting: for a decoder, for the frames before it, for its batch, for a worker.
    pub queued: Duration,
    /// In the processors, with the rest of its batch.
    pub process: Duration,
    /// In the encoder; zero in a pipeline without one.
    pub encode: Duration,
}

/// A processed picture, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedPicture {
    /// What the encoder made of it.
    pub payload: Bytes,
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// One frame's result.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameResult {
    /// Place in the stream.
    pub index: u64,
    /// The sender's own number, as it came in.
    pub source_id: u64,
    /// Presentation time, as it came in.
    pub pts: Duration,
    /// When the frame arrived, as it came in.
    pub received_at: SystemTime,
    /// Each processor's fields, as an object under its name.
    pub output: Fields,
    /// The frame as it is to be shown; `None` without an encoder, and where the errors say why.
    pub picture: Option<EncodedPicture>,
    /// What went wrong, at most 1 KiB each; empty when nothing did.
    pub errors: Vec<String>,
    /// Where the time went.
    pub stages: StageTimes,
}

impl FrameResult {
    /// An estimate of the memory that output, picture and errors hold.
    pub(crate) fn size_bytes(&self) -> u64 {
        let errors: u64 = self.errors.iter().map(|error| error.len() as u64).sum();
        let picture = self.picture.as_ref().map_or(0, |it| it.payload.len());
        errors + map_bytes(&self.output) + picture as u64
    }
}

/// What a worker made of one frame.
#[derive(Debug, Default, Clone)]
pub(crate) struct Made {
    pub(crate) fields: Fields,
    /// What the processors drew; the encoder takes it.
    pub(crate) drawn: Option<Picture>,
    pub(crate) picture: Option<EncodedPicture>,
    pub(crate) encode: Duration,
    pub(crate) errors: Vec<String>,
}

/// What identifies a frame, kept apart from its pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameTag {
    pub(crate) index: u64,
    pub(crate) source_id: u64,
    pub(crate) pts: Duration,
    pub(crate) received_at: SystemTime,
    /// Charged to the pipeline's budget until the frame is processed.
    pub(crate) charge_bytes: u64,
    pub(crate) submitted: Instant,
    pub(crate) stages: StageTimes,
}

impl FrameTag {
    pub(crate) fn new(frame: &EncodedFrame, charge_bytes: u64, now: Instant) -> Self {
        Self {
            index: frame.index,
            source_id: frame.source_id,
            pts: frame.pts,
            received_at: frame.received_at,
            charge_bytes,
            submitted: now,
            stages: StageTimes::default(),
        }
    }

    /// A worker takes the frame.
    pub(crate) fn begin(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.submitted);
        self.stages.queued = since.saturating_sub(self.stages.decode);
    }

    pub(crate) fn result(&self, made: Made) -> FrameResult {
        FrameResult {
            index: self.index,
            source_id: self.source_id,
            pts: self.pts,
            received_at: self.received_at,
            output: made.fields,
            picture: made.picture,
            errors: made.errors.into_iter().map(shortened).collect(),
            stages: self.stages,
        }
    }

    pub(crate) fn failure(&self, error: String) -> FrameResult {
        self.result(Made {
            errors: vec![error],
            ..Made::default()
        })
    }
}

fn shortened(mut error: String) -> String {
    if error.len() > MAX_ERROR_BYTES {
        error.truncate(error.floor_char_boundary(MAX_ERROR_BYTES - '…'.len_utf8()));
        error.push('…');
    }
    error
}

fn map_bytes(map: &Fields) -> u64 {
    map.iter()
        .map(|(key, value)| key.len() as u64 + value_bytes(value))
        .sum()
}

fn value_bytes(value: &Value) -> u64 {
    let own = size_of::<Value>() as u64;
    own + match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len() as u64,
        Value::Array(values) => values.iter().map(value_bytes).sum(),
        Value::Object(map) => map_bytes(map),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_errors_are_cut_between_characters() {
        let short = shortened("ä".repeat(MAX_ERROR_BYTES));
        assert!(
            short.len() <= MAX_ERROR_BYTES && short.ends_with('…'),
            "{short}"
        );
        assert_eq!(shortened("fine".to_owned()), "fine");
    }

    #[test]
    fn an_output_weighs_at_least_its_texts() {
        let value = serde_json::json!({ "a": ["x".repeat(100), { "b": "y".repeat(50) }] });
        assert!(value_bytes(&value) >= 152);
    }
}
