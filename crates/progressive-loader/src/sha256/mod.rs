//! SHA-256 of several messages of one length, side by side where the processor gains by it.
//!
//! | file | is |
//! |---|---|
//! | `lanes` | eight at once, a lane of a wide register each |
//! | `message` | the blocks of a message that came in pieces |
//! | `pair` | two at once with the processor's SHA instructions |
//!
//! Fed by [`multihash`](crate::multihash) with a file's leaves; what is hashed alone, or on another processor, is left to aws-lc.

mod lanes;
mod message;
mod pair;

pub(crate) use lanes::LANES;
pub(crate) use message::len;

/// Messages at hand where not that many are hashed at once: pairs that come, wait and are hashed, so that no core waits for one.
const FEW: usize = 4;
/// Fewer messages than this are hashed one by one sooner than in lanes.
const WORTH_LANES: usize = 3;
/// Bytes of one block of a message.
const BLOCK: usize = 64;

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (§4.2.2).
#[rustfmt::skip]
const K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];
/// The initial hash value (§5.3.3).
#[rustfmt::skip]
const H0: [u32; 8] = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

/// How many messages are hashed in one go.
pub(crate) fn messages_in_one_go() -> usize {
    if lanes::is_quicker() {
        LANES
    } else if pair::is_quicker() {
        2
    } else {
        1
    }
}

/// How many messages are worth having at hand: as many as are hashed at once, or [`FEW`].
pub(crate) fn messages_at_hand() -> usize {
    messages_in_one_go().max(FEW)
}

/// The digests of these messages, each in pieces, [`messages_in_one_go`] at most; `None` where hashing them one by one is
/// quicker, or when their lengths differ.
pub(crate) fn digests<P: AsRef<[u8]>>(messages: &[&[P]]) -> Option<Vec<[u8; 32]>> {
    let last = *messages.last()?;
    if messages.iter().any(|message| len(message) != len(last)) {
        return None;
    }
    if let [a, b] = *messages
        && let Some(digests) = pair::digests([a, b])
    {
        return Some(digests.into());
    }
    if messages.len() < WORTH_LANES || messages.len() > LANES {
        return None;
    }
    // Lanes without a message repeat the last one.
    let filled = std::array::from_fn(|lane| *messages.get(lane).unwrap_or(&last));
    let digests = lanes::digest(filled)?;
    Some(digests[..messages.len()].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multihash::sha2_256;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_message_has_its_own_digest_whatever_pieces_it_is_in(
            len in 0usize..400,
            many in 1usize..=LANES,
            seed in any::<u64>(),
            cuts in prop::collection::vec(prop::collection::vec(0usize..400, 0..4), LANES),
        ) {
            let byte = |i: usize| (seed.wrapping_add(i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8;
            let bytes: Vec<u8> = (0..len * many).map(byte).collect();
            let cut: Vec<Vec<&[u8]>> = (0..many).map(|n| in_pieces(&bytes[n * len..(n + 1) * len], &cuts[n])).collect();
            let messages: Vec<&[&[u8]]> = cut.iter().map(Vec::as_slice).collect();
            // None on a processor where this many are hashed one by one.
            let digests = digests(&messages);
            prop_assert!(digests.is_some() || many == 1 || many != messages_in_one_go());
            if let Some(digests) = digests {
                prop_assert_eq!(digests.len(), many);
                for (digest, message) in digests.iter().zip(messages) {
                    let expected = sha2_256(message);
                    prop_assert_eq!(&digest[..], expected.digest(), "{} bytes", len);
                }
            }
        }
    }

    fn in_pieces<'m>(message: &'m [u8], cuts: &[usize]) -> Vec<&'m [u8]> {
        let mut at: Vec<usize> = cuts.iter().map(|&cut| cut.min(message.len())).collect();
        at.extend([0, message.len()]);
        at.sort_unstable();
        at.windows(2)
            .map(|ends| &message[ends[0]..ends[1]])
            .collect()
    }

    #[test]
    fn messages_of_different_lengths_are_left_to_others() {
        assert_eq!(digests(&[&["same"][..], &["other"]]), None);
        assert_eq!(digests(&[&["same"][..], &["sa", "me"], &["other"]]), None);
        assert_eq!(digests::<&str>(&[]), None);
    }
}
