//! Keeps other people's web pages out of routes that a browser lets them reach without asking first.
//!
//! A page may open a WebSocket to any host, and post without a body to any; it cannot leave out `Origin` (RFC 6454 §7.3,
//! RFC 6455 §10.2). Programs that are no browsers send none.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Problem;

/// Refuses a request that a page of another host made.
pub(crate) fn refuse_foreign(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(HeaderValue::to_str);
    let (origin, host) = (text(ORIGIN), text(HOST));
    let same = match (origin, host) {
        (None, _) => true,
        (Some(Ok(origin)), Some(Ok(host))) => {
            let named = origin.split_once("://").map(|(_, named)| named);
            named.is_some_and(|named| named.eq_ignore_ascii_case(host))
        }
        _ => false,
    };
    if same {
        return Ok(());
    }
    let detail = "a page of another origin cannot open a lane here";
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "foreign-origin",
        "Foreign origin",
        detail,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(origin: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("127.0.0.1:8090"));
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
        }
        refuse_foreign(&headers).is_err()
    }

    #[test]
    fn pages_of_other_hosts_are_refused_and_programs_are_not() {
        assert!(!is_refused(None));
        assert!(!is_refused(Some("http://127.0.0.1:8090")));
        for foreign in [
            "http://example.com",
            "http://127.0.0.1:8091",
            "http://127.0.0.1",
            "null",
            "",
        ] {
            assert!(is_refused(Some(foreign)), "{foreign}");
        }
    }
}
