//! What can go wrong while opening and reading: each error names the source, the place in it, and
//! the way out.
//!
//! Made by the sources; handed to the reader's caller. They are cheap to clone, because one failed
//! fetch may be told to several reads, and small: a CID has a hundred bytes, so errors box theirs.

use cid::Cid;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The cause below an error, shared so that the error can be cloned.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// The step of an HTTP exchange that took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// TCP and TLS.
    Connect,
    /// From the request to the head of the answer.
    FirstByte,
    /// Between two pieces of the body.
    Idle,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::FirstByte => "waiting for the first byte",
            Self::Idle => "waiting for more of the body",
        })
    }
}

/// Why a block cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The store does not hold it.
    #[error("the store does not hold it")]
    Missing,
    /// Its bytes do not have the hash that its CID names.
    #[error("its bytes do not match its hash: the store's copy is damaged, add the content again")]
    HashMismatch,
    /// The hash function is not one of those that can be checked.
    #[error(
        "hash function 0x{0:x} is not supported (sha2-256, sha2-512, blake2b-256 and blake3 are)"
    )]
    UnsupportedHash(u64),
    /// The codec is neither raw nor dag-pb.
    #[error("codec 0x{0:x} is no UnixFS (raw 0x55 and dag-pb 0x70 are)")]
    UnsupportedCodec(u64),
    /// Larger than a block may be.
    #[error("it has {size_bytes} bytes, more than the {limit_bytes} a block may have")]
    TooLarge {
        /// Its size.
        size_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The CID that carries it is longer than one may be.
    #[error("its CID carries {0} bytes itself, more than the 128 that one may")]
    IdentityTooLong(u64),
    /// It is no dag-pb node with UnixFS in it.
    #[error("it is no valid UnixFS node: {0}")]
    Malformed(&'static str),
    /// A node says other sizes than its children have.
    #[error("it covers {actual_bytes} bytes where its parent says {expected_bytes}")]
    SizeMismatch {
        /// What the parent says.
        expected_bytes: u64,
        /// What the block says or holds.
        actual_bytes: u64,
    },
    /// It lies deeper than a file's tree may reach.
    #[error("it lies {0} levels deep, deeper than a file of any size needs")]
    TooDeep(usize),
    /// It is of a UnixFS type that has no content here.
    #[error("it is a {0}, not part of a file")]
    NotAFile(&'static str),
}

/// A range could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The range asked for lies outside the content.
    #[error("{name}: bytes {}..{} asked for, but it has {size_bytes}", range.start, range.end)]
    OutOfBounds {
        /// The source.
        name: String,
        /// What was asked for.
        range: Range<u64>,
        /// The content's size.
        size_bytes: u64,
    },
    /// The operating system refused.
    #[error("{name}: cannot read bytes {}..{}: {source}", range.start, range.end)]
    Io {
        /// The source: usually a path.
        name: String,
        /// What was being read.
        range: Range<u64>,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// The source gave fewer bytes than it promised, also when asked again for the rest.
    #[error("{name}: bytes {}..{} ended {missing_bytes} bytes short after {attempts} attempts", range.start, range.end)]
    Short {
        /// The source.
        name: String,
        /// What was asked for.
        range: Range<u64>,
        /// How many bytes never came.
        missing_bytes: u64,
        /// How often it was tried.
        attempts: u32,
    },
    /// The source gave more bytes than it was asked for.
    #[error("{name}: sent more than the bytes {}..{} that were asked for", range.start, range.end)]
    Overlong {
        /// The source.
        name: String,
        /// What was asked for.
        range: Range<u64>,
    },
    /// The server compresses the content, so that its ranges are not those of the content.
    #[error(
        "{name}: the server answers with Content-Encoding {encoding:?} though asked for identity; ranges of that cannot be used"
    )]
    Encoded {
        /// The source.
        name: String,
        /// The header's value.
        encoding: String,
    },
    /// The content is no longer the one that was opened.
    #[error("{name}: changed while being read ({what} was {before:?}, is {now:?}); open it again")]
    Changed {
        /// The source.
        name: String,
        /// What shows the change: `ETag`, `Last-Modified`, `size`.
        what: &'static str,
        /// Its value when the source was opened.
        before: String,
        /// Its value now.
        now: String,
    },
    /// The server answered with a status that carries no content.
    #[error("{name}: the server answered {status} for bytes {}..{}{}", range.start, range.end, hint(*status))]
    Status {
        /// The source.
        name: String,
        /// The HTTP status code.
        status: u16,
        /// What was asked for.
        range: Range<u64>,
    },
    /// The server sends the whole content whatever range is asked for, and the range starts too far
    /// in to read up to it.
    #[error(
        "{name}: the server ignores Range, and byte {offset} lies more than {max_discard_bytes} bytes past what can be skipped; download the file, or raise max_discard_bytes"
    )]
    RangeIgnored {
        /// The source.
        name: String,
        /// Where the range starts.
        offset: u64,
        /// How many bytes may be read and thrown away.
        max_discard_bytes: u64,
    },
    /// The answer's `Content-Range` is not the one asked for.
    #[error("{name}: asked for bytes {}..{}, the server answered Content-Range {answered:?}", range.start, range.end)]
    BadContentRange {
        /// The source.
        name: String,
        /// What was asked for.
        range: Range<u64>,
        /// The header's value, or nothing when it is missing.
        answered: String,
    },
    /// A step took longer than its limit.
    #[error("{name}: timed out after {} s {phase} (attempt {attempts})", limit.as_secs_f32())]
    Timeout {
        /// The source.
        name: String,
        /// The step.
        phase: Phase,
        /// Its limit.
        limit: Duration,
        /// How often it was tried.
        attempts: u32,
    },
    /// The exchange with the server failed.
    #[error("{name}: {source} (attempt {attempts})")]
    Transport {
        /// The source.
        name: String,
        /// How often it was tried.
        attempts: u32,
        /// What failed.
        source: Cause,
    },
    /// A block of the content cannot be used.
    #[error("{root}: block {cid} cannot be used: {problem}")]
    Block {
        /// The content's root.
        root: Box<Cid>,
        /// The block.
        cid: Box<Cid>,
        /// What is wrong with it.
        problem: BlockError,
    },
    /// No origin gave a block, however often each was asked.
    #[error(
        "{name}: block {cid}{} could not be had in {attempts} attempts; {origin}: {last}",
        place(range)
    )]
    GaveUp {
        /// The content.
        name: String,
        /// The origin that was asked last, of those that did not just say that they have not got it, if any.
        origin: String,
        /// The block.
        cid: Box<Cid>,
        /// The bytes of the file that it holds; empty for a node.
        range: Range<u64>,
        /// How many requests failed.
        attempts: u32,
        /// Why that origin's last one did.
        last: Cause,
    },
    /// The reader was dropped, or the runtime that fetched for it is gone.
    #[error("{name}: reading was cancelled")]
    Cancelled {
        /// The source.
        name: String,
    },
}

impl ReadError {
    pub(crate) fn block(root: Cid, cid: Cid, problem: BlockError) -> Self {
        Self::Block {
            root: Box::new(root),
            cid: Box::new(cid),
            problem,
        }
    }
}

fn place(range: &Range<u64>) -> String {
    if range.is_empty() {
        String::new()
    } else {
        format!(" (bytes {}..{})", range.start, range.end)
    }
}

fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => "; it wants other credentials",
        404 | 410 => "; check the address",
        416 => "; the content is shorter than it was",
        429 => "; it is limiting the rate, try later",
        _ => "",
    }
}

impl From<ReadError> for std::io::Error {
    fn from(error: ReadError) -> Self {
        use std::io::ErrorKind;
        let kind = match &error {
            ReadError::Io { source, .. } => source.kind(),
            ReadError::Timeout { .. } => ErrorKind::TimedOut,
            ReadError::Short { .. } => ErrorKind::UnexpectedEof,
            ReadError::OutOfBounds { .. } => ErrorKind::InvalidInput,
            ReadError::Block { .. } | ReadError::BadContentRange { .. } => ErrorKind::InvalidData,
            _ => ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// A location could not be opened.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no such file.
    #[error("{}: no such file{}", path.display(), if *looks_like_cid { " (for a CID write ipfs://CID)" } else { "" })]
    NotFound {
        /// The path.
        path: PathBuf,
        /// Whether the path would be a CID, so that the message can say how to write one.
        looks_like_cid: bool,
    },
    /// The path is no regular file.
    #[error("{}: is a {kind}, not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// The file cannot be opened.
    #[error("{}: cannot be opened: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// A CID was given, but nothing to read it from.
    #[error(
        "ipfs://{cid}: nothing is named to read it from; name a gateway or a Kubo daemon that has it (--gateway URL, --ipfs-api URL), or a store (--store DIR) that the file was added to (stream-server add FILE --store DIR)"
    )]
    NoStore {
        /// The CID.
        cid: Box<Cid>,
    },
    /// The store does not hold the root of the CID.
    #[error("ipfs://{cid}: not in the store {}; name a gateway or a Kubo daemon that has it (--gateway URL, --ipfs-api URL), or add the file first (stream-server add FILE --store {})", store.display(), store.display())]
    NotInStore {
        /// The CID.
        cid: Box<Cid>,
        /// The store's directory.
        store: PathBuf,
    },
    /// The CID names a directory, not a file.
    #[error("ipfs://{cid}: is a directory; name one of its files as ipfs://{cid}/NAME ({})", listing(entries, *total_entries))]
    Directory {
        /// The directory's CID.
        cid: Box<Cid>,
        /// The first names in it.
        entries: Vec<String>,
        /// How many it has; of a sharded directory, how many are in the buckets that were looked at.
        total_entries: usize,
    },
    /// A directory on the way has no such entry.
    #[error("ipfs://{root}: no {name:?} in directory {directory} ({})", listing(entries, *total_entries))]
    NoSuchEntry {
        /// The root of the location.
        root: Box<Cid>,
        /// The directory that was searched.
        directory: Box<Cid>,
        /// The name that is not there.
        name: String,
        /// The first names that are.
        entries: Vec<String>,
        /// How many there are; of a sharded directory, how many are in the buckets on the way to the name.
        total_entries: usize,
    },
    /// A path goes on below something that is no directory.
    #[error("ipfs://{root}: {cid} is a file, so nothing is called {name:?} below it")]
    NotADirectory {
        /// The root of the location.
        root: Box<Cid>,
        /// What is no directory.
        cid: Box<Cid>,
        /// The name looked for below it.
        name: String,
    },
    /// The server does not say how large the content is.
    #[error(
        "{name}: the server does not say the content's size (no Content-Length), so it cannot be read by ranges; download it first"
    )]
    UnknownSize {
        /// The source.
        name: String,
    },
    /// The server's redirect is refused.
    #[error("{name}: redirect refused: {reason}")]
    Redirect {
        /// The source.
        name: String,
        /// Why.
        reason: String,
    },
    /// An option is outside its range.
    #[error("{field} is {value}, must be {range}")]
    Option {
        /// The field's name.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What it may be.
        range: &'static str,
    },
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made: {source}")]
    Client {
        /// What failed.
        source: Cause,
    },
    /// The first read of the content failed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

fn listing(entries: &[String], total: usize) -> String {
    if entries.is_empty() {
        return "it has no entries".into();
    }
    /// More would bury what is wrong.
    const SHOWN: usize = 8;
    let entries = &entries[..entries.len().min(SHOWN)];
    let more = total.saturating_sub(entries.len());
    let tail = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("it has {}{tail}", entries.join(", "))
}
