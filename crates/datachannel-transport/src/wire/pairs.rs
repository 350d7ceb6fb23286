//! The `received` list of an ack, made from a slice and read in place from a message.
//!
//! Fed by the receiver's table or by the decoder; read by the encoder or by the sender. Reading it
//! in place is what keeps an ack free of allocation.

use rmp::decode::{Bytes, read_array_len, read_int};

/// One attempt of one frame, as acks and frame errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Received {
    /// The frame's place on the link.
    pub sequence: u64,
    /// Which sending of it.
    pub attempt: u16,
}

/// At most 64 [`Received`] pairs, listed or still encoded.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedPairs<'a>(Repr<'a>);

#[derive(Clone, Copy, Debug)]
enum Repr<'a> {
    Listed(&'a [Received]),
    Encoded { count: usize, pairs: &'a [u8] },
}

impl<'a> ReceivedPairs<'a> {
    /// A list to be encoded; pairs beyond the 64th are left out.
    #[must_use]
    pub fn listed(pairs: &'a [Received]) -> Self {
        let kept = pairs.len().min(crate::limits::MAX_RECEIVED_PAIRS);
        Self(Repr::Listed(&pairs[..kept]))
    }

    /// A run of encoded pairs that the decoder has checked.
    pub(crate) fn encoded(count: usize, pairs: &'a [u8]) -> Self {
        Self(Repr::Encoded { count, pairs })
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {
            Repr::Listed(pairs) => pairs.len(),
            Repr::Encoded { count, .. } => count,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pairs in the order listed.
    pub fn iter(&self) -> impl Iterator<Item = Received> + 'a {
        let (listed, count, encoded) = match self.0 {
            Repr::Listed(pairs) => (pairs, 0, &[][..]),
            Repr::Encoded { count, pairs } => (&[][..], count, pairs),
        };
        let mut rest = Bytes::new(encoded);
        listed
            .iter()
            .copied()
            .chain((0..count).map_while(move |_| read_pair(&mut rest)))
    }
}

impl PartialEq for ReceivedPairs<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for ReceivedPairs<'_> {}

/// Reads `[sequence, attempt]`; `None` on anything else.
pub(crate) fn read_pair(rest: &mut Bytes<'_>) -> Option<Received> {
    if read_array_len(rest).ok()? != 2 {
        return None;
    }
    let sequence = read_int(rest).ok()?;
    let attempt = read_int(rest).ok()?;
    Some(Received { sequence, attempt })
}
