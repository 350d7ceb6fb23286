//! The cache on the machine's clock.

use std::time::Instant;

use crate::{CacheConfig, EncodeCache};

/// A cache that times its encodes by the system's monotonic clock.
pub fn encode_cache(config: CacheConfig) -> EncodeCache {
    EncodeCache::new(config, Instant::now)
}
