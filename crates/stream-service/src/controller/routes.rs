//! The table of routes, and what every answer has in common.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use super::auth::{Token, require_token};
use super::problem::Problem;
use super::{events, health, ipfs, mjpeg, page, prometheus, streams, viewer_lanes, whep};
use crate::model::registry::Registry;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) registry: Arc<Registry>,
    pub(super) contents: Arc<ipfs::Contents>,
    token: Token,
    /// How long an MJPEG client may take nothing.
    pub(super) mjpeg_stall_limit: Duration,
}

impl App {
    pub(crate) fn new(
        registry: Arc<Registry>,
        token: Option<String>,
        mjpeg_stall_limit: Duration,
    ) -> Self {
        Self {
            mjpeg_stall_limit,
            contents: Arc::new(ipfs::Contents::new(registry.settings().clone())),
            registry,
            token: Token(token.map(Arc::from)),
        }
    }

    /// Whether requests must carry a token.
    pub(super) fn has_token(&self) -> bool {
        self.token.0.is_some()
    }
}

/// Every route of `interfaces`' HTTP table that this version serves.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/", get(page::index))
        .route("/assets/{file}", get(page::asset))
        .route("/assets/{version}/{file}", get(page::versioned_asset))
        .route("/api/v1/streams", get(streams::list).post(streams::create))
        .route(
            "/api/v1/streams/{id}",
            get(streams::inspect)
                .patch(streams::change)
                .delete(streams::remove),
        )
        .route(
            "/api/v1/streams/{id}/connections",
            get(streams::connections),
        )
        .route(
            "/api/v1/streams/{id}/connections/{viewer}",
            delete(streams::close_connection),
        )
        .route("/api/v1/streams/{id}/metrics", get(streams::metrics))
        .route("/api/v1/streams/{id}/events", get(events::events))
        .route("/whep/{id}", post(whep::offer).options(whep::options))
        .route(
            "/whep/{id}/{viewer}",
            get(whep::not_a_page).patch(whep::patch).delete(whep::close),
        )
        .route("/lanes/webtransport/{id}", post(viewer_lanes::invite))
        .route("/lanes/websocket/{id}", any(viewer_lanes::socket))
        .route("/streams/{file}", get(mjpeg::serve))
        .route("/ipfs/{*path}", get(ipfs::serve))
        .route("/metrics", get(prometheus::metrics))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(
            app.token.clone(),
            require_token,
        ))
        .layer(middleware::from_fn(common_headers))
        .with_state(app)
}

async fn unknown_route(uri: Uri) -> Response {
    let detail = format!(
        "there is no {:?} here; the page is at /, the API at /api/v1/streams",
        uri.path()
    );
    Problem::not_found(detail).into_response()
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let detail = format!(
        "{} does not take {method}; the Allow header names what it takes",
        uri.path()
    );
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "Method not allowed",
        detail,
    )
    .into_response()
}

/// Nothing here is for a cache or another site's frame, unless the handler says so.
async fn common_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers
        .entry(HeaderName::from_static("x-content-type-options"))
        .or_insert(HeaderValue::from_static("nosniff"));
    response
}
