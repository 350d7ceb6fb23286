//! The sender's end: reads a video, sends each of its frames, writes down each result.
//!
//! In data-path order: `payloads` makes what travels out of the source, `link` holds what is under way, `lanes` keeps its
//! sessions alive, `ledger` writes down what became of each frame, `run` puts them together.

mod dial;
mod lanes;
mod ledger;
mod link;
mod opaque;
mod options;
mod payloads;
mod run;

pub use ledger::LedgerError;
pub use options::{OnProgress, PayloadEncoding, Progress, SendOptions, Summary};
pub use payloads::PayloadError;
pub use run::{SendError, send};
