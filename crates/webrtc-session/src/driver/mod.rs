//! Where the clock, the sockets and the runtime are: one tokio task per endpoint that drives all its sessions.
//!
//! A task rather than a thread of its own: it sleeps in the runtime's reactor at no cost, ends with its last handle, and
//! at full load occupies one worker just as a thread would a core. Each turn is bounded (one receive batch per socket,
//! a share of messages per session), and the task yields between turns, so other tasks on the worker get theirs.
//!
//! In data-path order: [`Endpoint`] is the handle that other tasks hold; `inbox` what it sends to the task; `run` the
//! loop, `route` and `serve` its parts for datagrams and requests, `sessions` its table; `socket` the UDP sockets; `transmit` what waits to be sent; `addresses` where peers can reach us.

mod addresses;
mod endpoint;
mod inbox;
mod route;
mod run;
mod serve;
mod sessions;
mod socket;
mod transmit;
mod wake;

pub use endpoint::{Accepted, Endpoint, PendingSession};
pub use wake::SessionWaker;
