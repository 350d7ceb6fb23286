//! What the command lines read alike.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

/// An address as clap reads it: `HOST:PORT`, IPv4 first where a name has both.
///
/// # Errors
/// What is wrong with the text, for clap to show.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let resolved = text
        .to_socket_addrs()
        .map_err(|error| format!("{error}; write HOST:PORT, for example 127.0.0.1:8080"))?;
    let addresses: Vec<_> = resolved.collect();
    let chosen = addresses.iter().find(|a| a.is_ipv4()).or(addresses.first());
    chosen
        .copied()
        .ok_or_else(|| "no address has that name".to_owned())
}

/// Where the store is unless one is named: `$XDG_DATA_HOME/frameway`, else `~/.local/share/frameway`.
pub fn default_store() -> PathBuf {
    let data = std::env::var_os("XDG_DATA_HOME")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    data.or_else(home)
        .unwrap_or_else(|| PathBuf::from("."))
        .join("frameway")
}
