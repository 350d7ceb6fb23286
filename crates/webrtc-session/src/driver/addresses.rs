//! Which addresses a socket's peers can reach it at: its ICE host candidates. Fed by the configuration and the system's
//! routes, feeds each session's ICE agent and the choice of the local address to send from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::BindError;

/// A UDP socket "connected" to these sends nothing and tells which local address a route there would use: one public
/// address each, and one in each private range (RFC 1918, RFC 4193), for interfaces beside the default route's.
const PROBES: [IpAddr; 6] = [
    IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888)),
    IpAddr::V4(Ipv4Addr::new(10, 255, 255, 254)),
    IpAddr::V4(Ipv4Addr::new(172, 31, 255, 254)),
    IpAddr::V4(Ipv4Addr::new(192, 168, 255, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)),
];

/// The host candidates of one socket.
#[derive(Debug, Clone)]
pub(super) struct LocalAddresses {
    candidates: Vec<SocketAddr>,
    /// Of those, the addresses that this machine has, so that a datagram can be sent from them.
    own: Vec<IpAddr>,
    wildcard: bool,
}

impl LocalAddresses {
    /// For a socket bound to `bound`: `advertised` where given, else what can be found out.
    pub(super) fn discover(bound: SocketAddr, advertised: &[IpAddr]) -> Result<Self, BindError> {
        let ips = if advertised.is_empty() {
            reachable_at(bound.ip())
        } else {
            advertised.to_vec()
        };
        if let Some(address) = ips.iter().find(|ip| !is_unicast(**ip)) {
            return Err(BindError::Unadvertisable { address: *address });
        }
        Ok(Self {
            candidates: ips
                .iter()
                .map(|ip| SocketAddr::new(*ip, bound.port()))
                .collect(),
            own: ips.into_iter().filter(|ip| is_own(*ip)).collect(),
            wildcard: bound.ip().is_unspecified(),
        })
    }

    pub(super) fn candidates(&self) -> &[SocketAddr] {
        &self.candidates
    }

    /// The candidate that a datagram to this local address came in by. Behind a NAT that forwards to this machine the
    /// packet's destination is not the address advertised; then it is the first of the same family.
    pub(super) fn candidate_for(
        &self,
        local: Option<IpAddr>,
        source: SocketAddr,
    ) -> Option<SocketAddr> {
        let exact = self
            .candidates
            .iter()
            .find(|candidate| Some(candidate.ip()) == local);
        let same_family = || {
            self.candidates
                .iter()
                .find(|candidate| candidate.is_ipv4() == source.is_ipv4())
        };
        exact.or_else(same_family).copied()
    }

    /// The local address to ask the system to send from; `None` leaves it to the routes.
    pub(super) fn source_ip(&self, candidate: SocketAddr) -> Option<IpAddr> {
        (self.wildcard && self.own.contains(&candidate.ip())).then_some(candidate.ip())
    }
}

/// The MTU of the loopback interface, bytes, where the system tells (Linux). Elsewhere, and unless somebody has changed it, it is
/// larger than any datagram sent here.
pub(super) fn loopback_mtu_bytes() -> usize {
    std::fs::read_to_string("/sys/class/net/lo/mtu")
        .ok()
        .and_then(|mtu| mtu.trim().parse().ok())
        .unwrap_or(16_384)
}

fn reachable_at(bound: IpAddr) -> Vec<IpAddr> {
    if !bound.is_unspecified() {
        return vec![bound];
    }
    let mut found: Vec<IpAddr> = Vec::new();
    let loopbacks = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    let routed = PROBES.into_iter().filter_map(local_address_towards);
    for ip in routed.chain(loopbacks.into_iter().filter(|ip| is_own(*ip))) {
        // `0.0.0.0` serves IPv4, `[::]` both.
        if (bound.is_ipv6() || ip.is_ipv4()) && is_unicast(ip) && !found.contains(&ip) {
            found.push(ip);
        }
    }
    found
}

fn local_address_towards(peer: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if peer.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((peer, 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// An address is this machine's if a socket can be bound to it.
fn is_own(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

fn is_unicast(ip: IpAddr) -> bool {
    let broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_offers_loopback_and_never_itself() {
        let found = LocalAddresses::discover("0.0.0.0:4000".parse().unwrap(), &[]).unwrap();
        assert!(
            found
                .candidates()
                .contains(&"127.0.0.1:4000".parse().unwrap())
        );
        assert!(
            found
                .candidates()
                .iter()
                .all(|candidate| !candidate.ip().is_unspecified() && candidate.is_ipv4())
        );
        assert_eq!(
            found.source_ip("127.0.0.1:4000".parse().unwrap()),
            Some("127.0.0.1".parse().unwrap())
        );
    }

    #[test]
    fn an_advertised_address_behind_a_nat_stands_for_the_local_one() {
        let public = "203.0.113.7".parse().unwrap();
        let found = LocalAddresses::discover("0.0.0.0:4000".parse().unwrap(), &[public]).unwrap();
        let came_in_by =
            found.candidate_for("10.0.0.5".parse().ok(), "198.51.100.1:9".parse().unwrap());
        assert_eq!(came_in_by, Some(SocketAddr::new(public, 4000)));
        assert_eq!(
            found.source_ip(SocketAddr::new(public, 4000)),
            None,
            "not ours to send from"
        );
    }

    #[test]
    fn a_wildcard_cannot_be_advertised() {
        let error =
            LocalAddresses::discover("0.0.0.0:1".parse().unwrap(), &["0.0.0.0".parse().unwrap()]);
        assert!(matches!(error, Err(BindError::Unadvertisable { .. })));
    }
}
