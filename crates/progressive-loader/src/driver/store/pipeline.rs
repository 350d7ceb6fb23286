//! A content's leaves, copied and hashed on every core at once.
//!
//! Fed by `add`; fills a pack and gives the links of the leaves. The leaves are cut into stripes; each
//! worker takes the next stripe, reads it, writes it where it belongs in the pack, and hashes its
//! leaves side by side. One more thread has the disk take what is written meanwhile.

use super::add::{AddProgress, Input};
use super::error::AddError;
use super::write::PackWriter;
use crate::profile::Profile;
use crate::sha256::LANES;
use crate::unixfs::build::{self, LeafBlock, Link};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

/// Leaves in one worker's share: as many as are hashed at once.
const STRIPE_LEAVES: u64 = LANES as u64;
/// More threads than this wait for the disk.
const MAX_WORKERS: usize = 8;
/// Bytes between two flushes: some 50 ms of hashing, so that the disk works at the same time.
const FLUSH_BYTES: u64 = 32 << 20;

/// A stripe's number and the links of its leaves.
type Hashed = Result<(u64, Vec<Link>), AddError>;

/// What the workers share.
struct Job<'a> {
    input: &'a dyn Input,
    pack: &'a PackWriter,
    size_bytes: u64,
    profile: Profile,
    next_stripe: AtomicU64,
    stop: AtomicBool,
}

/// Copies the content into `pack`, and gives its leaves in order: one, empty, for no content.
pub(super) fn copy_and_hash(
    input: &dyn Input,
    pack: &PackWriter,
    size_bytes: u64,
    profile: Profile,
    progress: &mut dyn FnMut(AddProgress),
) -> Result<Vec<Link>, AddError> {
    let job = Job {
        input,
        pack,
        size_bytes,
        profile,
        next_stripe: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    };
    let stripes = job.stripes();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let workers = cores
        .min(MAX_WORKERS)
        .min(usize::try_from(stripes).unwrap_or(usize::MAX));
    thread::scope(|scope| {
        let (send, receive) = mpsc::sync_channel(2 * workers.max(1));
        for _ in 0..workers {
            let (job, send) = (&job, send.clone());
            scope.spawn(move || job.work(&send));
        }
        drop(send);
        let (flush, flushes) = mpsc::sync_channel(1);
        let flusher = scope.spawn(move || flushes.iter().try_for_each(|()| pack.sync()));
        let mut collector = Collector::new(&job, progress, flush);
        let outcome = receive.iter().try_for_each(|hashed| collector.take(hashed));
        job.stop.store(true, Ordering::Relaxed);
        // A worker may wait with one more result: hang up.
        drop(receive);
        let leaves = collector.finish();
        // A failed sync is told once: not to the last one, if to this one.
        let flushed = flusher.join().unwrap_or(Ok(()));
        outcome?;
        flushed?;
        Ok(leaves)
    })
}

/// Puts the stripes' leaves in order, tells how far they have come, and has them flushed.
struct Collector<'a> {
    leaves: Vec<Vec<Link>>,
    done: AddProgress,
    flushed_bytes: u64,
    progress: &'a mut dyn FnMut(AddProgress),
    flush: mpsc::SyncSender<()>,
}

impl<'a> Collector<'a> {
    fn new(
        job: &Job<'_>,
        progress: &'a mut dyn FnMut(AddProgress),
        flush: mpsc::SyncSender<()>,
    ) -> Self {
        let done = AddProgress {
            bytes_done: 0,
            bytes_total: job.size_bytes,
        };
        progress(done);
        Self {
            leaves: vec![Vec::new(); job.stripes() as usize],
            done,
            flushed_bytes: 0,
            progress,
            flush,
        }
    }

    fn take(&mut self, hashed: Hashed) -> Result<(), AddError> {
        let (number, links) = hashed?;
        self.done.bytes_done += links.iter().map(|link| link.size_bytes).sum::<u64>();
        self.leaves[number as usize] = links;
        (self.progress)(self.done);
        // While one flush runs the next is due later: it takes more at once then.
        if self.done.bytes_done - self.flushed_bytes >= FLUSH_BYTES
            && self.flush.try_send(()).is_ok()
        {
            self.flushed_bytes = self.done.bytes_done;
        }
        Ok(())
    }

    fn finish(self) -> Vec<Link> {
        self.leaves.into_iter().flatten().collect()
    }
}

impl Job<'_> {
    fn stripe_bytes(&self) -> u64 {
        STRIPE_LEAVES * self.profile.leaf_bytes()
    }

    fn stripes(&self) -> u64 {
        // An empty file has one stripe, with one empty leaf.
        self.size_bytes.div_ceil(self.stripe_bytes()).max(1)
    }

    /// Where the leaves of a stripe lie in the content.
    fn leaves(&self, number: u64) -> impl Iterator<Item = Range<u64>> + use<> {
        let (leaf_bytes, size_bytes) = (self.profile.leaf_bytes(), self.size_bytes);
        let start = number * self.stripe_bytes();
        let end = (start + self.stripe_bytes()).min(size_bytes);
        let count = (end - start).div_ceil(leaf_bytes).max(1);
        (0..count).map(move |leaf| {
            let start = start + leaf * leaf_bytes;
            start..(start + leaf_bytes).min(size_bytes)
        })
    }

    fn work(&self, results: &mpsc::SyncSender<Hashed>) {
        let mut blocks = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.next_stripe.fetch_add(1, Ordering::Relaxed);
            if number >= self.stripes() {
                return;
            }
            let outcome = self.hash_stripe(number, &mut blocks);
            let failed = outcome.is_err();
            if results.send(outcome).is_err() || failed {
                return;
            }
        }
    }

    /// `blocks` are the last stripe's, whose memory serves again.
    fn hash_stripe(&self, number: u64, blocks: &mut Vec<LeafBlock>) -> Hashed {
        let leaves: Vec<_> = self.leaves(number).collect();
        blocks.truncate(leaves.len());
        for (index, leaf) in leaves.iter().enumerate() {
            let size_bytes = (leaf.end - leaf.start) as usize;
            if blocks
                .get(index)
                .is_none_or(|block| block.content().len() != size_bytes)
            {
                blocks.truncate(index);
                blocks.push(LeafBlock::new(self.profile, size_bytes));
            }
            self.input
                .read_at(blocks[index].content_mut(), leaf.start)?;
            self.pack.write_at(blocks[index].content(), leaf.start)?;
        }
        Ok((number, build::links(self.profile, blocks)))
    }
}
