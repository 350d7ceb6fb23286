//! The index: its chunk offsets found, moved, and written anew.
//!
//! A table of 32-bit offsets (`stco`) whose entries no longer fit becomes one of 64 bits (`co64`), which makes the index
//! larger, which moves the media data on: tables grow until nothing more has to. Each grows once, so this ends.

use super::AsIs;
use super::boxes::{Head, Kind, children};
use bytes::Bytes;
use std::ops::Range;

/// The boxes on the way from the index to its tables (ISO/IEC 14496-12 §6.2.3).
const CONTAINERS: [&Kind; 4] = [b"trak", b"mdia", b"minf", b"stbl"];
/// What refers to bytes of the file in ways that are not followed: fragments, auxiliary data, item locations; and a
/// compressed index.
const REFERRING: [&Kind; 4] = [b"mvex", b"saio", b"iloc", b"cmov"];
/// Boxes that may hold one of these.
const LOOKED_INTO: [&Kind; 4] = [b"udta", b"meta", b"dinf", b"edts"];
/// How deep boxes are looked into: moov, trak, mdia, minf, stbl and two more.
const MAX_DEPTH: usize = 7;
/// Version, flags, and the number of entries.
const TABLE_HEAD_BYTES: usize = 8;
/// A `dref` entry's flag: the media data is in this file.
const SELF_CONTAINED: u8 = 1;

/// How offsets change: what lies before the media data stays, what stands between that and the old index moves by the new
/// one's size, what came after it by the difference.
struct Shift {
    media_at: u64,
    moov: Range<u64>,
    size_bytes: u64,
    new_bytes: u64,
}

impl Shift {
    fn of(&self, offset: u64) -> Result<u64, AsIs> {
        let stays = if offset < self.media_at {
            return Ok(offset);
        } else if offset < self.moov.start {
            offset
        } else if offset < self.moov.end || offset >= self.size_bytes {
            // Into the index, or out of the file.
            return Err(AsIs::Damaged);
        } else {
            offset - (self.moov.end - self.moov.start)
        };
        stays.checked_add(self.new_bytes).ok_or(AsIs::TooLarge)
    }
}

/// A table of chunk offsets.
#[derive(Clone, Copy)]
struct Table<'a> {
    wide: bool,
    entries: &'a [u8],
}

impl<'a> Table<'a> {
    fn parse(kind: Kind, content: &'a [u8]) -> Result<Option<Self>, AsIs> {
        let (wide, width) = match &kind {
            b"stco" => (false, 4),
            b"co64" => (true, 8),
            _ => return Ok(None),
        };
        let head = content.get(..TABLE_HEAD_BYTES).ok_or(AsIs::Damaged)?;
        let count: [u8; 4] = head[4..].try_into().map_err(|_| AsIs::Damaged)?;
        let len = (u32::from_be_bytes(count) as usize).checked_mul(width);
        let entries = &content[TABLE_HEAD_BYTES..];
        if len != Some(entries.len()) {
            return Err(AsIs::Damaged);
        }
        Ok(Some(Self { wide, entries }))
    }

    fn offsets(self) -> impl Iterator<Item = u64> {
        let width = if self.wide { 8 } else { 4 };
        let value = |entry: &[u8]| {
            entry
                .iter()
                .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
        };
        self.entries.chunks_exact(width).map(value)
    }

    /// Whether an entry does not fit 32 bits any more.
    fn overflows(self, shift: &Shift) -> Result<bool, AsIs> {
        let mut over = false;
        for offset in self.offsets() {
            over |= shift.of(offset)? > u64::from(u32::MAX);
        }
        Ok(over && !self.wide)
    }
}

/// The index with `content`, as it stands in front of the media data: a whole box.
pub(super) fn relocate(
    content: &[u8],
    media_at: u64,
    moov: &Range<u64>,
    size_bytes: u64,
) -> Result<Bytes, AsIs> {
    let mut tables = Vec::new();
    find(content, 1, &mut tables)?;
    let mut shift = Shift {
        media_at,
        moov: moov.clone(),
        size_bytes,
        new_bytes: 8 + content.len() as u64,
    };
    let mut grows = vec![false; tables.len()];
    loop {
        let mut grown = false;
        for (grows, table) in grows.iter_mut().zip(&tables) {
            if !*grows && table.overflows(&shift)? {
                *grows = true;
                grown = true;
                shift.new_bytes += table.entries.len() as u64;
            }
        }
        if !grown {
            break;
        }
    }
    let mut out = Vec::with_capacity(shift.new_bytes as usize);
    let mut grows = grows.into_iter();
    open_box(&mut out, *b"moov", |out| {
        write(content, &shift, &mut grows, out)
    })?;
    debug_assert_eq!(out.len() as u64, shift.new_bytes);
    Ok(out.into())
}

/// The tables in `content`, in order; or the reason why not all references are in them.
fn find<'a>(content: &'a [u8], depth: usize, tables: &mut Vec<Table<'a>>) -> Result<(), AsIs> {
    if depth > MAX_DEPTH {
        return Err(AsIs::Damaged);
    }
    for child in children(content) {
        let (head, inside) = child?;
        check(head.kind, inside, depth)?;
        if CONTAINERS.contains(&&head.kind) {
            find(inside, depth + 1, tables)?;
        } else if let Some(table) = Table::parse(head.kind, inside)? {
            tables.push(table);
        }
    }
    Ok(())
}

/// Refuses what refers to bytes of the file in other ways.
fn check(kind: Kind, content: &[u8], depth: usize) -> Result<(), AsIs> {
    if REFERRING.contains(&&kind) {
        return Err(AsIs::OtherReferences(kind));
    }
    if kind == *b"dref" {
        return check_data_references(content);
    }
    if !LOOKED_INTO.contains(&&kind) || depth > MAX_DEPTH {
        return Ok(());
    }
    // `meta` has version and flags in MP4, and none in QuickTime. What is no row of boxes (QuickTime ends `udta` with four
    // zero bytes) refers to nothing.
    let row = match (&kind, content.get(4..8)) {
        (b"meta", Some(b"hdlr" | b"mhdr" | b"keys" | b"ilst")) => content,
        (b"meta", _) => content.get(4..).unwrap_or_default(),
        _ => content,
    };
    for (head, inside) in children(row).map_while(Result::ok) {
        check(head.kind, inside, depth + 1)?;
    }
    Ok(())
}

/// Offsets of a track whose media is in another file are that file's.
fn check_data_references(content: &[u8]) -> Result<(), AsIs> {
    for child in children(content.get(TABLE_HEAD_BYTES..).ok_or(AsIs::Damaged)?) {
        let (head, entry) = child?;
        let flags = entry.get(3).ok_or(AsIs::Damaged)?;
        if flags & SELF_CONTAINED == 0 {
            return Err(AsIs::OtherReferences(head.kind));
        }
    }
    Ok(())
}

/// `content` with its tables moved; `grows` tells of each whether it becomes one of 64 bits.
fn write(
    content: &[u8],
    shift: &Shift,
    grows: &mut impl Iterator<Item = bool>,
    out: &mut Vec<u8>,
) -> Result<(), AsIs> {
    for child in children(content) {
        let (head, inside) = child?;
        if CONTAINERS.contains(&&head.kind) {
            open_same_box(out, head, |out| write(inside, shift, grows, out))?;
        } else if let Some(table) = Table::parse(head.kind, inside)? {
            let wide = grows.next().unwrap_or(false) || table.wide;
            let kind = if wide { *b"co64" } else { head.kind };
            let head = Head { kind, ..head };
            open_same_box(out, head, |out| {
                out.extend_from_slice(&inside[..TABLE_HEAD_BYTES]);
                write_offsets(table, wide, shift, out)
            })?;
        } else {
            open_same_box(out, head, |out| {
                out.extend_from_slice(inside);
                Ok(())
            })?;
        }
    }
    Ok(())
}

fn write_offsets(
    table: Table<'_>,
    wide: bool,
    shift: &Shift,
    out: &mut Vec<u8>,
) -> Result<(), AsIs> {
    for offset in table.offsets() {
        let offset = shift.of(offset)?;
        if wide {
            out.extend(offset.to_be_bytes());
        } else {
            let narrow = u32::try_from(offset).map_err(|_| AsIs::Damaged)?;
            out.extend(narrow.to_be_bytes());
        }
    }
    Ok(())
}

/// Writes a box with a head as long as it was, so that sizes change with the tables alone.
fn open_same_box(
    out: &mut Vec<u8>,
    head: Head,
    content: impl FnOnce(&mut Vec<u8>) -> Result<(), AsIs>,
) -> Result<(), AsIs> {
    if head.head_bytes == 8 {
        return open_box(out, head.kind, content);
    }
    let start = out.len();
    out.extend(1_u32.to_be_bytes());
    out.extend(head.kind);
    out.extend([0; 8]);
    content(out)?;
    let size = (out.len() - start) as u64;
    out[start + 8..start + 16].copy_from_slice(&size.to_be_bytes());
    Ok(())
}

fn open_box(
    out: &mut Vec<u8>,
    kind: Kind,
    content: impl FnOnce(&mut Vec<u8>) -> Result<(), AsIs>,
) -> Result<(), AsIs> {
    let start = out.len();
    out.extend([0; 4]);
    out.extend(kind);
    content(out)?;
    let size = u32::try_from(out.len() - start).map_err(|_| AsIs::TooLarge)?;
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
    Ok(())
}
