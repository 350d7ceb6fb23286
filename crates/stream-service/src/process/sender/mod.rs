//! The sender's end: reads a video, sends each of its frames, writes down each result.
//!
//! In data-path order: `payloads` makes what travels out of the source (`units`: its own access units), `link` holds what
//! is under way (`groups`: what a decoder needs to begin again), `lanes` keeps its sessions alive, `ledger` writes down
//! what became of each frame, `run` puts them together.

mod bgr;
mod dial;
mod groups;
mod lanes;
mod ledger;
mod link;
mod opaque;
mod options;
mod payloads;
mod run;
pub(crate) mod socket;
mod units;

pub use ledger::LedgerError;
pub use options::{
    LaneWish, OnProgress, PayloadEncoding, ProcessOutput, Progress, SendOptions, SendTiming,
    Summary,
};
pub use payloads::PayloadError;
pub use run::{SendError, send};
