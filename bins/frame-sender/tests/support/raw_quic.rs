//! A QUIC client that keeps to no rules of ours: what a stranger, or somebody with ill intent, sends a worker.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use serde_json::Value;
use web_transport_quinn::proto::{ConnectRequest, ConnectResponse, Settings};
use web_transport_quinn::{ClientError, Session};

use crate::support::{Worker, request};

/// Believes any certificate, or none.
#[derive(Debug)]
struct Believes(bool);

impl ServerCertVerifier for Believes {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.0 {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::UnknownIssuer.into()),
        }
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

/// Where a worker expects a session.
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
}

impl Place {
    /// One in a link of its own.
    pub(crate) fn ask(worker: &Worker, link: u64) -> Self {
        let http = worker.http();
        let path = format!("/lanes/webtransport?link={link}&epoch=1&lane=16");
        let (status, body) = request(http, "POST", &path);
        assert_eq!(status, 201, "{body}");
        let place: Value = serde_json::from_str(&body).unwrap();
        let port = place["port"].as_u64().unwrap() as u16;
        Self {
            address: SocketAddr::new(http.ip(), port),
            path: place["path"].as_str().unwrap().to_owned(),
        }
    }
}

/// QUIC, and nothing on top.
pub(crate) struct RawClient {
    endpoint: quinn::Endpoint,
    config: quinn::ClientConfig,
}

impl RawClient {
    pub(crate) fn new() -> Self {
        Self::with(true, |_| {})
    }

    /// One that takes the worker for somebody else.
    pub(crate) fn distrustful() -> Self {
        Self::with(false, |_| {})
    }

    pub(crate) fn with(believes: bool, change: impl FnOnce(&mut quinn::TransportConfig)) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Believes(believes)))
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

    pub(crate) async fn connect(&self, to: SocketAddr) -> Result<Connection, ConnectionError> {
        let config = self.config.clone();
        let connecting = self.endpoint.connect_with(config, to, "localhost");
        connecting.unwrap().await
    }

    /// A WebTransport session that keeps to HTTP/3's rules, and to none of ours.
    pub(crate) async fn session(&self, place: &Place) -> Result<Session, ClientError> {
        let connection = self.connect(place.address).await.unwrap();
        Session::connect(connection, place.url()).await
    }

    /// A session whose own stream carries these bytes after the worker has taken it.
    pub(crate) async fn capsule(&self, place: &Place, capsule: &[u8]) -> ConnectionError {
        let connection = self.connect(place.address).await.unwrap();
        let mut settings = Settings::default();
        settings.enable_webtransport(1);
        let mut control = connection.open_uni().await.unwrap();
        settings.write(&mut control).await.unwrap();
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        let asked = ConnectRequest::new(place.url()).write(&mut send).await;
        asked.unwrap();
        let response = ConnectResponse::read(&mut receive).await.unwrap();
        assert_eq!(response.status.as_u16(), 200);
        let mut data = vec![0x00, capsule.len() as u8];
        data.extend_from_slice(capsule);
        send.write_all(&data).await.unwrap();
        let _ = send.finish();
        connection.closed().await
    }
}

impl Place {
    fn url(&self) -> url::Url {
        let text = format!("https://{}{}", self.address, self.path);
        text.parse().unwrap()
    }
}

/// What opens a channel: its number, its label, its sub-protocol.
pub(crate) fn opening(channel: u8, label: &str, protocol: &str) -> Vec<u8> {
    let name = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    [vec![1, channel], name(label), name(protocol)].concat()
}

/// A message with its length.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes(), message].concat()
}
