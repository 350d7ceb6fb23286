//! What the service knows: streams, their viewers, what was asked of them and what they did.

pub(crate) mod meters;
pub(crate) mod params;
pub(crate) mod quality;
pub(crate) mod registry;
pub(crate) mod snapshot;
pub(crate) mod stream;
pub(crate) mod viewer;
