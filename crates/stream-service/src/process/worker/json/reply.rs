//! What the client is told on its frames channel.
//!
//! Fed by `intake`; pulled by the link when the channel has room. Bounded: a peer that reads none of it loses the oldest.

use std::collections::VecDeque;

use serde::Serialize;

use super::fault::Fault;
use super::limits::{MAX_ERROR_BYTES, MAX_REPLIES};

/// A message to the client.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
enum Reply {
    #[serde(rename = "frame_ack")]
    Ack {
        frame_id: u64,
        next_frame_id: u64,
        window: usize,
    },
    #[serde(rename = "frame_error")]
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        frame_id: Option<u64>,
        code: &'static str,
        error: String,
        retry: bool,
    },
    #[serde(rename = "frame_eof")]
    Eof {
        frames: u64,
        results: u64,
        refused: u64,
    },
}

/// Replies that wait.
#[derive(Debug, Default)]
pub(super) struct Replies {
    waiting: VecDeque<String>,
    dropped: u64,
}

impl Replies {
    /// The pipeline has a frame.
    pub(super) fn ack(&mut self, frame_id: u64, next_frame_id: u64, window: usize) {
        self.push(&Reply::Ack {
            frame_id,
            next_frame_id,
            window,
        });
    }

    pub(super) fn error(&mut self, frame_id: Option<u64>, fault: &Fault) {
        self.push(&Reply::Error {
            frame_id,
            code: fault.code(),
            error: shortened(fault.to_string()),
            retry: fault.is_temporary(),
        });
    }

    /// Every result is out.
    pub(super) fn eof(&mut self, frames: u64, results: u64, refused: u64) {
        self.push(&Reply::Eof {
            frames,
            results,
            refused,
        });
    }

    /// The next one, if it is no longer than `room_bytes`.
    pub(super) fn poll(&mut self, room_bytes: usize) -> Option<String> {
        self.waiting.pop_front_if(|text| text.len() <= room_bytes)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn push(&mut self, reply: &Reply) {
        if self.waiting.len() == MAX_REPLIES {
            self.waiting.pop_front();
            self.dropped += 1;
        }
        // Numbers and texts are JSON.
        self.waiting
            .push_back(serde_json::to_string(reply).unwrap_or_default());
    }
}

/// As much of an error as is said: it may quote a message of any length.
pub(super) fn shortened(mut error: String) -> String {
    if error.len() > MAX_ERROR_BYTES {
        error.truncate(error.floor_char_boundary(MAX_ERROR_BYTES - '…'.len_utf8()));
        error.push('…');
    }
    error
}
