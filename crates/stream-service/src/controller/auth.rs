//! The bearer token that guards every route but `/healthz`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::problem::Problem;

/// The token every request must carry, if the server has one.
#[derive(Clone)]
pub(crate) struct Token(pub(crate) Option<Arc<str>>);

/// Lets a request through that carries the token (`Authorization: Bearer`, RFC 6750 §2.1).
pub(crate) async fn require_token(
    State(token): State<Token>,
    request: Request,
    next: Next,
) -> Response {
    let Some(expected) = token.0 else {
        return next.run(request).await;
    };
    if request.uri().path() == "/healthz" || carries(&request, &expected) {
        return next.run(request).await;
    }
    let problem = Problem::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "A token is needed",
        "send the header 'Authorization: Bearer TOKEN' with the token of the server's --token-file",
    );
    let mut response = problem.into_response();
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn carries(request: &Request, expected: &str) -> bool {
    let offered = offered_token(request.headers());
    if offered.is_some_and(|given| same(&given, expected.as_bytes())) {
        return true;
    }
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok());
    let Some((scheme, given)) = given.and_then(|v| v.split_once(' ')) else {
        return false;
    };
    scheme.eq_ignore_ascii_case("bearer") && same(given.trim().as_bytes(), expected.as_bytes())
}

/// The token that a page offers as a sub-protocol of a WebSocket, for a browser lets it set no header there:
/// `bearer.` and the token in URL-safe base64.
fn offered_token(headers: &HeaderMap) -> Option<Vec<u8>> {
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let mut offered = offered.split(',');
    let token = offered.find_map(|it| it.trim().strip_prefix("bearer."))?;
    URL_SAFE_NO_PAD.decode(token).ok()
}

/// Compares in a time that does not tell how much of the token was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0u8, |diff, (x, y)| diff | (x ^ y)) == 0
}
