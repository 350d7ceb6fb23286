//! What the endpoint's handles ask of its task, and the task's answers. A bounded channel: when it is full, callers wait.

use std::time::Duration;

use tokio::sync::oneshot;

use super::socket::UdpIo;
use crate::offer::Description;
use crate::session::Session;
use crate::trickle::Fragment;
use crate::{CloseReason, SessionError, SessionId, SessionStats};

/// Requests that wait for the task; a further caller waits until there is room.
pub(super) const INBOX_REQUESTS: usize = 64;

/// No slot was free; the limit.
#[derive(Debug)]
pub(super) struct Full {
    pub(super) max_sessions: usize,
}

pub(super) enum Request {
    /// Take a new session in; with a socket of its own where it connects.
    Insert {
        session: Box<Session>,
        socket: Option<UdpIo>,
        reply: oneshot::Sender<Result<SessionId, Full>>,
    },
    Answer {
        session: SessionId,
        answer: Description,
        reply: Reply<()>,
    },
    OfferRestart {
        session: SessionId,
        reply: Reply<String>,
    },
    Restart {
        session: SessionId,
        offer: Description,
        reply: Reply<String>,
    },
    Candidates {
        session: SessionId,
        fragment: Fragment,
        reply: Reply<()>,
    },
    Close {
        session: SessionId,
        reason: CloseReason,
        reply: Reply<()>,
    },
    CloseAfterDrain {
        session: SessionId,
        max_wait: Duration,
        reply: Reply<()>,
    },
    Stats {
        session: SessionId,
        reply: Reply<SessionStats>,
    },
    Shutdown {
        reply: oneshot::Sender<()>,
    },
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, SessionError>>;
