//! What a server's answer to a range request means (RFC 9110 §14 and §15.3.7).
//!
//! Fed with the head of an answer by the HTTP source; says which bytes its body holds, or why it
//! cannot be used. Pure: it sees header values, not connections.

use std::ops::Range;

/// The parts of an answer's head that decide what its body is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) content_range: Option<String>,
    /// Bytes of the body, when the server says.
    pub(crate) content_length: Option<u64>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) validators: Validators,
}

/// What identifies one version of a resource (RFC 9110 §8.8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Validators {
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
}

/// Which bytes of the content a body holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) body: Range<u64>,
    /// The content's size.
    pub(crate) total: u64,
    /// Whether the server sent the whole although a range was asked for.
    pub(crate) ignored_range: bool,
}

/// Why an answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unusable {
    Status(u16),
    ContentRange(String),
    UnknownSize,
    Encoded(String),
}

impl Head {
    /// What the body of this answer to `asked` is.
    pub(crate) fn answer(&self, asked: &Range<u64>) -> Result<Answer, Unusable> {
        match self.status {
            206 => self.check_identity().and_then(|()| self.partial(asked)),
            200 => self.check_identity().and_then(|()| self.whole()),
            416 if asked.start == 0 && self.range_header().trim() == "bytes */0" => Ok(Answer {
                body: 0..0,
                total: 0,
                ignored_range: false,
            }),
            status => Err(Unusable::Status(status)),
        }
    }

    fn check_identity(&self) -> Result<(), Unusable> {
        match self.content_encoding.as_deref() {
            None | Some("" | "identity") => Ok(()),
            Some(other) => Err(Unusable::Encoded(other.to_owned())),
        }
    }

    fn range_header(&self) -> &str {
        self.content_range.as_deref().unwrap_or_default()
    }

    /// A server may send less than was asked for, but must start where asked: RFC 9110 §15.3.7.
    fn partial(&self, asked: &Range<u64>) -> Result<Answer, Unusable> {
        let bad = || Unusable::ContentRange(self.range_header().to_owned());
        let (body, total) = parse_content_range(self.range_header()).ok_or_else(bad)?;
        let total = total.ok_or(Unusable::UnknownSize)?;
        let length_agrees = self
            .content_length
            .is_none_or(|length| length == body.end - body.start);
        if body.start != asked.start || body.end > asked.end.min(total) || !length_agrees {
            return Err(bad());
        }
        Ok(Answer {
            body,
            total,
            ignored_range: false,
        })
    }

    fn whole(&self) -> Result<Answer, Unusable> {
        let total = self.content_length.ok_or(Unusable::UnknownSize)?;
        Ok(Answer {
            body: 0..total,
            total,
            ignored_range: true,
        })
    }
}

impl Validators {
    /// What differs from `now`: the header's name, its value then and now. An `ETag` on both sides
    /// decides alone; a header that one side lacks says nothing.
    pub(crate) fn difference(&self, now: &Self) -> Option<(&'static str, String, String)> {
        let both = |a: &Option<String>, b: &Option<String>| Some((a.clone()?, b.clone()?));
        let (what, (before, now)) = both(&self.etag, &now.etag)
            .map(|pair| ("ETag", pair))
            .or_else(|| {
                both(&self.last_modified, &now.last_modified).map(|pair| ("Last-Modified", pair))
            })?;
        (before != now).then_some((what, before, now))
    }
}

/// Parses `bytes FIRST-LAST/TOTAL` (RFC 9110 §14.4); a total of `*` is `None`.
fn parse_content_range(text: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (unit, rest) = text.trim().split_once(' ')?;
    let (range, total) = rest.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (parse_number(first)?, parse_number(last)?);
    let total = if total == "*" {
        None
    } else {
        Some(parse_number(total)?)
    };
    let sane = first <= last && last < u64::MAX && total.is_none_or(|total| last < total);
    (unit.eq_ignore_ascii_case("bytes") && sane).then(|| (first..last + 1, total))
}

/// Digits only: `str::parse` would also take a sign.
fn parse_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn partial(content_range: &str) -> Result<Answer, Unusable> {
        let head = Head {
            status: 206,
            content_range: Some(content_range.into()),
            ..Head::default()
        };
        head.answer(&(100..200))
    }

    #[test]
    fn a_partial_answer_must_start_where_asked_and_stay_within() {
        assert_eq!(partial("bytes 100-199/1000").unwrap().body, 100..200);
        assert_eq!(
            partial("bytes 100-149/150").unwrap().body,
            100..150,
            "fewer bytes are allowed"
        );
        for wrong in [
            "bytes 0-99/1000",
            "bytes 100-200/1000",
            "bytes 150-199/1000",
            "bytes 199-100/1000",
            "bytes 100-199/150",
            "bytes */1000",
            "items 100-199/1000",
            "bytes +100-199/1000",
            "bytes 100-18446744073709551615/*",
            "",
            "bytes",
        ] {
            assert_eq!(
                partial(wrong),
                Err(Unusable::ContentRange(wrong.into())),
                "{wrong}"
            );
        }
        assert_eq!(partial("bytes 100-199/*"), Err(Unusable::UnknownSize));
    }

    #[test]
    fn an_etag_on_both_sides_decides_alone() {
        let version = |etag: Option<&str>, modified: Option<&str>| Validators {
            etag: etag.map(Into::into),
            last_modified: modified.map(Into::into),
        };
        let before = version(Some("\"a\""), Some("Mon"));
        assert_eq!(
            before.difference(&version(Some("\"a\""), Some("Tue"))),
            None
        );
        assert_eq!(
            before
                .difference(&version(Some("\"b\""), Some("Mon")))
                .unwrap()
                .0,
            "ETag"
        );
        assert_eq!(
            before.difference(&version(None, Some("Tue"))).unwrap().0,
            "Last-Modified"
        );
        assert_eq!(before.difference(&version(None, None)), None);
    }
}
