//! Congestion control: what may be in flight.
//!
//! quinn reports each ack and each loss; [`Fair`] answers with a window, from which quinn paces (1.25 windows per smoothed RTT).
//! A pure core: it reads no clock, and every input has its time.
//!
//! In order of the data: acks and losses become a path's figures, these tell where a queue stands, that decides what a loss means.

mod base_rtt;
mod choice;
mod curve;
mod delivery;
mod drain;
mod fair;
mod looks;
mod loss;
mod queue;
mod share;
mod window;

pub use choice::{CongestionControl, UnknownControl};
pub use fair::{Fair, FairConfig};
pub(crate) use looks::ROUND;
pub use window::{FairWindow, Loss};
