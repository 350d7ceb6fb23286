//! Contents by their CID: `GET·HEAD /ipfs/{cid}[/path]`, whole or by ranges (RFC 9110 §14).
//!
//! | file | is |
//! |---|---|
//! | `range_header` | what `Range` asks for: pure |
//! | `conditions` | `If-None-Match`, `If-Match`, `If-Range`: pure |
//! | `media_type` | what kind of content it is: pure |
//! | `contents` | opening, the bound on answers, layouts of films |
//! | `body` | the bytes, as the client takes them |
//! | `problems` | what is said where there is no content |

mod body;
mod conditions;
mod contents;
mod media_type;
mod problems;
mod range_header;

pub(crate) use contents::Contents;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body as HttpBody;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use progressive_loader::Location;

use super::problem::Problem;
use super::routes::App;
use crate::http_socket::{SendSide, end_when_stalled};
use body::{Body, Part};
use conditions::Verdict;
use contents::Content;
use range_header::{MAX_PARTS, Wanted};

/// What a CID names never changes: as long as caches keep anything, a year.
const CACHED: &str = "public, max-age=31536000, immutable";
/// The same where a token guards it: a cache that others use must not hand it on.
const CACHED_FOR_ONE: &str = "private, max-age=31536000, immutable";
/// A page that somebody added to IPFS must not act as one of this server's own: no scripts, no forms, an origin of its own.
const SANDBOX: &str = "sandbox";
/// The longest that the bytes which tell a content's kind may take.
const SNIFF_TIMEOUT: Duration = Duration::from_secs(30);
/// A client that takes nothing for so long loses its connection, and with it its place among the answers: a film that is
/// paused asks for the rest again.
const STALLED_AFTER: Duration = Duration::from_secs(120);
/// How much of a CID's text marks the bounds between parts. The whole content would have to be known to its own hash for it
/// to stand in there; RFC 2046 §5.1.1 allows 70 characters.
const BOUNDARY_CHARS: usize = 56;

/// `GET` and `HEAD` of `/ipfs/{cid}[/path]`.
pub(super) async fn serve(
    State(app): State<App>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    socket: Option<Extension<ConnectInfo<SendSide>>>,
) -> Result<Response, Problem> {
    // The path as it was sent: a name may have an escaped slash in it.
    let path = uri.path().strip_prefix("/ipfs/").unwrap_or_default();
    let location: Location = format!("ipfs://{path}")
        .parse()
        .map_err(|error| problems::bad_location(&error))?;
    let content = app.contents.open(&location, wants_faststart(&uri)).await?;
    let common = common_headers(&location, &content, app.has_token()).await?;
    if let Some(Extension(ConnectInfo(socket))) = socket {
        let answer = Arc::downgrade(&content.place);
        tokio::spawn(end_when_stalled(socket, answer, STALLED_AFTER));
    }
    let mut response = answer(&method, &headers, content, &common).await?;
    for (name, value) in &common {
        response.headers_mut().entry(name).or_insert(value.clone());
    }
    Ok(response)
}

/// `?faststart`, alone or with a value that does not deny it.
fn wants_faststart(uri: &Uri) -> bool {
    let mut pairs = uri.query().unwrap_or_default().split('&');
    pairs.any(|pair| match pair.split_once('=') {
        None => pair == "faststart",
        Some((name, value)) => name == "faststart" && !matches!(value, "0" | "false"),
    })
}

/// What every answer about a content says, whichever part of it is sent.
async fn common_headers(
    location: &Location,
    content: &Content,
    guarded: bool,
) -> Result<HeaderMap, Problem> {
    let name = match location {
        Location::Ipfs { path, .. } => path.last().map(String::as_str),
        _ => None,
    };
    let kind = match name.and_then(media_type::by_name) {
        Some(kind) => kind,
        None => {
            let first = media_type::SNIFFED_BYTES.min(content.source.size_bytes());
            let reading = content.source.read_range(0..first);
            let read = tokio::time::timeout(SNIFF_TIMEOUT, reading).await;
            let read = read
                .map_err(|_| problems::too_slow(&format!("the first bytes of {location}"), &[]))?;
            media_type::by_content(&read.map_err(|error| problems::not_read(&error))?)
        }
    };
    let cached = if guarded { CACHED_FOR_ONE } else { CACHED };
    let mut headers = HeaderMap::new();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, kind);
    set(header::CACHE_CONTROL, cached);
    set(header::ACCEPT_RANGES, "bytes");
    set(header::CONTENT_SECURITY_POLICY, SANDBOX);
    if let Ok(etag) = HeaderValue::from_str(&content.etag) {
        headers.insert(header::ETAG, etag);
    }
    Ok(headers)
}

async fn answer(
    method: &Method,
    headers: &HeaderMap,
    content: Content,
    common: &HeaderMap,
) -> Result<Response, Problem> {
    match conditions::judge(headers, &content.etag) {
        Verdict::GoOn => {}
        Verdict::NotModified => return Ok(StatusCode::NOT_MODIFIED.into_response()),
        Verdict::Failed => return Err(problems::precondition_failed(&content.etag)),
    }
    let size_bytes = content.source.size_bytes();
    if method == Method::HEAD {
        let length = [(header::CONTENT_LENGTH, HeaderValue::from(size_bytes))];
        return Ok((length, HttpBody::empty()).into_response());
    }
    // Of other methods than GET a Range means nothing (RFC 9110 §14.2).
    let mut ranges = headers.get_all(header::RANGE).iter();
    let wanted = match (ranges.next().map(HeaderValue::to_str), ranges.next()) {
        (Some(Ok(value)), None) if conditions::range_counts(headers, &content.etag) => {
            range_header::wanted(value, size_bytes)
        }
        _ => Wanted::Whole,
    };
    match wanted {
        Wanted::Whole => {
            let all = 0..size_bytes;
            send(StatusCode::OK, content, std::slice::from_ref(&all), common).await
        }
        Wanted::Parts(parts) => send(StatusCode::PARTIAL_CONTENT, content, &parts, common).await,
        Wanted::Unsatisfiable => Ok(refused(&problems::unsatisfiable(size_bytes), size_bytes)),
        Wanted::TooMany => Ok(refused(&problems::too_many_ranges(MAX_PARTS), size_bytes)),
    }
}

/// 416 with the size, so that the client can ask for what there is.
fn refused(problem: &Problem, size_bytes: u64) -> Response {
    let mut response = problem.clone().into_response();
    let headers = response.headers_mut();
    if let Ok(size) = HeaderValue::try_from(format!("bytes */{size_bytes}")) {
        headers.insert(header::CONTENT_RANGE, size);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn send(
    status: StatusCode,
    content: Content,
    ranges: &[Range<u64>],
    common: &HeaderMap,
) -> Result<Response, Problem> {
    let size_bytes = content.source.size_bytes();
    let mut headers = HeaderMap::new();
    let (parts, length) = match ranges {
        [range] => {
            if status == StatusCode::PARTIAL_CONTENT
                && let Ok(value) = HeaderValue::try_from(content_range(range, size_bytes))
            {
                headers.insert(header::CONTENT_RANGE, value);
            }
            let length = range.end - range.start;
            (VecDeque::from([Part::Content(range.clone())]), length)
        }
        several => {
            let boundary = boundary(&content.etag);
            let kind = format!("multipart/byteranges; boundary={boundary}");
            if let Ok(kind) = HeaderValue::try_from(kind) {
                headers.insert(header::CONTENT_TYPE, kind);
            }
            let kind = common[header::CONTENT_TYPE].to_str().unwrap_or_default();
            multipart(several, size_bytes, kind, &boundary)
        }
    };
    headers.insert(header::CONTENT_LENGTH, length.into());
    let mut body = Body::new(content.source, parts, content.place);
    body.prime()
        .await
        .map_err(|error| problems::not_begun(&error))?;
    let body = HttpBody::from_stream(body.into_stream());
    Ok((status, headers, body).into_response())
}

fn content_range(range: &Range<u64>, size_bytes: u64) -> String {
    format!("bytes {}-{}/{size_bytes}", range.start, range.end - 1)
}

/// A line that does not stand in the content: it is made of its hash.
fn boundary(etag: &str) -> String {
    let plain: String = etag.chars().filter(char::is_ascii_alphanumeric).collect();
    let from = plain.len().saturating_sub(BOUNDARY_CHARS);
    format!("frameway-{}", &plain[from..])
}

/// The parts with what stands between them, and the bytes of it all (RFC 9110 §14.6).
fn multipart(
    ranges: &[Range<u64>],
    size_bytes: u64,
    kind: &str,
    boundary: &str,
) -> (VecDeque<Part>, u64) {
    let mut parts = VecDeque::new();
    let mut length: u64 = 0;
    for (number, range) in ranges.iter().enumerate() {
        let before = if number == 0 { "" } else { "\r\n" };
        let named = content_range(range, size_bytes);
        let head = format!(
            "{before}--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: {named}\r\n\r\n"
        );
        length = length.saturating_add(head.len() as u64 + (range.end - range.start));
        parts.push_back(Part::Text(Bytes::from(head)));
        parts.push_back(Part::Content(range.clone()));
    }
    let end = format!("\r\n--{boundary}--\r\n");
    length = length.saturating_add(end.len() as u64);
    parts.push_back(Part::Text(Bytes::from(end)));
    (parts, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faststart_is_asked_for_by_name() {
        let asked = |uri: &str| wants_faststart(&uri.parse().unwrap());
        for yes in [
            "/ipfs/x?faststart",
            "/ipfs/x?a=b&faststart=1",
            "/ipfs/x?faststart=true",
        ] {
            assert!(asked(yes), "{yes}");
        }
        for no in [
            "/ipfs/x",
            "/ipfs/x?faststart=0",
            "/ipfs/x?fast",
            "/ipfs/faststart",
        ] {
            assert!(!asked(no), "{no}");
        }
    }

    #[test]
    fn a_boundary_fits_and_has_nothing_to_quote() {
        let long = format!("\"{}%20.faststart\"", "b".repeat(300));
        for etag in ["\"Qm1\"", &long, "\"\""] {
            let boundary = boundary(etag);
            assert!(boundary.len() <= 70, "{boundary}");
            assert!(
                boundary
                    .bytes()
                    .all(|it| it.is_ascii_alphanumeric() || it == b'-')
            );
        }
    }
}
