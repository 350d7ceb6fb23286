//! The worker's end: takes frames in, runs them through a pipeline, gives back one result of each.
//!
//! `service` serves HTTP and UDP; `links` keeps the links by name; a `link` is one sender's frames and results, over
//! whichever lanes it has; `json` is what clients that send frames as text speak; `payloads` turns what travelled into pictures.

mod json;
mod link;
mod links;
mod payloads;
mod routes;
mod service;

pub use service::{Worker, WorkerConfig, WorkerError};
