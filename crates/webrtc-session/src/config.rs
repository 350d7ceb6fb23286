//! Settings of an endpoint and of its sessions, each with its default, range and cost. Read once, when they are applied.

use core::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::ConfigError;

/// Bytes in a KiB.
const KIB: usize = 1024;

/// Settings of one UDP socket and all sessions behind it.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// The UDP address to bind; port 0 takes any free port. `[::]` serves IPv6 and IPv4, `0.0.0.0` IPv4 alone.
    ///
    /// Bound to `127.0.0.1` only programs on this machine connect, and of the browsers not Firefox, which refuses
    /// loopback candidates: bind a wildcard address to have this machine's other addresses offered too.
    pub bind: SocketAddr,
    /// The addresses that peers are told, with the bound port. Name the public address where a NAT forwards to this
    /// machine. Default: none, which means the bound address, or for a wildcard every address found on this machine.
    pub advertised: Vec<IpAddr>,
    /// Sessions at a time; a further offer is refused as busy. Default 512, range 1–4096. A connected idle session
    /// takes about 130 KiB.
    pub max_sessions: usize,
    /// The kernel's send and receive buffer asked for, each. Default 4 MiB, range 64 KiB–64 MiB. The kernel may give
    /// less (Linux: `net.core.rmem_max`, `wmem_max`); what it gave is logged.
    pub socket_buffer_bytes: usize,
    /// Settings of sessions that name none of their own. Default [`SessionConfig::browser`].
    pub session: SessionConfig,
}

impl EndpointConfig {
    /// The defaults, bound to `bind`.
    #[must_use]
    pub fn new(bind: SocketAddr) -> Self {
        Self {
            bind,
            advertised: Vec::new(),
            max_sessions: 512,
            socket_buffer_bytes: 4 * KIB * KIB,
            session: SessionConfig::browser(),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        in_range(
            "max_sessions",
            self.max_sessions,
            1,
            4096,
            "1 to 4096 sessions",
        )?;
        in_range(
            "socket_buffer_bytes",
            self.socket_buffer_bytes,
            64 * KIB,
            64 * KIB * KIB,
            "64 KiB to 64 MiB",
        )?;
        self.session.validate()
    }
}

/// The largest datagram that str0m makes.
const LARGEST_MTU_BYTES: usize = 1500;
/// A datagram of this size has, with the kernel's bookkeeping, room in 16 KiB, and BoringSSL reads no more than a record's
/// 16 KiB at once.
const LARGEST_DATAGRAM_BYTES: usize = 12_000;
/// The largest that fits Ethernet's 1500, bytes; a larger MTU is meant for loopback.
const LARGEST_ETHERNET_MTU_BYTES: usize = 1472;
/// IPv6's header and UDP's, bytes.
const HEADER_BYTES: usize = 48;
/// What str0m keeps of a datagram for DTLS (48) and SCTP (40), bytes.
const DATAGRAM_OVERHEAD_BYTES: usize = 88;

/// Settings of one session.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// The largest UDP payload sent, bytes. Range 576–1500; above 1472 it fits no Ethernet.
    pub mtu_bytes: usize,
    /// The same, in a session that answers an offer and whose peer's first check comes from a loopback address. Range
    /// 576–1500.
    pub loopback_mtu_bytes: usize,
    /// The largest datagram made of several DTLS records, bytes, in a session that answers an offer which says
    /// `a=x-max-datagram-size` and whose peer's first check comes from a loopback address. Range 0 (each record alone) to 12,000.
    pub loopback_datagram_bytes: usize,
    /// Bytes that a session with one channel may have buffered, which is written and not yet acknowledged: this bounds
    /// what is in flight, and so the goodput at `sctp_buffered_bytes` per round trip. Range 2 KiB–64 MiB.
    pub sctp_buffered_bytes: usize,
    /// How far that may grow where the round trip is long: to twice what the path carries in one. Default 0 towards a browser,
    /// which means not at all, 4 MiB towards another endpoint; range 0–64 MiB.
    pub sctp_buffered_max_bytes: usize,
    /// Bytes of that buffer that are the channel's own; each further channel brings as much again. Make it hold one
    /// message, and no channel can keep another from sending. Range 1 KiB–`sctp_buffered_bytes`.
    pub channel_reserve_bytes: usize,
    /// The largest message taken from the peer; told in the description. A larger one ends the association. A session's
    /// receive window is this, but at least 1 MiB. Range 1 KiB–16 MiB.
    pub max_message_bytes: usize,
    /// Channels open at a time; a further one is closed again. Range 1–256.
    pub max_channels: usize,
    /// A session that has not connected after this is closed.
    pub connect_timeout: Duration,
    /// Without a datagram for this long a session counts as disconnected.
    pub silence_timeout: Duration,
    /// A session that counts as disconnected is closed after this, unless the peer is heard again.
    pub disconnect_timeout: Duration,
}

impl SessionConfig {
    /// Towards a browser.
    ///
    /// | setting | default | why |
    /// |---|---|---|
    /// | `mtu_bytes` | 1200 | what browsers send themselves; fits every path that carries WebRTC |
    /// | `loopback_mtu_bytes` | 1500 | loopback carries 64 KiB; more than this str0m does not make |
    /// | `loopback_datagram_bytes` | 12,000 | eight SCTP packets: a browser's cost goes by the datagram; larger ones are lost in it |
    /// | `sctp_buffered_bytes` | 64 KiB | Chromium's UDP receive buffer is 128 KiB: with more in flight it overflows, and goodput falls tenfold |
    /// | `sctp_buffered_max_bytes` | 0 | the same, whatever the round trip |
    /// | `channel_reserve_bytes` | 16 KiB | one message of the size that is fastest towards Chromium |
    /// | `max_message_bytes` | 256 KiB | what browsers announce too |
    /// | `max_channels` | 16 | a page opens one or a few |
    /// | `connect_timeout` | 15 s | ICE gives up on a pair after about as long |
    /// | `silence_timeout` | 7 s | ICE consent checks come at least every 6 s (RFC 7675 §5.1), Chromium's every 2.5 s |
    /// | `disconnect_timeout` | 10 s | outlasts a change of network |
    #[must_use]
    pub fn browser() -> Self {
        Self {
            mtu_bytes: 1200,
            loopback_mtu_bytes: LARGEST_MTU_BYTES,
            loopback_datagram_bytes: LARGEST_DATAGRAM_BYTES,
            sctp_buffered_bytes: 64 * KIB,
            sctp_buffered_max_bytes: 0,
            channel_reserve_bytes: 16 * KIB,
            max_message_bytes: 256 * KIB,
            max_channels: 16,
            connect_timeout: Duration::from_secs(15),
            silence_timeout: Duration::from_secs(7),
            disconnect_timeout: Duration::from_secs(10),
        }
    }

    /// Towards another endpoint of this crate: [`SessionConfig::browser`] but for an MTU of 1400, which leaves room for
    /// a tunnel's headers within Ethernet's 1500, and for a send buffer that grows to 4 MiB with the path.
    #[must_use]
    pub fn own_peer() -> Self {
        Self {
            mtu_bytes: 1400,
            sctp_buffered_max_bytes: 4 * KIB * KIB,
            ..Self::browser()
        }
    }

    /// Towards another endpoint on this machine, when connecting: [`SessionConfig::own_peer`] but for an MTU of 1500, which loopback carries
    /// and no other path need.
    #[must_use]
    pub fn own_host() -> Self {
        Self {
            mtu_bytes: LARGEST_MTU_BYTES,
            ..Self::own_peer()
        }
    }

    /// Bytes of a message in each full datagram: what str0m leaves of the MTU for DTLS and SCTP.
    pub(crate) fn fragment_bytes(&self) -> usize {
        self.mtu_bytes.saturating_sub(DATAGRAM_OVERHEAD_BYTES)
    }

    /// What loopback's own MTU leaves of the settings for it, where somebody has made that smaller than Ethernet's.
    pub(crate) fn fit_loopback(&mut self, interface_mtu_bytes: usize) {
        let payload_bytes = interface_mtu_bytes.saturating_sub(HEADER_BYTES).max(576);
        if self.mtu_bytes > LARGEST_ETHERNET_MTU_BYTES {
            self.mtu_bytes = self.mtu_bytes.min(payload_bytes);
        }
        self.loopback_mtu_bytes = self.loopback_mtu_bytes.min(payload_bytes);
        self.loopback_datagram_bytes = self.loopback_datagram_bytes.min(payload_bytes);
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        for (field, bytes) in [
            ("mtu_bytes", self.mtu_bytes),
            ("loopback_mtu_bytes", self.loopback_mtu_bytes),
        ] {
            in_range(field, bytes, 576, LARGEST_MTU_BYTES, "576 to 1500 bytes")?;
        }
        in_range(
            "loopback_datagram_bytes",
            self.loopback_datagram_bytes,
            0,
            LARGEST_DATAGRAM_BYTES,
            "0 to 12,000 bytes",
        )?;
        in_range(
            "sctp_buffered_bytes",
            self.sctp_buffered_bytes,
            2 * KIB,
            64 * KIB * KIB,
            "2 KiB to 64 MiB",
        )?;
        in_range(
            "sctp_buffered_max_bytes",
            self.sctp_buffered_max_bytes,
            0,
            64 * KIB * KIB,
            "0 to 64 MiB",
        )?;
        let reserve = "1 KiB to sctp_buffered_bytes";
        in_range(
            "channel_reserve_bytes",
            self.channel_reserve_bytes,
            KIB,
            self.sctp_buffered_bytes,
            reserve,
        )?;
        in_range(
            "max_message_bytes",
            self.max_message_bytes,
            KIB,
            16 * KIB * KIB,
            "1 KiB to 16 MiB",
        )?;
        in_range(
            "max_channels",
            self.max_channels,
            1,
            256,
            "1 to 256 channels",
        )
    }
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self::browser()
    }
}

fn in_range(
    field: &'static str,
    value: usize,
    low: usize,
    high: usize,
    range: &'static str,
) -> Result<(), ConfigError> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(ConfigError {
            field,
            value,
            range,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_loopback_takes_smaller_datagrams() {
        let mut config = SessionConfig::own_host();
        config.fit_loopback(65_536);
        assert_eq!(
            (config.mtu_bytes, config.loopback_datagram_bytes),
            (1500, 12_000)
        );
        config.fit_loopback(1500);
        assert_eq!((config.mtu_bytes, config.loopback_mtu_bytes), (1452, 1452));
        assert_eq!(config.loopback_datagram_bytes, 1452);
        assert!(config.validate().is_ok());
    }

    #[test]
    fn the_presets_are_valid() {
        assert_eq!(SessionConfig::browser().validate(), Ok(()));
        assert_eq!(SessionConfig::own_peer().validate(), Ok(()));
    }

    #[test]
    fn an_error_names_the_field_and_its_range() {
        let config = SessionConfig {
            mtu_bytes: 9000,
            ..SessionConfig::browser()
        };
        let message = config.validate().map_err(|error| error.to_string());
        assert_eq!(
            message,
            Err("mtu_bytes is 9000, it must be 576 to 1500 bytes".to_owned())
        );
    }
}
