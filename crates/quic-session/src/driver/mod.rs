//! What touches the world: the UDP socket, quinn, WebTransport, certificates, and one task per session.

mod accept;
mod channel;
mod connect;
mod control;
mod endpoint;
mod files;
mod identity;
mod inbound;
mod outbound;
mod path_length;
mod reader;
mod session;
mod sessions;
mod socket;
mod totals;
mod transport;
mod verifier;

pub use control::SessionWaker;
pub use endpoint::{Endpoint, Invitation};
pub use files::read_authorities;
pub use identity::CertificateResolver;
