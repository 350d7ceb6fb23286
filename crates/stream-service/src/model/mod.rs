//! What the service knows: streams, their viewers, what was asked of them and what they did.

pub(crate) mod ack_meter;
pub(crate) mod meters;
pub(crate) mod params;
pub(crate) mod picture_client;
pub(crate) mod quality;
pub(crate) mod rate;
pub(crate) mod registry;
pub(crate) mod snapshot;
pub(crate) mod stream;
pub(crate) mod viewer;
