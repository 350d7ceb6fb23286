//! What a `Range` header asks of a content whose size is known (RFC 9110 §14.1.2, §14.2).
//!
//! Fed with the header's value; feeds the answer's choice of 200, 206 and 416. Pure, and made for any bytes that a client may
//! send: the work is bounded by [`MAX_SPECS`].

use std::ops::Range;

/// The most parts of one answer, after those that overlap or touch have become one. Players ask for one, readers of
/// documents for a few; more is what RFC 9110 §17.15 warns of.
pub(crate) const MAX_PARTS: usize = 8;

/// The most ranges in one header, before any become one.
const MAX_SPECS: usize = 64;

/// What to answer with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: nothing else was asked for, or in a way that is to be ignored.
    Whole,
    /// These, none empty, none touching another, in the order in which they were asked for; one to [`MAX_PARTS`].
    Parts(Vec<Range<u64>>),
    /// Nothing of it lies in what was asked for.
    Unsatisfiable,
    /// More parts than are served at once.
    TooMany,
}

/// One range as it was written.
enum Spec {
    FromTo(u64, u64),
    Last(u64),
}

/// Reads the header's value for a content of `size_bytes`.
pub(crate) fn wanted(value: &str, size_bytes: u64) -> Wanted {
    let Some((unit, set)) = value.split_once('=') else {
        return Wanted::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    // Empty elements of a list are passed over: RFC 9110 §5.6.1.2.
    let specs = set.split(',').map(trim).filter(|spec| !spec.is_empty());
    let mut parts: Vec<Range<u64>> = Vec::new();
    let mut seen = 0;
    for spec in specs {
        seen += 1;
        if seen > MAX_SPECS {
            return Wanted::TooMany;
        }
        let Some(spec) = parse(spec) else {
            // One that is wrong makes the header wrong, and a wrong header is no header.
            return Wanted::Whole;
        };
        match spec {
            Spec::Last(1..) if size_bytes == 0 => return Wanted::Whole,
            spec => {
                if let Some(range) = within(&spec, size_bytes) {
                    merge(&mut parts, range);
                }
            }
        }
    }
    match (seen, parts.len()) {
        (0, _) => Wanted::Whole,
        (_, 0) => Wanted::Unsatisfiable,
        (_, 1..=MAX_PARTS) => Wanted::Parts(parts),
        _ => Wanted::TooMany,
    }
}

/// Spaces and tabs, and nothing else that Unicode takes for them.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn parse(spec: &str) -> Option<Spec> {
    let (first, last) = spec.split_once('-')?;
    match (first, last) {
        ("", last) => Some(Spec::Last(number(last)?)),
        (first, "") => Some(Spec::FromTo(number(first)?, u64::MAX)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::FromTo(first, last))
        }
    }
}

/// Digits and nothing else; what does not fit is as large as can be.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// The bytes that it means; `None` where there are none.
fn within(spec: &Spec, size_bytes: u64) -> Option<Range<u64>> {
    let range = match *spec {
        Spec::FromTo(first, last) => first..last.saturating_add(1).min(size_bytes),
        Spec::Last(count) => size_bytes.saturating_sub(count)..size_bytes,
    };
    (range.start < range.end).then_some(range)
}

/// Adds a range; it and all that overlap or touch it become one, in the place of the first of them.
fn merge(parts: &mut Vec<Range<u64>>, mut range: Range<u64>) {
    let mut place = parts.len();
    // What it grows by may touch one that was passed over.
    while let Some(at) = parts
        .iter()
        .position(|part| part.start <= range.end && range.start <= part.end)
    {
        let part = parts.remove(at);
        range = range.start.min(part.start)..range.end.max(part.end);
        place = place.min(at);
    }
    parts.insert(place.min(parts.len()), range);
}

#[cfg(test)]
mod tests {
    // A list of one range is what is meant.
    #![allow(clippy::panic, clippy::single_range_in_vec_init)]
    use super::*;
    use proptest::prelude::*;

    fn parts(value: &str, size_bytes: u64) -> Vec<Range<u64>> {
        match wanted(value, size_bytes) {
            Wanted::Parts(parts) => parts,
            other => panic!("{value:?}: {other:?}"),
        }
    }

    #[test]
    fn one_range_is_first_to_last_or_to_the_end_or_the_last_ones() {
        for (value, expected) in [
            ("bytes=0-499", 0..500),
            ("bytes=500-", 500..1000),
            ("bytes=-500", 500..1000),
            ("bytes=-5000", 0..1000),
            ("bytes=999-999", 999..1000),
            ("bytes=900-99999999999999999999999", 900..1000),
            ("BYTES= 0-0 ,, ", 0..1),
            ("bytes=007-008", 7..9),
        ] {
            assert_eq!(parts(value, 1000), [expected], "{value}");
        }
    }

    #[test]
    fn what_is_no_range_of_bytes_is_ignored() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=0-1,5-4",
            "bytes=+1-2",
            "bytes=1- 2",
            "bytes=0x1-2",
            "items=0-1",
            "bytes=1-2-3",
            "bytes=--1",
            "bytes=\u{a0}1-2",
        ] {
            assert_eq!(wanted(value, 1000), Wanted::Whole, "{value:?}");
        }
    }

    #[test]
    fn what_lies_outside_is_left_out_or_cannot_be_satisfied() {
        for value in [
            "bytes=1000-",
            "bytes=5000-6000",
            "bytes=-0",
            "bytes=99999999999999999999-",
            "bytes=-0,2000-",
        ] {
            assert_eq!(wanted(value, 1000), Wanted::Unsatisfiable, "{value:?}");
        }
        assert_eq!(parts("bytes=2000-, 0-1, -0", 1000), [0..2]);
        assert_eq!(wanted("bytes=0-", 0), Wanted::Unsatisfiable);
        assert_eq!(wanted("bytes=-5", 0), Wanted::Whole, "all of nothing");
    }

    #[test]
    fn several_keep_their_order_and_become_one_where_they_touch() {
        assert_eq!(parts("bytes=500-599,0-99", 1000), [500..600, 0..100]);
        assert_eq!(parts("bytes=0-99,100-199,50-60", 1000), [0..200]);
        assert_eq!(
            parts("bytes=10-19,0-4,5-9", 1000),
            [0..20],
            "the third joins all"
        );
        assert_eq!(
            parts("bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14", 1000).len(),
            8
        );
        assert_eq!(
            wanted("bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16", 1000),
            Wanted::TooMany
        );
        let same = format!("bytes={}", ["0-9"; 64].join(","));
        assert_eq!(parts(&same, 1000), [0..10]);
        let more = format!("bytes={}", ["0-9"; 65].join(","));
        assert_eq!(wanted(&more, 1000), Wanted::TooMany);
    }

    fn spec() -> impl Strategy<Value = (String, Option<Range<u64>>)> {
        let from_to = (0..60_u64, 0..20_u64).prop_map(|(first, more)| {
            (
                format!("{first}-{}", first + more),
                Some(first..first + more + 1),
            )
        });
        let from = (0..60_u64).prop_map(|first| (format!("{first}-"), Some(first..u64::MAX)));
        let last = (1..60_u64).prop_map(|count| (format!("-{count}"), None));
        prop_oneof![4 => from_to, 1 => from, 1 => last]
    }

    proptest! {
        #[test]
        fn just_the_bytes_asked_for_each_once(specs in prop::collection::vec(spec(), 1..12), size in 1..80_u64) {
            let value = format!("bytes={}", specs.iter().map(|it| it.0.as_str()).collect::<Vec<_>>().join(","));
            let asked = |at: u64| specs.iter().any(|(text, range)| match range {
                Some(range) => range.contains(&at),
                None => at + text[1..].parse::<u64>().unwrap() >= size,
            });
            match wanted(&value, size) {
                Wanted::Whole => prop_assert!(false, "{value} is well formed"),
                Wanted::Unsatisfiable => prop_assert!((0..size).all(|at| !asked(at))),
                Wanted::TooMany => {
                    let starts = (0..size).filter(|&at| asked(at) && (at == 0 || !asked(at - 1)));
                    prop_assert!(starts.count() > MAX_PARTS);
                }
                Wanted::Parts(parts) => {
                    prop_assert!((1..=MAX_PARTS).contains(&parts.len()));
                    for at in 0..size {
                        let times = parts.iter().filter(|part| part.contains(&at)).count();
                        prop_assert_eq!(times, usize::from(asked(at)), "byte {}", at);
                    }
                    prop_assert!(parts.iter().all(|part| part.end <= size));
                }
            }
        }

        #[test]
        fn any_text_is_answered(value in ".{0,200}", size in any::<u64>()) {
            if let Wanted::Parts(parts) = wanted(&value, size) {
                prop_assert!(parts.iter().all(|part| part.start < part.end && part.end <= size));
            }
        }
    }
}
