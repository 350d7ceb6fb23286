//! Peers that do not keep to the rules: QUIC and HTTP/3 by hand, beneath the crate's own client.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use quic_session::{Endpoint, Invitation};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, RecvStream, SendStream};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use web_transport_quinn::proto::{ConnectRequest, ConnectResponse, Settings};
use web_transport_quinn::{ClientError, Session};

/// Believes any certificate.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ED25519,
        ]
    }
}

/// A QUIC client with nothing on top.
pub struct RawClient {
    pub endpoint: quinn::Endpoint,
    config: quinn::ClientConfig,
}

impl RawClient {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut quinn::TransportConfig)) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone))
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let tls = QuicClientConfig::try_from(tls).unwrap();
        let mut config = quinn::ClientConfig::new(Arc::new(tls));
        let mut transport = quinn::TransportConfig::default();
        change(&mut transport);
        config.transport_config(Arc::new(transport));
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let endpoint = quinn::Endpoint::client(bind).unwrap();
        Self { endpoint, config }
    }

    /// Begins a handshake with whoever is there.
    pub fn begin(&self, address: SocketAddr) -> quinn::Connecting {
        let config = self.config.clone();
        self.endpoint
            .connect_with(config, address, "localhost")
            .unwrap()
    }

    pub async fn try_connect(
        &self,
        server: &Endpoint,
    ) -> Result<Connection, quinn::ConnectionError> {
        self.begin(server.local_addr().unwrap()).await
    }

    pub async fn connect(&self, server: &Endpoint) -> Connection {
        self.try_connect(server).await.unwrap()
    }

    /// Asks for any path.
    pub async fn try_session(&self, server: &Endpoint, path: &str) -> Result<Session, ClientError> {
        let address = server.local_addr().unwrap();
        let url: url::Url = format!("https://{address}{path}").parse().unwrap();
        Session::connect(self.connect(server).await, url).await
    }

    /// A session whose own stream is in the caller's hands. All else must be kept, or it ends.
    pub async fn bare_session(
        &self,
        server: &Endpoint,
        invitation: &Invitation,
    ) -> (SendStream, RecvStream, SendStream, Connection) {
        let connection = self.connect(server).await;
        let mut settings = Settings::default();
        settings.enable_webtransport(1);
        let mut control = connection.open_uni().await.unwrap();
        settings.write(&mut control).await.unwrap();
        let url: url::Url = super::url(server, invitation).parse().unwrap();
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        ConnectRequest::new(url).write(&mut send).await.unwrap();
        let response = ConnectResponse::read(&mut receive).await.unwrap();
        assert_eq!(response.status.as_u16(), 200);
        (send, receive, control, connection)
    }

    /// A WebTransport session that keeps to HTTP/3's rules, and to none of ours.
    pub async fn session(&self, server: &Endpoint, invitation: &Invitation) -> Session {
        let url = super::url(server, invitation);
        let url: url::Url = url.parse().unwrap();
        let connection = self.connect(server).await;
        Session::connect(connection, url).await.unwrap()
    }
}

/// A session with a peer that keeps to HTTP/3 alone, with channel 0 open.
pub async fn session(
    server: &Endpoint,
    client: &RawClient,
    config: quic_session::SessionConfig,
) -> (Session, web_transport_quinn::SendStream, super::Peer) {
    let (handler, mut at_server) = super::scripted();
    let invitation = server.invite_with(handler, config).unwrap();
    let session = client.session(server, &invitation).await;
    at_server.connected().await;
    let (mut control, receive) = session.open_bi().await.unwrap();
    // Read by nobody, and not to be stopped.
    std::mem::forget(receive);
    control.write_all(&control_preamble(0)).await.unwrap();
    at_server.opened().await;
    (session, control, at_server)
}

/// What opens a channel of that number.
pub fn control_preamble(channel: u8) -> Vec<u8> {
    vec![1, channel, 1, b'x', 0]
}

/// A message with its length.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = (message.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(message);
    bytes
}
