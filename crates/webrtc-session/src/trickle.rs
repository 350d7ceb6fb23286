//! Reads the candidates out of a trickle-ICE fragment (RFC 8840 §9, `application/trickle-ice-sdpfrag`). Fed by the
//! endpoint's handle, feeds the session's ICE agent.

use crate::SdpError;
use crate::offer::{MAX_CANDIDATES, attribute, is_usable_candidate, lines};

/// A fragment carries a few candidates.
pub(crate) const MAX_FRAGMENT_BYTES: usize = 16 * 1024;

/// What was read from a fragment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fragment {
    /// The peer's ufrag, where the fragment names it.
    pub(crate) ufrag: Option<String>,
    /// `candidate:…` values that ICE over UDP can use, at most [`MAX_CANDIDATES`].
    pub(crate) candidates: Vec<String>,
}

/// Reads a fragment. Lines it has no use for are skipped: the RFC lets others be added.
pub(crate) fn parse(fragment: &str) -> Result<Fragment, SdpError> {
    if fragment.len() > MAX_FRAGMENT_BYTES {
        return Err(SdpError::TooLarge {
            bytes: fragment.len(),
            limit: MAX_FRAGMENT_BYTES,
        });
    }
    if let Some(line) = lines(fragment).find(|line| !is_sdp_line(line)) {
        let starts_with = line.chars().take(40).collect();
        return Err(SdpError::NotFragment { starts_with });
    }
    let candidates = lines(fragment)
        .filter_map(|line| line.strip_prefix("a=candidate:"))
        .filter(|value| is_usable_candidate(value))
        .take(MAX_CANDIDATES)
        .map(|value| format!("candidate:{value}"))
        .collect();
    Ok(Fragment {
        ufrag: attribute(fragment, "ice-ufrag").map(str::to_owned),
        candidates,
    })
}

/// `x=…`, with one lower-case letter.
fn is_sdp_line(line: &str) -> bool {
    matches!(line.as_bytes(), [b'a'..=b'z', b'=', ..])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_a_browsers_fragment() {
        let fragment = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
            m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n\
            a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n\
            a=candidate:3471623853 1 udp 2122194687 e2a1.local 61765 typ host\r\n\
            a=candidate:473322822 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active\r\na=end-of-candidates\r\n";
        let read = parse(fragment).unwrap();
        assert_eq!(read.ufrag.as_deref(), Some("EsAw"));
        assert_eq!(read.candidates.len(), 1);
        assert!(read.candidates[0].starts_with("candidate:1387637174 1 udp"));
    }

    #[test]
    fn an_empty_fragment_is_no_fault_but_junk_is() {
        assert_eq!(parse(""), Ok(Fragment::default()));
        assert!(matches!(
            parse("{\"candidate\":1}"),
            Err(SdpError::NotFragment { .. })
        ));
        assert!(matches!(
            parse(&"a=".repeat(MAX_FRAGMENT_BYTES)),
            Err(SdpError::TooLarge { .. })
        ));
    }

    proptest! {
        #[test]
        fn never_panics_and_stays_bounded(lines in prop::collection::vec("(a=candidate:)?.{0,60}", 0..100)) {
            if let Ok(read) = parse(&lines.join("\r\n")) {
                prop_assert!(read.candidates.len() <= MAX_CANDIDATES);
            }
        }
    }
}
