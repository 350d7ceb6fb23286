//! What touches the world: the UDP socket, quinn, WebTransport, certificates, and one task per session.

mod accept;
mod channel;
mod common_moment;
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

pub(crate) use common_moment::common_moment;
pub use control::SessionWaker;
pub use endpoint::{Endpoint, Invitation};
pub use files::read_authorities;
pub use identity::CertificateResolver;
