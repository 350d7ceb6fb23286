//! From a file to a pack: the leaves by `pipeline`, then the tree over them, then the index.
//!
//! Fed with a path or bytes; makes a pack. A file that changes meanwhile is refused, and could not get a
//! wrong CID: what is hashed is what is written.

use super::error::AddError;
use super::pack::{Entry, Index, Origin};
use super::pipeline;
use super::write::PackWriter;
use crate::driver::positioned::read_exact_at;
use crate::profile::Profile;
use crate::unixfs::build::{self, Link, Tree};
use cid::Cid;
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

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
pub(super) trait Input: Sync {
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
    let leaves = pipeline::copy_and_hash(input, &pack, size_bytes, profile, progress)?;
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
