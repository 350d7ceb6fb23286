//! The listener of HTTP, and of HTTPS where there is a certificate: connections as axum takes them.
//!
//! Fed by TCP; feeds the routers of `controller` and `process::worker`. A connection is passed on once its handshake is done.
//! Handshakes are bounded in time and in number, the oldest gives way: whoever means it is done within a few round trips.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;

use quic_session::{CertificateResolver, Identity, IdentityError};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Interval, interval, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, crypto::aws_lc_rs::default_provider};

use crate::http_socket::{SeenStream, SendSide};

/// From the connection to the end of the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes under way; one more ends the oldest.
const MAX_HANDSHAKES: usize = 128;
/// How often the files of the certificate are looked at.
const LOOK_AT_FILES_EVERY: Duration = Duration::from_secs(5);
/// The first byte of every TLS connection: a handshake record (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 22;
/// What is read of a request that came without TLS, before it is answered.
const PLAIN_REQUEST_BYTES: usize = 16 * 1024;
/// The answer to it, in the words of `controller::problem`.
const PLAIN_ANSWER: &str = r#"{"type":"urn:frameway:problem:https-only","title":"HTTPS only","status":400,"detail":"this port speaks HTTPS: write https:// in place of http://"}"#;

/// What carries HTTP.
trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// One connection, with or without TLS.
pub(crate) struct HttpStream {
    io: Box<dyn Connection>,
    side: SendSide,
}

type Accepted = (HttpStream, SocketAddr);

/// Takes connections.
pub(crate) struct HttpListener {
    tcp: TcpListener,
    tls: Option<Tls>,
}

/// What HTTPS takes.
struct Tls {
    acceptor: TlsAcceptor,
    resolver: Arc<CertificateResolver>,
    look_at_files: Interval,
    handshakes: JoinSet<Option<Accepted>>,
    /// Those of `handshakes`, the oldest first; some may be done.
    by_age: VecDeque<AbortHandle>,
}

/// The certificate of HTTPS. `None`: HTTP without it.
///
/// # Errors
/// What is wrong with the certificate's files.
pub(crate) fn certificate(
    identity: &Identity,
) -> Result<Option<Arc<CertificateResolver>>, IdentityError> {
    let Identity::Pem { certificates, key } = identity else {
        return Ok(None);
    };
    read(certificates, key).map(Some)
}

fn read(certificates: &Path, key: &Path) -> Result<Arc<CertificateResolver>, IdentityError> {
    CertificateResolver::from_files(certificates, key, SystemTime::now()).map(Arc::new)
}

impl HttpListener {
    /// Takes HTTPS where there is a certificate.
    ///
    /// # Errors
    /// The TLS library refuses its own defaults.
    pub(crate) fn new(
        tcp: TcpListener,
        certificate: Option<Arc<CertificateResolver>>,
    ) -> io::Result<Self> {
        let tls = certificate.map(Tls::new).transpose()?;
        Ok(Self { tcp, tls })
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

impl std::fmt::Debug for HttpListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpListener")
            .field("tcp", &self.tcp)
            .field("scheme", &self.scheme())
            .finish_non_exhaustive()
    }
}

impl axum::serve::Listener for HttpListener {
    type Io = HttpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Accepted {
        let Some(tls) = &mut self.tls else {
            let (tcp, address) = accept_tcp(&mut self.tcp).await;
            return (HttpStream::plain(tcp), address);
        };
        loop {
            tokio::select! {
                Some(done) = tls.handshakes.join_next() => {
                    if let Ok(Some(accepted)) = done {
                        return accepted;
                    }
                }
                (tcp, address) = accept_tcp(&mut self.tcp) => tls.begin(tcp, address),
                _ = tls.look_at_files.tick() => tls.renew(),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl HttpStream {
    fn plain(tcp: TcpStream) -> Self {
        let tcp = SeenStream::new(tcp);
        let side = SendSide::of(&tcp);
        Self {
            io: Box::new(tcp),
            side,
        }
    }
}

impl Connected<IncomingStream<'_, HttpListener>> for SendSide {
    fn connect_info(stream: IncomingStream<'_, HttpListener>) -> Self {
        stream.io().side.clone()
    }
}

impl AsyncRead for HttpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

async fn accept_tcp(tcp: &mut TcpListener) -> (TcpStream, SocketAddr) {
    let (stream, address) = axum::serve::Listener::accept(tcp).await;
    // A lane's acknowledgements are small and must not wait for each other; where it fails they do.
    let _ = stream.set_nodelay(true);
    (stream, address)
}

impl Tls {
    fn new(resolver: Arc<CertificateResolver>) -> io::Result<Self> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_cert_resolver(resolver.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            resolver,
            look_at_files: interval(LOOK_AT_FILES_EVERY),
            handshakes: JoinSet::new(),
            by_age: VecDeque::new(),
        })
    }

    fn begin(&mut self, tcp: TcpStream, address: SocketAddr) {
        if self.by_age.len() >= MAX_HANDSHAKES {
            self.by_age.retain(|handshake| !handshake.is_finished());
        }
        if self.by_age.len() >= MAX_HANDSHAKES
            && let Some(oldest) = self.by_age.pop_front()
        {
            tracing::debug!("{MAX_HANDSHAKES} TLS handshakes are under way; the oldest is closed");
            oldest.abort();
        }
        let acceptor = self.acceptor.clone();
        let handshake = async move {
            let done = timeout(HANDSHAKE_TIMEOUT, shake_hands(acceptor, tcp)).await;
            let done = done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            done.inspect_err(|error| tracing::debug!(%address, %error, "no TLS connection"))
                .ok()
                .map(|connection| (connection, address))
        };
        self.by_age.push_back(self.handshakes.spawn(handshake));
    }

    fn renew(&self) {
        match self.resolver.renew_if_due(SystemTime::now()) {
            Ok(true) => tracing::info!("another certificate is shown: its files were written"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the certificate before it stays"),
        }
    }
}

async fn shake_hands(acceptor: TlsAcceptor, tcp: TcpStream) -> io::Result<HttpStream> {
    let mut first = [0];
    let read = tcp.peek(&mut first).await?;
    if read == 1 && first[0] != TLS_HANDSHAKE {
        say_https(tcp).await?;
        return Err(io::Error::other("it spoke without TLS"));
    }
    let tcp = SeenStream::new(tcp);
    let side = SendSide::of(&tcp);
    let io = Box::new(acceptor.accept(tcp).await?);
    Ok(HttpStream { io, side })
}

/// Answers a request that came without TLS. What is not one is closed.
async fn say_https(mut tcp: TcpStream) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|it| it == b"\r\n\r\n") {
        if request.len() >= PLAIN_REQUEST_BYTES || tcp.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let length = PLAIN_ANSWER.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{PLAIN_ANSWER}"
    );
    tcp.write_all(answer.as_bytes()).await?;
    tcp.shutdown().await?;
    // Closed with its body unread, the connection would be reset, and the answer lost.
    let _ = tcp
        .take(PLAIN_REQUEST_BYTES as u64)
        .read_to_end(&mut request)
        .await;
    Ok(())
}
