#![doc = include_str!("../README.md")]
//!
//! # Map of the crate, along the data path
//!
//! | module | is |
//! |---|---|
//! | `location` | what a person writes: a path, a CID, a URL |
//! | `source` | [`ByteSource`]: ranges of one content, from anywhere |
//! | `origin`, `fetch` | [`Origin`], where blocks come from; [`Fetcher`], which checks them |
//! | `block`, `unixfs`, `multihash`, `sha256` | blocks: the pieces that one came in, reading nodes, checking hashes, building trees |
//! | `car` | blocks out of an archive, as it comes in |
//! | `http_range`, `retry_after` | what a server's answer to a range means; how long it wants to be left alone |
//! | [`plan`] | retries, breakers, ranking, hedging, striping, chunk sizes, forecast: pure, replayable |
//! | `ranges`, `window` | which range to fetch next, what to keep: pure, no clock, no I/O |
//! | [`faststart`] | a film whose index stands at its end, with the index in front |
//! | `progress` | true figures of what was fetched |
//! | [`driver`] | files, sockets, threads, the embedded [`Store`](driver::Store), the readers |
#![forbid(unsafe_code)]

mod block;
mod car;
pub mod driver;
mod error;
pub mod faststart;
mod fetch;
mod http_range;
mod location;
mod multihash;
mod origin;
pub mod plan;
mod profile;
mod progress;
mod ranges;
mod retry_after;
mod sha256;
mod source;
mod unixfs;
mod window;

pub use block::Block;
pub use cid::Cid;
pub use error::{BlockError, Cause, OpenError, Phase, ReadError};
pub use fetch::{Demand, Fetcher};
pub use location::{Location, LocationError};
pub use origin::{Leaf, LeafSpan, Origin, OriginError};
pub use profile::{Profile, ProfileError};
pub use progress::{LoadSnapshot, RateMeter};
pub use ranges::RangeSet;
pub use source::ByteSource;
pub use url::Url;
pub use window::{Fetch, FetchId, Window, WindowConfig};
