//! Results as text messages, each once: on the channel `inference`, or among the replies of a JSON link without one.
//!
//! Fed by the pipeline's results; pulled by the link's lanes. How many may wait is the link's to say: it takes no frames
//! meanwhile.

use std::collections::VecDeque;

use super::text_of;
use crate::process::document::ResultDocument;
use crate::process::lane::{Channel, Opened};

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
        self.max_message_bytes = opened.limits.max_message_bytes;
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
