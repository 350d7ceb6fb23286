//! ICE candidates in a description: the addresses by which WebRTC peers find each other past any proxy.
//!
//! Fed by the driver's `BadLink` with a server's answers, so that they name the bad link instead of the server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A description with other candidates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The description; all but its candidates is as it was, line ends included.
    pub sdp: String,
    /// Candidates that name another address now.
    pub rewritten: usize,
    /// Candidates that are gone.
    pub dropped: usize,
}

/// Rewrites every candidate line (RFC 8839 §5.1), in an SDP or a trickle fragment, of type host over UDP at an IPv4
/// loopback address to the address that `relay` gives for it. Others are dropped, for they would lead past the relay,
/// and so are those for which `relay` has none.
pub fn rewrite_candidates(
    sdp: &str,
    mut relay: impl FnMut(SocketAddr) -> Option<SocketAddr>,
) -> Rewritten {
    let mut out = Rewritten {
        sdp: String::with_capacity(sdp.len()),
        rewritten: 0,
        dropped: 0,
    };
    for line in sdp.split_inclusive('\n') {
        if !line.starts_with("a=candidate:") {
            out.sdp.push_str(line);
        } else if let Some(line) = rewrite_line(line, &mut relay) {
            out.sdp.push_str(&line);
            out.rewritten += 1;
        } else {
            out.dropped += 1;
        }
    }
    out
}

/// `a=candidate:<foundation> <component> udp <priority> <address> <port> typ host …`
fn rewrite_line(
    line: &str,
    relay: &mut impl FnMut(SocketAddr) -> Option<SocketAddr>,
) -> Option<String> {
    let text = line.trim_end_matches(['\r', '\n']);
    let mut words: Vec<&str> = text.split(' ').collect();
    let [_, _, transport, _, address, port, "typ", "host", ..] = words[..] else {
        return None;
    };
    let address: Ipv4Addr = address.parse().ok()?;
    if !transport.eq_ignore_ascii_case("udp") || !address.is_loopback() {
        return None;
    }
    let there = relay(SocketAddr::new(IpAddr::V4(address), port.parse().ok()?))?;
    let (address, port) = (there.ip().to_string(), there.port().to_string());
    (words[4], words[5]) = (&address, &port);
    Some(words.join(" ") + &line[text.len()..])
}
