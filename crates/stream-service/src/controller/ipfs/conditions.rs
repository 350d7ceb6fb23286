//! What a request's conditions say of a content that never changes (RFC 9110 §13.1): a pure reading of its headers.

use http::{HeaderMap, HeaderName, header};

/// What becomes of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    GoOn,
    /// 304: the client has it.
    NotModified,
    /// 412: the client wants another.
    Failed,
}

/// Judges `If-Match` and `If-None-Match`, in this order (§13.2.2). `etag` is strong, with its quotes.
pub(super) fn judge(headers: &HeaderMap, etag: &str) -> Verdict {
    if headers.contains_key(header::IF_MATCH) && !lists(headers, header::IF_MATCH, etag, false) {
        return Verdict::Failed;
    }
    if lists(headers, header::IF_NONE_MATCH, etag, true) {
        return Verdict::NotModified;
    }
    Verdict::GoOn
}

/// Whether a `Range` counts: there is no `If-Range`, or it names this very content (§13.1.5). A date names none, for there is
/// no `Last-Modified`.
pub(super) fn range_counts(headers: &HeaderMap, etag: &str) -> bool {
    let mut values = headers.get_all(header::IF_RANGE).iter();
    match (values.next(), values.next()) {
        (None, _) => true,
        (Some(value), None) => value.as_bytes().trim_ascii() == etag.as_bytes(),
        _ => false,
    }
}

fn lists(headers: &HeaderMap, name: HeaderName, etag: &str, weak: bool) -> bool {
    let values = headers.get_all(name);
    values
        .iter()
        .any(|value| tags_include(value.as_bytes(), etag.as_bytes(), weak))
}

/// Whether a list of entity tags, or `*`, includes `etag`; `weak`: also where it is called weak (§8.8.3.2).
fn tags_include(list: &[u8], etag: &[u8], weak: bool) -> bool {
    let mut rest = list.trim_ascii();
    if rest == b"*" {
        return true;
    }
    loop {
        rest = rest.trim_ascii_start();
        let is_weak = rest.starts_with(b"W/");
        rest = rest.strip_prefix(b"W/").unwrap_or(rest);
        // Up to the closing quote: a comma may stand within.
        let Some(inside) = rest.strip_prefix(b"\"") else {
            return false;
        };
        let Some(end) = inside.iter().position(|&byte| byte == b'"') else {
            return false;
        };
        if (weak || !is_weak) && &rest[..end + 2] == etag {
            return true;
        }
        rest = rest[end + 2..].trim_ascii_start();
        match rest.strip_prefix(b",") {
            Some(others) => rest = others,
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const ETAG: &str = "\"bafy\"";

    fn with(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_client_that_has_it_is_told_so() {
        for has in [
            "\"bafy\"",
            "*",
            "W/\"bafy\"",
            "\"x\", \"bafy\"",
            "\"a,b\" ,W/\"bafy\",\"y\"",
        ] {
            let headers = with(header::IF_NONE_MATCH, has);
            assert_eq!(judge(&headers, ETAG), Verdict::NotModified, "{has}");
        }
        for has_not in [
            "\"bafz\"",
            "bafy",
            "\"bafy",
            "",
            "\"x\" \"bafy\"",
            "\"x,bafy\"",
        ] {
            let headers = with(header::IF_NONE_MATCH, has_not);
            assert_eq!(judge(&headers, ETAG), Verdict::GoOn, "{has_not}");
        }
    }

    #[test]
    fn a_client_that_wants_another_is_refused() {
        assert_eq!(
            judge(&with(header::IF_MATCH, "\"x\""), ETAG),
            Verdict::Failed
        );
        assert_eq!(
            judge(&with(header::IF_MATCH, "W/\"bafy\""), ETAG),
            Verdict::Failed
        );
        assert_eq!(
            judge(&with(header::IF_MATCH, "\"x\", \"bafy\""), ETAG),
            Verdict::GoOn
        );
        assert_eq!(judge(&HeaderMap::new(), ETAG), Verdict::GoOn);
    }

    #[test]
    fn a_range_counts_for_this_content_alone() {
        assert!(range_counts(&HeaderMap::new(), ETAG));
        assert!(range_counts(&with(header::IF_RANGE, "\"bafy\""), ETAG));
        for other in [
            "W/\"bafy\"",
            "\"x\"",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "\"x\", \"bafy\"",
        ] {
            assert!(
                !range_counts(&with(header::IF_RANGE, other), ETAG),
                "{other}"
            );
        }
    }
}
