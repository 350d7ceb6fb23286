//! Settings of an endpoint and of its sessions, each with its default, range and cost. Read once, when they are applied.

use core::fmt;
use core::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::ControllerFactory;

use crate::limits::{DEFAULT_INVITATION_LIFETIME, MAX_CHANNELS, MAX_HANDSHAKES, MAX_MESSAGE_BYTES};
use crate::{CertificateHash, ConfigError, CongestionControl};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// What a send buffer that follows the round trip lets through: twice what a busy core encrypts beside all else.
const SEND_BYTES_PER_MILLISECOND: usize = 160_000;

/// What an endpoint shows to those who connect to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Identity {
    /// A self-signed certificate (ECDSA P-256, thirteen days) made at the start and renewed while it runs. Peers are told
    /// its hash by signalling. The names stand in the certificate beside `localhost`; who checks by hash ignores them.
    SelfSigned {
        /// DNS names or addresses.
        names: Vec<String>,
    },
    /// Files in PEM: a chain with the endpoint's own certificate first, and its private key; read again when they are written.
    /// Peers check it as they do any web server's, or by its hash if it is one that browsers take so.
    Pem {
        /// The chain.
        certificates: PathBuf,
        /// The key (PKCS #8, PKCS #1 or SEC 1).
        key: PathBuf,
    },
    /// None: the endpoint connects, nobody connects to it.
    ClientOnly,
}

/// When a peer must prove that it is at the address it sends from, before anything is computed for it. Without it QUIC
/// sends at most three times what came from there (RFC 9000 §8); the proof takes a round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressValidation {
    /// Always.
    Always,
    /// While more handshakes than this are under way.
    WhenBusy {
        /// Handshakes, 0 and up.
        handshakes: usize,
    },
}

/// Settings of one UDP socket and all sessions behind it.
#[derive(Clone)]
pub struct EndpointConfig {
    /// The UDP address to bind; port 0 takes any free port. `[::]` serves IPv6 and IPv4, `0.0.0.0` IPv4 alone.
    pub bind: SocketAddr,
    /// What is shown to those who connect. Default: self-signed.
    pub identity: Identity,
    /// Sessions and open invitations at a time; a further invitation is refused. Default 512, range 1–4096.
    pub max_sessions: usize,
    /// Handshakes under way at a time, from the first packet to the session; a further connection is refused. Default 128,
    /// range 1–4096.
    pub max_handshakes: usize,
    /// Default: while more than 32 handshakes are under way.
    pub address_validation: AddressValidation,
    /// A connection that is no session after this is closed. Default 10 s.
    pub handshake_timeout: Duration,
    /// An invitation that nobody took is withdrawn after this. Default 30 s.
    pub invitation_lifetime: Duration,
    /// Without a packet from the peer for this long the session ends. Default 10 s, as long as a change of network may take.
    pub idle_timeout: Duration,
    /// A session that has nothing to send says so this often. Default 2.5 s: four may be lost.
    pub keep_alive: Duration,
    /// The kernel's send and receive buffer asked for, each. Default 4 MiB, range 64 KiB–64 MiB.
    pub socket_buffer_bytes: usize,
    /// The largest UDP payload that the search for a path's MTU (RFC 8899) tries. Default 1452, which fits Ethernet with IPv6;
    /// range 1200–6,500, for quinn hands the kernel up to ten at once and 64 KiB is the most it takes. The search starts at
    /// 1200. Between programs on one machine 4,000 at both ends costs 30 % less CPU.
    pub max_mtu_bytes: u16,
    /// Bytes of one stream that the peer may send before they are read. Default 1 MiB, range 64 KiB–64 MiB; a larger frame
    /// waits for its beginning to be read.
    pub stream_window_bytes: usize,
    /// What was lost of a frame is sent before what waits of newer ones, in the midst of which it may go; otherwise after all of them. On a path of 50 ms that
    /// loses 15 %, 95 % of 100 kB frames are there within 236 to 247 ms and not 246 to 252; as fast as it goes, 5 % loss leaves 50 MB/s and not 54. Default false.
    pub resend_at_once: bool,
    /// The congestion controller of all connections: [`CongestionControl::factory`](crate::CongestionControl::factory), or one of
    /// your own. Default [`Fair`](crate::CongestionControl::Fair).
    pub congestion: Arc<dyn ControllerFactory + Send + Sync>,
    /// Settings of sessions that name none of their own. Default [`SessionConfig::browser`].
    pub session: SessionConfig,
}

impl EndpointConfig {
    /// The defaults, bound to `bind`.
    #[must_use]
    pub fn new(bind: SocketAddr) -> Self {
        Self {
            bind,
            identity: Identity::SelfSigned { names: Vec::new() },
            max_sessions: 512,
            max_handshakes: 128,
            address_validation: AddressValidation::WhenBusy { handshakes: 32 },
            handshake_timeout: Duration::from_secs(10),
            invitation_lifetime: DEFAULT_INVITATION_LIFETIME,
            idle_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_millis(2500),
            socket_buffer_bytes: 4 * MIB,
            max_mtu_bytes: 1452,
            stream_window_bytes: MIB,
            resend_at_once: false,
            congestion: CongestionControl::default().factory(),
            session: SessionConfig::browser(),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        in_range("max_sessions", self.max_sessions, 1, 4096)?;
        in_range("max_handshakes", self.max_handshakes, 1, MAX_HANDSHAKES)?;
        let buffer = self.socket_buffer_bytes;
        in_range("socket_buffer_bytes", buffer, 64 * KIB, 64 * MIB)?;
        in_range("max_mtu_bytes", self.max_mtu_bytes.into(), 1200, 6500)?;
        let window = self.stream_window_bytes;
        in_range("stream_window_bytes", window, 64 * KIB, 64 * MIB)?;
        for (field, time) in [
            ("handshake_timeout in ms", self.handshake_timeout),
            ("invitation_lifetime in ms", self.invitation_lifetime),
            ("idle_timeout in ms", self.idle_timeout),
            ("keep_alive in ms", self.keep_alive),
        ] {
            duration_in_range(field, time)?;
        }
        self.session.validate()
    }
}

impl fmt::Debug for EndpointConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointConfig")
            .field("bind", &self.bind)
            .field("identity", &self.identity)
            .field("max_sessions", &self.max_sessions)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// Settings of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionConfig {
    /// Bytes written and not yet acknowledged: this bounds what is in flight, and so the goodput at this much per round trip.
    /// Range 64 KiB–256 MiB.
    pub send_buffer_bytes: usize,
    /// The same while the round trip is short: the least that it is, up to `send_buffer_bytes`, so that a short path does not hold
    /// what only waits. Above `send_buffer_bytes` it changes nothing. Range 64 KiB–256 MiB. Default: as `send_buffer_bytes`.
    pub least_send_buffer_bytes: usize,
    /// Between the two it is so much for each millisecond of the path's round trip, which lets a thousand times as much through a
    /// second. Range 1 kB–10 MB. Default 160 kB.
    pub send_bytes_per_millisecond: usize,
    /// Bytes that the peer may send before they are read, over all streams. Range 64 KiB–256 MiB.
    pub receive_buffer_bytes: usize,
    /// The largest message taken and sent. Range 2 KiB–1 MiB. Default 256 KiB.
    pub max_message_bytes: usize,
    /// Channels that the peer may have open. Range 1–16. Default 4.
    pub max_channels: usize,
    /// Frame streams that the peer may have open. Range 1–4096.
    pub max_frame_streams: usize,
    /// A frame stream on which nothing comes for this long is refused. Default 30 s.
    pub stream_idle_timeout: Duration,
    /// A session whose peer takes nothing for this long, while there is something to send, is closed. Default 20 s.
    pub not_reading_timeout: Duration,
}

impl SessionConfig {
    /// Towards a browser: 4 MiB in flight (80 MB/s at a round trip of 50 ms), 2 MiB and 64 frames taken.
    #[must_use]
    pub fn browser() -> Self {
        Self {
            send_buffer_bytes: 4 * MIB,
            least_send_buffer_bytes: 4 * MIB,
            send_bytes_per_millisecond: SEND_BYTES_PER_MILLISECOND,
            receive_buffer_bytes: 2 * MIB,
            max_message_bytes: 256 * KIB,
            max_channels: 4,
            max_frame_streams: 64,
            stream_idle_timeout: Duration::from_secs(30),
            not_reading_timeout: Duration::from_secs(20),
        }
    }

    /// Towards another endpoint of this crate: 16 MiB in flight (300 MB/s at a round trip of 50 ms), 16 MiB and 256 frames taken.
    #[must_use]
    pub fn own_peer() -> Self {
        Self {
            send_buffer_bytes: 16 * MIB,
            least_send_buffer_bytes: 16 * MIB,
            receive_buffer_bytes: 16 * MIB,
            max_frame_streams: 256,
            ..Self::browser()
        }
    }

    /// Bytes written and not yet acknowledged that suit a round trip.
    pub(crate) fn send_buffer_for(&self, round_trip: Duration) -> usize {
        let wanted = round_trip.as_secs_f64() * 1e3 * self.send_bytes_per_millisecond as f64;
        (wanted as usize)
            .max(self.least_send_buffer_bytes)
            .min(self.send_buffer_bytes)
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let (send, receive) = (self.send_buffer_bytes, self.receive_buffer_bytes);
        in_range("send_buffer_bytes", send, 64 * KIB, 256 * MIB)?;
        let least = self.least_send_buffer_bytes;
        in_range("least_send_buffer_bytes", least, 64 * KIB, 256 * MIB)?;
        let rate = self.send_bytes_per_millisecond;
        in_range("send_bytes_per_millisecond", rate, 1_000, 10_000_000)?;
        in_range("receive_buffer_bytes", receive, 64 * KIB, 256 * MIB)?;
        let message = self.max_message_bytes;
        in_range("max_message_bytes", message, 2 * KIB, MAX_MESSAGE_BYTES)?;
        in_range("max_channels", self.max_channels, 1, MAX_CHANNELS)?;
        in_range("max_frame_streams", self.max_frame_streams, 1, 4096)?;
        duration_in_range("stream_idle_timeout in ms", self.stream_idle_timeout)?;
        duration_in_range("not_reading_timeout in ms", self.not_reading_timeout)
    }
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self::browser()
    }
}

/// How a server's certificate is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// It is one of these, which signalling told. Names, dates and issuer do not matter then, as in a page's
    /// `serverCertificateHashes`.
    Hashes(Vec<CertificateHash>),
    /// As the operating system judges a web server's.
    System,
    /// The same, and these authorities are trusted too: their certificates in DER, as
    /// [`read_authorities`](crate::read_authorities) reads them.
    SystemAnd(Vec<Vec<u8>>),
}

/// Settings of a connection that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectConfig {
    /// How the server's certificate is judged.
    pub trust: Trust,
    /// The session's settings. Default [`SessionConfig::own_peer`].
    pub session: SessionConfig,
    /// No session after this: an error. Default 10 s.
    pub timeout: Duration,
}

impl ConnectConfig {
    /// The defaults, to a server that is judged so.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        Self {
            trust,
            session: SessionConfig::own_peer(),
            timeout: Duration::from_secs(10),
        }
    }
}

fn duration_in_range(field: &'static str, time: Duration) -> Result<(), ConfigError> {
    let millis = usize::try_from(time.as_millis()).unwrap_or(usize::MAX);
    in_range(field, millis, 1, 3_600_000)
}

fn in_range(field: &'static str, value: usize, low: usize, high: usize) -> Result<(), ConfigError> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(ConfigError {
            field,
            value,
            low,
            high,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_are_valid() {
        let config = EndpointConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        assert_eq!(config.validate(), Ok(()));
        assert_eq!(SessionConfig::own_peer().validate(), Ok(()));
    }

    #[test]
    fn a_long_path_has_a_long_send_buffer() {
        let config = SessionConfig {
            least_send_buffer_bytes: MIB,
            ..SessionConfig::own_peer()
        };
        let for_millis = |ms| config.send_buffer_for(Duration::from_millis(ms));
        assert_eq!(for_millis(1), MIB);
        assert_eq!(for_millis(50), 8_000_000);
        assert_eq!(for_millis(1000), 16 * MIB);
    }

    #[test]
    fn each_limit_is_taken_at_its_value_and_refused_beyond() {
        type Set = fn(&mut SessionConfig, usize);
        let fields: [(Set, usize, usize); 7] = [
            (|c, v| c.send_buffer_bytes = v, 64 * KIB, 256 * MIB),
            (|c, v| c.least_send_buffer_bytes = v, 64 * KIB, 256 * MIB),
            (|c, v| c.send_bytes_per_millisecond = v, 1_000, 10_000_000),
            (|c, v| c.receive_buffer_bytes = v, 64 * KIB, 256 * MIB),
            (|c, v| c.max_message_bytes = v, 2 * KIB, MIB),
            (|c, v| c.max_channels = v, 1, 16),
            (|c, v| c.max_frame_streams = v, 1, 4096),
        ];
        for (set, low, high) in fields {
            for (value, valid) in [
                (low, true),
                (high, true),
                (low - 1, false),
                (high + 1, false),
            ] {
                let mut config = SessionConfig::browser();
                set(&mut config, value);
                assert_eq!(config.validate().is_ok(), valid, "{config:?}");
            }
        }
    }

    #[test]
    fn an_error_names_the_field_and_its_range() {
        let mut config = EndpointConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        config.max_mtu_bytes = 1199;
        let message = config.validate().map_err(|error| error.to_string());
        assert_eq!(
            message,
            Err("max_mtu_bytes is 1199, it must be 1200 to 6500".to_owned())
        );
    }
}
