//! Why a content is not served: the loader's errors as a client of HTTP understands them.

use std::io;

use http::StatusCode;
use progressive_loader::{BlockError, LocationError, OpenError, OriginError, ReadError};

use crate::controller::problem::{Listing, Problem};

/// The path is not `/ipfs/CID[/path]`.
pub(super) fn bad_location(error: &LocationError) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "bad-cid",
        "Not a CID",
        format!("{error}; ask for /ipfs/CID[/path]"),
    )
}

/// It cannot be opened.
pub(super) fn not_opened(error: OpenError) -> Problem {
    let detail = error.to_string();
    let not_found = |listing: Option<Listing>| {
        let mut problem = Problem::not_found(detail.clone());
        problem.listing = listing.map(Box::new);
        problem
    };
    match error {
        OpenError::NoStore { .. }
        | OpenError::NotInStore { .. }
        | OpenError::NotADirectory { .. } => not_found(None),
        OpenError::Directory {
            entries,
            total_entries,
            ..
        } => {
            let kind = "directory";
            let mut problem = Problem::new(StatusCode::NOT_FOUND, kind, "A directory", detail);
            problem.listing = Some(Box::new(Listing {
                entries,
                total_entries,
            }));
            problem
        }
        OpenError::NoSuchEntry {
            entries,
            total_entries,
            ..
        } => not_found(Some(Listing {
            entries,
            total_entries,
        })),
        OpenError::Read(error) => not_read(&error),
        _ => bad_gateway(detail),
    }
}

/// Its first bytes cannot be read.
pub(super) fn not_begun(error: &io::Error) -> Problem {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    match (cause, error.kind()) {
        (Some(error), _) => not_read(error),
        (None, io::ErrorKind::TimedOut) => too_slow("the first bytes", &[]),
        (None, _) => bad_gateway(error.to_string()),
    }
}

pub(super) fn not_read(error: &ReadError) -> Problem {
    match error {
        ReadError::Timeout { .. } => gateway_timeout(error.to_string()),
        ReadError::GaveUp { last, .. } => match last.downcast_ref() {
            // All that were asked.
            Some(OriginError::NotFound) => Problem::not_found(error.to_string()),
            Some(OriginError::Timeout { .. }) => gateway_timeout(error.to_string()),
            _ => bad_gateway(error.to_string()),
        },
        ReadError::Block {
            problem:
                BlockError::UnsupportedCodec(_)
                | BlockError::UnsupportedHash(_)
                | BlockError::NotAFile(_),
            ..
        } => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "not-a-file",
            "Not a file",
            error.to_string(),
        ),
        _ => bad_gateway(error.to_string()),
    }
}

/// A step took longer than this route waits; `asked` are the daemons and gateways.
pub(super) fn too_slow(what: &str, asked: &[String]) -> Problem {
    let asked = match asked {
        [] => String::new(),
        some => format!(" (asked: {})", some.join(", ")),
    };
    gateway_timeout(format!(
        "no source gave {what} in time{asked}; ask again later, or give the server another (--gateway, --ipfs-api)"
    ))
}

/// As many answers as are served at once are being served.
pub(super) fn busy(most: usize) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "busy",
        "Too many answers at once",
        format!("{most} contents are being sent, the most at once; ask again when one has ended"),
    )
}

pub(super) fn unsatisfiable(size_bytes: u64) -> Problem {
    Problem::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "range",
        "No such range",
        format!("the content has {size_bytes} bytes, and none of them is in the Range asked for"),
    )
}

pub(super) fn too_many_ranges(most: usize) -> Problem {
    Problem::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "range",
        "Too many ranges",
        format!(
            "at most {most} ranges that do not touch are sent in one answer; ask several times"
        ),
    )
}

pub(super) fn precondition_failed(etag: &str) -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "precondition",
        "Another content was wanted",
        format!("If-Match does not name {etag}"),
    )
}

fn gateway_timeout(detail: String) -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "source-timeout",
        "No source answered in time",
        detail,
    )
}

fn bad_gateway(detail: String) -> Problem {
    Problem::new(
        StatusCode::BAD_GATEWAY,
        "source-failed",
        "The content could not be read",
        detail,
    )
}
