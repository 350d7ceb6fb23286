//! Lanes do not wait for each other's connections: one whose datagrams lead nowhere keeps nobody from asking for another.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use datachannel_transport::ResumePoint;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use webrtc_session::EndpointConfig;

use super::*;
use crate::process::sender::link::Start;

/// Only a hang reaches it.
const LIMIT: Duration = Duration::from_secs(60);

/// A worker that serves WebTransport at a port where nobody answers, and takes no other lane. Tells what it was asked for.
async fn worker(quic_port: u16) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 64 << 10];
            let len = stream.read(&mut request).await.unwrap_or(0);
            let line = String::from_utf8_lossy(&request[..len]);
            let line = line.lines().next().unwrap_or_default().to_owned();
            let (status, body) = match line.contains("/lanes/webtransport") {
                true => (
                    "201 Created",
                    format!(
                        r#"{{"port":{quic_port},"path":"/lane/AAAAAAAAAAAAAAAAAAAAAA","certificate_hashes":["{}"]}}"#,
                        "ab".repeat(32)
                    ),
                ),
                false => ("503 Service Unavailable", String::new()),
            };
            let length = body.len();
            let response = format!(
                "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            // Who asked may be gone.
            let _ = stream.write_all(response.as_bytes()).await;
            let _ = tell.send(line).await;
        }
    });
    (address, told)
}

fn dialer(to: SocketAddr) -> Dialer {
    let options = SendOptions::new(format!("http://{to}"), "opaque:");
    let start = Start {
        point: ResumePoint::default(),
        answered: 0,
    };
    let link = SendLink::new(Instant::now(), 1, &options, start, sync_channel(1).0).unwrap();
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let mut quic = quic_session::EndpointConfig::new(any);
    quic.identity = quic_session::Identity::ClientOnly;
    let quic = quic_session::Endpoint::bind(quic).unwrap();
    let data = Endpoint::bind(EndpointConfig::new(any)).unwrap();
    let session = SessionConfig::own_host();
    Dialer::new(
        &options,
        data,
        Some(quic),
        Arc::new(Port::new(Arc::new(link))),
        1,
        session,
    )
    .unwrap()
}

#[tokio::test]
async fn another_lane_is_asked_for_while_quic_is_connecting() {
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (address, mut asked) = worker(nobody.local_addr().unwrap().port()).await;
    let dialer = Arc::new(dialer(address));
    let connecting = {
        let dialer = Arc::clone(&dialer);
        tokio::spawn(async move { dialer.dial(QUIC_LANE).await })
    };
    let mut packet = [0; 2048];
    let first_packet = nobody.recv_from(&mut packet);
    tokio::time::timeout(LIMIT, first_packet)
        .await
        .unwrap()
        .unwrap();
    assert!(asked.recv().await.unwrap().contains("/lanes/webtransport"));
    let refused = dialer.dial(0).await;
    assert!(matches!(refused, Err(DialError::Later(_))), "{refused:?}");
    assert!(
        !connecting.is_finished(),
        "it was asked for only after QUIC's time was over"
    );
    assert!(asked.recv().await.unwrap().contains("/whip/frames"));
    // And QUIC fails by itself, with a reason.
    let failed = connecting.await.unwrap();
    assert!(
        matches!(&failed, Err(DialError::Later(why)) if why.contains("QUIC")),
        "{failed:?}"
    );
}
