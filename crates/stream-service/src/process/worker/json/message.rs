//! What a client's text messages say.
//!
//! Fed with a message's bytes; feeds `intake`. Names that other clients use for the same are taken as well.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::fault::Fault;
use super::limits::{MAX_FRAME_ID, MAX_MESSAGE_BYTES};

/// Padding is whatever the client's library makes of it.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// A message that was understood.
#[derive(Debug)]
pub(super) enum Message {
    Chunk(Box<Chunk>),
    Eof(Eof),
}

/// `frame_chunk`: a part of a frame. Its numbers are as they came, not checked against each other.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) frame_id: u64,
    pub(super) index: u64,
    pub(super) total: u64,
    pub(super) data: String,
    pub(super) meta: ChunkMeta,
}

/// `frame_eof`: no frame comes after this. What it says of them is compared.
#[derive(Debug)]
pub(super) struct Eof {
    pub(super) last_frame_id: Option<u64>,
    pub(super) total_frames: Option<u64>,
}

/// What a chunk may say of its frame.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ChunkMeta {
    pub(super) pts: Option<f64>,
    pub(super) time_base: Option<TimeBase>,
    pub(super) timestamp_ms: Option<f64>,
    #[serde(alias = "declared_fps")]
    pub(super) fps: Option<f64>,
    pub(super) width: Option<u64>,
    pub(super) height: Option<u64>,
    #[serde(alias = "format")]
    pub(super) encoding: Option<String>,
}

/// Seconds in one unit of `pts`: `0.001`, `"1/90000"` or `[1, 90000]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum TimeBase {
    Seconds(f64),
    Text(String),
    Fraction([f64; 2]),
}

/// All fields of all messages; those of no use are passed over.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(alias = "frame", alias = "frame_number")]
    frame_id: Option<u64>,
    #[serde(alias = "chunk", alias = "index")]
    chunk_index: Option<u64>,
    #[serde(alias = "chunks", alias = "num_chunks")]
    total_chunks: Option<u64>,
    #[serde(alias = "payload")]
    data: Option<String>,
    #[serde(alias = "frames")]
    total_frames: Option<u64>,
    #[serde(flatten)]
    meta: ChunkMeta,
}

impl Message {
    /// Reads one text message.
    ///
    /// # Errors
    /// [`Fault`]: too long, no JSON, a field that is missing or of the wrong type.
    pub(super) fn read(message: &[u8]) -> Result<Self, Fault> {
        let bytes = message.len();
        if bytes > MAX_MESSAGE_BYTES {
            return Err(Fault::MessageTooLarge { bytes });
        }
        let fields: Fields<'_> = serde_json::from_slice(message)
            .map_err(|error| Fault::BadMessage(error.to_string()))?;
        match fields.kind.as_ref() {
            "frame_chunk" => fields.into_chunk().map(Self::Chunk),
            "frame_eof" | "eof" => Ok(Self::Eof(Eof {
                last_frame_id: fields.frame_id,
                total_frames: fields.total_frames,
            })),
            other => Err(Fault::UnknownType(other.to_owned())),
        }
    }
}

impl Fields<'_> {
    fn into_chunk(self) -> Result<Box<Chunk>, Fault> {
        let frame_id = needed(self.frame_id, "frame_id")?;
        if frame_id > MAX_FRAME_ID {
            return Err(Fault::BadFrameId { frame_id });
        }
        Ok(Box::new(Chunk {
            frame_id,
            index: needed(self.chunk_index, "chunk_index")?,
            total: needed(self.total_chunks, "total_chunks")?,
            data: needed(self.data, "data")?,
            meta: self.meta,
        }))
    }
}

fn needed<T>(value: Option<T>, name: &str) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::BadMessage(format!("frame_chunk has no {name}")))
}

/// The bytes of base64 text in either alphabet, padded or not.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn decode_base64(text: &str) -> Result<Vec<u8>, String> {
    let other = |error: base64::DecodeError| URL_SAFE.decode(text).map_err(|_| error.to_string());
    STANDARD.decode(text).or_else(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(text: &str) -> Chunk {
        match Message::read(text.as_bytes()).unwrap() {
            Message::Chunk(chunk) => *chunk,
            Message::Eof(_) => panic!("{text}"),
        }
    }

    #[test]
    fn a_chunk_is_read_with_all_that_it_may_say() {
        let read = chunk(
            r#"{"type":"frame_chunk","frame_id":7,"chunk_index":1,"total_chunks":3,"data":"\/9j\/","pts":3003,
                "time_base":"1/90000","width":640,"height":480,"encoding":"jpeg","something":{"else":[1]}}"#,
        );
        assert_eq!((read.frame_id, read.index, read.total), (7, 1, 3));
        assert_eq!(read.data, "/9j/");
        assert_eq!(read.meta.pts, Some(3003.0));
        let time_base = TimeBase::Text("1/90000".to_owned());
        assert_eq!(read.meta.time_base, Some(time_base));
        assert_eq!((read.meta.width, read.meta.height), (Some(640), Some(480)));
    }

    #[test]
    fn other_names_for_the_same_are_taken() {
        let read = chunk(
            r#"{"type":"frame_chunk","frame_number":7,"index":0,"num_chunks":1,"payload":"","format":"bgr"}"#,
        );
        assert_eq!((read.frame_id, read.index, read.total), (7, 0, 1));
        assert_eq!(read.meta.encoding.as_deref(), Some("bgr"));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (text, named) in [
            ("", "EOF"),
            ("[]", "type"),
            ("\"frame_chunk\"", "string"),
            ("{\"frame_id\":1}", "type"),
            (
                r#"{"type":"frame_chunk","chunk_index":0,"total_chunks":1,"data":""}"#,
                "frame_id",
            ),
            (
                r#"{"type":"frame_chunk","frame_id":1,"total_chunks":1,"data":""}"#,
                "chunk_index",
            ),
            (
                r#"{"type":"frame_chunk","frame_id":1,"chunk_index":0,"data":""}"#,
                "total_chunks",
            ),
            (
                r#"{"type":"frame_chunk","frame_id":1,"chunk_index":0,"total_chunks":1}"#,
                "data",
            ),
            (
                r#"{"type":"frame_chunk","frame_id":-1,"chunk_index":0,"total_chunks":1,"data":""}"#,
                "-1",
            ),
            (
                r#"{"type":"frame_chunk","frame_id":1,"frame":2}"#,
                "duplicate",
            ),
            (r#"{"type":"hello"}"#, "frame_chunk"),
        ] {
            let error = Message::read(text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(named), "{text}: {error}");
            assert_eq!(error.code(), "bad_message", "{text}");
        }
        assert!(Message::read(&[b'"', 0xff, b'"']).is_err());
        let deep = "[".repeat(MAX_MESSAGE_BYTES);
        assert!(Message::read(deep.as_bytes()).is_err());
    }

    #[test]
    fn base64_is_taken_in_either_alphabet_padded_or_not() {
        for text in ["+/8=", "+/8", "-_8", "-_8="] {
            assert_eq!(decode_base64(text).unwrap(), [0xfb, 0xff], "{text}");
        }
        assert_eq!(decode_base64("").unwrap(), [0_u8; 0]);
        for text in ["+/8=+", "a", "####", "aGk=aGk="] {
            assert!(decode_base64(text).is_err(), "{text}");
        }
    }
}
