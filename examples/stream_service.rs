//! Serves a moving test pattern to browsers: prints the page's address, and stops at Ctrl-C.
//!
//! `cargo run --example stream_service` and open what it prints. An argument names another video: a path, `ipfs://CID`
//! or a URL.
#![allow(clippy::print_stdout)]

use std::net::SocketAddr;

use stream_service::{Service, ServiceConfig, StreamParams};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let uri = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "test:?size=1280x720&fps=30".to_owned());
    let config = ServiceConfig {
        http: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..ServiceConfig::default()
    };
    let service = Service::bind(config).await?;

    let mut video = StreamParams::new("Example", uri);
    video.looping = true;
    let id = service.add_stream(video).await?;

    println!("watch at   http://{}/?stream={id}", service.http_address());
    println!(
        "metrics at http://{}/api/v1/streams/{id}/metrics",
        service.http_address()
    );
    println!("Ctrl-C stops it");
    service
        .run(async { tokio::signal::ctrl_c().await.unwrap_or_default() })
        .await?;
    Ok(())
}
