//! A simulated network: quinn's own connections and a model of TCP CUBIC over links that queue, drop, reorder and change.
//!
//! Time is simulated and every draw comes from a seed, so a run is the same each time and on each machine (but for quinn's BBR,
//! which draws from the system). Loss detection, acks and pacing are quinn's, not a model of them; only the encryption is left out.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod link;
mod loss;
mod plain_crypto;
mod quic;
mod rng;
mod scene;
mod tcp;
mod tcp_cubic;
mod world;

#[allow(unused_imports)]
pub use link::Change;
pub use loss::Loss;
pub use quic::Source;
pub use scene::{Flow, Scene};
#[allow(unused_imports)]
pub use world::Outcome;
