//! WebSockets as lanes of a link: the upgrade.
//!
//! Called by `routes`; the lane itself is `lanes::socket`.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::rejection::QueryRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::HeaderMap;
use tokio::sync::Notify;

use super::links::Place;
use super::routes::{App, refused};
use crate::controller::{Problem, refuse_foreign};
use crate::lanes::end::LinkEnd as _;
use crate::lanes::seat::Seat;
use crate::lanes::socket::carry;
use crate::lanes::upgrade::{bounded, messages_of};
use crate::process::protocol::LinkQuery;

/// A lane of a link that is a WebSocket: where no UDP passes.
pub(super) async fn socket(
    State(app): State<App>,
    headers: HeaderMap,
    query: Result<Query<LinkQuery>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    refuse_foreign(&headers)?;
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let upgrade = upgrade.map_err(|error| Problem::bad_request(error.body_text()))?;
    if query.link.is_none() {
        let detail = "a WebSocket is one lane of a link: name it, with link=NUMBER";
        return Err(Problem::bad_request(detail));
    }
    let place = app.links.join(Instant::now(), &query);
    let Place {
        port,
        lane,
        replaced,
        superseded,
    } = place.map_err(|error| refused(&error))?;
    app.vacate(replaced, superseded).await;
    let end = Arc::new(Notify::new());
    app.links.seated(lane, Seat::Socket(Arc::clone(&end)));
    let failed = Arc::clone(&port);
    let upgrade = bounded(upgrade).on_failed_upgrade(move |error: axum::Error| {
        failed.closed(Instant::now(), lane, &error.to_string());
    });
    Ok(upgrade.on_upgrade(move |socket| async move {
        let carried = carry(Arc::clone(&port), lane, messages_of(socket), Vec::new());
        tokio::select! {
            () = carried => {}
            () = end.notified() => port.closed(Instant::now(), lane, "closed here"),
        }
    }))
}
