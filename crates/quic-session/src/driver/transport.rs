//! Our settings as quinn's and rustls's.

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::version::TLS13;
use rustls_platform_verifier::{BuilderVerifierExt, Verifier};

use super::identity::CertificateResolver;
use super::verifier::HashVerifier;
use crate::limits::DATAGRAM_BUFFER_BYTES;
use crate::{EndpointConfig, SessionConfig, Trust};

/// Streams that HTTP/3 itself opens in each direction: control, QPACK's encoder and decoder (RFC 9114 §6.2), and one more
/// that a peer may open to keep others from relying on the number (§6.2.3).
const HTTP3_STREAMS: u32 = 4;
/// Bytes that a peer may send before it has named its token.
const STRANGERS_WINDOW_BYTES: u32 = 64 * 1024;

/// What holds before a session has settings of its own: as little as HTTP/3's handshake needs.
fn transport(config: &EndpointConfig) -> TransportConfig {
    let mut transport = TransportConfig::default();
    let idle = IdleTimeout::try_from(config.idle_timeout).ok();
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(config.max_mtu_bytes);
    transport
        .max_idle_timeout(idle)
        .keep_alive_interval(Some(config.keep_alive))
        .mtu_discovery_config(Some(mtu))
        .stream_receive_window(varint(config.stream_window_bytes))
        .receive_window(STRANGERS_WINDOW_BYTES.into())
        .send_window(u64::from(STRANGERS_WINDOW_BYTES))
        // Unfair means: to the end of the stream that has begun, and then of the next that has.
        .send_fairness(config.resend_at_once)
        .datagram_receive_buffer_size(Some(DATAGRAM_BUFFER_BYTES))
        .datagram_send_buffer_size(DATAGRAM_BUFFER_BYTES)
        .max_concurrent_uni_streams(HTTP3_STREAMS.into());
    transport.congestion_controller_factory(Arc::clone(&config.congestion));
    transport
}

/// A session's own settings, once it is known to be one.
pub(super) fn apply(connection: &quinn::Connection, config: &SessionConfig, is_server: bool) {
    suit_round_trip(connection, config, connection.rtt());
    connection.set_receive_window(varint(config.receive_buffer_bytes));
    let frames = varint(config.max_frame_streams + HTTP3_STREAMS as usize);
    connection.set_max_concurrent_uni_streams(frames);
    if is_server {
        // And the request's own stream.
        connection.set_max_concurrent_bi_streams(varint(config.max_channels + 1));
    }
}

/// As much may be written and not acknowledged as a path of this round trip wants.
pub(super) fn suit_round_trip(
    connection: &quinn::Connection,
    config: &SessionConfig,
    round_trip: Duration,
) {
    let bytes = config.send_buffer_for(round_trip);
    connection.set_send_window(bytes as u64);
}

fn varint(value: usize) -> VarInt {
    u32::try_from(value).unwrap_or(u32::MAX).into()
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// For those who connect to us.
pub(super) fn server(
    config: &EndpointConfig,
    resolver: Arc<CertificateResolver>,
) -> Result<quinn::ServerConfig, String> {
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    tls.alpn_protocols = vec![web_transport_quinn::ALPN.into()];
    let tls = QuicServerConfig::try_from(tls).map_err(|error| error.to_string())?;
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(tls));
    let mut transport = transport(config);
    transport.max_concurrent_bidi_streams(1_u32.into());
    server
        .transport_config(Arc::new(transport))
        .migration(true)
        // First packets that wait for the accept loop: each may carry a few KiB.
        .max_incoming(2 * config.max_handshakes)
        .incoming_buffer_size(STRANGERS_WINDOW_BYTES.into())
        .incoming_buffer_size_total(16 * u64::from(STRANGERS_WINDOW_BYTES));
    Ok(server)
}

/// For those we connect to.
pub(super) fn client(
    config: &EndpointConfig,
    trust: &Trust,
) -> Result<quinn::ClientConfig, String> {
    let builder = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| error.to_string())?;
    let mut tls = match trust {
        Trust::Hashes(hashes) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(HashVerifier {
                hashes: hashes.clone(),
                provider: provider(),
            }))
            .with_no_client_auth(),
        Trust::SystemAnd(authorities) => {
            let authorities = authorities.iter().cloned().map(CertificateDer::from);
            let verifier = Verifier::new_with_extra_roots(authorities, provider());
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(
                    verifier.map_err(|error| error.to_string())?,
                ))
                .with_no_client_auth()
        }
        Trust::System => builder
            .with_platform_verifier()
            .map_err(|error| error.to_string())?
            .with_no_client_auth(),
    };
    tls.alpn_protocols = vec![web_transport_quinn::ALPN.into()];
    let tls = QuicClientConfig::try_from(tls).map_err(|error| error.to_string())?;
    let mut client = quinn::ClientConfig::new(Arc::new(tls));
    let mut transport = transport(config);
    // A server opens no channels.
    transport.max_concurrent_bidi_streams(0_u32.into());
    client.transport_config(Arc::new(transport));
    Ok(client)
}

/// Of the socket as a whole.
pub(super) fn endpoint(config: &EndpointConfig) -> quinn::EndpointConfig {
    let mut endpoint = quinn::EndpointConfig::default();
    // Every packet shows QUIC's fixed bit, so that what does not is known for a stranger's.
    endpoint.grease_quic_bit(false);
    // Fails below 1200 only, which the configuration excludes.
    let _ = endpoint.max_udp_payload_size(config.max_mtu_bytes.max(1472));
    endpoint
}
