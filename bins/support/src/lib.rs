//! What the binaries have in common: logs on stderr, exit codes, config files, tokens, addresses, where CIDs are looked up, the signal to stop.
#![forbid(unsafe_code)]

mod address;
mod config;
mod failure;
mod ipfs;
pub mod logging;
mod signal;
mod token;

pub use address::{address, default_store};
pub use config::parse_with_config;
pub use failure::Failure;
pub use ipfs::{IpfsArgs, IpfsFile};
pub use signal::stop_signal;
pub use token::read_token;
