//! Where a content is, as a person writes it.
//!
//! Parsed from a command line or a request; feeds [`driver::open`](crate::driver::open).

use cid::Cid;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use url::Url;

/// The schemes that [`Location`] reads, for messages.
const ACCEPTED: &str = "a path, file:PATH, ipfs://CID[/path], http://… or https://…";

/// A file, a content by its CID, or a URL.
///
/// ```
/// use progressive_loader::Location;
///
/// let clip: Location = "ipfs://bafkreiczdn6msubxqiw6ywsnle5c4luldhah3xjfodswtead2f7rjrcauy".parse()?;
/// assert!(matches!(clip, Location::Ipfs { .. }));
/// assert!(matches!("films/clip.mp4".parse()?, Location::File(_)));
/// # Ok::<(), progressive_loader::LocationError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A file of this machine.
    File(PathBuf),
    /// A content by its CID, or an entry below it.
    Ipfs {
        /// The root.
        cid: Cid,
        /// Names of directory entries from the root down; empty for the root itself.
        path: Vec<String>,
    },
    /// A resource of an HTTP or HTTPS server.
    Http(Url),
}

/// The text is no [`Location`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// Nothing was given.
    #[error("the location is empty: give {ACCEPTED}")]
    Empty,
    /// It starts with a scheme nobody here reads.
    #[error(
        "unknown scheme {scheme:?} in {text:?}: give {ACCEPTED} (a file whose name has a colon: ./NAME)"
    )]
    UnknownScheme {
        /// The scheme found.
        scheme: String,
        /// The whole text.
        text: String,
    },
    /// What stands after `ipfs://` is no CID.
    #[error(
        "{found:?} is no CID ({reason}): expected ipfs://CID[/path] with a CID such as bafybei… or Qm…"
    )]
    BadCid {
        /// The text in the CID's place.
        found: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The path below a CID, or a `file:` URL, cannot be read.
    #[error("bad path in {text:?}: {reason}")]
    BadPath {
        /// The whole text.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The URL cannot be read.
    #[error("bad URL {text:?}: {reason}")]
    BadUrl {
        /// The whole text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(LocationError::Empty);
        }
        let Some((scheme, rest)) = split_scheme(text) else {
            return Ok(Self::File(PathBuf::from(text)));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "file" => parse_file(text, rest),
            "ipfs" => parse_ipfs(text, rest),
            "http" | "https" => parse_http(text),
            _ => Err(LocationError::UnknownScheme {
                scheme: scheme.into(),
                text: text.into(),
            }),
        }
    }
}

/// Splits `scheme:rest` (RFC 3986 §3.1). One letter before the colon is a Windows drive, and a slash
/// before it makes it part of a path.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut chars = scheme.chars();
    let valid = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    (valid && scheme.len() > 1).then_some((scheme, rest))
}

fn parse_file(text: &str, rest: &str) -> Result<Location, LocationError> {
    let bad = |reason| LocationError::BadPath {
        text: text.into(),
        reason,
    };
    if rest.starts_with("//") {
        let url = Url::parse(text).map_err(|e| LocationError::BadUrl {
            text: text.into(),
            reason: e.to_string(),
        })?;
        let path = url
            .to_file_path()
            .map_err(|()| bad("a file: URL must be file:///absolute/path"))?;
        return Ok(Location::File(path));
    }
    let path = percent_decode(rest)
        .ok_or_else(|| bad("a % must be followed by two hex digits of UTF-8"))?;
    if path.is_empty() {
        return Err(bad("no path after file:"));
    }
    Ok(Location::File(PathBuf::from(path)))
}

fn parse_ipfs(text: &str, rest: &str) -> Result<Location, LocationError> {
    let bad = |reason| LocationError::BadPath {
        text: text.into(),
        reason,
    };
    let rest = rest.trim_start_matches('/');
    let (root, path) = rest.split_once('/').unwrap_or((rest, ""));
    let cid = parse_cid(root)?;
    let mut names = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let name = percent_decode(segment)
            .ok_or_else(|| bad("a % must be followed by two hex digits of UTF-8"))?;
        if name == "." || name == ".." {
            return Err(bad("a path below a CID has no . or .."));
        }
        names.push(name);
    }
    Ok(Location::Ipfs { cid, path: names })
}

fn parse_cid(text: &str) -> Result<Cid, LocationError> {
    // cid's own parser also takes a whole path and drops what stands before the CID.
    let plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '_' | '='));
    let bad = |reason: String| LocationError::BadCid {
        found: text.into(),
        reason,
    };
    if !plain {
        return Err(bad("it has characters no CID has".into()));
    }
    Cid::try_from(text).map_err(|e| bad(e.to_string()))
}

fn parse_http(text: &str) -> Result<Location, LocationError> {
    let bad = |reason: String| LocationError::BadUrl {
        text: text.into(),
        reason,
    };
    let url = Url::parse(text).map_err(|e| bad(e.to_string()))?;
    match url.host_str() {
        Some(host) if !host.is_empty() => Ok(Location::Http(url)),
        _ => Err(bad("it names no host".into())),
    }
}

/// Decodes `%XX` (RFC 3986 §2.1); `None` for a broken escape or for what is not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| char::from(b?).to_digit(16);
        let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
        out.push((high * 16 + low) as u8);
    }
    String::from_utf8(out).ok()
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write_path(f, path),
            Self::Ipfs { cid, path } => {
                write!(f, "ipfs://{cid}")?;
                path.iter().try_for_each(|name| {
                    f.write_str("/")?;
                    write_escaped(f, name, &['%', '/', '?', '#'])
                })
            }
            Self::Http(url) => f.write_str(&without_secrets(url)),
        }
    }
}

/// A path that reads like a URI gets `file:` in front, so that it parses back to itself, and one that is no UTF-8 is a URL.
fn write_path(f: &mut fmt::Formatter<'_>, path: &Path) -> fmt::Result {
    if path.to_str().is_none()
        && let Ok(url) = Url::from_file_path(path)
    {
        return write!(f, "{url}");
    }
    let text = path.to_string_lossy();
    if split_scheme(&text).is_none() {
        return f.write_str(&text);
    }
    f.write_str("file:")?;
    write_escaped(f, &text, &['%'])
}

fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str, special: &[char]) -> fmt::Result {
    for c in text.chars() {
        if special.contains(&c) {
            write!(f, "%{:02X}", c as u32)?;
        } else {
            write!(f, "{c}")?;
        }
    }
    Ok(())
}

/// The URL as messages and logs may show it: no password, and of a query (where signed URLs carry
/// their signature) only that there is one.
pub(crate) fn without_secrets(url: &Url) -> String {
    let mut shown = url.clone();
    if shown.password().is_some() {
        // Fails only for a URL without a host, which Location refuses.
        let _ = shown.set_password(Some("***"));
    }
    if shown.query().is_some_and(|query| !query.is_empty()) {
        shown.set_query(Some("…"));
    }
    shown.set_fragment(None);
    shown.to_string().replace("%E2%80%A6", "…")
}
