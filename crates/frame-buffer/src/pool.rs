//! Recycles picture memory, so that a running stream allocates nothing per frame.
//!
//! Decoders take a [`PictureMut`]; the last clone of the frozen [`crate::Picture`] gives its
//! memory back when it drops, from whatever thread. Idle memory is bounded in buffers and bytes;
//! buffers beyond the bounds, and those that nobody needed for a while (another size, a ring that
//! shrank), are freed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde::Serialize;

use crate::layout::Layout;
use crate::{PictureError, PictureMut, PictureSize, STRIDE_ALIGN_BYTES};

/// Takes that an idle buffer stays unused before it is freed: the largest ring (120 frames) once
/// over, so that a stream's own rhythm never frees what it needs again, and a change of size lets
/// go of the old one within seconds.
pub const IDLE_TAKES: u64 = 128;

/// Default bound on idle memory: 256 MiB, 80 pictures of 1920x1080.
pub const DEFAULT_MAX_IDLE_BYTES: usize = 256 << 20;

/// A pool of picture memory. A clone is another handle on the same pool.
///
/// Live pictures are not bounded here but by whoever holds them (a ring is); idle ones are, by
/// `max_idle_buffers` and [`DEFAULT_MAX_IDLE_BYTES`]. When a bound is reached the least recently
/// used buffer is freed.
#[derive(Debug, Clone)]
pub struct FramePool {
    shared: Arc<Shared>,
}

/// What a pool did and holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PoolStats {
    /// Buffers allocated since the start.
    pub allocated: u64,
    /// Pictures taken that needed no allocation.
    pub reused: u64,
    /// Buffers that wait to be reused.
    pub idle: usize,
    /// Bytes of those.
    pub idle_bytes: usize,
    /// Pictures in use.
    pub live: usize,
}

impl FramePool {
    /// A pool that keeps at most `max_idle_buffers` idle buffers (0: reuse nothing) of at most
    /// [`DEFAULT_MAX_IDLE_BYTES`] together.
    pub fn new(max_idle_buffers: usize) -> Self {
        Self::with_max_idle_bytes(max_idle_buffers, DEFAULT_MAX_IDLE_BYTES)
    }

    /// A pool with both bounds given; the tighter one holds.
    pub fn with_max_idle_bytes(max_idle_buffers: usize, max_idle_bytes: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                max_idle_buffers,
                max_idle_bytes,
                state: Mutex::default(),
            }),
        }
    }

    /// Memory for a picture of this size. Its samples are unspecified: zeros, or those of an
    /// earlier picture. Its range is [`crate::ColorRange::Limited`].
    ///
    /// # Errors
    /// [`PictureError::Size`] when a side is out of range.
    pub fn take(&self, size: PictureSize) -> Result<PictureMut, PictureError> {
        let layout = Layout::new(size)?;
        let buffer = self
            .shared
            .take(layout.total_bytes())
            .unwrap_or_else(|| Buffer::new(layout.total_bytes()));
        Ok(PictureMut::new(
            layout,
            buffer,
            Arc::downgrade(&self.shared),
        ))
    }

    /// Frees all idle buffers, for a stream that pauses.
    pub fn trim(&self) {
        let idle = self.shared.lock().clear();
        drop(idle);
    }

    /// Counters and fill.
    pub fn stats(&self) -> PoolStats {
        let state = self.shared.lock();
        PoolStats {
            allocated: state.allocated,
            reused: state.reused,
            idle: state.idle.len(),
            idle_bytes: state.idle_bytes,
            live: state.live,
        }
    }
}

/// Where a picture's memory goes back to; empty for a picture without a pool.
pub(crate) type Home = Weak<Shared>;

#[derive(Debug)]
pub(crate) struct Shared {
    max_idle_buffers: usize,
    max_idle_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Least recently used first.
    idle: VecDeque<Idle>,
    idle_bytes: usize,
    takes: u64,
    allocated: u64,
    reused: u64,
    live: usize,
}

#[derive(Debug)]
struct Idle {
    buffer: Buffer,
    /// `State::takes` when it came back.
    since_take: u64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics while it holds the lock; if it did, the counters may be off by
        // one, which is no reason to stop a stream.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle buffer of exactly `len_bytes`, the most recently used, which is warm in the cache.
    fn take(&self, len_bytes: usize) -> Option<Buffer> {
        let (found, stale) = {
            let mut state = self.lock();
            state.takes += 1;
            state.live += 1;
            let found = state.remove_newest(len_bytes);
            match found {
                Some(_) => state.reused += 1,
                None => state.allocated += 1,
            }
            (found, state.remove_stale())
        };
        drop(stale); // Memory is freed outside the lock.
        found
    }

    /// Takes a picture's memory back.
    pub(crate) fn give_back(&self, buffer: Buffer) {
        let evicted = {
            let mut state = self.lock();
            state.live -= 1;
            state.push(buffer);
            state.remove_excess(self.max_idle_buffers, self.max_idle_bytes)
        };
        drop(evicted);
    }
}

impl State {
    fn push(&mut self, buffer: Buffer) {
        self.idle_bytes += buffer.len_bytes;
        self.idle.push_back(Idle {
            buffer,
            since_take: self.takes,
        });
    }

    fn pop_oldest(&mut self) -> Option<Buffer> {
        let idle = self.idle.pop_front()?;
        self.idle_bytes -= idle.buffer.len_bytes;
        Some(idle.buffer)
    }

    fn remove_newest(&mut self, len_bytes: usize) -> Option<Buffer> {
        let index = self
            .idle
            .iter()
            .rposition(|idle| idle.buffer.len_bytes == len_bytes)?;
        let idle = self.idle.remove(index)?;
        self.idle_bytes -= len_bytes;
        Some(idle.buffer)
    }

    fn remove_stale(&mut self) -> Vec<Buffer> {
        let mut stale = Vec::new();
        while let Some(oldest) = self.idle.front() {
            if self.takes - oldest.since_take <= IDLE_TAKES {
                break;
            }
            stale.extend(self.pop_oldest());
        }
        stale
    }

    fn remove_excess(&mut self, max_buffers: usize, max_bytes: usize) -> Vec<Buffer> {
        let mut excess = Vec::new();
        while self.idle.len() > max_buffers || self.idle_bytes > max_bytes {
            excess.extend(self.pop_oldest());
        }
        excess
    }

    fn clear(&mut self) -> VecDeque<Idle> {
        self.idle_bytes = 0;
        std::mem::take(&mut self.idle)
    }
}

/// Bytes that start on a [`STRIDE_ALIGN_BYTES`] boundary.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    /// `len_bytes` and what it takes to align the first of them; never grown, so never moved.
    storage: Vec<u8>,
    start: usize,
    len_bytes: usize,
}

impl Buffer {
    /// Zeroed memory, which costs nothing until it is written: the system hands out zero pages.
    pub(crate) fn new(len_bytes: usize) -> Self {
        let storage = vec![0; len_bytes + STRIDE_ALIGN_BYTES - 1];
        // `align_offset` may say "unknown"; planes are then unaligned, which is slower but right.
        let start = storage.as_ptr().align_offset(STRIDE_ALIGN_BYTES);
        Self {
            start: if start < STRIDE_ALIGN_BYTES { start } else { 0 },
            storage,
            len_bytes,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.start + self.len_bytes]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + self.len_bytes]
    }
}
