//! A client's quality, frame by frame, so that its bitrate is what its link carries.
//!
//! Fed with the size of every frame that was sent and a target from [`crate::target`]; feeds the cache with the quality
//! to ask for. Pure: `now` is an argument. A [`QualityPolicy`] says which quality would be right, [`mixer`] which of the
//! shared rungs the next frame gets, so that clients at different bitrates still share their encodes, and [`thinning`]
//! which frames are left out where even the worst rung costs too much.

mod client;
mod meter;
mod mixer;
mod model;
mod model_based;
mod policy;
mod stepwise;
mod thinning;

pub use client::{ClientConfig, ClientQuality, ClientStats};
pub use meter::{WINDOW_FRAMES, WINDOW_SECONDS};
pub use model::SizeModel;
pub use model_based::ModelBased;
pub use policy::{Goal, QualityPolicy, SentFrame};
pub use stepwise::Stepwise;
