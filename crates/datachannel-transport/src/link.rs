//! What both machines are made of: lanes, pings, clocks, timing, hashes.

mod clock;
mod error;
mod hash;
mod lane;
mod mean_time;
mod outbox;
mod pings;
mod rtt;
mod timing;

pub use clock::{ClockOffset, LinkClock};
pub use error::{ConfigError, ProtocolError};
pub(crate) use hash::PayloadHasher;
pub use hash::{HashChain, payload_hash};
pub(crate) use lane::Lanes;
pub use lane::{LaneError, LaneId, LaneLimits};
pub(crate) use mean_time::MeanTime;
pub(crate) use outbox::Outbox;
pub(crate) use pings::Pings;
pub use rtt::{RttEstimator, RttSummary};
pub use timing::{TimingSummary, TimingWindow};
