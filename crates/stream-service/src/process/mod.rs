//! The process path: every frame of a video to a worker, one result of each back.
//!
//! [`sender`] reads a video and sends it; [`worker`] takes it, runs it through a pipeline and answers. Both ends of a
//! link meet in [`lane`] (a session's channels, whatever carries them; [`port`] hands them from link to link), speak [`protocol`] and exchange [`document`]s.

mod data_lane;
mod document;
mod lane;
mod port;
pub(crate) mod protocol;
mod quic_lane;
pub(crate) mod sender;
mod socket_lane;
pub(crate) mod worker;
