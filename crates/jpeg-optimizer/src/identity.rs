//! Which frame is which: by its number, or by what it shows.
//!
//! Fed with frames; feeds the cache's keys, and clients that need no picture twice.

use std::collections::VecDeque;
use std::hash::Hasher;
use std::time::{Duration, Instant};

use frame_buffer::{FrameId, Picture, Plane};
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use crate::{EncodedJpeg, Quality, StreamKey};

/// Frames whose content is remembered by their number: clients are at most a few frames apart.
const REMEMBERED: usize = 16;

/// What makes two frames the same to the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentifyBy {
    /// The frame's number in its stream. The default: it costs nothing.
    #[default]
    Id,
    /// A hash of its samples, taken once a frame (0.1 ms at 1280x720): a still picture is encoded once for as long as
    /// it stands, and [`SameFrames`] can leave it out.
    Content,
}

/// XXH3 of a picture's samples, size and range. Not meant to withstand someone who looks for collisions: whoever can
/// choose the pictures can choose what is shown anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash(u64);

impl ContentHash {
    /// Of the samples that are seen; what pads rows does not count.
    pub fn of(picture: &Picture) -> Self {
        let mut hasher = XxHash3_64::new();
        let size = picture.size();
        hasher.write_u32(size.width);
        hasher.write_u32(size.height);
        hasher.write_u8(picture.range() as u8);
        for plane in Plane::ALL {
            for row in picture.plane(plane).rows() {
                hasher.write(row);
            }
        }
        Self(hasher.finish())
    }
}

/// A frame's name in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    Id(FrameId),
    Content(ContentHash),
}

/// The content of the last frames, so that it is hashed once for all clients.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    known: VecDeque<(StreamKey, FrameId, ContentHash)>,
}

impl Contents {
    pub(crate) fn get(&self, stream: StreamKey, frame: FrameId) -> Option<ContentHash> {
        let is_it = |known: &&(StreamKey, FrameId, _)| (known.0, known.1) == (stream, frame);
        self.known.iter().rev().find(is_it).map(|known| known.2)
    }

    /// Remembers a frame's content; whether another frame of its stream had the same.
    pub(crate) fn insert(
        &mut self,
        stream: StreamKey,
        frame: FrameId,
        content: ContentHash,
    ) -> bool {
        if self.get(stream, frame).is_some() {
            return false;
        }
        let is_same = self
            .known
            .iter()
            .any(|known| (known.0, known.2) == (stream, content));
        if self.known.len() == REMEMBERED {
            self.known.pop_front();
        }
        self.known.push_back((stream, frame, content));
        is_same
    }
}

/// Leaves out frames that show a client what it sees already.
#[derive(Debug, Clone)]
pub struct SameFrames {
    max_silence: Duration,
    last: Option<(ContentHash, Quality, frame_buffer::PictureSize, Instant)>,
    dropped: u64,
}

impl SameFrames {
    /// Sends a picture again at the latest after `max_silence`, so that nobody takes the stream for dead (1 s is usual).
    pub fn new(max_silence: Duration) -> Self {
        Self {
            max_silence,
            last: None,
            dropped: 0,
        }
    }

    /// Whether this client is to be sent the JPEG. Always, where the cache identifies frames by number.
    pub fn takes(&mut self, now: Instant, jpeg: &EncodedJpeg) -> bool {
        let Some(content) = jpeg.content else {
            return true;
        };
        let shown = (content, jpeg.quality, jpeg.size);
        let is_same = self.last.is_some_and(|(content, quality, size, at)| {
            (content, quality, size) == shown
                && now.saturating_duration_since(at) < self.max_silence
        });
        if is_same {
            self.dropped += 1;
        } else {
            self.last = Some((shown.0, shown.1, shown.2, now));
        }
        !is_same
    }

    /// Frames left out.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}
