//! The sender's end: reads a video, sends each of its frames, writes down each result.
//!
//! In data-path order: `payloads` makes what travels out of the source (`units`: its own access units, or those of `encoded`), `link` holds what
//! is under way (`groups`: what a decoder needs to begin again), `lanes` keeps its sessions alive, `ledger` writes down
//! what became of each frame (`reading`, `writing`: the threads at either end), `run` sees a video through, `connections`
//! one video after another.

mod bgr;
mod connections;
mod dial;
mod encoded;
mod groups;
mod lanes;
mod ledger;
mod link;
mod opaque;
mod options;
mod payloads;
mod pictures;
mod reading;
mod run;
pub(crate) mod socket;
mod units;
mod writing;

pub use connections::{Connections, send};
pub use ledger::LedgerError;
pub use options::{
    LaneWish, OnProgress, PayloadEncoding, ProcessOutput, Progress, SendOptions, SendTiming,
    Summary,
};
pub use payloads::PayloadError;
pub use run::SendError;
