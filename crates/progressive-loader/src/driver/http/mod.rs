//! A resource of an HTTP or HTTPS server as a [`ByteSource`](crate::ByteSource).
//!
//! | file | is |
//! |---|---|
//! | `client` | the client, its timeouts, which redirects it follows, one request |
//! | `resolver` | names to addresses, none of them private where that is refused |
//! | `trust` | which certificates an https connection trusts |
//! | `again` | whether a request is made again, and when |
//! | `pull` | the bytes of one range: pieces, resumption, what to skip |
//! | `source` | opening, and the body that waits between two ranges |

mod again;
pub(super) mod client;
mod pull;
mod resolver;
mod source;
mod trust;

pub use source::HttpSource;
