//! The process path: every frame of a video to a worker, one result of each back.
//!
//! [`sender`] reads a video and sends it; [`worker`] takes it, runs it through a pipeline and answers. Both ends of a
//! link meet in [`crate::lanes`] (a session's channels, whatever carries them), speak [`protocol`] and exchange [`document`]s.

mod document;
pub(crate) mod protocol;
pub(crate) mod sender;
pub(crate) mod worker;
