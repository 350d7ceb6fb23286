//! What became of each frame, a line each, and the results; read again by a run that continues an earlier one.
//!
//! Fed by the link with records; writes two files from one thread. A result's line is written before its frame's, so that
//! a ledger never says more than the results hold.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use datachannel_transport::{HashChain, ResumePoint};
use serde::{Deserialize, Serialize};

use super::link::{OpenFrame, Record};
use super::options::{PayloadEncoding, ProcessOutput, SendOptions};
use super::pictures::Pictures;
use crate::process::protocol::{PictureEncoding, ProcessMode};

/// Why a ledger or a file of results cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The file cannot be read or written.
    #[error(
        "{path} cannot be read and written: {source}; choose another place with --results, --ledger or --pictures",
        path = path.display()
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is another run's.
    #[error(
        "{path} is the ledger of another run ({theirs}); give another --ledger, or delete it to start anew",
        path = path.display()
    )]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// What that run sent.
        theirs: String,
    },
    /// Something else is in it.
    #[error("{path}:{line} is no line of a ledger: {reason}; give another --ledger, or delete it", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
}

/// The first line: which run it is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Header {
    ledger: u32,
    input: String,
    encoding: PayloadEncoding,
    quality: u8,
    mode: ProcessMode,
    #[serde(default)]
    output: ProcessOutput,
    #[serde(default)]
    output_encoding: PictureEncoding,
}

/// The last line of a run that came to its end: what the worker's end of the link agreed to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct EndLine {
    end: End,
}

/// What went over the link in all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) frames: u64,
    pub(super) bytes: u64,
    /// The hash chain over all frames (docs/wire.md), 16 hex digits; none in realtime.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) hash: Option<String>,
}

/// One frame's line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    /// The frame's index at its source; none for one that could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pts_us: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// XXH3-64 of the payload, 16 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    /// `ok`, `error`, `dropped` or `unreadable`.
    result: String,
    /// Bytes of the processed frame that came back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    picture_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    errors: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What was counted while writing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Results written, those of earlier runs included.
    pub(super) results: u64,
    pub(super) errors: u64,
    /// Processed frames that came back.
    pub(super) pictures: u64,
    pub(super) picture_bytes: u64,
    pub(super) dropped: u64,
    /// Frames that the source could not give.
    pub(super) unreadable: u64,
}

/// Where an earlier run had come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Resumed {
    pub(super) point: ResumePoint,
    /// The last frame that has its line; `None`: none has.
    pub(super) last_frame: Option<u64>,
    /// XXH3-64 of that frame's payload: of another video's frame it is another.
    pub(super) last_hash: u64,
    pub(super) tally: Tally,
    /// It had come to its end.
    pub(super) ended: bool,
}

/// The open files.
pub(super) struct Ledger {
    ledger: Option<(PathBuf, BufWriter<File>)>,
    results: Option<(PathBuf, BufWriter<File>)>,
    pictures: Pictures,
    pub(super) tally: Tally,
}

impl Ledger {
    /// Opens both files; where the ledger is that of an unfinished run of the same input, goes on behind it.
    pub(super) fn open(options: &SendOptions) -> Result<(Self, Resumed), LedgerError> {
        let header = Header {
            ledger: 1,
            input: options.input.clone(),
            encoding: options.encoding,
            quality: options.quality,
            mode: options.mode,
            output: options.output,
            output_encoding: options.output_encoding,
        };
        let mut resumed = Resumed::default();
        let mut ledger = None;
        if let Some(path) = &options.ledger {
            let (file, found) = continue_ledger(path, &header, options.skip_finished)?;
            ledger = Some((path.clone(), BufWriter::new(file)));
            resumed = found;
        }
        let pictures = Pictures::open(options, resumed.tally.picture_bytes)?;
        let mut results = None;
        if let Some(path) = &options.results {
            let file = keep_lines(path, resumed.tally.results)?;
            results = Some((path.clone(), BufWriter::new(file)));
        }
        let ledger = Self {
            ledger,
            results,
            pictures,
            tally: resumed.tally,
        };
        Ok((ledger, resumed))
    }

    /// Writes a record down.
    pub(super) fn write(&mut self, record: &Record) -> Result<(), LedgerError> {
        let entry = match record {
            Record::Result {
                frame,
                document,
                picture,
            } => {
                if let Some(picture) = picture {
                    self.tally.pictures += 1;
                    self.tally.picture_bytes += picture.len() as u64;
                    self.pictures.write(frame.source_id, picture)?;
                }
                write_line(&mut self.results, document)?;
                let errors = errors_of(document);
                self.tally.results += 1;
                self.tally.errors += u64::from(!errors.is_empty());
                let result = if errors.is_empty() { "ok" } else { "error" };
                Entry {
                    errors,
                    picture_bytes: picture.as_ref().map(|it| it.len() as u64),
                    ..entry(Some(frame), result)
                }
            }
            Record::Dropped { frame, reason } => {
                self.tally.dropped += 1;
                Entry {
                    reason: Some((*reason).to_owned()),
                    ..entry(Some(frame), "dropped")
                }
            }
            Record::Unreadable { reason } => {
                self.tally.unreadable += 1;
                Entry {
                    reason: Some(reason.clone()),
                    ..entry(None, "unreadable")
                }
            }
            Record::NoMore => return Ok(()),
        };
        if self.ledger.is_some() {
            let line = serde_json::to_vec(&entry).unwrap_or_default();
            write_line(&mut self.ledger, &line)?;
        }
        Ok(())
    }

    /// The run is at its end.
    pub(super) fn end(&mut self, end: End) -> Result<(), LedgerError> {
        let line = serde_json::to_vec(&EndLine { end }).unwrap_or_default();
        write_line(&mut self.ledger, &line)?;
        self.flush()
    }

    /// Hands everything to the system, results first.
    pub(super) fn flush(&mut self) -> Result<(), LedgerError> {
        self.pictures.flush()?;
        for (path, file) in [&mut self.results, &mut self.ledger].into_iter().flatten() {
            file.flush().map_err(|source| io(path, source))?;
        }
        Ok(())
    }
}

pub(super) fn io(path: &Path, source: std::io::Error) -> LedgerError {
    LedgerError::Io {
        path: path.to_owned(),
        source,
    }
}

fn write_line(
    file: &mut Option<(PathBuf, BufWriter<File>)>,
    line: &[u8],
) -> Result<(), LedgerError> {
    let Some((path, file)) = file else {
        return Ok(());
    };
    let written = file.write_all(line).and_then(|()| file.write_all(b"\n"));
    written.map_err(|source| io(path, source))
}

fn entry(frame: Option<&OpenFrame>, result: &str) -> Entry {
    Entry {
        frame: frame.map(|frame| frame.source_id),
        sequence: frame.map(|frame| frame.sequence),
        pts_us: frame.map(|frame| frame.pts_us),
        bytes: frame.map(|frame| frame.bytes),
        hash: frame.map(|frame| format!("{:016x}", frame.hash)),
        result: result.to_owned(),
        picture_bytes: None,
        errors: Vec::new(),
        reason: None,
    }
}

/// The `errors` of a result.
fn errors_of(document: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<String>,
    }
    match serde_json::from_slice::<Errors>(document) {
        Ok(document) => document.errors,
        Err(error) => vec![format!("the result is not as it should be: {error}")],
    }
}

/// Opens a ledger for writing behind what is whole in it, and without `keep_end` behind its last frame.
fn continue_ledger(
    path: &Path,
    header: &Header,
    keep_end: bool,
) -> Result<(File, Resumed), LedgerError> {
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|source| io(path, source))?;
    let (resumed, whole_bytes) = read_ledger(path, &file, header, keep_end)?;
    file.set_len(whole_bytes)
        .map_err(|source| io(path, source))?;
    file.seek(SeekFrom::Start(whole_bytes))
        .map_err(|source| io(path, source))?;
    if whole_bytes == 0 {
        let mut line = serde_json::to_vec(header).unwrap_or_default();
        line.push(b'\n');
        file.write_all(&line).map_err(|source| io(path, source))?;
    }
    Ok((file, resumed))
}

/// What a ledger says, and up to which byte: a line without an end was being written when the run died.
fn read_ledger(
    path: &Path,
    file: &File,
    header: &Header,
    keep_end: bool,
) -> Result<(Resumed, u64), LedgerError> {
    let mut reader = BufReader::new(file);
    let (mut resumed, mut whole_bytes, mut line_number) = (Resumed::default(), 0, 0);
    let mut line = String::new();
    loop {
        line.clear();
        let read = reader
            .read_line(&mut line)
            .map_err(|source| io(path, source))?;
        if !line.ends_with('\n') {
            return Ok((resumed, whole_bytes));
        }
        line_number += 1;
        let unreadable = |reason: String| LedgerError::Unreadable {
            path: path.to_owned(),
            line: line_number,
            reason,
        };
        if line_number == 1 {
            let theirs: Header =
                serde_json::from_str(&line).map_err(|e| unreadable(e.to_string()))?;
            if theirs != *header {
                return Err(LedgerError::OtherRun {
                    path: path.to_owned(),
                    theirs: line.trim_end().to_owned(),
                });
            }
        } else if serde_json::from_str::<EndLine>(&line).is_ok() {
            resumed.ended = true;
            whole_bytes += if keep_end { read as u64 } else { 0 };
            return Ok((resumed, whole_bytes));
        } else {
            let entry: Entry =
                serde_json::from_str(&line).map_err(|e| unreadable(e.to_string()))?;
            resumed.add(&entry).map_err(unreadable)?;
        }
        whole_bytes += read as u64;
    }
}

impl Resumed {
    fn add(&mut self, entry: &Entry) -> Result<(), String> {
        let tally = &mut self.tally;
        tally.pictures += u64::from(entry.picture_bytes.is_some());
        tally.picture_bytes += entry.picture_bytes.unwrap_or(0);
        match entry.result.as_str() {
            "ok" => tally.results += 1,
            "error" => {
                tally.results += 1;
                tally.errors += 1;
            }
            "dropped" => tally.dropped += 1,
            "unreadable" => {
                tally.unreadable += 1;
                return Ok(());
            }
            other => return Err(format!("result is {other:?}")),
        }
        let (Some(frame), Some(bytes), Some(hash)) = (entry.frame, entry.bytes, &entry.hash) else {
            return Err("frame, bytes or hash are missing".to_owned());
        };
        let hash = u64::from_str_radix(hash, 16).map_err(|error| format!("hash: {error}"))?;
        if self.last_frame.is_some_and(|last| frame <= last) && entry.result != "dropped" {
            return Err(format!("frame {frame} comes twice or out of order"));
        }
        let mut chain = HashChain::resume(self.point.hash);
        chain.push(hash);
        self.point = ResumePoint {
            next_sequence: self.point.next_sequence + 1,
            bytes: self.point.bytes + bytes,
            hash: chain.value(),
        };
        if self.last_frame.is_none_or(|last| frame > last) {
            self.last_frame = Some(frame);
            self.last_hash = hash;
        }
        Ok(())
    }
}

/// Opens a file for writing behind its first `lines` lines.
fn keep_lines(path: &Path, lines: u64) -> Result<File, LedgerError> {
    let fail = |source| io(path, source);
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(fail)?;
    let mut reader = BufReader::new(&file);
    let (mut kept_bytes, mut line) = (0, Vec::new());
    for kept in 0..lines {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(fail)?;
        if !line.ends_with(b"\n") {
            return Err(LedgerError::Unreadable {
                path: path.to_owned(),
                line: kept + 1,
                reason: format!("the ledger counts {lines} results, the file has {kept}"),
            });
        }
        kept_bytes += read as u64;
    }
    file.set_len(kept_bytes).map_err(fail)?;
    file.seek(SeekFrom::Start(kept_bytes)).map_err(fail)?;
    Ok(file)
}
