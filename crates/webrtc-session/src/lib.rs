#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// In data-path order: a description makes a session, datagrams are routed to it, its channels take messages.
mod ack_clock;
mod allowance;
mod channels;
mod config;
mod deadlines;
mod demux;
pub mod driver;
mod error;
mod handler;
mod id;
mod joined;
mod negotiation;
mod offer;
mod paced_dtls;
mod room;
mod segments;
mod session;
mod stats;
mod stun;
mod trickle;

pub use config::{EndpointConfig, SessionConfig};
pub use deadlines::Deadlines;
pub use driver::{Accepted, Endpoint, PendingSession, SessionWaker};
pub use error::{AcceptError, BindError, ConfigError, ConnectError, SdpError, SessionError};
pub use handler::{
    ChannelInfo, ChannelUse, CloseReason, MessageKind, SessionHandler, SessionState,
};
pub use id::{ChannelId, SessionId};
pub use negotiation::ChannelSpec;
pub use stats::{EndpointStats, SessionStats};
