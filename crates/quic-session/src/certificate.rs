//! Certificates as peers know them: by hash, and for how long. When the next takes over is decided here, with `now` given;
//! making them and swapping them is the driver's.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use crate::limits::{CERTIFICATE_BACKDATED, CERTIFICATE_LIFETIME, CERTIFICATE_ROTATION};

/// SHA-256 of a certificate's DER: what signalling tells, and what a page hands to `serverCertificateHashes`.
///
/// Shown and read as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CertificateHash(pub [u8; 32]);

/// Why a text is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a certificate's SHA-256 has 64 hexadecimal digits, not {text:?}")]
pub struct ParseHashError {
    /// Its beginning.
    text: String,
}

impl fmt::Display for CertificateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CertificateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateHash({self})")
    }
}

impl FromStr for CertificateHash {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseHashError {
            text: text.chars().take(70).collect(),
        };
        if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(error());
        }
        let mut hash = [0; 32];
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| error())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| error())?;
        }
        Ok(Self(hash))
    }
}

/// From when until when a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Its first moment.
    pub not_before: SystemTime,
    /// Its last.
    pub not_after: SystemTime,
}

impl Validity {
    /// Of a certificate made now: from an hour ago, for thirteen days.
    #[must_use]
    pub fn of_one_made_at(now: SystemTime) -> Self {
        let not_before = now - CERTIFICATE_BACKDATED;
        Self {
            not_before,
            not_after: not_before + CERTIFICATE_LIFETIME,
        }
    }

    /// Whether it is good now.
    #[must_use]
    pub fn holds(&self, now: SystemTime) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

/// When the next certificate takes over.
///
/// Two exist at any time: the one that is shown, and the one that will be. Peers are told both hashes, so that one who was
/// told just before the change still connects just after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rotation {
    due: SystemTime,
    /// No change is due before: a clock that was set back far must not keep an old certificate in use.
    since: SystemTime,
}

impl Rotation {
    pub(crate) fn starting(now: SystemTime) -> Self {
        Self {
            due: now + CERTIFICATE_ROTATION,
            since: now,
        }
    }

    /// Whether the next is to take over now.
    pub(crate) fn is_due(&self, now: SystemTime) -> bool {
        now >= self.due || now < self.since - CERTIFICATE_BACKDATED
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_hash_survives_its_text() {
        let mut bytes = [0; 32];
        bytes
            .iter_mut()
            .zip(0..)
            .for_each(|(byte, n)| *byte = n * 7);
        let hash = CertificateHash(bytes);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.to_string().to_uppercase().parse(), Ok(hash));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let hash = CertificateHash([1; 32]).to_string();
        for wrong in [
            "",
            "00",
            &hash[1..],
            &format!("{hash}0"),
            &hash.replace('1', "+"),
        ] {
            assert!(wrong.parse::<CertificateHash>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn no_certificate_is_ever_shown_outside_of_its_time_or_for_longer_than_browsers_allow() {
        let start = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let mut rotation = Rotation::starting(start);
        let (mut shown, mut next) = (
            Validity::of_one_made_at(start),
            Validity::of_one_made_at(start),
        );
        for hour in 0..24 * 60 {
            let now = start + Duration::from_secs(3600) * hour;
            if rotation.is_due(now) {
                shown = next;
                next = Validity::of_one_made_at(now);
                rotation = Rotation::starting(now);
            }
            assert!(shown.holds(now) && next.holds(now));
            let left = shown.not_after.duration_since(now);
            assert!(left.is_ok_and(|left| left > 4 * DAY), "hour {hour}");
            let whole = shown.not_after.duration_since(shown.not_before);
            assert!(whole.is_ok_and(|whole| whole < 14 * DAY));
        }
    }

    #[test]
    fn a_clock_that_was_set_back_brings_a_new_certificate() {
        let start = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let rotation = Rotation::starting(start);
        assert!(!rotation.is_due(start - CERTIFICATE_BACKDATED));
        assert!(rotation.is_due(start - 2 * DAY));
        assert!(!Validity::of_one_made_at(start).holds(start - 2 * DAY));
    }
}
