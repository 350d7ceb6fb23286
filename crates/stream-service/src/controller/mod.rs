//! HTTP: each route is a thin reading of the request, one call into the model, and the answer.

mod auth;
mod events;
mod health;
mod ipfs;
mod mjpeg;
mod origin;
mod page;
mod picture_feed;
mod problem;
mod prometheus;
mod routes;
mod streams;
mod viewer_lanes;
mod whep;

pub(crate) use auth::{Token, require_token};
pub(crate) use origin::refuse_foreign;
pub(crate) use problem::{Problem, content_type, read_body};
pub(crate) use routes::{App, router};
