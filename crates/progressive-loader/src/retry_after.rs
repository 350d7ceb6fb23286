//! `Retry-After` (RFC 9110 §10.2.3): how long a server wants to be left alone, and keeping to it.
//!
//! Fed by the HTTP clients with answers; tells them how long to wait. Pure: it sees header values and times, no clock.

use std::time::{Duration, Instant, SystemTime};

use crate::plan::RetryPolicy;

/// How long to wait, by the value of `Retry-After`: seconds, or a date in any of the forms of HTTP (§5.6.7). A date counts from
/// `date`, the answer's own, where it has one, so that two clocks need not agree; else from `clock`. One that is over is
/// no wait at all, and `None` what can be read as neither.
pub(crate) fn retry_after(value: &str, date: Option<&str>, clock: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    let sent = date.and_then(|date| httpdate::parse_http_date(date.trim()).ok());
    let wait = at.duration_since(sent.unwrap_or(clock));
    Some(wait.unwrap_or_default())
}

/// Until when one server is left alone.
#[derive(Debug, Default)]
pub(crate) struct HoldOff {
    until: Option<Instant>,
}

impl HoldOff {
    /// The server said how long, at `now`. Kept to within the bound of [`RetryPolicy::longest_retry_after`]; the latest such
    /// time counts.
    pub(crate) fn told(&mut self, now: Instant, wait: Duration) {
        let until = now + RetryPolicy::default().bounded(wait);
        self.until = Some(self.until.map_or(until, |before| before.max(until)));
    }

    /// When it may be asked again; `None`: at once.
    pub(crate) fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "Sun, 22 Nov 2026 12:00:00 GMT";

    fn wait(value: &str) -> Option<Duration> {
        // A clock that is an hour behind the server's.
        let clock = httpdate::parse_http_date(NOON).unwrap() - Duration::from_secs(3600);
        retry_after(value, Some(NOON), clock)
    }

    #[test]
    fn seconds_and_every_form_of_a_date_are_read() {
        for value in [
            "90",
            " 90 ",
            "Sun, 22 Nov 2026 12:01:30 GMT",
            "Sunday, 22-Nov-26 12:01:30 GMT",
            "Sun Nov 22 12:01:30 2026",
        ] {
            assert_eq!(wait(value), Some(Duration::from_secs(90)), "{value}");
        }
        assert_eq!(wait("Sun, 22 Nov 2026 11:00:00 GMT"), Some(Duration::ZERO));
        for value in [
            "",
            "-1",
            "soon",
            "1.5",
            "Sun, 22 Nov 2026",
            "99999999999999999999",
        ] {
            assert_eq!(wait(value), None, "{value}");
        }
    }

    #[test]
    fn without_a_date_of_its_own_the_answers_is_told_by_the_clock() {
        let clock = httpdate::parse_http_date(NOON).unwrap();
        for date in [None, Some("today")] {
            let wait = retry_after("Sun, 22 Nov 2026 12:00:05 GMT", date, clock);
            assert_eq!(wait, Some(Duration::from_secs(5)));
        }
    }

    #[test]
    fn the_longest_wait_counts_and_none_is_longer_than_the_bound() {
        let now = Instant::now();
        let mut hold_off = HoldOff::default();
        assert_eq!(hold_off.until(now), None);
        hold_off.told(now, Duration::from_secs(5));
        hold_off.told(now, Duration::from_secs(1));
        assert_eq!(hold_off.until(now), Some(now + Duration::from_secs(5)));
        assert_eq!(hold_off.until(now + Duration::from_secs(5)), None);
        hold_off.told(now, Duration::MAX);
        assert_eq!(hold_off.until(now), Some(now + Duration::from_secs(30)));
    }
}
