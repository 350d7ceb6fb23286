//! What can go wrong, one enum per operation, each naming the input that failed and the way out.

use core::net::{IpAddr, SocketAddr};
use std::io;

use crate::SessionId;

/// An [`EndpointConfig`](crate::EndpointConfig) or [`SessionConfig`](crate::SessionConfig) has a value out of its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}, it must be {range}")]
pub struct ConfigError {
    /// The field's name.
    pub field: &'static str,
    /// What it was set to.
    pub value: usize,
    /// What it may be set to.
    pub range: &'static str,
}

/// Why an endpoint could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// A setting is out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The endpoint's task needs a tokio runtime to live on.
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
    /// An advertised address cannot stand in an ICE candidate.
    #[error(
        "{address} cannot be advertised to peers: name an address they can reach, not a wildcard, broadcast or multicast one"
    )]
    Unadvertisable {
        /// The address.
        address: IpAddr,
    },
    /// The crypto provider made no certificate.
    #[error("cannot make a DTLS certificate: the system's random source or crypto library failed")]
    Certificate,
}

/// What is wrong with a session description or fragment that a peer sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// Larger than any honest description.
    #[error("the session description has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The most that is read.
        limit: usize,
    },
    /// Not a session description at all.
    #[error(
        "not a session description: it must start with \"v=0\" (RFC 8866), this starts with {starts_with:?}"
    )]
    NotSdp {
        /// Its first characters.
        starts_with: String,
    },
    /// Not a trickle-ICE fragment.
    #[error(
        "not a trickle-ICE fragment: its lines must look like \"a=candidate:…\" (RFC 8840), one starts with {starts_with:?}"
    )]
    NotFragment {
        /// The line's first characters.
        starts_with: String,
    },
    /// No `m=application … webrtc-datachannel` section.
    #[error(
        "no data channel in the session description (m= sections: {sections}): create a data channel before the offer"
    )]
    NoDataChannel {
        /// The kinds of the sections that are there.
        sections: String,
    },
    /// More `m=` sections than any honest description has.
    #[error("{sections} m= sections, the limit is {limit}")]
    TooManySections {
        /// How many there are.
        sections: usize,
        /// How many are read.
        limit: usize,
    },
    /// `a=ice-ufrag` or `a=ice-pwd` is missing (RFC 8839 §5.4).
    #[error(
        "the session description has no a={attribute} line, so its ICE checks cannot be told from others'"
    )]
    MissingIceCredentials {
        /// Which attribute.
        attribute: &'static str,
    },
    /// `a=fingerprint` is missing (RFC 8122 §5).
    #[error(
        "the session description has no a=fingerprint line, so its DTLS certificate cannot be checked"
    )]
    MissingFingerprint,
    /// Both sides are ICE-lite: nobody would send checks.
    #[error(
        "the offer is ICE-lite and so is this endpoint: one side must send the connectivity checks"
    )]
    IceLite,
    /// A trickled fragment has other credentials than the session: that asks for an ICE restart.
    #[error("the fragment's ice-ufrag is not this session's: an ICE restart needs a new offer")]
    OtherCredentials,
    /// The WebRTC stack refused it.
    #[error("the session description cannot be used: {detail}")]
    Refused {
        /// What the stack said.
        detail: String,
    },
}

/// Why an offer was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The offer is at fault.
    #[error(transparent)]
    Sdp(#[from] SdpError),
    /// The session's own settings are at fault.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The endpoint has as many sessions as it may have.
    #[error("all {max_sessions} sessions are taken: close one, try later, or raise max_sessions")]
    Busy {
        /// The limit.
        max_sessions: usize,
    },
    /// The endpoint was shut down.
    #[error("the endpoint is shut down")]
    EndpointClosed,
}

/// Why no connection could be begun.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The connection's own UDP socket could not be opened.
    #[error("cannot open a UDP socket for the connection: {0}")]
    Socket(#[from] BindError),
    /// The channels asked for cannot be had.
    #[error("{channels} channels asked for: ask for 1 to {max_channels}")]
    Channels {
        /// How many were asked for.
        channels: usize,
        /// The limit of the session's configuration.
        max_channels: usize,
    },
    /// The endpoint has as many sessions as it may have.
    #[error("all {max_sessions} sessions are taken: close one, or raise max_sessions")]
    Busy {
        /// The limit.
        max_sessions: usize,
    },
    /// The WebRTC stack made no offer.
    #[error("the WebRTC stack made no offer of the channels asked for")]
    NoOffer,
    /// The endpoint was shut down.
    #[error("the endpoint is shut down")]
    EndpointClosed,
}

/// Why an operation on a session could not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// No such session: it has closed, or it is another endpoint's.
    #[error("no session {session}: it has closed, or belongs to another endpoint")]
    Unknown {
        /// The session asked for.
        session: SessionId,
    },
    /// The description or fragment is at fault.
    #[error(transparent)]
    Sdp(#[from] SdpError),
    /// The session waits for no answer.
    #[error("session {session} waits for no answer: it made no offer, or has been answered")]
    NotOffering {
        /// The session.
        session: SessionId,
    },
    /// The endpoint was shut down.
    #[error("the endpoint is shut down")]
    EndpointClosed,
}
