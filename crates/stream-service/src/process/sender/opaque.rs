//! `opaque:?bytes=100000&frames=2000`: payloads that no compression shortens, for measuring the path.
//!
//! Each is the same pseudo-random block with the frame's number in front, so that no two are equal; the hash that travels
//! with it proves it at the other end.

use bytes::{Bytes, BytesMut};

/// The scheme.
pub(super) const SCHEME: &str = "opaque:";
/// Least bytes of a frame: its number.
const NUMBER_BYTES: u64 = 8;
/// Most bytes of a frame: what a worker takes.
const MAX_BYTES: u64 = 32 << 20;
/// Frames whose payloads repeat the block at other places.
const SHIFTS: u64 = 61;

/// Frames of one size.
#[derive(Debug)]
pub(super) struct OpaqueFrames {
    block: Vec<u8>,
    bytes: usize,
    pub(super) frames: u64,
    next: u64,
}

impl OpaqueFrames {
    /// Reads what is behind `opaque:`. Default 100,000 bytes, 2,000 frames.
    ///
    /// # Errors
    /// The parameter that cannot be taken, and what can.
    pub(super) fn parse(uri: &str) -> Result<Self, String> {
        let (mut bytes, mut frames) = (100_000, 2_000);
        let query = uri.strip_prefix(SCHEME).unwrap_or(uri);
        let query = query.strip_prefix('?').unwrap_or(query);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let number: u64 = value
                .parse()
                .map_err(|_| format!("{name}={value} is no whole number"))?;
            match name {
                "bytes" if (NUMBER_BYTES..=MAX_BYTES).contains(&number) => bytes = number,
                "bytes" => return Err(format!("bytes={number}: {NUMBER_BYTES} to {MAX_BYTES}")),
                "frames" => frames = number,
                _ => {
                    return Err(format!(
                        "unknown parameter {name:?}; there are bytes and frames"
                    ));
                }
            }
        }
        let bytes = bytes as usize;
        Ok(Self {
            block: random(bytes + SHIFTS as usize),
            bytes,
            frames,
            next: 0,
        })
    }

    /// Goes on at another frame.
    pub(super) fn skip_to(&mut self, frame: u64) {
        self.next = frame;
    }
}

impl Iterator for OpaqueFrames {
    type Item = (u64, Bytes);

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.next;
        if number >= self.frames {
            return None;
        }
        self.next += 1;
        let shift = (number % SHIFTS) as usize;
        let mut payload = BytesMut::with_capacity(self.bytes);
        payload.extend_from_slice(&number.to_le_bytes());
        payload.extend_from_slice(&self.block[shift..][..self.bytes - NUMBER_BYTES as usize]);
        Some((number, payload.freeze()))
    }
}

/// The same bytes in each run (xorshift64, Marsaglia 2003).
fn random(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words
        .take(bytes.div_ceil(8))
        .flatten()
        .take(bytes)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_their_number_and_size_and_differ() {
        let frames: Vec<_> = OpaqueFrames::parse("opaque:?bytes=100&frames=70")
            .unwrap()
            .collect();
        assert_eq!(frames.len(), 70);
        assert!(frames.iter().all(|(_, payload)| payload.len() == 100));
        assert_eq!(frames[69].1[..8], 69u64.to_le_bytes());
        assert_ne!(frames[0].1[8..], frames[1].1[8..]);
        let mut again = OpaqueFrames::parse("opaque:?bytes=100&frames=70").unwrap();
        again.skip_to(42);
        assert_eq!(again.next().unwrap(), frames[42]);
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (uri, said) in [
            ("opaque:?bytes=7", "8 to 33554432"),
            ("opaque:?bytes=x", "no whole number"),
            ("opaque:?colour=1", "there are bytes and frames"),
        ] {
            let error = OpaqueFrames::parse(uri).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
