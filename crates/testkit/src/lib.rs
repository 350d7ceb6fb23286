#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod candidates;
#[cfg(feature = "certificates")]
mod certificates;
mod datagram_path;
pub mod driver;
mod flow;
#[cfg(feature = "pictures")]
mod frame_number;
mod http_head;
#[cfg(feature = "pictures")]
mod pixels;
mod rng;
#[cfg(feature = "content")]
mod shake;
mod sim_clock;
mod sim_link;

pub use candidates::{Rewritten, rewrite_candidates};
#[cfg(feature = "certificates")]
pub use certificates::{Authority, CertificateError, Issued};
pub use datagram_path::{DatagramPath, PathStats};
pub use flow::{Flow, Transport};
#[cfg(feature = "pictures")]
pub use frame_number::{
    MIN_WIDTH, ReadError, StripLayout, read_frame_number, read_frame_number_encoded,
    read_frame_number_luma, read_frame_number_rgba, write_frame_number,
};
#[cfg(feature = "pictures")]
pub use pixels::{DecodedLuma, Luma, LumaPlane, Rgba};
pub use rng::Rng;
#[cfg(feature = "content")]
pub use shake::shake;
pub use sim_clock::SimClock;
pub use sim_link::{LinkConfig, LinkStats, SimLink};
