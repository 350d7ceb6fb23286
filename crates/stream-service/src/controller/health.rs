//! Liveness and readiness, for whoever supervises the process.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::problem::Problem;
use super::routes::App;

/// The process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// New viewers are served: the media socket's task runs.
pub(super) async fn ready(State(app): State<App>) -> Response {
    if app.registry.endpoints().data.is_running() {
        return (StatusCode::OK, "ready\n").into_response();
    }
    let detail = "the UDP socket's task has ended, so no viewer can connect; restart the server";
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not-ready",
        "Not ready",
        detail,
    )
    .into_response()
}
