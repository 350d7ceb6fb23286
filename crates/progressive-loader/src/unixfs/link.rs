//! The CID of a link, or the content that it carries itself.
//!
//! Fed with links by `node`. An identity CID holds the block instead of naming it; writers use it for what is
//! shorter than a hash would be worth.

use super::wire::{Fields, Value, Varint, take_varint};
use crate::error::BlockError;
use crate::multihash::{IDENTITY, sha2_256};
use bytes::Bytes;
use cid::{Cid, CidGeneric};

/// The most bytes that an identity CID may carry, as in Kubo.
pub(crate) const MAX_IDENTITY_BYTES: usize = 128;

/// What a link points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// Its CID. For carried content of more than 64 bytes, which [`Cid`] has no room for, the CID that the same
    /// bytes have by SHA-256.
    pub(crate) cid: Cid,
    /// The block, when the CID carries it.
    pub(crate) carried: Option<Bytes>,
}

impl Link {
    /// A link to `cid`, with what it carries.
    pub(crate) fn to(cid: Cid) -> Self {
        Self {
            cid,
            carried: carried(&cid),
        }
    }
}

/// The block that `cid` itself carries.
pub(crate) fn carried(cid: &Cid) -> Option<Bytes> {
    (cid.hash().code() == IDENTITY).then(|| Bytes::copy_from_slice(cid.hash().digest()))
}

/// Parses dag-pb's `PBLink`: what it points to, and its name.
pub(super) fn parse_link(link: &[u8]) -> Result<(Link, &str), BlockError> {
    let (mut target, mut name) = (None, "");
    for field in Fields::new(link) {
        match field? {
            (1, Value::Bytes(bytes)) => target = Some(parse_cid(bytes)?),
            (2, Value::Bytes(bytes)) => {
                name = std::str::from_utf8(bytes)
                    .map_err(|_| BlockError::Malformed("a name is not UTF-8"))?;
            }
            _ => {}
        }
    }
    let target = target.ok_or(BlockError::Malformed("a link has no CID"))?;
    Ok((target, name))
}

fn parse_cid(bytes: &[u8]) -> Result<Link, BlockError> {
    if let Ok(cid) = Cid::try_from(bytes) {
        return Ok(Link::to(cid));
    }
    let no_cid = BlockError::Malformed("a link is no CID");
    match CidGeneric::<MAX_IDENTITY_BYTES>::try_from(bytes) {
        Ok(wide) if wide.hash().code() == IDENTITY => {
            let content = wide.hash().digest();
            Ok(Link {
                cid: Cid::new_v1(wide.codec(), sha2_256(&[content])),
                carried: Some(Bytes::copy_from_slice(content)),
            })
        }
        Ok(_) => Err(no_cid),
        Err(_) => Err(identity_bytes(bytes).map_or(no_cid, BlockError::IdentityTooLong)),
    }
}

/// How many bytes an identity CIDv1 claims to carry, when that is more than one may.
fn identity_bytes(mut cid: &[u8]) -> Option<u64> {
    let mut number = || match take_varint(&mut cid) {
        Varint::Value(value) => Some(value),
        _ => None,
    };
    let (version, _codec, hash, len) = (number()?, number()?, number()?, number()?);
    (version == 1 && hash == IDENTITY && len > MAX_IDENTITY_BYTES as u64).then_some(len)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn identity(len: u8) -> Vec<u8> {
        let mut cid = vec![1, 0x55, 0, len];
        if len >= 0x80 {
            cid.push(1);
        }
        cid.extend(std::iter::repeat_n(7, usize::from(len)));
        cid
    }

    #[test]
    fn a_cid_may_carry_up_to_128_bytes() {
        for len in [0, 1, 64, 65, 127] {
            let link = parse_cid(&identity(len)).unwrap();
            assert_eq!(link.carried.unwrap().len(), usize::from(len));
        }
        let most = [&[1, 0x55, 0, 0x80, 1][..], &[7; 128]].concat();
        assert_eq!(parse_cid(&most).unwrap().carried.unwrap().len(), 128);
        let long = [&[1, 0x55, 0, 0x81, 1][..], &[7; 129]].concat();
        assert_eq!(parse_cid(&long), Err(BlockError::IdentityTooLong(129)));
        let claim = [1, 0x55, 0, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(
            parse_cid(&claim),
            Err(BlockError::IdentityTooLong(u64::from(u32::MAX)))
        );
        for noise in [&[][..], &[1], &[0xff; 12], &[1, 0x55, 0, 5, 1]] {
            assert!(matches!(parse_cid(noise), Err(BlockError::Malformed(_))));
        }
    }
}
