//! From a root and a path of names to the file they lead to.
//!
//! Fed with verified blocks; feeds the store's [`open_path`](crate::driver::Store::open_path).

use super::node::{Entry, Node};
use super::walk::Blocks;
use crate::error::{BlockError, OpenError, ReadError};
use crate::multihash::{DAG_PB, RAW};
use cid::Cid;
use std::collections::VecDeque;
use std::ops::ControlFlow;

/// The most buckets of one sharded directory that are looked at: a million entries and more.
const MAX_SHARDS: usize = 16_384;
/// How many names an error carries.
const LISTED: usize = 100;

/// The CID of the file at `path` below `root`.
pub(crate) fn resolve(root: Cid, path: &[String], blocks: &dyn Blocks) -> Result<Cid, OpenError> {
    let mut at = root;
    for name in path {
        let Some(directory) = directory(root, &at, blocks)? else {
            return Err(OpenError::NotADirectory {
                root: Box::new(root),
                cid: Box::new(at),
                name: name.clone(),
            });
        };
        at = match find(root, &directory, name, blocks)? {
            Some(cid) => cid,
            None => return Err(no_such_entry(root, at, name, &directory, blocks)?),
        };
    }
    match directory(root, &at, blocks)? {
        None => Ok(at),
        Some(found) => {
            let (entries, total_entries) = list(root, &found, blocks)?;
            let cid = Box::new(at);
            Err(OpenError::Directory {
                cid,
                entries,
                total_entries,
            })
        }
    }
}

fn no_such_entry(
    root: Cid,
    directory: Cid,
    name: &str,
    found: &Directory,
    blocks: &dyn Blocks,
) -> Result<OpenError, ReadError> {
    let (entries, total_entries) = list(root, found, blocks)?;
    Ok(OpenError::NoSuchEntry {
        root: Box::new(root),
        directory: Box::new(directory),
        name: name.to_owned(),
        entries,
        total_entries,
    })
}

struct Directory {
    entries: Vec<Entry>,
    sharded: bool,
}

/// The directory that `cid` is; `None` for a file.
fn directory(root: Cid, cid: &Cid, blocks: &dyn Blocks) -> Result<Option<Directory>, ReadError> {
    let bad = |problem| ReadError::block(root, *cid, problem);
    match cid.codec() {
        RAW => return Ok(None),
        DAG_PB => {}
        codec => return Err(bad(BlockError::UnsupportedCodec(codec))),
    }
    match Node::parse(&blocks.block(cid)?).map_err(bad)? {
        Node::File(_) => Ok(None),
        Node::Directory(entries) => Ok(Some(Directory {
            entries,
            sharded: false,
        })),
        Node::Shard(entries) => Ok(Some(Directory {
            entries,
            sharded: true,
        })),
        Node::Symlink => Err(bad(BlockError::NotAFile("symbolic link"))),
    }
}

fn find(
    root: Cid,
    directory: &Directory,
    name: &str,
    blocks: &dyn Blocks,
) -> Result<Option<Cid>, ReadError> {
    let mut found = None;
    each_entry(root, directory, blocks, &mut |entry_name, cid| {
        if entry_name == name {
            found = Some(*cid);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

fn list(
    root: Cid,
    directory: &Directory,
    blocks: &dyn Blocks,
) -> Result<(Vec<String>, usize), ReadError> {
    let (mut names, mut total) = (Vec::new(), 0);
    each_entry(root, directory, blocks, &mut |name, _| {
        total += 1;
        if names.len() < LISTED {
            names.push(name.to_owned());
        }
        ControlFlow::Continue(())
    })?;
    Ok((names, total))
}

/// Calls `visit` with each entry's name and CID, bucket by bucket for a sharded directory.
fn each_entry(
    root: Cid,
    directory: &Directory,
    blocks: &dyn Blocks,
    visit: &mut dyn FnMut(&str, &Cid) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let mut buckets = VecDeque::new();
    let mut scan = |entries: &[Entry], buckets: &mut VecDeque<Cid>| {
        for entry in entries {
            match entry_name(entry, directory.sharded) {
                Some(name) => visit(name, &entry.cid)?,
                None => buckets.push_back(entry.cid),
            }
        }
        ControlFlow::Continue(())
    };
    if scan(&directory.entries, &mut buckets).is_break() {
        return Ok(());
    }
    for _ in 0..MAX_SHARDS {
        let Some(cid) = buckets.pop_front() else {
            return Ok(());
        };
        let bad = |problem| ReadError::block(root, cid, problem);
        let Node::Shard(entries) = Node::parse(&blocks.block(&cid)?).map_err(bad)? else {
            return Err(bad(BlockError::Malformed(
                "a sharded directory links to something else as a bucket",
            )));
        };
        if scan(&entries, &mut buckets).is_break() {
            return Ok(());
        }
    }
    let problem = BlockError::Malformed("its sharded directory has too many buckets");
    Err(ReadError::block(root, root, problem))
}

/// A bucket's entries carry two hex digits before their name; two digits alone are a deeper bucket.
fn entry_name(entry: &Entry, sharded: bool) -> Option<&str> {
    if !sharded {
        return Some(&entry.name);
    }
    entry.name.get(2..).filter(|name| !name.is_empty())
}
