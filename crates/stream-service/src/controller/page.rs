//! The viewer page, embedded in the binary: `GET /`, `GET /assets/{file}` and `GET /assets/{version}/{file}`.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri, header};

use super::problem::Problem;

/// One file of `web/`.
struct Asset {
    name: &'static str,
    kind: &'static str,
    body: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/web_assets.rs"));

/// Nothing but the page's own files, its frames (blob:) and its own host: WebTransport is at another port there, and of
/// `localhost` perhaps at its IPv4 address alone.
fn policy(headers: &HeaderMap) -> String {
    let quic = match host_name(headers) {
        Some(host) if is_localhost(host) => format!(" https://{host}:* https://127.0.0.1:*"),
        Some(host) => format!(" https://{host}:*"),
        None => String::new(),
    };
    format!(
        "default-src 'self'; img-src 'self' blob: data:; connect-src 'self'{quic}; object-src 'none'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    )
}

/// The host that the page was asked for at, if a policy can name it: a name or an IPv4 address (CSP3 §2.3.1).
fn host_name(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    (!name.is_empty() && name.chars().all(is_named)).then_some(name)
}

/// Names that browsers take for this machine without asking anybody (RFC 6761 §6.3).
fn is_localhost(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// One stream, or with `?streams=` several side by side.
pub(super) async fn index(uri: Uri, headers: HeaderMap) -> Response {
    let mut wishes = uri.query().unwrap_or("").split('&');
    let several = wishes.any(|wish| wish == "streams" || wish.starts_with("streams="));
    let name = if several { "wall.html" } else { "index.html" };
    serve(name, Keep::Ask, &headers)
}

/// A file as it is now; it may be another after the next update.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    serve(&name, Keep::Ask, &headers)
}

/// A file of one version of the page, which stays as it is. A page that was loaded before an update gets the
/// present files, for now.
pub(super) async fn versioned_asset(
    Path((version, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let keep = if version == ASSETS_VERSION {
        Keep::ForGood
    } else {
        Keep::Ask
    };
    serve(&name, keep, &headers)
}

/// What a browser does with a file that it has.
#[derive(Clone, Copy)]
enum Keep {
    /// Asks whether it still is the same.
    Ask,
    /// Uses it, for a year.
    ForGood,
}

fn serve(name: &str, keep: Keep, headers: &HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return Problem::not_found(format!(
            "the page has no file {name:?}; the page itself is at /"
        ))
        .into_response();
    };
    let tag = format!("\"{ASSETS_VERSION}\"");
    let cached = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|theirs| theirs.as_bytes() == tag.as_bytes());
    let caching = match keep {
        Keep::Ask => "no-cache",
        Keep::ForGood => "max-age=31536000, immutable",
    };
    let common = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, caching.to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy(headers)),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    if cached {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(header::CONTENT_TYPE, asset.kind)], asset.body).into_response()
}
