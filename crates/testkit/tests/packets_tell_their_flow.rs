//! A packet tells the flow it belongs to, and nothing else is taken for one.

use proptest::prelude::*;
use testkit::{Flow, Transport};

/// An IPv4 packet with a header of that many words, up to its ports.
fn packet(protocol: u8, header_words: u8, ports: [u16; 2]) -> Vec<u8> {
    let mut packet = vec![0; usize::from(header_words) * 4];
    packet[0] = 0x40 | header_words;
    packet[9] = protocol;
    packet.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
    packet
}

#[test]
fn tcp_and_udp_tell_their_ports_behind_any_header() {
    for (protocol, transport) in [(6, Transport::Tcp), (17, Transport::Udp)] {
        for header_words in [5, 15] {
            let flow = Flow::of(&packet(protocol, header_words, [4433, 80]));
            let expected = Flow {
                transport,
                from_port: 4433,
                to_port: 80,
            };
            assert_eq!(flow, Some(expected), "{transport:?}, {header_words} words");
        }
    }
}

#[test]
fn what_has_no_ports_is_no_flow() {
    let whole = packet(17, 5, [1, 2]);
    let mut ipv6 = whole.clone();
    ipv6[0] = 0x65;
    let mut later_fragment = whole.clone();
    later_fragment[7] = 1;
    let mut short_header = whole.clone();
    short_header[0] = 0x44;
    let cut = &whole[..23];
    let icmp = packet(1, 5, [1, 2]);
    for strange in [&ipv6, &later_fragment, &short_header, cut, &icmp, &[]] {
        assert_eq!(Flow::of(strange), None, "{strange:?}");
    }
    let mut first_fragment = whole;
    first_fragment[6] = 0x20;
    assert!(Flow::of(&first_fragment).is_some(), "it has the ports");
}

proptest! {
    #[test]
    fn anything_else_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Flow::of(&bytes);
    }
}
