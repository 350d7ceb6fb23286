#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod congestion;

pub use congestion::{CongestionControl, FairConfig, UnknownControl};
