//! Those who connect: their address, their handshake, their HTTP/3, their token, each bounded in number and in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::{Connection, Incoming, VarInt};
use web_transport_quinn::http::StatusCode;
use web_transport_quinn::{Request, Session};

use super::endpoint::Common;
use super::session::Starting;
use super::transport;
use crate::limits::MAX_REASON_BYTES;
use crate::{
    AddressValidation, CloseReason, SessionConfig, SessionHandler, SessionId, SessionState, Token,
};

/// HTTP/3's codes (RFC 9114 §8.1).
const H3_NO_ERROR: u32 = 0x100;
const H3_GENERAL_PROTOCOL_ERROR: u32 = 0x101;
/// How long a refused peer has to hear it.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// Who is awaited.
pub(super) struct Invited {
    pub(super) session: SessionId,
    pub(super) handler: Box<dyn SessionHandler>,
    pub(super) config: SessionConfig,
}

/// Takes connections until the endpoint closes.
pub(super) async fn run(quinn: quinn::Endpoint, common: Arc<Common>) {
    while let Some(incoming) = quinn.accept().await {
        admit(incoming, &common);
    }
}

fn admit(incoming: Incoming, common: &Arc<Common>) {
    let totals = &common.totals;
    let under_way = totals.handshakes.get() as usize;
    if under_way >= common.config.max_handshakes {
        totals.refused_busy.add(1);
        incoming.refuse();
        return;
    }
    let must_prove = match common.config.address_validation {
        AddressValidation::Always => true,
        AddressValidation::WhenBusy { handshakes } => under_way > handshakes,
    };
    if must_prove && !incoming.remote_address_validated() && incoming.may_retry() {
        totals.retries_sent.add(1);
        // Fails for one that may not be retried.
        let _ = incoming.retry();
        return;
    }
    totals.handshakes.add(1);
    let under_way = UnderWay(Arc::clone(common));
    tokio::spawn(async move {
        let common = Arc::clone(&under_way.0);
        let limit = common.config.handshake_timeout;
        let Ok(greeted) = tokio::time::timeout(limit, greet(incoming, &common)).await else {
            // The connection went with its last handle.
            common.totals.handshakes_timed_out.add(1);
            return;
        };
        let Some((request, invited)) = greeted else {
            return;
        };
        let answered = tokio::time::timeout(limit, request.ok()).await;
        drop(under_way);
        let answered = answered.map_err(|_| "the peer takes no answer".to_owned());
        let answered = answered.and_then(|answer| answer.map_err(|error| error.to_string()));
        if let Some(starting) = accepted(answered, invited, &common) {
            starting.start(&common.sessions, &common.totals).run().await;
        }
    });
}

/// Counts a handshake for as long as it lasts, however it ends.
struct UnderWay(Arc<Common>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.totals.handshakes.subtract(1);
    }
}

/// From the first packet to a request with a good token; `None` for one that was refused.
async fn greet(incoming: Incoming, common: &Arc<Common>) -> Option<(Request, Invited)> {
    let remote = incoming.remote_address();
    let connection = match incoming.await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(%remote, %error, "handshake failed");
            common.totals.handshakes_failed.add(1);
            return None;
        }
    };
    let request = match Request::accept(connection.clone()).await {
        Ok(request) => request,
        Err(error) => {
            tracing::debug!(%remote, %error, "not WebTransport");
            common.totals.refused_malformed.add(1);
            close(&connection, H3_GENERAL_PROTOCOL_ERROR, &error.to_string());
            return None;
        }
    };
    let Ok(token) = Token::from_path(request.url.path()) else {
        common.totals.refused_path.add(1);
        reject(request, &connection, "no such path").await;
        return None;
    };
    let invited = common.invitations().take(Instant::now(), &token);
    let Some(invited) = invited else {
        common.totals.refused_token.add(1);
        reject(request, &connection, "no such token").await;
        return None;
    };
    transport::apply(&connection, &invited.config, true);
    Some((request, invited))
}

fn accepted(
    answered: Result<Session, String>,
    invited: Invited,
    common: &Arc<Common>,
) -> Option<Starting> {
    match answered {
        Ok(transport) => Some(Starting {
            id: invited.session,
            transport,
            handler: invited.handler,
            config: invited.config,
            idle_timeout: common.config.idle_timeout,
            opened: None,
        }),
        Err(error) => {
            common.totals.handshakes_failed.add(1);
            invited.end(CloseReason::Transport(error));
            None
        }
    }
}

impl Invited {
    /// There will be no session.
    pub(super) fn end(mut self, reason: CloseReason) {
        let state = SessionState::Closed { reason };
        self.handler.on_state(Instant::now(), state);
    }
}

/// Says 404 and waits until it is heard: whether a token was ever good is nobody's to know.
async fn reject(request: Request, connection: &Connection, why: &str) {
    if request.reject(StatusCode::NOT_FOUND).await.is_ok() {
        // Either way it is over.
        let _ = tokio::time::timeout(REFUSAL_TIME, connection.closed()).await;
    }
    close(connection, H3_NO_ERROR, why);
}

fn close(connection: &Connection, code: u32, why: &str) {
    let end = why.floor_char_boundary(MAX_REASON_BYTES);
    connection.close(VarInt::from_u32(code), &why.as_bytes()[..end]);
}
