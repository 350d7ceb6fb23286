//! From a file to a pack: leaves read, hashed and copied on every core at once, then the tree.
//!
//! Fed with a path or bytes; makes a pack. The leaves are cut into stripes; each worker takes the
//! next stripe, reads it, writes it where it belongs in the pack, and hashes its leaves side by side. What is
//! hashed is what is written: a file that changes meanwhile cannot get a wrong CID.

use super::error::AddError;
use super::pack::{Entry, Index, Origin};
use super::write::PackWriter;
use crate::driver::positioned::read_exact_at;
use crate::profile::Profile;
use crate::sha256_lanes::LANES;
use crate::unixfs::build::{self, LeafBlock, Link, Tree};
use cid::Cid;
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

/// Leaves in one worker's share: as many as are hashed at once.
const STRIPE_LEAVES: u64 = LANES as u64;
/// More threads than this wait for the disk.
const MAX_WORKERS: usize = 8;

/// How far an add has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddProgress {
    /// Bytes hashed and written.
    pub bytes_done: u64,
    /// The file's size.
    pub bytes_total: u64,
}

/// What an add made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// The CID that Kubo prints for the same content and profile.
    pub cid: Cid,
    /// Bytes of content.
    pub size_bytes: u64,
    /// Blocks of the tree, counted as often as they occur in it.
    pub blocks: u64,
}

/// Where the content comes from.
trait Input: Sync {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<(), AddError>;
}

struct FileInput<'a> {
    path: &'a Path,
    file: File,
}

impl FileInput<'_> {
    fn failed(&self) -> impl FnOnce(io::Error) -> AddError {
        let path = self.path.to_owned();
        |source| AddError::Source { path, source }
    }
}

impl Input for FileInput<'_> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<(), AddError> {
        read_exact_at(&self.file, buf, offset).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => AddError::Changed {
                path: self.path.to_owned(),
            },
            _ => self.failed()(e),
        })
    }
}

impl Input for &[u8] {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<(), AddError> {
        let start = offset as usize;
        buf.copy_from_slice(&self[start..start + buf.len()]);
        Ok(())
    }
}

pub(super) fn add_file(
    dir: &Path,
    path: &Path,
    profile: Profile,
    progress: &mut dyn FnMut(AddProgress),
) -> Result<Added, AddError> {
    let failed = |source| AddError::Source {
        path: path.to_owned(),
        source,
    };
    let kind = std::fs::metadata(path).map_err(failed)?;
    if !kind.is_file() {
        let kind = if kind.is_dir() {
            "a directory"
        } else {
            "a device, pipe or socket"
        };
        return Err(AddError::NotAFile {
            path: path.to_owned(),
            kind,
        });
    }
    let input = FileInput {
        path,
        file: File::open(path).map_err(failed)?,
    };
    let before = input.file.metadata().map_err(input.failed())?;
    let unchanged = || {
        let after = input.file.metadata().map_err(input.failed())?;
        if same_version(&before, &after) {
            Ok(())
        } else {
            Err(AddError::Changed {
                path: path.to_owned(),
            })
        }
    };
    add(dir, &input, before.len(), profile, progress, &unchanged)
}

fn same_version(before: &Metadata, after: &Metadata) -> bool {
    before.len() == after.len() && before.modified().ok() == after.modified().ok()
}

pub(super) fn add_bytes(dir: &Path, content: &[u8], profile: Profile) -> Result<Added, AddError> {
    add(
        dir,
        &content,
        content.len() as u64,
        profile,
        &mut |_| {},
        &|| Ok(()),
    )
}

fn add(
    dir: &Path,
    input: &dyn Input,
    size_bytes: u64,
    profile: Profile,
    progress: &mut dyn FnMut(AddProgress),
    unchanged: &dyn Fn() -> Result<(), AddError>,
) -> Result<Added, AddError> {
    let pack = PackWriter::create(dir)?;
    let leaves = copy_and_hash(input, &pack, size_bytes, profile, progress)?;
    unchanged()?;
    let mut entries = leaf_entries(&leaves, profile);
    let leaf_count = leaves.len() as u64;
    let Tree { root, nodes } = build::tree(profile, leaves, profile.links_per_node());
    let mut end = size_bytes;
    for (cid, node) in &nodes {
        pack.write_at(node, end)?;
        let entry = Entry {
            offset: end,
            len_bytes: node.len() as u32,
            wrapped: false,
        };
        entries.entry(*cid.hash()).or_insert(entry);
        end += node.len() as u64;
    }
    let index = Index {
        origin: Origin::File(profile),
        content_bytes: size_bytes,
        roots: vec![root.cid],
        entries,
    };
    pack.finish(&root.cid.to_string(), &index, end)?;
    Ok(Added {
        cid: root.cid,
        size_bytes,
        blocks: leaf_count + nodes.len() as u64,
    })
}

fn leaf_entries(
    leaves: &[Link],
    profile: Profile,
) -> HashMap<cid::multihash::Multihash<64>, Entry> {
    let wrapped = profile == Profile::LegacyCidV0;
    let mut offset = 0;
    let mut entries = HashMap::with_capacity(leaves.len());
    for leaf in leaves {
        let entry = Entry {
            offset,
            len_bytes: leaf.size_bytes as u32,
            wrapped,
        };
        // Equal leaves are one block; the first place serves them all.
        entries.entry(*leaf.cid.hash()).or_insert(entry);
        offset += leaf.size_bytes;
    }
    entries
}

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

fn copy_and_hash(
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
        let outcome = collect(&receive, stripes, size_bytes, progress);
        job.stop.store(true, Ordering::Relaxed);
        // A worker may wait with one more result: hang up.
        drop(receive);
        outcome
    })
}

/// Puts the stripes' leaves in order, and tells how far they have come.
fn collect(
    hashed: &mpsc::Receiver<Hashed>,
    stripes: u64,
    bytes_total: u64,
    progress: &mut dyn FnMut(AddProgress),
) -> Result<Vec<Link>, AddError> {
    let mut done: Vec<Vec<Link>> = vec![Vec::new(); stripes as usize];
    let mut bytes_done = 0;
    progress(AddProgress {
        bytes_done,
        bytes_total,
    });
    for outcome in hashed {
        let (number, links) = outcome?;
        bytes_done += links.iter().map(|link| link.size_bytes).sum::<u64>();
        done[number as usize] = links;
        progress(AddProgress {
            bytes_done,
            bytes_total,
        });
    }
    Ok(done.into_iter().flatten().collect())
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
