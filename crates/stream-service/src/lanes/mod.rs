//! Lanes: whatever carries a link's messages, and which of them does.
//!
//! An [`end`] of a link is called alike by a WebRTC session ([`data`]), a WebTransport session ([`quic`]) and a WebSocket
//! ([`socket`], [`upgrade`]); [`seat`] is what each is closed by, [`sizes`] what each carries, and [`choice`] says which kind
//! carries; [`figures`] is what `/metrics` says of QUIC; [`port`] hands lanes from link to link. The ends of links are in [`crate::model`] (viewers) and [`crate::process`] (frames to workers).

pub(crate) mod choice;
pub(crate) mod data;
pub(crate) mod end;
pub(crate) mod figures;
pub(crate) mod port;
pub(crate) mod quic;
pub(crate) mod seat;
pub(crate) mod sizes;
pub(crate) mod socket;
pub(crate) mod upgrade;
