//! Quantities as a person writes them: `25ms`, `1%`, `10MB/s`, `30s/5s`.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

/// Nobody waits for longer; and longer ones would not fit every clock.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A cut that comes again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// From the beginning of one to that of the next.
    pub(crate) every: Duration,
    /// How long each takes.
    pub(crate) lasting: Duration,
}

/// Splits `25ms` into 25 and `ms`.
fn number(text: &str) -> Option<(f64, &str)> {
    let at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(at);
    Some((digits.parse().ok()?, unit.trim()))
}

/// `25ms`, `1.5s`, `2m`, up to a day.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let seconds = match number(text) {
        Some((number, "us")) => number / 1e6,
        Some((number, "ms")) => number / 1e3,
        Some((number, "s")) => number,
        Some((number, "m" | "min")) => number * 60.0,
        _ => return Err("want a time with its unit, such as 25ms or 1.5s".to_owned()),
    };
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| "want at most a day".to_owned())
}

/// `1%` or `0.01`.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let share = match number(text) {
        Some((number, "%")) => number / 100.0,
        Some((number, "")) => number,
        _ => return Err("want a share such as 1% or 0.01".to_owned()),
    };
    if share <= 1.0 {
        Ok(share)
    } else {
        Err("want at most 100%; without a percent sign, 1 is all".to_owned())
    }
}

/// `10MB/s`, `500kB/s`, `1MiB/s`, `20Mbit/s`, in bytes per second.
pub(crate) fn rate(text: &str) -> Result<u64, String> {
    let wanted = "want a rate such as 10MB/s, 500kB/s or 20Mbit/s, of at least a byte a second";
    let (number, unit) = number(text).ok_or(wanted)?;
    let unit_bytes_per_s = match unit {
        "B/s" => 1.0,
        "kB/s" | "KB/s" => 1e3,
        "MB/s" => 1e6,
        "GB/s" => 1e9,
        "KiB/s" => 1024.0,
        "MiB/s" => 1024.0 * 1024.0,
        "kbit/s" => 1e3 / 8.0,
        "Mbit/s" => 1e6 / 8.0,
        "Gbit/s" => 1e9 / 8.0,
        _ => return Err(wanted.to_owned()),
    };
    match (number * unit_bytes_per_s) as u64 {
        0 => Err(wanted.to_owned()),
        rate => Ok(rate),
    }
}

/// `30s/5s`: every 30 seconds, for 5.
pub(crate) fn cut(text: &str) -> Result<Cut, String> {
    let (every, lasting) = text
        .split_once('/')
        .ok_or("want EVERY/FOR, such as 30s/5s")?;
    let cut = Cut {
        every: duration(every)?,
        lasting: duration(lasting)?,
    };
    if cut.lasting < cut.every {
        Ok(cut)
    } else {
        Err("a cut must be over before the next begins: in 30s/5s each takes 5 s".to_owned())
    }
}

/// `http://HOST:PORT`, with or without the scheme, as servers print it.
pub(crate) fn server(text: &str) -> Result<SocketAddr, String> {
    let wanted = || format!("want an address such as http://127.0.0.1:8080, and {text:?} is none");
    let authority = text.strip_prefix("http://").unwrap_or(text);
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let addresses: Vec<_> = authority.to_socket_addrs().map_err(|_| wanted())?.collect();
    addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first())
        .copied()
        .ok_or_else(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_they_are_written() {
        assert_eq!(duration("25ms"), Ok(Duration::from_millis(25)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(share("1%"), Ok(0.01));
        assert_eq!(share("0.25"), Ok(0.25));
        assert_eq!(share("100%"), Ok(1.0));
        assert_eq!(rate("10MB/s"), Ok(10_000_000));
        assert_eq!(rate("1KiB/s"), Ok(1024));
        assert_eq!(rate("8 Mbit/s"), Ok(1_000_000));
        let (every, lasting) = (Duration::from_secs(30), Duration::from_secs(5));
        assert_eq!(cut("30s/5s"), Ok(Cut { every, lasting }));
        let address = "127.0.0.1:8080".parse().unwrap();
        for text in [
            "http://127.0.0.1:8080",
            "http://127.0.0.1:8080/",
            "127.0.0.1:8080",
        ] {
            assert_eq!(server(text), Ok(address));
        }
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "",
            "25",
            "ms",
            "-1s",
            "1.2.3s",
            "25 hours",
            "2000m",
            "99999999999999999999s",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["", "1", "x"] {
            assert!(rate(text).is_err(), "{text}");
        }
        assert!(rate("0MB/s").is_err() && rate("10MB").is_err());
        assert!(share("101%").is_err() && share("2").is_err() && share("1ms").is_err());
        assert!(cut("5s/5s").is_err() && cut("5s").is_err() && cut("5s/x").is_err());
        assert!(server("https://127.0.0.1:8080").is_err() && server("http://127.0.0.1").is_err());
    }
}
