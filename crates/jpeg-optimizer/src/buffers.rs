//! Recycles the memory of JPEGs, so that a running stream allocates none for them.
//!
//! Fed with finished JPEGs by the encoder; hands out [`Bytes`] whose last clone brings the memory back, from whatever
//! thread. Idle memory is bounded in buffers and bytes; what is beyond is freed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;

/// Idle buffers kept: five frames at three qualities, and one being made.
const MAX_IDLE: usize = 16;
/// Idle bytes kept.
const MAX_IDLE_BYTES: usize = 16 << 20;
/// Lengths are rounded up to this, so that frames of about one length share buffers.
const GRAIN_BYTES: usize = 16 << 10;
/// A buffer serves a JPEG of at least this share of it: the cache counts lengths, not capacities.
const MIN_USE: usize = 2;

#[derive(Debug, Default)]
pub(crate) struct BufferPool {
    shared: Arc<Mutex<Idle>>,
}

#[derive(Debug, Default)]
struct Idle {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

/// Memory that finds its way home.
struct Pooled {
    buffer: Vec<u8>,
    home: Weak<Mutex<Idle>>,
}

impl BufferPool {
    /// The same bytes in memory of the pool.
    pub(crate) fn copy(&self, jpeg: &[u8]) -> Bytes {
        let mut buffer = lock(&self.shared)
            .take(jpeg.len())
            .unwrap_or_else(|| Vec::with_capacity(jpeg.len().max(1).next_multiple_of(GRAIN_BYTES)));
        buffer.clear();
        buffer.extend_from_slice(jpeg);
        Bytes::from_owner(Pooled {
            buffer,
            home: Arc::downgrade(&self.shared),
        })
    }

    #[cfg(test)]
    fn idle(&self) -> (usize, usize) {
        let idle = lock(&self.shared);
        (idle.buffers.len(), idle.bytes)
    }
}

impl Idle {
    /// The smallest buffer that holds `len` bytes and is not much too large.
    fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        let most = (len * MIN_USE).max(GRAIN_BYTES);
        let fits = |buffer: &&Vec<u8>| (len..=most).contains(&buffer.capacity());
        let best = self.buffers.iter().filter(fits).map(Vec::capacity).min()?;
        let index = self.buffers.iter().position(|it| it.capacity() == best)?;
        self.bytes -= best;
        Some(self.buffers.swap_remove(index))
    }

    fn put(&mut self, buffer: Vec<u8>) -> Option<Vec<u8>> {
        let bytes = buffer.capacity();
        if self.buffers.len() >= MAX_IDLE || self.bytes + bytes > MAX_IDLE_BYTES {
            // The one that came first is of a length that nobody needs any more.
            if self.buffers.is_empty() || bytes > MAX_IDLE_BYTES {
                return Some(buffer);
            }
            let oldest = self.buffers.remove(0);
            self.bytes -= oldest.capacity();
            if self.bytes + bytes <= MAX_IDLE_BYTES {
                self.bytes += bytes;
                self.buffers.push(buffer);
            }
            return Some(oldest);
        }
        self.bytes += bytes;
        self.buffers.push(buffer);
        None
    }
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            let surplus = lock(&home).put(std::mem::take(&mut self.buffer));
            drop(surplus); // Memory is freed outside the lock.
        }
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_and_serves_again() {
        let pool = BufferPool::default();
        let first = pool.copy(&[7; 40_000]);
        let (memory, clone) = (first.as_ptr(), first.clone());
        drop(first);
        assert_eq!(pool.idle(), (0, 0));
        drop(clone);
        assert_eq!(pool.idle(), (1, 49_152));
        let second = pool.copy(&[9; 41_000]);
        assert_eq!((second.as_ptr(), pool.idle()), (memory, (0, 0)));
        assert!(second.len() == 41_000 && second.iter().all(|&byte| byte == 9));
        drop(second);
        // Much too large: a small JPEG would hold on to memory that nobody counts.
        assert_ne!(pool.copy(&[1; 100]).as_ptr(), memory);
    }

    #[test]
    fn idle_memory_is_bounded() {
        let pool = BufferPool::default();
        let held: Vec<_> = (1..60).map(|n| pool.copy(&vec![0; n * 40_000])).collect();
        drop(held);
        let (buffers, bytes) = pool.idle();
        assert!(buffers <= MAX_IDLE && bytes <= MAX_IDLE_BYTES);
        let huge = pool.copy(&vec![0; MAX_IDLE_BYTES + 1]);
        drop(huge);
        assert!(pool.idle().1 <= MAX_IDLE_BYTES);
    }

    #[test]
    fn bytes_outlive_their_pool() {
        let bytes = BufferPool::default().copy(b"JPEG");
        assert_eq!(&bytes[..], b"JPEG");
    }
}
