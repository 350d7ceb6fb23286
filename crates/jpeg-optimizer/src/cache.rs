//! One encode per frame, quality and size, whoever asks and however many at once.
//!
//! Fed with frames from the ring by every viewer's task; feeds their transports with the same
//! bytes. Whoever asks first encodes; who asks for the same meanwhile waits for that result.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use frame_buffer::{ColorRange, Picture, PictureSize, VideoFrame};

use crate::entries::{Entries, Evicted, Found, FrameKey, JpegKey, Slot};
use crate::identity::{ContentHash, Contents, IdentifyBy, Identity};
use crate::rendition::check_size;
use crate::stats::Window;
use crate::{EncodeError, EncodeStats, JpegEncoder, Quality, Renderer};

/// Default bound on frames: viewers of one stream are at most a few frames apart.
pub const DEFAULT_MAX_FRAMES: usize = 5;
/// Default bound on bytes: 16 MiB, five frames of 1280x720 with their renditions.
pub const DEFAULT_MAX_BYTES: usize = 16 << 20;

/// Bounds of an [`EncodeCache`]; the tighter one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheConfig {
    /// Frames held, each with all its JPEGs and renditions; default [`DEFAULT_MAX_FRAMES`]. With 0
    /// nothing is kept.
    pub max_frames: usize,
    /// Bytes held; default [`DEFAULT_MAX_BYTES`]. Where a single frame exceeds it, its renditions
    /// are made again for each quality.
    pub max_bytes: usize,
    /// Which frames are the same; default: those of one number.
    pub identify_by: IdentifyBy,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            max_frames: DEFAULT_MAX_FRAMES,
            max_bytes: DEFAULT_MAX_BYTES,
            identify_by: IdentifyBy::default(),
        }
    }
}

/// Identity of one opened source.
///
/// A [`frame_buffer::FrameId`] counts from the opening of its source, so alone it names no frame
/// once a cache is shared or a source is opened again: take a new key whenever frame ids start
/// anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamKey(u64);

impl StreamKey {
    /// A key that no other call in this process returns.
    pub fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a viewer wants a frame to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct EncodeParams {
    /// JPEG quality; default 70.
    pub quality: Quality,
    /// Size in pixels, at most the source's; `None` (default): the source's.
    pub size: Option<PictureSize>,
}

/// A JPEG. A clone shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedJpeg {
    /// The file: JFIF, baseline, 4:2:0.
    pub bytes: Bytes,
    /// Quality that it was encoded with.
    pub quality: Quality,
    /// Size in pixels.
    pub size: PictureSize,
    /// What the frame shows, where frames are identified by that.
    pub content: Option<ContentHash>,
}

/// A shared cache of encodes. Wrap it in an `Arc` and give it to every viewer.
///
/// Encoding happens on the thread that asks first, and blocks it (2 ms at 1280x720): an async
/// caller asks from a blocking thread.
pub struct EncodeCache {
    config: CacheConfig,
    clock: Box<dyn Fn() -> Instant + Send + Sync>,
    encoder: JpegEncoder,
    renderer: Renderer,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: Entries,
    contents: Contents,
    /// Counters; what is held is filled in when asked.
    stats: EncodeStats,
    encode_times: Window,
    rendition_times: Window,
}

/// What the request that found an empty slot did.
#[derive(Debug, Clone, Copy, Default)]
struct Attempt {
    /// `None` when it failed before it came to encoding.
    encode_time: Option<Duration>,
}

impl EncodeCache {
    /// An empty cache that times its work by `clock`; [`crate::driver::encode_cache`] takes the
    /// system's.
    pub fn new(config: CacheConfig, clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self {
            config,
            clock: Box::new(clock),
            encoder: JpegEncoder::new(),
            renderer: Renderer::new(),
            state: Mutex::default(),
        }
    }

    /// The frame as JPEG: the one that is there, the one that someone is at work on, or else one
    /// that is encoded now.
    ///
    /// # Errors
    /// [`EncodeError`]; all who waited for the same encode get it, and who asks later tries anew.
    pub fn get_or_encode(
        &self,
        stream: StreamKey,
        frame: &VideoFrame,
        params: EncodeParams,
    ) -> Result<EncodedJpeg, EncodeError> {
        let jpeg_key = jpeg_key(frame, params);
        check_size(frame.picture.size(), jpeg_key.size)?;
        let (identity, content) = self.identity(stream, frame);
        let frame_key = FrameKey {
            stream,
            frame: identity,
        };
        let slot = match self.find(frame_key, jpeg_key) {
            Found::Ready(jpeg) => return Ok(jpeg),
            Found::Slot(slot) => slot,
        };

        let mut attempt = None;
        let result = slot.get_or_init(|| {
            let attempt = attempt.insert(Attempt::default());
            let rendition = self.rendition(frame_key, &frame.picture, jpeg_key.size)?;
            let (jpeg, time) = self.timed(|| self.encoder.encode(&rendition, jpeg_key.quality));
            attempt.encode_time = Some(time);
            Ok(EncodedJpeg {
                bytes: jpeg?,
                quality: jpeg_key.quality,
                size: jpeg_key.size,
                content,
            })
        });
        match attempt {
            Some(attempt) => self.count_miss(frame_key, &slot, result, attempt),
            None => self.lock().stats.hits += 1,
        }
        result.clone()
    }

    /// The frame as JPEG if it is there, without waiting: for callers that must not block. Counts
    /// as a hit if it is.
    pub fn get(
        &self,
        stream: StreamKey,
        frame: &VideoFrame,
        params: EncodeParams,
    ) -> Option<EncodedJpeg> {
        let mut state = self.lock();
        let identity = match self.config.identify_by {
            IdentifyBy::Id => Identity::Id(frame.id),
            // Nobody has asked for a frame whose content is not known.
            IdentifyBy::Content => Identity::Content(state.contents.get(stream, frame.id)?),
        };
        let frame_key = FrameKey {
            stream,
            frame: identity,
        };
        let jpeg = state.entries.get(frame_key, jpeg_key(frame, params))?;
        state.stats.hits += 1;
        Some(jpeg)
    }

    /// Lets go of all frames of a stream that has ended.
    pub fn remove_stream(&self, stream: StreamKey) {
        let removed = self.lock().entries.remove_stream(stream);
        drop(removed); // Memory is freed outside the lock.
    }

    /// Counters and fill.
    pub fn stats(&self) -> EncodeStats {
        let state = self.lock();
        EncodeStats {
            frames: state.entries.frames(),
            jpegs: state.entries.jpegs(),
            bytes: state.entries.bytes(),
            hit_ratio: ratio(state.stats.hits, state.stats.misses),
            encode_ms: state.encode_times.percentiles(),
            rendition_ms: state.rendition_times.percentiles(),
            ..state.stats
        }
    }

    /// One lock for a hit; bounds are restored when something new comes in.
    fn find(&self, key: FrameKey, jpeg: JpegKey) -> Found {
        let mut state = self.lock();
        let found = state.entries.find(key, jpeg);
        if matches!(found, Found::Ready(_)) {
            state.stats.hits += 1;
            return found;
        }
        let evicted = self.evict(&mut state);
        drop(state);
        drop(evicted); // Memory is freed outside the lock.
        found
    }

    /// The frame's name. Its content is hashed by whoever comes first, outside the lock; two that come at once both do.
    fn identity(&self, stream: StreamKey, frame: &VideoFrame) -> (Identity, Option<ContentHash>) {
        if self.config.identify_by == IdentifyBy::Id {
            return (Identity::Id(frame.id), None);
        }
        let known = self.lock().contents.get(stream, frame.id);
        let content = known.unwrap_or_else(|| {
            let content = ContentHash::of(&frame.picture);
            let mut state = self.lock();
            let is_same = state.contents.insert(stream, frame.id, content);
            state.stats.same_frames += u64::from(is_same);
            content
        });
        (Identity::Content(content), Some(content))
    }

    fn evict(&self, state: &mut State) -> Evicted {
        let evicted = state
            .entries
            .evict(self.config.max_frames, self.config.max_bytes);
        state.stats.evicted_frames += evicted.frames() as u64;
        evicted
    }

    /// The picture to encode: the source's own where size and range fit, else one that the
    /// qualities of this size share.
    fn rendition(
        &self,
        key: FrameKey,
        picture: &Picture,
        size: PictureSize,
    ) -> Result<Picture, EncodeError> {
        if picture.size() == size && picture.range() == ColorRange::Full {
            return Ok(picture.clone());
        }
        let slot = self.lock().entries.rendition_slot(key, size);
        let mut made_in = None;
        let result = slot.get_or_init(|| {
            let (rendition, time) = self.timed(|| self.renderer.render(picture, size));
            made_in = Some(time);
            rendition
        });
        if let Some(time) = made_in {
            let mut state = self.lock();
            state.stats.renditions += 1;
            state.rendition_times.push(time);
            drop(state);
            self.with_entries(|entries| entries.rendition_filled(key, &slot));
        }
        result.clone()
    }

    fn count_miss(
        &self,
        key: FrameKey,
        slot: &Slot<EncodedJpeg>,
        result: &Result<EncodedJpeg, EncodeError>,
        attempt: Attempt,
    ) {
        let mut state = self.lock();
        state.stats.misses += 1;
        if let Some(time) = attempt.encode_time {
            state.encode_times.push(time);
        }
        match result {
            Ok(jpeg) => state.stats.encoded_bytes += jpeg.bytes.len() as u64,
            Err(_) => state.stats.failed += 1,
        }
        drop(state);
        self.with_entries(|entries| entries.jpeg_filled(key, slot));
    }

    /// Changes the entries, and restores the bounds.
    fn with_entries<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> T {
        let (value, evicted): (T, Evicted) = {
            let mut state = self.lock();
            let value = change(&mut state.entries);
            let evicted = self.evict(&mut state);
            (value, evicted)
        };
        drop(evicted); // Memory is freed outside the lock.
        value
    }

    fn timed<T>(&self, work: impl FnOnce() -> T) -> (T, Duration) {
        let start = (self.clock)();
        let value = work();
        (value, (self.clock)().saturating_duration_since(start))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Encoding happens outside the lock; nothing that holds it panics half-way through a
        // change that matters.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for EncodeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodeCache")
            .field("config", &self.config)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

fn jpeg_key(frame: &VideoFrame, params: EncodeParams) -> JpegKey {
    JpegKey {
        quality: params.quality,
        size: params.size.unwrap_or(frame.picture.size()),
    }
}

/// Hits of all requests; 0 before the first.
fn ratio(hits: u64, misses: u64) -> f64 {
    hits as f64 / (hits + misses).max(1) as f64
}
