//! Where the boxes of a file are: read from box to box, a few bytes each.
//!
//! Fed with the ranges that [`Scan::step`] asks for; ends with a [`Layout`], or with the reason to leave the file as it is.

use super::boxes::{Head, Kind, MAX_HEAD_BYTES};
use super::layout::Layout;
use super::{AsIs, moov};
use std::ops::Range;

/// The most boxes at the top of a file that are looked at. Films have three to six.
const MAX_BOXES: usize = 256;
/// The largest index that is moved, in bytes: ten hours and more. It is memory.
const MAX_MOOV_BYTES: u64 = 16 << 20;

/// What a file may start with.
const FIRST: [&Kind; 8] = [
    b"ftyp", b"wide", b"free", b"skip", b"mdat", b"pnot", b"uuid", b"moov",
];
/// What stands at the top of a file that refers to its bytes in other ways than by its index's chunk offsets.
const REFERRING: [&Kind; 6] = [b"moof", b"mfra", b"sidx", b"meta", b"styp", b"ssix"];

/// A walk over a file's boxes.
#[derive(Debug)]
pub struct Scan {
    size_bytes: u64,
    /// Where the next box begins.
    at: u64,
    boxes: usize,
    media_at: Option<u64>,
    moov: Option<(Range<u64>, u64)>,
}

/// What a [`Scan`] wants next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// These bytes, all of them, to [`Scan::take`].
    Read(Range<u64>),
    /// Nothing more.
    Done(Result<Layout, AsIs>),
}

impl Scan {
    /// A walk over a file of `size_bytes`.
    #[must_use]
    pub fn new(size_bytes: u64) -> Self {
        Self {
            size_bytes,
            at: 0,
            boxes: 0,
            media_at: None,
            moov: None,
        }
    }

    /// What to read first.
    #[must_use]
    pub fn step(&self) -> Step {
        if self.at < self.size_bytes {
            let end = self.at.saturating_add(MAX_HEAD_BYTES as u64);
            return Step::Read(self.at..end.min(self.size_bytes));
        }
        match (self.media_at, &self.moov) {
            (Some(media_at), Some((moov, _))) if media_at < moov.start => Step::Read(moov.clone()),
            (Some(_), _) | (_, Some(_)) => Step::Done(Err(AsIs::InOrder)),
            _ => Step::Done(Err(AsIs::NotMp4)),
        }
    }

    /// Takes the bytes that were asked for; tells what comes next.
    #[must_use]
    pub fn take(&mut self, bytes: &[u8]) -> Step {
        let taken = if self.at < self.size_bytes {
            self.take_head(bytes)
        } else {
            return Step::Done(self.finish(bytes));
        };
        match taken {
            Ok(()) => self.step(),
            Err(reason) => Step::Done(Err(reason)),
        }
    }

    fn take_head(&mut self, bytes: &[u8]) -> Result<(), AsIs> {
        let first = self.boxes == 0;
        let head = Head::parse(bytes, self.size_bytes - self.at);
        // What cannot be read as a first box is no MP4, rather than a damaged one.
        let head = head.map_err(|error| if first { AsIs::NotMp4 } else { error })?;
        if first && !FIRST.contains(&&head.kind) {
            return Err(AsIs::NotMp4);
        }
        if REFERRING.contains(&&head.kind) {
            return Err(AsIs::OtherReferences(head.kind));
        }
        self.boxes += 1;
        if self.boxes > MAX_BOXES {
            return Err(AsIs::TooLarge);
        }
        let place = self.at..self.at + head.size_bytes;
        match &head.kind {
            b"mdat" => self.media_at = self.media_at.or(Some(place.start)),
            b"moov" if self.media_at.is_none() => return Err(AsIs::InOrder),
            b"moov" if self.moov.is_some() => return Err(AsIs::Damaged),
            b"moov" if head.size_bytes > MAX_MOOV_BYTES => return Err(AsIs::TooLarge),
            b"moov" => self.moov = Some((place.clone(), head.head_bytes)),
            _ => {}
        }
        self.at = place.end;
        Ok(())
    }

    fn finish(&self, moov: &[u8]) -> Result<Layout, AsIs> {
        let (Some(media_at), Some((place, head_bytes))) = (self.media_at, &self.moov) else {
            return Err(AsIs::NotMp4);
        };
        if moov.len() as u64 != place.end - place.start {
            return Err(AsIs::Damaged);
        }
        let content = &moov[*head_bytes as usize..];
        let moved = moov::relocate(content, media_at, place, self.size_bytes)?;
        let room = u64::MAX - self.size_bytes;
        if moved.len() as u64 > room {
            return Err(AsIs::TooLarge);
        }
        Ok(Layout::new(self.size_bytes, media_at, place, moved))
    }
}
