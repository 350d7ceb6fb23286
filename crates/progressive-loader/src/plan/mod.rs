//! How blocks are fetched from places that are slow, flaky or wrong: every decision, and nothing else.
//!
//! | file | decides |
//! |---|---|
//! | `jitter` | chance that replays |
//! | `retry` | whether and when to ask again |
//! | `breaker` | whether an origin is asked at all |
//! | `bandwidth` | how fast it is |
//! | `standing` | what is known of an origin, and what asking it will take |
//! | `ranking` | who is asked first |
//! | `hedge` | when a second one is asked, and what that may cost |
//! | `stripe` | who of several gets which leaves |
//! | `chunk` | how much to ask for at once |
//! | `forecast` | when the reader runs dry |
//! | `run` | how far ahead a request goes for one who reads on and on |
//! | `ramp` | how far ahead of a reader that has just jumped |
//!
//! Each takes the time and a seed as arguments and does no I/O, so that a run replays. Fed by
//! [`driver`](crate::driver)'s pool and reader, which do what is decided here.

mod bandwidth;
mod breaker;
mod chunk;
mod forecast;
mod hedge;
mod jitter;
mod ramp;
mod ranking;
mod retry;
mod run;
mod standing;
mod stripe;

pub use bandwidth::Bandwidth;
pub use breaker::{Admission, Breaker, BreakerPolicy, BreakerState};
pub use chunk::{LARGEST_CHUNK_BYTES, SMALLEST_CHUNK_BYTES, chunk_bytes};
pub(crate) use chunk::{leaf_chunks, whole_leaves};
pub use forecast::Forecast;
pub use hedge::{HedgeBudget, hedge_delay, stopped_after};
pub use jitter::Jitter;
pub use ramp::Ramp;
pub use ranking::{Candidate, Ranking};
pub use retry::{Backoff, RetryBudget, RetryPolicy};
pub(crate) use run::Run;
pub use standing::Standing;
pub use stripe::{origins_needed, split, weights};
