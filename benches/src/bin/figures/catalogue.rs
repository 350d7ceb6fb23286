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
    /// Neither less than the first nor more than the second.
    Between(f64, f64),
}

impl Target {
    pub(crate) fn is_met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
            Self::Between(least, most) => (least..=most).contains(&value),
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

const fn share(name: &'static str, least: f64, most: f64, what: &'static str) -> Figure {
    Figure {
        name,
        what,
        unit: "%",
        target: Target::Between(least, most),
    }
}

/// In the order they are measured and printed.
pub(crate) const FIGURES: [Figure; 52] = [
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
        "each further viewer by data channel, from 1 to 21 at one quality",
    ),
    at_most(
        "viewer-cpu-quic",
        0.5,
        "% of a core",
        "the same by QUIC, which a page takes where it can",
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
        "webtransport-goodput",
        100.0,
        "MB/s",
        "the same by WebTransport, on loopback",
    ),
    at_most(
        "webtransport-age-0",
        40.0,
        "ms",
        "age on arrival, p95, 30 frames/s of 100 kB by WebTransport, RTT 50 ms, every frame",
    ),
    at_most(
        "webtransport-age-1",
        90.0,
        "ms",
        "the same, 1 % loss each way",
    ),
    at_most(
        "webtransport-age-5",
        150.0,
        "ms",
        "the same, 5 % loss each way",
    ),
    at_most(
        "webtransport-age-15",
        250.0,
        "ms",
        "the same, 15 % loss each way",
    ),
    at_most(
        "webtransport-first-frame",
        300.0,
        "ms",
        "page load to first frame drawn by QUIC, warm, median of 5",
    ),
    at_least(
        "add",
        1.5,
        "x Kubo",
        "stream-server add against ipfs add, 350 MB, same CID",
    ),
    at_least(
        "ipfs-read",
        0.9,
        "x curl",
        "200 MB in order from boxo's gateway by URL, against curl",
    ),
    at_least(
        "ipfs-read-verified",
        0.7,
        "x curl",
        "the same by CID, every block checked",
    ),
    at_least(
        "ipfs-read-kubo",
        0.9,
        "x curl",
        "200 MB in order from Kubo's gateway by URL, against curl",
    ),
    at_least(
        "ipfs-read-kubo-verified",
        0.7,
        "x curl",
        "the same by CID, every block checked",
    ),
    at_least(
        "ipfs-read-legacy",
        0.9,
        "x curl",
        "200 MB from boxo's gateway by URL, added as ipfs add does by itself, against curl",
    ),
    at_least(
        "ipfs-read-legacy-verified",
        0.7,
        "x curl",
        "the same by CID, every block checked",
    ),
    at_least(
        "store-read",
        400.0,
        "MB/s",
        "200 MB in order from the embedded store, every block checked",
    ),
    at_most(
        "ipfs-first-frame",
        0.6,
        "x ffmpeg",
        "first frame of 100 MB with the index at its end, 20 Mbit/s, 80 ms",
    ),
    at_most(
        "ipfs-first-frame-whole",
        0.1,
        "x all of it",
        "the same against fetching the whole",
    ),
    at_most(
        "ipfs-first-frame-bytes",
        1.0,
        "MiB",
        "fetched for it beyond the index",
    ),
    at_most(
        "ipfs-seek",
        500.0,
        "ms",
        "a jump to the middle on that link until 128 KiB are read",
    ),
    at_most(
        "ipfs-kills",
        0.0,
        "wrong contents",
        "1 GiB from a source that dies a hundred times",
    ),
    at_most("ipfs-kills-twice", 5.0, "%", "fetched twice for it"),
    at_most(
        "ipfs-memory",
        36.0,
        "MiB",
        "what the server adds while it passes 1 GiB on: 4 MiB of look-ahead, and 32",
    ),
    at_least(
        "process-peer",
        3.0,
        "x libdatachannel",
        "frame-sender to frame-worker, 2000 frames of 100 kB, one lane",
    ),
    at_least(
        "process-bare",
        85.0,
        "% of bare str0m",
        "the same against str0m in a plain loop, two ends in one process",
    ),
    at_most(
        "process-memory",
        64.0,
        "MiB",
        "the larger of sender and worker, over 2 GB",
    ),
    at_least(
        "process-workers",
        3.8,
        "x one worker",
        "a model of 75 ms on four workers",
    ),
    at_least(
        "process-batch",
        9.0,
        "x batch of 1",
        "a model of 75 ms a batch, in tens",
    ),
    at_least(
        "process-rtt",
        25.0,
        "MB/s",
        "round trip of 50 ms, no loss, eight lanes",
    ),
    at_least(
        "process-loss",
        3.0,
        "x one association",
        "round trip of 50 ms, 1 % loss, eight lanes",
    ),
    at_most(
        "process-cuts",
        2.0,
        "s",
        "path back to next result, worst of 20 cuts and 5 kills; nothing lost or doubled",
    ),
    at_least(
        "quic-peer",
        5.0,
        "x libdatachannel",
        "frame-sender to frame-worker by QUIC, 2000 frames of 100 kB",
    ),
    at_most("quic-cpu", 4.0, "s of CPU a GB", "both ends of the same"),
    at_least(
        "quic-rtt",
        70.0,
        "MB/s",
        "by QUIC, round trip of 50 ms, no loss",
    ),
    at_least("quic-loss-1", 60.0, "MB/s", "the same, 1 % loss each way"),
    at_least("quic-loss-5", 50.0, "MB/s", "the same, 5 % loss each way"),
    at_least("quic-loss-15", 25.0, "MB/s", "the same, 15 % loss each way"),
    at_most(
        "quic-takeover",
        2.0,
        "s",
        "QUIC's port blocked: longest pause of the results",
    ),
    share(
        "quic-share-05",
        30.0,
        70.0,
        "share of 20 Mbit/s beside the kernel's TCP CUBIC, queue of 0.5 bandwidth-delay products",
    ),
    share("quic-share-1", 30.0, 70.0, "the same, queue of 1"),
    share("quic-share-4", 30.0, 70.0, "the same, queue of 4"),
    share(
        "quic-two",
        40.0,
        60.0,
        "share of the first of two of ours, queue of 1",
    ),
    at_least(
        "quic-alone-1",
        17.0,
        "Mbit/s",
        "alone on 20 Mbit/s, 1 % loss each way",
    ),
    at_least(
        "quic-tcp-1",
        1.0,
        "x TCP BBR",
        "200 MB, round trip of 50 ms, 1 % loss each way, against the kernel's",
    ),
    at_least("quic-tcp-5", 1.0, "x TCP BBR", "the same, 5 % loss"),
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
