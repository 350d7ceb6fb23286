//! From a root and a path of names to the file they lead to: which block is needed next, and where it leads.
//!
//! Fed with verified blocks, as `walk` is; ends at a file. A sharded directory is followed straight to the bucket
//! of the name. Pure: it fetches nothing.

use super::link::{Link, carried};
use super::node::{Entry, Node, Shard};
use super::shard::{self, Place, Search};
use crate::error::{BlockError, OpenError, ReadError};
use crate::multihash::{DAG_PB, RAW};
use bytes::Bytes;
use cid::Cid;
use std::collections::VecDeque;

/// How many names an error carries. Its message shows fewer.
const LISTED: usize = 100;

/// The way from a root along a path.
#[derive(Debug)]
pub(crate) struct Resolver {
    root: Cid,
    names: VecDeque<String>,
    at: Cid,
    /// The block of `at`, when its CID carried it or it was the last one asked for.
    block: Option<Bytes>,
    place: Within,
    done: bool,
}

/// What `at` is taken for.
#[derive(Debug)]
enum Within {
    /// A file or a directory.
    Path,
    /// A deeper bucket of a sharded directory.
    Shards {
        directory: Cid,
        search: Search,
        seen: Seen,
    },
}

/// The names met so far in a directory, for messages.
#[derive(Debug, Default)]
struct Seen {
    first: Vec<String>,
    total: usize,
}

impl Resolver {
    pub(crate) fn new(root: Cid, path: &[String]) -> Self {
        Self {
            root,
            names: path.iter().cloned().collect(),
            at: root,
            block: carried(&root),
            place: Within::Path,
            done: false,
        }
    }

    /// The block to give to [`Resolver::accept`] next; `None` at the end of the way.
    pub(crate) fn needs(&mut self) -> Result<Option<Cid>, OpenError> {
        while !self.done {
            match (self.at.codec(), &self.place) {
                (RAW, Within::Path) => self.end_at_file()?,
                (DAG_PB, _) => match self.block.take() {
                    Some(block) => self.accept(block)?,
                    None => return Ok(Some(self.at)),
                },
                (RAW, Within::Shards { .. }) => return Err(self.bad(NO_BUCKET)),
                (codec, _) => return Err(self.bad(BlockError::UnsupportedCodec(codec))),
            }
        }
        Ok(None)
    }

    /// Takes the block that was needed.
    pub(crate) fn accept(&mut self, block: Bytes) -> Result<(), OpenError> {
        let node = Node::parse(&block).map_err(|problem| self.bad(problem))?;
        match std::mem::replace(&mut self.place, Within::Path) {
            Within::Path => self.visit(node, block),
            Within::Shards {
                directory,
                search,
                seen,
            } => match node {
                Node::Shard(shard) => self.search(directory, search, seen, &shard),
                _ => Err(self.bad(NO_BUCKET)),
            },
        }
    }

    /// The file at the end, and its block when that is known.
    pub(crate) fn found(self) -> (Cid, Option<Bytes>) {
        (self.at, self.block)
    }

    fn visit(&mut self, node: Node, block: Bytes) -> Result<(), OpenError> {
        match node {
            Node::File(_) => {
                self.block = Some(block);
                self.end_at_file()
            }
            Node::Directory(entries) => self.look_in(&entries),
            Node::Shard(shard) => match self.names.front() {
                Some(name) => {
                    let search = Search::new(name);
                    self.search(self.at, search, Seen::default(), &shard)
                }
                None => {
                    let mut seen = Seen::default();
                    seen.add(shard::names(&shard));
                    Err(self.directory(seen))
                }
            },
            Node::Symlink => Err(self.bad(BlockError::NotAFile("symbolic link"))),
        }
    }

    fn end_at_file(&mut self) -> Result<(), OpenError> {
        self.done = true;
        match self.names.pop_front() {
            None => Ok(()),
            Some(name) => Err(OpenError::NotADirectory {
                root: Box::new(self.root),
                cid: Box::new(self.at),
                name,
            }),
        }
    }

    fn look_in(&mut self, entries: &[Entry]) -> Result<(), OpenError> {
        let mut seen = Seen::default();
        let Some(name) = self.names.pop_front() else {
            seen.add(entries.iter().map(|entry| entry.name.as_str()));
            return Err(self.directory(seen));
        };
        match entries.iter().find(|entry| entry.name == name) {
            Some(entry) => {
                self.go(&entry.link);
                Ok(())
            }
            None => {
                seen.add(entries.iter().map(|entry| entry.name.as_str()));
                Err(self.no_such_entry(self.at, name, seen))
            }
        }
    }

    fn search(
        &mut self,
        directory: Cid,
        mut search: Search,
        mut seen: Seen,
        shard: &Shard,
    ) -> Result<(), OpenError> {
        let name = self.names.front().cloned().unwrap_or_default();
        let place = search.look(shard, &name);
        match place.map_err(|problem| self.bad(problem))? {
            Place::Entry(link) => {
                self.names.pop_front();
                self.go(link);
            }
            Place::Bucket(link) => {
                seen.add(shard::names(shard));
                self.go(link);
                self.place = Within::Shards {
                    directory,
                    search,
                    seen,
                };
            }
            Place::Empty => {
                seen.add(shard::names(shard));
                return Err(self.no_such_entry(directory, name, seen));
            }
        }
        Ok(())
    }

    fn go(&mut self, link: &Link) {
        self.at = link.cid;
        self.block = link.carried.clone();
    }

    fn bad(&self, problem: BlockError) -> OpenError {
        ReadError::block(self.root, self.at, problem).into()
    }

    fn directory(&self, seen: Seen) -> OpenError {
        OpenError::Directory {
            cid: Box::new(self.at),
            entries: seen.first,
            total_entries: seen.total,
        }
    }

    fn no_such_entry(&self, directory: Cid, name: String, seen: Seen) -> OpenError {
        OpenError::NoSuchEntry {
            root: Box::new(self.root),
            directory: Box::new(directory),
            name,
            entries: seen.first,
            total_entries: seen.total,
        }
    }
}

const NO_BUCKET: BlockError =
    BlockError::Malformed("a sharded directory links to something else as a bucket");

impl Seen {
    fn add<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for name in names {
            self.total += 1;
            if self.first.len() < LISTED {
                self.first.push(name.to_owned());
            }
        }
    }
}
