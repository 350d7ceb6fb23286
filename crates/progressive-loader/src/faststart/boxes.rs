//! The head of a box: its size and type (ISO/IEC 14496-12 §4.2).

use super::AsIs;

/// A box's name.
pub(super) type Kind = [u8; 4];

/// The longest head: size, type, 64-bit size.
pub(super) const MAX_HEAD_BYTES: usize = 16;

/// A box, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    /// 8, or 16 where the size has 64 bits.
    pub(super) head_bytes: u64,
    /// Head and content.
    pub(super) size_bytes: u64,
}

impl Head {
    /// The head at the start of `bytes`, of a box that may have at most `room_bytes`.
    pub(super) fn parse(bytes: &[u8], room_bytes: u64) -> Result<Self, AsIs> {
        let word = |at: usize| {
            let four: Option<[u8; 4]> = bytes.get(at..at + 4).and_then(|it| it.try_into().ok());
            four.ok_or(AsIs::Damaged)
        };
        let (size, kind) = (u32::from_be_bytes(word(0)?), word(4)?);
        let (head_bytes, size_bytes) = match size {
            // To the end of what it is in.
            0 => (8, room_bytes),
            1 => {
                let high = u64::from(u32::from_be_bytes(word(8)?)) << 32;
                (16, high | u64::from(u32::from_be_bytes(word(12)?)))
            }
            size => (8, size.into()),
        };
        if size_bytes < head_bytes || size_bytes > room_bytes {
            return Err(AsIs::Damaged);
        }
        Ok(Self {
            kind,
            head_bytes,
            size_bytes,
        })
    }
}

/// The boxes that fill `bytes`, each with its head and its content.
pub(super) fn children(bytes: &[u8]) -> impl Iterator<Item = Result<(Head, &[u8]), AsIs>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let head = match Head::parse(rest, rest.len() as u64) {
            Ok(head) => head,
            Err(error) => {
                rest = &[];
                return Some(Err(error));
            }
        };
        // Both within `rest`, as `parse` has checked.
        let (this, others) = rest.split_at(head.size_bytes as usize);
        rest = others;
        Some(Ok((head, &this[head.head_bytes as usize..])))
    })
}
