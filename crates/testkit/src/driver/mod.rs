//! Instruments that touch the machine: real time, sockets and processes.

mod bad_link;
mod child_server;
mod fault_proxy;
mod wait;
#[cfg(all(feature = "wire", target_os = "linux"))]
mod wire;

pub use bad_link::{BadLink, BadLinkConfig, BadLinkError, BadLinkStats, LinkControl, Ways};
pub use child_server::{ChildServer, StartError};
pub use fault_proxy::{Fault, FaultProxy, LinkShape, ProxyCounts, SeenRequest};
pub use wait::wait_until;
#[cfg(all(feature = "wire", target_os = "linux"))]
pub use wire::{Carried, Machine, Wire, WireConfig, WireError};
