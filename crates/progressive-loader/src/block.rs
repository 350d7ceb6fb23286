//! A block in the pieces that it came in: putting it together would copy every byte of a film once more.
//!
//! Made by [`Origin`](crate::Origin)s; hashed as it is, and given to the reader piece by piece.

use bytes::Bytes;
use std::ops::Range;

/// The bytes of a block, or of the content in it: pieces of any size but none, one after the other.
///
/// ```
/// use bytes::Bytes;
/// use progressive_loader::Block;
///
/// let mut block = Block::from(Bytes::from("a block "));
/// block.push(Bytes::from("in two pieces"));
/// assert_eq!(block.len(), 21);
/// assert_eq!(block.into_bytes(), "a block in two pieces");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Block {
    pieces: Vec<Bytes>,
    len: usize,
    framing_is_assumed: bool,
}

impl Block {
    /// Puts a piece at its end.
    pub fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.len += piece.len();
            self.pieces.push(piece);
        }
    }

    /// The same, as one that was put together around a leaf's content, framed as most writers do: its CID may name another
    /// block with the same content. Where it does, that is asked for by itself.
    #[must_use]
    pub fn with_assumed_framing(mut self) -> Self {
        self.framing_is_assumed = true;
        self
    }

    /// Whether another block may have the same content; see [`Block::with_assumed_framing`].
    #[must_use]
    pub fn has_assumed_framing(&self) -> bool {
        self.framing_is_assumed
    }

    /// Bytes of it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces, in order.
    #[must_use]
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// All of it in one place: a copy, unless it is one piece.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        match self.pieces.as_mut_slice() {
            [] => Bytes::new(),
            [only] => std::mem::take(only),
            pieces => pieces.concat().into(),
        }
    }

    /// The bytes `range` of it, as far as it has them.
    pub(crate) fn slice(self, range: Range<usize>) -> Self {
        if range == (0..self.len) {
            return self;
        }
        let mut start = 0;
        let parts = self.pieces.into_iter().map(|piece| {
            let (from, to) = (range.start.max(start), range.end.min(start + piece.len()));
            start += piece.len();
            let at = start - piece.len();
            if from < to {
                piece.slice(from - at..to - at)
            } else {
                Bytes::new()
            }
        });
        parts.collect()
    }

    /// The same in one place of its own: a piece may be a small part of something that is kept in memory with it. A single piece
    /// of `large_bytes` or more is taken for most of what it is in.
    pub(crate) fn compact(&self, large_bytes: usize) -> Self {
        match self.pieces.as_slice() {
            [only] if only.len() >= large_bytes => self.clone(),
            pieces => Self::from(Bytes::from(pieces.concat())),
        }
    }
}

/// The same bytes, whatever pieces they are in.
impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.pieces.iter().flatten(), other.pieces.iter().flatten());
        self.len == other.len && ours.eq(theirs)
    }
}

impl Eq for Block {}

impl From<Bytes> for Block {
    fn from(bytes: Bytes) -> Self {
        Self::from_iter([bytes])
    }
}

impl FromIterator<Bytes> for Block {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        let mut block = Self::default();
        pieces.into_iter().for_each(|piece| block.push(piece));
        block
    }
}

impl IntoIterator for Block {
    type Item = Bytes;
    type IntoIter = std::vec::IntoIter<Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.pieces.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_slice_is_that_of_the_whole(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9),
            from in 0usize..80,
            to in 0usize..80,
        ) {
            let whole = pieces.concat();
            let block: Block = pieces.into_iter().map(Bytes::from).collect();
            prop_assert_eq!(block.len(), whole.len());
            prop_assert!(block.pieces().iter().all(|piece| !piece.is_empty()));
            let (from, to) = (from.min(to).min(whole.len()), from.max(to).min(whole.len()));
            let part = block.clone().slice(from..to);
            prop_assert_eq!(part.len(), to - from);
            prop_assert_eq!(&part.into_bytes()[..], &whole[from..to]);
            prop_assert_eq!(&block.compact(4).into_bytes()[..], &whole[..]);
        }
    }
}
