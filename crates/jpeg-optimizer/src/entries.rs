//! What the cache holds, and in what order it lets go.
//!
//! Storage and eviction only: the work that fills a slot happens in the cache, outside its lock.
//! A slot is handed out before it is filled, so that whoever comes second waits for the first.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use frame_buffer::{Picture, PictureSize};

use crate::cache::{EncodedJpeg, StreamKey};
use crate::identity::Identity;
use crate::{EncodeError, Quality};

/// Counted for each entry beside its samples or JPEG: its key, slot and list nodes. It bounds
/// entries that are still being filled.
const ENTRY_BYTES: usize = 256;

/// A result that is there, or that someone is at work on.
pub(crate) type Slot<T> = Arc<OnceLock<Result<T, EncodeError>>>;

/// One frame of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameKey {
    pub(crate) stream: StreamKey,
    pub(crate) frame: Identity,
}

/// One JPEG of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JpegKey {
    pub(crate) quality: Quality,
    pub(crate) size: PictureSize,
}

/// Frames, least recently used first, each with what was made of it.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    frames: VecDeque<FrameEntry>,
    bytes: usize,
}

#[derive(Debug)]
struct FrameEntry {
    key: FrameKey,
    renditions: Vec<Entry<PictureSize, Picture>>,
    jpegs: Vec<Entry<JpegKey, EncodedJpeg>>,
}

#[derive(Debug)]
struct Entry<K, T> {
    key: K,
    slot: Slot<T>,
    bytes: usize,
}

/// What a request finds.
#[derive(Debug)]
pub(crate) enum Found {
    /// The JPEG is there.
    Ready(EncodedJpeg),
    /// It is being made, or is to be made by whoever asked.
    Slot(Slot<EncodedJpeg>),
}

/// What was evicted, to be dropped outside the lock.
#[derive(Debug, Default)]
pub(crate) struct Evicted {
    frames: Vec<FrameEntry>,
    renditions: Vec<Entry<PictureSize, Picture>>,
}

impl Evicted {
    pub(crate) fn frames(&self) -> usize {
        self.frames.len()
    }
}

impl FrameEntry {
    fn bytes(&self) -> usize {
        bytes_of(&self.renditions) + bytes_of(&self.jpegs)
    }
}

fn bytes_of<K, T>(entries: &[Entry<K, T>]) -> usize {
    entries.iter().map(|entry| entry.bytes).sum()
}

impl Entries {
    /// A JPEG, or its slot, empty if it is new. The frame becomes the most recently used.
    pub(crate) fn find(&mut self, key: FrameKey, jpeg: JpegKey) -> Found {
        let newest = self.frames.len().wrapping_sub(1);
        match self.position(key) {
            Some(index) if index == newest => {}
            Some(index) => {
                let frame = self.frames.remove(index);
                self.frames.extend(frame);
            }
            None => self.frames.push_back(FrameEntry {
                key,
                renditions: Vec::new(),
                jpegs: Vec::new(),
            }),
        }
        let Some(frame) = self.frames.back_mut() else {
            return Found::Slot(Slot::default());
        };
        let known = frame.jpegs.iter().find(|entry| entry.key == jpeg);
        if let Some(Ok(ready)) = known.and_then(|entry| entry.slot.get()) {
            return Found::Ready(ready.clone());
        }
        Found::Slot(slot_of(&mut frame.jpegs, jpeg, &mut self.bytes))
    }

    /// The slot of a rendition; one that nobody shares when the frame was evicted meanwhile.
    pub(crate) fn rendition_slot(&mut self, key: FrameKey, size: PictureSize) -> Slot<Picture> {
        match self.position(key) {
            Some(index) => slot_of(&mut self.frames[index].renditions, size, &mut self.bytes),
            None => Slot::default(),
        }
    }

    /// A JPEG that is there. The frame keeps its place.
    pub(crate) fn get(&self, key: FrameKey, jpeg: JpegKey) -> Option<EncodedJpeg> {
        let frame = &self.frames[self.position(key)?];
        let entry = frame.jpegs.iter().find(|entry| entry.key == jpeg)?;
        entry.slot.get()?.as_ref().ok().cloned()
    }

    /// Accounts for a JPEG slot that was filled; one that failed is forgotten.
    pub(crate) fn jpeg_filled(&mut self, key: FrameKey, slot: &Slot<EncodedJpeg>) {
        if let Some(index) = self.position(key) {
            let jpegs = &mut self.frames[index].jpegs;
            settle(jpegs, slot, |jpeg| jpeg.bytes.len(), &mut self.bytes);
        }
    }

    /// Accounts for a rendition slot that was filled; one that failed is forgotten.
    pub(crate) fn rendition_filled(&mut self, key: FrameKey, slot: &Slot<Picture>) {
        if let Some(index) = self.position(key) {
            let renditions = &mut self.frames[index].renditions;
            settle(renditions, slot, Picture::size_bytes, &mut self.bytes);
        }
    }

    /// Evicts until both bounds hold: frames by number; by bytes first renditions, which only
    /// save work for encodes to come, then frames; each least recently used first.
    pub(crate) fn evict(&mut self, max_frames: usize, max_bytes: usize) -> Evicted {
        let mut evicted = Evicted::default();
        while self.frames.len() > max_frames {
            self.evict_oldest(&mut evicted);
        }
        for frame in &mut self.frames {
            if self.bytes <= max_bytes {
                return evicted;
            }
            self.bytes -= bytes_of(&frame.renditions);
            evicted.renditions.append(&mut frame.renditions);
        }
        while self.bytes > max_bytes && !self.frames.is_empty() {
            self.evict_oldest(&mut evicted);
        }
        evicted
    }

    /// Evicts all frames of a stream.
    pub(crate) fn remove_stream(&mut self, stream: StreamKey) -> Evicted {
        let (gone, kept) = std::mem::take(&mut self.frames)
            .into_iter()
            .partition::<Vec<_>, _>(|frame| frame.key.stream == stream);
        self.frames = kept.into();
        self.bytes -= gone.iter().map(FrameEntry::bytes).sum::<usize>();
        Evicted {
            frames: gone,
            renditions: Vec::new(),
        }
    }

    pub(crate) fn frames(&self) -> usize {
        self.frames.len()
    }

    pub(crate) fn jpegs(&self) -> usize {
        self.frames.iter().map(|frame| frame.jpegs.len()).sum()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Newest first: that is where nearly every request finds its frame.
    fn position(&self, key: FrameKey) -> Option<usize> {
        self.frames.iter().rposition(|frame| frame.key == key)
    }

    fn evict_oldest(&mut self, evicted: &mut Evicted) {
        if let Some(frame) = self.frames.pop_front() {
            self.bytes -= frame.bytes();
            evicted.frames.push(frame);
        }
    }
}

fn slot_of<K: PartialEq, T>(
    entries: &mut Vec<Entry<K, T>>,
    key: K,
    total_bytes: &mut usize,
) -> Slot<T> {
    if let Some(entry) = entries.iter().find(|entry| entry.key == key) {
        return Arc::clone(&entry.slot);
    }
    let slot = Slot::default();
    *total_bytes += ENTRY_BYTES;
    entries.push(Entry {
        key,
        slot: Arc::clone(&slot),
        bytes: ENTRY_BYTES,
    });
    slot
}

/// The entry may have been evicted, and even replaced, since the slot was handed out.
fn settle<K, T>(
    entries: &mut Vec<Entry<K, T>>,
    slot: &Slot<T>,
    size_bytes: impl Fn(&T) -> usize,
    total_bytes: &mut usize,
) {
    let Some(index) = entries
        .iter()
        .position(|entry| Arc::ptr_eq(&entry.slot, slot))
    else {
        return;
    };
    match slot.get() {
        Some(Ok(value)) => {
            let bytes = size_bytes(value);
            entries[index].bytes += bytes;
            *total_bytes += bytes;
        }
        Some(Err(_)) | None => *total_bytes -= entries.swap_remove(index).bytes,
    }
}
