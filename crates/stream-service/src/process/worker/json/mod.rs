//! The JSON/base64 protocol of older clients (docs/json-protocol.md): frames as text messages on `upstream_frames`.
//!
//! Fed by a link with each text message as it came; feeds its pipeline with whole frames, and the same channel with
//! replies. It does no I/O and asks no clock. `message` reads, `open_frame` puts one frame's chunks together, `intake`
//! decides what becomes of frames, `reply` says so; `limits` bounds it all.

mod fault;
mod intake;
mod limits;
mod memory;
mod message;
mod meta;
mod open_frame;
mod reply;

pub(super) use intake::{JsonCounters, JsonIntake};
