//! The boxes of an ISO base media file (ISO/IEC 14496-12 §4.2), walked over bytes in memory.
//!
//! Fed by the `moov` and `moof` that the scan loads; feeds the track and fragment readers. The tree is
//! walked here and only the boxes of the video track are read, so that an audio track or metadata that a
//! strict reader would stumble over costs nothing; re_mp4 reads the leaves.

use std::io::Cursor;

use re_mp4::ReadBox;

use crate::error::Broken;

/// A box's four-character type.
pub(super) type FourCc = [u8; 4];

/// One box: its type and its bytes.
#[derive(Clone, Copy)]
pub(super) struct Atom<'a> {
    pub(super) kind: FourCc,
    whole: &'a [u8],
    header_bytes: usize,
}

impl<'a> Atom<'a> {
    /// What follows the header.
    pub(super) fn body(&self) -> &'a [u8] {
        &self.whole[self.header_bytes..]
    }

    /// The boxes inside.
    pub(super) fn children(&self) -> Atoms<'a> {
        Atoms { rest: self.body() }
    }

    /// The first child of a type. A broken sibling before it is an error.
    pub(super) fn child(&self, kind: FourCc) -> Result<Option<Atom<'a>>, Broken> {
        for atom in self.children() {
            let atom = atom?;
            if atom.kind == kind {
                return Ok(Some(atom));
            }
        }
        Ok(None)
    }

    /// The first child of a type, which the format demands.
    pub(super) fn required(&self, kind: FourCc) -> Result<Atom<'a>, Broken> {
        self.child(kind)?.ok_or_else(|| {
            Broken::new(format!(
                "box {} has no {}",
                printable(self.kind),
                printable(kind)
            ))
        })
    }

    /// The box read by re_mp4. Its table readers refuse counts that the box cannot hold, so what this
    /// allocates is bounded by the box.
    pub(super) fn read<T>(&self) -> Result<T, Broken>
    where
        T: for<'c> ReadBox<&'c mut Cursor<&'a [u8]>>,
    {
        let mut cursor = Cursor::new(self.whole);
        cursor.set_position(self.header_bytes as u64);
        // re_mp4 takes every header to be 8 bytes long, counting back from where the body starts.
        let size = (self.whole.len() - self.header_bytes) as u64 + re_mp4::HEADER_SIZE;
        T::read_box(&mut cursor, size)
            .map_err(|e| Broken::new(format!("box {}: {e}", printable(self.kind))))
    }
}

/// The boxes that lie one behind another in a slice.
pub(super) struct Atoms<'a> {
    rest: &'a [u8],
}

impl<'a> Atoms<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Atoms<'a> {
    type Item = Result<Atom<'a>, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        // QuickTime ends some containers with four zero bytes: less than a header is padding.
        if self.rest.len() < 8 {
            return None;
        }
        let header = match BoxHeader::parse(self.rest) {
            Ok(header) => header,
            Err(broken) => {
                self.rest = &[];
                return Some(Err(broken));
            }
        };
        let size = header.size_bytes.unwrap_or(self.rest.len() as u64);
        if size > self.rest.len() as u64 {
            let what = format!(
                "box {} claims {size} bytes where {} are left",
                printable(header.kind),
                self.rest.len()
            );
            self.rest = &[];
            return Some(Err(Broken::new(what)));
        }
        let (whole, rest) = self.rest.split_at(size as usize);
        self.rest = rest;
        Some(Ok(Atom {
            kind: header.kind,
            whole,
            header_bytes: header.header_bytes,
        }))
    }
}

/// A box's header.
#[derive(Debug, Clone, Copy)]
pub(super) struct BoxHeader {
    pub(super) kind: FourCc,
    pub(super) header_bytes: usize,
    /// Header and body; `None` when the box goes on to the end of what holds it.
    pub(super) size_bytes: Option<u64>,
}

impl BoxHeader {
    /// Largest header: size, type, 64-bit size.
    pub(super) const MAX_BYTES: usize = 16;

    /// Reads a header from the start of `bytes`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Broken> {
        let cut = || Broken::new("a box header is cut off");
        let (size, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
        let (kind, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let (header_bytes, size_bytes) = match u32::from_be_bytes(*size) {
            0 => (8, None),
            1 => {
                let large = rest.first_chunk::<8>().ok_or_else(cut)?;
                (16, Some(u64::from_be_bytes(*large)))
            }
            small => (8, Some(u64::from(small))),
        };
        if size_bytes.is_some_and(|size| size < header_bytes as u64) {
            return Err(Broken::new(format!(
                "box {} claims {} bytes, less than its own header",
                printable(*kind),
                size_bytes.unwrap_or_default()
            )));
        }
        Ok(Self {
            kind: *kind,
            header_bytes,
            size_bytes,
        })
    }
}

/// A four-character code for a message: `avc1`, or hex where it is not text.
pub(crate) fn printable(kind: FourCc) -> String {
    if kind.iter().all(|b| b.is_ascii_graphic() || *b == b' ') {
        kind.iter().map(|b| char::from(*b)).collect::<String>()
    } else {
        format!("0x{:08x}", u32::from_be_bytes(kind))
    }
}
