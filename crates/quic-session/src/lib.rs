#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// In data-path order: a token makes a session, its streams bring messages, its channels take them.
mod certificate;
mod config;
pub mod congestion;
pub mod driver;
mod error;
mod framing;
mod handler;
mod id;
mod incoming_frame;
mod invitations;
pub mod limits;
mod outgoing_frames;
mod preamble;
mod stats;
mod token;

pub use certificate::{CertificateHash, ParseHashError, Validity};
pub use config::{
    AddressValidation, ConnectConfig, EndpointConfig, Identity, SessionConfig, Trust,
};
pub use congestion::{CongestionControl, FairConfig, UnknownControl};
pub use driver::{CertificateResolver, Endpoint, Invitation, SessionWaker, read_authorities};
pub use error::{BindError, ConfigError, ConnectError, IdentityError, InviteError, SessionError};
pub use framing::{Deframer, FramingError};
pub use handler::{
    ChannelInfo, ChannelSpec, ChannelUse, CloseReason, SessionHandler, SessionState,
};
pub use id::{ChannelId, SessionId};
pub use preamble::{Preamble, PreambleError};
pub use stats::{EndpointStats, SessionStats};
pub use token::{Token, TokenError};
