//! `cargo xtask link`: the tests' bad network, for a person and a browser.

pub(crate) mod values;

use std::io::{IsTerminal as _, Write as _, stderr, stdout};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use testkit::driver::{BadLink, BadLinkConfig, BadLinkStats, Ways};
use testkit::{LinkConfig, PathStats};

use crate::args;
use values::Cut;

const SECOND: Duration = Duration::from_secs(1);

/// Runs until the process is ended.
pub(crate) fn run(args: &args::Link) -> Result<ExitCode> {
    let way = LinkConfig {
        delay: args.delay,
        jitter: args.jitter,
        loss: args.loss,
        duplication: args.duplicate,
        reordering: args.reorder,
        rate_bytes_per_s: args.rate,
        ..LinkConfig::datagrams()
    };
    let config = BadLinkConfig {
        listen: args.listen,
        seed: args.seed,
        ..BadLinkConfig::both(way)
    };
    let link = BadLink::to_http(args.to, config)?;
    writeln!(stdout(), "http://{}", link.address()).context("nobody reads the address")?;
    carry(&link, args.cut)
}

/// Cuts when it is time to, and counts in between.
fn carry(link: &BadLink, cut: Option<Cut>) -> Result<ExitCode> {
    let is_watched = stderr().is_terminal();
    let mut next_cut = cut.map(|cut| Instant::now() + cut.every);
    let mut next_line = Instant::now() + SECOND;
    let mut before = BadLinkStats::default();
    loop {
        let now = Instant::now();
        if let (Some(cut), Some(at)) = (cut, &mut next_cut)
            && *at <= now
        {
            link.control().cut_for(Ways::Both, cut.lasting, false);
            *at += cut.every;
            if is_watched {
                eprintln!("cut for {:?}", cut.lasting);
            }
        }
        if next_line <= now {
            next_line += SECOND;
            let stats = link.control().stats();
            if is_watched {
                eprintln!("{}", line(&before, &stats));
            }
            before = stats;
        }
        let next = next_cut.map_or(next_line, |at| at.min(next_line));
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// What a second brought.
fn line(before: &BadLinkStats, stats: &BadLinkStats) -> String {
    format!(
        "up {} | down {} | clients {}",
        way(&before.up, &stats.up),
        way(&before.down, &stats.down),
        stats.clients
    )
}

fn way(before: &PathStats, stats: &PathStats) -> String {
    let bytes = stats.forwarded_bytes - before.forwarded_bytes;
    let mut text = format!(
        "{:.2} MB/s, {} datagrams",
        bytes as f64 / 1e6,
        stats.forwarded - before.forwarded
    );
    for (what, before, now) in [
        ("lost", before.lost, stats.lost),
        ("duplicated", before.duplicated, stats.duplicated),
        (
            "found the queue full",
            before.dropped_full,
            stats.dropped_full,
        ),
        ("cut", before.dropped_cut, stats.dropped_cut),
    ] {
        if now > before {
            text += &format!(", {} {what}", now - before);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_the_second_brought_and_no_noughts() {
        let before = BadLinkStats::default();
        let mut now = before;
        now.up.forwarded = 3;
        now.down.forwarded = 1000;
        now.down.forwarded_bytes = 1_200_000;
        now.down.lost = 9;
        now.clients = 1;
        assert_eq!(
            line(&before, &now),
            "up 0.00 MB/s, 3 datagrams | down 1.20 MB/s, 1000 datagrams, 9 lost | clients 1"
        );
    }
}
