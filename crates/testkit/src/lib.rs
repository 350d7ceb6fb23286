#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod driver;
mod frame_number;
mod pixels;
mod rng;
mod shake;
mod sim_clock;
mod sim_link;

pub use frame_number::{
    MIN_WIDTH, ReadError, StripLayout, read_frame_number, read_frame_number_encoded,
    read_frame_number_luma, read_frame_number_rgba, write_frame_number,
};
pub use pixels::{DecodedLuma, Luma, LumaPlane, Rgba};
pub use rng::Rng;
pub use shake::shake;
pub use sim_clock::SimClock;
pub use sim_link::{LinkConfig, LinkStats, SimLink};
