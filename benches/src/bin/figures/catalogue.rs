//! Every figure there is: its name, what it means, and its target.
//!
//! Fed by nothing. Read by the command line, by each measurement (which names the figures it fills in) and by the table.

use clap::builder::PossibleValuesParser;

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

impl Target {
    pub(crate) fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }
}

/// One figure.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    /// What is measured, in a line.
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) target: Target,
}

const fn at_most(name: &'static str, limit: f64, unit: &'static str, what: &'static str) -> Figure {
    Figure {
        name,
        what,
        unit,
        target: Target::AtMost(limit),
    }
}

const fn at_least(
    name: &'static str,
    limit: f64,
    unit: &'static str,
    what: &'static str,
) -> Figure {
    Figure {
        name,
        what,
        unit,
        target: Target::AtLeast(limit),
    }
}

/// In the order they are measured and printed.
pub(crate) const FIGURES: [Figure; 9] = [
    at_most(
        "first-frame",
        500.0,
        "ms",
        "page load to first frame drawn, warm, median of 5",
    ),
    at_most(
        "frame-age",
        50.0,
        "ms",
        "age of a frame when drawn, p95, one Chromium at 720p30",
    ),
    at_most(
        "server-cpu",
        5.0,
        "% of a core",
        "server with one Chromium at 720p30, beyond decode and encode",
    ),
    at_most(
        "memory",
        80.0,
        "MiB",
        "server's resident set with that stream and viewer",
    ),
    at_most(
        "viewer-cpu",
        0.5,
        "% of a core",
        "each further viewer, from 1 to 21 at one quality",
    ),
    at_most(
        "encode-once",
        3.0,
        "encodes/frame",
        "20 viewers at three qualities",
    ),
    at_least(
        "goodput",
        45.0,
        "MB/s",
        "frames of 100 kB to Chromium, unpaced, no datagram dropped",
    ),
    at_least(
        "add",
        1.5,
        "x Kubo",
        "stream-server add against ipfs add, 350 MB, same CID",
    ),
    at_most(
        "clone",
        6.0,
        "min",
        "git clone to the demo's first frame on 2 cores",
    ),
];

/// The figure of that name.
pub(crate) fn figure(name: &str) -> Option<&'static Figure> {
    FIGURES.iter().find(|figure| figure.name == name)
}

pub(crate) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(FIGURES.iter().map(|figure| figure.name))
}
