//! Requests for the same block at the same time are one request.

use crate::error::ReadError;
use bytes::Bytes;
use cid::multihash::Multihash;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

type Request = BoxFuture<'static, Result<Bytes, ReadError>>;

/// Entries beyond which those that are over are swept out.
const SWEEP_AT: usize = 1024;

/// The blocks on their way. Each request lives as long as somebody waits for it.
#[derive(Default)]
pub(super) struct Joined {
    waiting: Mutex<HashMap<Multihash<64>, WeakShared<Request>>>,
}

impl Joined {
    /// The request for the block that is on its way, or the one `start` makes.
    pub(super) fn join(
        &self,
        key: &Multihash<64>,
        start: impl FnOnce() -> Request,
    ) -> Shared<Request> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let same = waiting.get(key).and_then(WeakShared::upgrade);
        // One that is over is no longer on its way: an error is not told to those who come later.
        if let Some(same) = same.filter(|same| same.peek().is_none()) {
            return same;
        }
        if waiting.len() >= SWEEP_AT {
            waiting.retain(|_, block| block.upgrade().is_some());
        }
        let block = start().shared();
        if let Some(weak) = block.downgrade() {
            waiting.insert(*key, weak);
        }
        block
    }
}
