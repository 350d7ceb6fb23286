//! Reads from a datagram just enough to route it, without parsing or allocating. Feeds the demultiplexer.
//!
//! First-byte ranges by RFC 7983 §7; STUN layout by RFC 8489 §5 and §14; the username of a connectivity check is
//! `receiver's ufrag:sender's ufrag` (RFC 8445 §7.2.2).

const HEADER_BYTES: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const ATTRIBUTE_USERNAME: u16 = 0x0006;

/// What kind of datagram this is, as far as routing needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// A connectivity check, addressed to the session with this local ufrag.
    Check { ufrag: &'a str },
    /// A DTLS record of epoch 0: part of a handshake, not encrypted.
    Handshake,
    /// A DTLS record of a later epoch.
    Protected,
    /// Anything else: STUN that is no request, RTP, TURN channels, noise.
    Other,
}

/// Classifies a datagram by its first bytes.
pub(crate) fn classify(datagram: &[u8]) -> Kind<'_> {
    match datagram.first() {
        Some(0..=3) => local_ufrag(datagram).map_or(Kind::Other, |ufrag| Kind::Check { ufrag }),
        Some(20..=63) => match datagram.get(3..5) {
            Some([0, 0]) => Kind::Handshake,
            Some(_) => Kind::Protected,
            None => Kind::Other,
        },
        _ => Kind::Other,
    }
}

/// The receiver's half of the USERNAME of a binding request.
fn local_ufrag(datagram: &[u8]) -> Option<&str> {
    let (header, mut attributes) = datagram.split_at_checked(HEADER_BYTES)?;
    if header[..2] != BINDING_REQUEST || header[4..8] != MAGIC_COOKIE {
        return None;
    }
    while let Some((head, rest)) = attributes.split_at_checked(4) {
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if u16::from_be_bytes([head[0], head[1]]) == ATTRIBUTE_USERNAME {
            let (ufrag, _) = std::str::from_utf8(rest.get(..length)?)
                .ok()?
                .split_once(':')?;
            return Some(ufrag);
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn binding_request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            body.extend(kind.to_be_bytes());
            body.extend((value.len() as u16).to_be_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut out = BINDING_REQUEST.to_vec();
        out.extend((body.len() as u16).to_be_bytes());
        out.extend(MAGIC_COOKIE);
        out.extend([7; 12]);
        out.extend(body);
        out
    }

    #[test]
    fn finds_the_username_behind_other_attributes() {
        let check = binding_request(&[
            (0x0024, &[0, 0, 0, 1]),
            (0x8022, b"abcde"),
            (0x0006, b"ours:theirs"),
        ]);
        assert_eq!(classify(&check), Kind::Check { ufrag: "ours" });
    }

    #[test]
    fn what_is_no_check_is_not_taken_for_one() {
        let mut wrong_cookie = binding_request(&[(0x0006, b"ours:theirs")]);
        wrong_cookie[4] ^= 1;
        assert_eq!(classify(&wrong_cookie), Kind::Other);
        assert_eq!(
            classify(&binding_request(&[(0x0006, b"no colon")])),
            Kind::Other
        );
        assert_eq!(classify(&binding_request(&[])), Kind::Other);
        assert_eq!(classify(&[]), Kind::Other);
    }

    #[test]
    fn tells_handshake_from_protected_records() {
        assert_eq!(classify(&[22, 254, 253, 0, 0, 0]), Kind::Handshake);
        assert_eq!(classify(&[23, 254, 253, 0, 1, 0]), Kind::Protected);
        assert_eq!(classify(&[23, 254]), Kind::Other);
        assert_eq!(classify(&[0x80, 0, 0, 0, 0]), Kind::Other);
    }

    proptest! {
        #[test]
        fn never_panics(datagram in prop::collection::vec(any::<u8>(), 0..256)) {
            classify(&datagram);
        }

        #[test]
        fn never_panics_on_a_damaged_check(at in 0usize..48, byte in any::<u8>(), cut in 0usize..48) {
            let mut check = binding_request(&[(0x0024, &[0, 0, 0, 1]), (0x0006, b"ours:theirs")]);
            let at = at.min(check.len() - 1);
            check[at] = byte;
            check.truncate(cut);
            classify(&check);
        }
    }
}
