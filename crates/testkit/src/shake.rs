//! Content of any size that anybody can make again, for content identifiers recorded once.
//!
//! Here and not in the test that wants it, because this crate is optimised in tests as well.

use sha3::Shake256;
use sha3::digest::{ExtendableOutput, Update, XofReader};

/// `size` bytes: SHAKE-256 (FIPS 202) of `0/0`, `0/1`, …, a mebibyte each.
pub fn shake(size: usize) -> Vec<u8> {
    let mut content = vec![0; size];
    for (number, block) in content.chunks_mut(1 << 20).enumerate() {
        let mut hasher = Shake256::default();
        hasher.update(format!("0/{number}").as_bytes());
        hasher.finalize_xof().read(block);
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_content_begins_as_a_shorter_one() {
        let long = shake((1 << 20) + 5);
        assert_eq!(long[..1 << 20], shake(1 << 20));
        assert_ne!(long[1 << 20..], long[..5]);
    }
}
