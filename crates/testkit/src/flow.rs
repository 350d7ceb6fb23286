//! Which flow an IP packet belongs to, so that flows that share a path can be told apart.
//!
//! Fed by whoever holds packets; read by who asks what each flow got.

/// Protocol numbers (IANA, "Assigned Internet Protocol Numbers").
const TCP: u8 = 6;
const UDP: u8 = 17;
/// An IPv4 header without options (RFC 791 §3.1).
const LEAST_HEADER_BYTES: usize = 20;

/// A transport of IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// One way of a flow over IPv4. Addresses are left out: a wire has one at each end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// What carries it.
    pub transport: Transport,
    /// The port it comes from.
    pub from_port: u16,
    /// The port it goes to.
    pub to_port: u16,
}

impl Flow {
    /// The flow of this packet; `None` for IPv6, other transports, later fragments, and what is no packet.
    pub fn of(packet: &[u8]) -> Option<Self> {
        let (&first, fragment) = (packet.first()?, packet.get(6..8)?);
        let header_bytes = usize::from(first & 0x0f) * 4;
        let later_fragment = fragment[0] & 0x1f != 0 || fragment[1] != 0;
        if first >> 4 != 4 || header_bytes < LEAST_HEADER_BYTES || later_fragment {
            return None;
        }
        let transport = match *packet.get(9)? {
            TCP => Transport::Tcp,
            UDP => Transport::Udp,
            _ => return None,
        };
        let ports = packet.get(header_bytes..header_bytes + 4)?;
        Some(Self {
            transport,
            from_port: u16::from_be_bytes([ports[0], ports[1]]),
            to_port: u16::from_be_bytes([ports[2], ports[3]]),
        })
    }
}
