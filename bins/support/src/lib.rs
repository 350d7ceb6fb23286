//! What the binaries have in common: logs on stderr, exit codes, tokens, addresses, the signal to stop.
#![forbid(unsafe_code)]

mod address;
mod failure;
pub mod logging;
mod signal;
mod token;

pub use address::{address, default_store};
pub use failure::Failure;
pub use signal::stop_signal;
pub use token::read_token;
