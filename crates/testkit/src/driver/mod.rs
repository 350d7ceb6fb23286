//! Instruments that touch the machine: real time and processes.

mod child_server;
mod wait;

pub use child_server::{ChildServer, StartError};
pub use wait::wait_until;
