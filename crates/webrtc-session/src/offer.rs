//! Looks at a peer's session description before str0m does: names what is wrong with it in words a person can act on,
//! and leaves out what would be of no use. Fed by the endpoint's handle, feeds `session`.
//!
//! Reads lines (RFC 8866 §5), no more: the grammar is str0m's.

use core::net::IpAddr;
use std::str::FromStr;

use crate::SdpError;

/// A description is text for one data channel and perhaps some media; Chromium's with all codecs is about 8 KiB.
pub(crate) const MAX_SDP_BYTES: usize = 64 * 1024;
const MAX_SECTIONS: usize = 32;
/// Candidates handed on to ICE. A machine with a dozen interfaces has fewer.
pub(crate) const MAX_CANDIDATES: usize = 32;
/// RFC 8841 §6.1: without `a=max-message-size` the peer takes this much.
const DEFAULT_MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// `a=x-max-datagram-size:BYTES`, ours: who offers reads datagrams of up to this size that hold several DTLS records.
/// RFC 6347 §4.1.1 allows them; aiortc, for one, reads a single record of each.
const MAX_DATAGRAM_ATTRIBUTE: &str = "x-max-datagram-size";

/// Who made the description: an ICE-lite endpoint can answer one that is not, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Offer,
    Answer,
}

/// What was read from a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description {
    /// The description without candidates that ICE over UDP has no use for, lines ended as the RFC asks.
    pub(crate) sdp: String,
    /// The largest message the peer takes, bytes.
    pub(crate) max_message_bytes: usize,
    /// The largest datagram of several DTLS records that the peer reads, bytes; 0 when it does not say.
    pub(crate) max_datagram_bytes: usize,
    /// The peer's half of the usernames of connectivity checks.
    pub(crate) ufrag: String,
    /// The kinds of the media sections (`audio`, `video`), which are answered as inactive.
    pub(crate) media: Vec<String>,
}

/// Reads and checks a description.
pub(crate) fn inspect(sdp: &str, role: Role) -> Result<Description, SdpError> {
    if sdp.len() > MAX_SDP_BYTES {
        return Err(SdpError::TooLarge {
            bytes: sdp.len(),
            limit: MAX_SDP_BYTES,
        });
    }
    if lines(sdp).next() != Some("v=0") {
        return Err(SdpError::NotSdp {
            starts_with: sdp.chars().take(40).collect(),
        });
    }
    let (channels, media): (Vec<&str>, Vec<&str>) = lines(sdp)
        .filter_map(|line| line.strip_prefix("m="))
        .partition(|section| is_data_channel(section));
    check_sections(&channels, &media)?;
    check_attributes(sdp, role)?;
    Ok(Description {
        sdp: without_useless_candidates(sdp),
        max_message_bytes: max_message_bytes(sdp),
        max_datagram_bytes: attribute(sdp, MAX_DATAGRAM_ATTRIBUTE)
            .and_then(|bytes| bytes.trim().parse().ok())
            .unwrap_or(0),
        ufrag: attribute(sdp, "ice-ufrag").unwrap_or_default().to_owned(),
        media: media
            .iter()
            .map(|section| kind(section).to_owned())
            .collect(),
    })
}

/// The lines of a description or fragment, whatever ends them.
pub(crate) fn lines(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.split('\n')
        .map(|line| line.trim_end_matches('\r'))
        .filter(|line| !line.is_empty())
}

/// The value of the first `a=name:value`.
pub(crate) fn attribute<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    lines(sdp).find_map(|line| {
        line.strip_prefix("a=")?
            .strip_prefix(name)?
            .strip_prefix(':')
    })
}

/// A candidate that ICE over UDP can use: component 1, UDP, an IP address. Browsers hide theirs behind mDNS names
/// (`….local`); those are left out, for an ICE-lite endpoint learns the address from the peer's checks anyway.
pub(crate) fn is_usable_candidate(value: &str) -> bool {
    let mut fields = value.split(' ').skip(1);
    let component = fields.next() == Some("1");
    let udp = fields
        .next()
        .is_some_and(|transport| transport.eq_ignore_ascii_case("udp"));
    component
        && udp
        && fields
            .nth(1)
            .is_some_and(|address| IpAddr::from_str(address).is_ok())
}

fn kind(section: &str) -> &str {
    section.split(' ').next().unwrap_or_default()
}

/// `application 9 UDP/DTLS/SCTP webrtc-datachannel` (RFC 8841 §5.1), not rejected by port 0 unless bundled.
fn is_data_channel(section: &str) -> bool {
    kind(section) == "application"
        && section
            .split(' ')
            .any(|field| field == "webrtc-datachannel")
}

fn check_sections(channels: &[&str], media: &[&str]) -> Result<(), SdpError> {
    let sections = channels.len() + media.len();
    if sections > MAX_SECTIONS {
        return Err(SdpError::TooManySections {
            sections,
            limit: MAX_SECTIONS,
        });
    }
    if channels.is_empty() {
        let kinds: Vec<&str> = media.iter().map(|section| kind(section)).collect();
        let sections = if kinds.is_empty() {
            "none".to_owned()
        } else {
            kinds.join(", ")
        };
        return Err(SdpError::NoDataChannel { sections });
    }
    Ok(())
}

fn check_attributes(sdp: &str, role: Role) -> Result<(), SdpError> {
    for name in ["ice-ufrag", "ice-pwd"] {
        if attribute(sdp, name).is_none_or(str::is_empty) {
            return Err(SdpError::MissingIceCredentials { attribute: name });
        }
    }
    if attribute(sdp, "fingerprint").is_none() {
        return Err(SdpError::MissingFingerprint);
    }
    if role == Role::Offer && lines(sdp).any(|line| line == "a=ice-lite") {
        return Err(SdpError::IceLite);
    }
    Ok(())
}

/// `a=max-message-size` (RFC 8841 §6), where 0 means any size.
fn max_message_bytes(sdp: &str) -> usize {
    match attribute(sdp, "max-message-size").map(|value| value.trim().parse()) {
        Some(Ok(0)) => usize::MAX,
        Some(Ok(bytes)) => bytes,
        Some(Err(_)) | None => DEFAULT_MAX_MESSAGE_BYTES,
    }
}

fn without_useless_candidates(sdp: &str) -> String {
    let mut out = String::with_capacity(sdp.len() + 2);
    let mut candidates = 0;
    for line in lines(sdp) {
        if let Some(value) = line.strip_prefix("a=candidate:") {
            candidates += usize::from(is_usable_candidate(value));
            if !is_usable_candidate(value) || candidates > MAX_CANDIDATES {
                continue;
            }
        }
        out.push_str(line);
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=recvonly\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\na=ice-ufrag:abcd\r\na=ice-pwd:secret\r\n\
        a=fingerprint:sha-256 00:11\r\na=max-message-size:262144\r\n\
        a=candidate:1 1 udp 1 192.0.2.7 4000 typ host\r\n\
        a=candidate:2 1 udp 1 8d1ff5f7-6d2c-4ad2-8a87-c0ffee.local 4000 typ host\r\n\
        a=candidate:3 1 tcp 1 192.0.2.7 9 typ host tcptype active\r\n";

    #[test]
    fn reads_what_matters_and_drops_useless_candidates() {
        let description = inspect(OFFER, Role::Offer).unwrap();
        assert_eq!(description.max_message_bytes, 262_144);
        assert_eq!(description.max_datagram_bytes, 0);
        assert_eq!(description.ufrag, "abcd");
        assert_eq!(description.media, ["video"]);
        assert!(description.sdp.contains("192.0.2.7 4000"));
        assert!(!description.sdp.contains(".local") && !description.sdp.contains("tcptype"));
    }

    #[test]
    fn a_peer_says_how_large_its_datagrams_may_be() {
        let told = |value: &str| {
            let offer = OFFER.replacen(
                "t=0 0",
                &format!("t=0 0\r\na=x-max-datagram-size:{value}"),
                1,
            );
            inspect(&offer, Role::Offer).unwrap().max_datagram_bytes
        };
        assert_eq!(told("12000"), 12_000);
        assert_eq!(told("-1"), 0);
        assert_eq!(told("large"), 0);
    }

    #[test]
    fn bare_newlines_and_a_missing_last_one_are_mended() {
        let mangled = OFFER.replace("\r\n", "\n");
        let mended = inspect(mangled.trim_end(), Role::Offer).unwrap();
        assert_eq!(mended, inspect(OFFER, Role::Offer).unwrap());
    }

    #[test]
    fn each_fault_has_its_name() {
        let refused = |sdp: &str| inspect(sdp, Role::Offer).unwrap_err();
        assert!(
            matches!(refused("<html>"), SdpError::NotSdp { starts_with } if starts_with == "<html>")
        );
        assert!(matches!(refused(""), SdpError::NotSdp { .. }));
        assert!(matches!(
            refused(&"v".repeat(MAX_SDP_BYTES + 1)),
            SdpError::TooLarge { .. }
        ));
        let no_channel = OFFER.replace("webrtc-datachannel", "something-else");
        assert!(
            matches!(refused(&no_channel), SdpError::NoDataChannel { sections } if sections == "video, application")
        );
        assert!(matches!(
            refused(&OFFER.replace("a=ice-pwd:secret\r\n", "")),
            SdpError::MissingIceCredentials {
                attribute: "ice-pwd"
            }
        ));
        assert_eq!(
            refused(&OFFER.replace("a=fingerprint", "a=footprint")),
            SdpError::MissingFingerprint
        );
        assert_eq!(
            refused(&format!("{OFFER}a=ice-lite\r\n")),
            SdpError::IceLite
        );
        let many = format!("{OFFER}{}", "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n".repeat(40));
        assert!(matches!(
            refused(&many),
            SdpError::TooManySections { sections: 42, .. }
        ));
    }

    #[test]
    fn an_answer_may_be_ice_lite() {
        assert!(inspect(&format!("{OFFER}a=ice-lite\r\n"), Role::Answer).is_ok());
    }

    #[test]
    fn candidates_beyond_the_limit_are_dropped() {
        let many = format!(
            "{OFFER}{}",
            "a=candidate:1 1 udp 1 192.0.2.8 4000 typ host\r\n".repeat(100)
        );
        let kept = inspect(&many, Role::Offer)
            .unwrap()
            .sdp
            .matches("a=candidate")
            .count();
        assert_eq!(kept, MAX_CANDIDATES);
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,400}") {
            let _ = inspect(&format!("v=0\n{text}"), Role::Offer);
        }
    }
}
