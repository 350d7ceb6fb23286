//! How any thread tells a session's task that there is something to do: one notification, and an order to close.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::{CloseReason, SessionId};

/// An order to a session's task.
#[derive(Debug)]
pub(super) enum Order {
    /// Now; what is not sent yet is lost.
    Close(CloseReason),
    /// Once there is nothing more to send and the peer has everything, or at this time.
    CloseAfterDrain(Instant),
}

/// What a session's task is told from outside.
#[derive(Debug, Default)]
pub(super) struct Control {
    notify: Notify,
    order: Mutex<Option<Order>>,
}

impl Control {
    /// Gives an order; a closing at once is not taken back by a later, gentler one.
    pub(super) fn order(&self, order: Order) {
        let mut standing = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*standing, Some(Order::Close(_))) {
            *standing = Some(order);
        }
        drop(standing);
        self.notify.notify_one();
    }

    /// The order, once.
    pub(super) fn take_order(&self) -> Option<Order> {
        let mut standing = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        standing.take()
    }

    /// Returns when there is something new; what came before counts.
    pub(super) async fn woken(&self) {
        self.notify.notified().await;
    }
}

/// Tells a session's task that its handler has something new to send, or takes frames again. Cheap to clone, callable from
/// any thread, coalesced. Waking a session that has closed does no harm.
#[derive(Clone)]
pub struct SessionWaker {
    control: Arc<Control>,
    session: SessionId,
}

impl SessionWaker {
    pub(super) fn new(control: Arc<Control>, session: SessionId) -> Self {
        Self { control, session }
    }

    /// Has the handler asked for messages soon.
    pub fn wake(&self) {
        self.control.notify.notify_one();
    }

    /// The session this wakes.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }
}

impl fmt::Debug for SessionWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionWaker").field(&self.session).finish()
    }
}
