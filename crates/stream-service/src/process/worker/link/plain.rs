//! Results as text messages, each once: on the channel `inference`, or among the replies of a JSON link without one.
//!
//! Fed by the pipeline's results; pulled by the link's lanes. How many may wait is the link's to say: it takes no frames
//! meanwhile.

use std::collections::VecDeque;

use super::text_of;
use crate::lanes::end::{Channel, Opened};
use crate::process::document::ResultDocument;

/// Before a peer has said what it takes: what one takes that says nothing (RFC 8841 §6.1).
const DEFAULT_MAX_MESSAGE_BYTES: usize = 64 << 10;

/// Results that wait for a channel.
#[derive(Debug)]
pub(super) struct PlainResults {
    waiting: VecDeque<(u64, String)>,
    max_message_bytes: usize,
    channel_open: bool,
}

impl Default for PlainResults {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            channel_open: false,
        }
    }
}

impl PlainResults {
    /// Notes what the peer takes, and whether results have a channel of their own.
    pub(super) fn opened(&mut self, opened: &Opened<'_>) {
        self.max_message_bytes = opened.max_message_bytes;
        self.channel_open |= opened.channel == Channel::Results;
    }

    pub(super) fn has_channel(&self) -> bool {
        self.channel_open
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// One that is longer than the peer takes is replaced by an error.
    pub(super) fn push(&mut self, index: u64, mut document: ResultDocument) {
        let mut text = text_of(&document);
        if text.len() > self.max_message_bytes {
            document.serialized_output_data.clear();
            document.errors.push(format!(
                "the result has {} bytes, more than the {} of a message that the client takes; ask for fewer fields",
                text.len(),
                self.max_message_bytes
            ));
            text = text_of(&document);
        }
        self.waiting.push_back((index, text));
    }

    /// The next one with its frame's index, if it is no longer than `room_bytes`.
    pub(super) fn pop(&mut self, room_bytes: usize) -> Option<(u64, String)> {
        self.waiting
            .pop_front_if(|(_, text)| text.len() <= room_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use datachannel_transport::LaneLimits;
    use serde_json::{Map, Value};

    use super::*;
    use crate::process::document::VideoMetadata;

    fn document(padding_bytes: usize) -> ResultDocument {
        let found = Value::from("x".repeat(padding_bytes));
        let zero = Duration::ZERO;
        ResultDocument {
            video_metadata: VideoMetadata::new(7, SystemTime::UNIX_EPOCH, zero, zero, 0.0),
            serialized_output_data: Map::from_iter([("found".to_owned(), found)]),
            errors: Vec::new(),
        }
    }

    #[test]
    fn a_result_longer_than_the_client_takes_is_replaced_by_an_error() {
        let mut plain = PlainResults::default();
        let limits = LaneLimits {
            max_message_bytes: 2048,
            ..LaneLimits::default()
        };
        plain.opened(&Opened {
            channel: Channel::Results,
            limits,
            max_message_bytes: limits.max_message_bytes,
            protocol: "",
        });
        let fits = 2048 - text_of(&document(0)).len();
        for (padding_bytes, errors) in [(fits, 0), (fits + 1, 1)] {
            plain.push(0, document(padding_bytes));
            let (_, text) = plain.pop(2048).expect("no longer than the client takes");
            let read: ResultDocument = serde_json::from_str(&text).unwrap();
            assert_eq!(read.video_metadata.frame_id, 7);
            assert_eq!(read.errors.len(), errors, "{text}");
        }
    }
}
