//! The worker's end: takes frames in, runs them through a pipeline, gives back one result of each.
//!
//! `service` serves HTTP and UDP; `links` keeps the links by name; a `link` is one sender's frames and results, over
//! whichever lanes it has; `json` is what clients that send frames as text speak; `order` and `units` are access units on
//! their way to the decoder; `payloads` turns what travelled into pictures.

mod json;
mod link;
mod links;
mod metrics;
mod order;
mod payloads;
mod quic;
mod routes;
mod service;
mod socket;
mod units;

pub use service::{Worker, WorkerConfig, WorkerError};
