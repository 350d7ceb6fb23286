//! What can go wrong, one enum per operation, each naming the input that failed and the way out.

use core::net::SocketAddr;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

use crate::{PreambleError, SessionId, Validity};

/// An [`EndpointConfig`](crate::EndpointConfig) or [`SessionConfig`](crate::SessionConfig) has a value out of its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}, it must be {low} to {high}")]
pub struct ConfigError {
    /// The field's name.
    pub field: &'static str,
    /// What it was set to.
    pub value: usize,
    /// The least it may be.
    pub low: usize,
    /// The most it may be.
    pub high: usize,
}

/// Why an endpoint has no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// None could be made.
    #[error(
        "cannot make a certificate for {names:?}: {reason}; names must be DNS names or addresses"
    )]
    Generate {
        /// The names that were to stand in it.
        names: Vec<String>,
        /// What the library said.
        reason: String,
    },
    /// A file could not be read, or holds no PEM.
    #[error("cannot read {what} from {path}: {reason}; it must be PEM", path = path.display())]
    Read {
        /// Certificates or the key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// A certificate whose time is over, or has not come.
    #[error(
        "the certificate in {path} is good {} and it is {} now; renew it, or set the clock",
        shown(validity), date(*now), path = path.display()
    )]
    OutOfDate {
        /// The file.
        path: PathBuf,
        /// Its time.
        validity: Validity,
        /// When it was looked at.
        now: SystemTime,
    },
    /// A file of certificates with none in it.
    #[error("{path} holds no certificate: it must hold the chain in PEM, the server's own first", path = path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key is not the certificate's, or of a kind that TLS 1.3 does not know.
    #[error(
        "the key in {key} cannot be used with the certificate in {certificates}: {reason}",
        key = key.display(), certificates = certificates.display()
    )]
    Mismatch {
        /// The file of certificates.
        certificates: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What was wrong.
        reason: String,
    },
}

/// Why an endpoint could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// A setting is out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The endpoint's tasks need a tokio runtime to live on.
    #[error("no tokio runtime here: call Endpoint::bind from within one")]
    NoRuntime,
    /// The UDP socket could not be opened.
    #[error(
        "cannot bind UDP {address}: {source}; choose another address, or port 0 for any free port"
    )]
    Socket {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// There is no certificate to show.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The TLS library refused the settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// Why nobody was invited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InviteError {
    /// A setting is out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No room.
    #[error("{max_sessions} sessions are open or awaited; try again later")]
    Busy {
        /// The limit.
        max_sessions: usize,
    },
    /// The endpoint cannot be connected to.
    #[error("the endpoint has no certificate (Identity::ClientOnly), so nobody can connect to it")]
    ClientOnly,
    /// The system gave no random numbers.
    #[error("the system's random source failed")]
    Random,
    /// The endpoint was shut down.
    #[error("the endpoint is shut down")]
    EndpointClosed,
}

/// Why no session was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A setting is out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Not an address of a lane.
    #[error("{url:?} is not a lane's address: {reason}; it must be https://HOST:PORT/lane/TOKEN")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The host has no address, or none that this socket reaches.
    #[error("cannot reach {host}: {reason}")]
    Resolve {
        /// Host and port.
        host: String,
        /// What is wrong.
        reason: String,
    },
    /// More channels than a session has, or a name that is too long.
    #[error("channel {label:?} cannot be opened: {reason}")]
    Channel {
        /// The channel.
        label: String,
        /// What is wrong.
        reason: String,
    },
    /// The QUIC or TLS handshake failed: for one because the certificate is not the one awaited.
    #[error("no connection to {host}: {reason}")]
    Handshake {
        /// Host and port.
        host: String,
        /// What went wrong.
        reason: String,
    },
    /// The server answered the request otherwise: 404 means that it does not know the token.
    #[error("{host} refused the session with status {status}")]
    Refused {
        /// Host and port.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// It took too long.
    #[error("no session with {host} within {timeout:?}")]
    Timeout {
        /// Host and port.
        host: String,
        /// The limit.
        timeout: Duration,
    },
    /// As many sessions as there may be.
    #[error("{max_sessions} sessions are open or awaited; try again later")]
    Busy {
        /// The limit.
        max_sessions: usize,
    },
    /// The endpoint was shut down.
    #[error("the endpoint is shut down")]
    EndpointClosed,
}

impl ConnectError {
    pub(crate) fn channel(label: &str, error: &PreambleError) -> Self {
        Self::Channel {
            label: label.to_owned(),
            reason: error.to_string(),
        }
    }
}

/// Why nothing could be asked of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// There is no such session, or no longer.
    #[error("session {0} is not there: it has closed, or never was")]
    Unknown(SessionId),
}

fn shown(validity: &Validity) -> String {
    let (from, until) = (date(validity.not_before), date(validity.not_after));
    format!("from {from} until {until}")
}

/// To the second, UTC.
fn date(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let (hour, minute, second) = time.to_hms();
    format!("{} {hour:02}:{minute:02}:{second:02} UTC", time.date())
}
