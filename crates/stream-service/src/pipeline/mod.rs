//! One stream's way from source to viewers, on two threads of its own.
//!
//! [`producer`] decodes into the ring; [`releaser`] takes each frame out when it is due; [`fanout`] encodes it
//! once per quality in use and offers it to every viewer's link, from which the sockets pull.

pub(crate) mod fanout;
pub(crate) mod framerate;
pub(crate) mod open;
pub(crate) mod producer;
pub(crate) mod releaser;
