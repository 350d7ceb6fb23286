//! Prints the first bytes of a file that a Kubo daemon has: `cargo run --locked --example read -- http://127.0.0.1:5001 CID`.

use ipfs_api_backend_hyper::{IpfsClient, TryFromUri};
use ipfs_api_source::IpfsApiSource;
use progressive_loader::ByteSource;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut args = std::env::args().skip(1);
    let (Some(api), Some(path)) = (args.next(), args.next()) else {
        return Err("usage: read API CID[/name]".into());
    };
    let source = IpfsApiSource::open(IpfsClient::from_str(&api)?, path).await?;
    let first = source.read_range(0..source.size_bytes().min(64)).await?;
    println!(
        "{} has {} bytes, the first are {:02x?}",
        source.name(),
        source.size_bytes(),
        &first[..]
    );
    Ok(())
}
