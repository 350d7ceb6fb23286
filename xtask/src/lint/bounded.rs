//! Everything is bounded: no channel that grows as long as someone sends.

use anyhow::Result;

use super::outcome::Outcome;
use super::source::{self, CodePath};
use super::{Check, Context};

pub(super) const CHECK: Check = Check {
    name: "bounded",
    about: "no unbounded channel",
    remedy: "give the channel a capacity, and say what happens when it is full",
    compiles: false,
    run,
};

fn run(context: &Context) -> Result<Outcome> {
    let mut findings = Vec::new();
    for package in &context.workspace.packages {
        for source in source::read_tree(&package.dir().join("src"))? {
            let place = context.workspace.relative(&source.path);
            for path in unbounded(&source::paths(&source.code)) {
                findings.push(format!(
                    "{place}:{} `{}`",
                    path.line,
                    path.segments.join("::")
                ));
            }
        }
    }
    Ok(Outcome::from_findings(findings))
}

/// Those among one file's `paths` that name an unbounded channel.
fn unbounded(paths: &[CodePath]) -> Vec<&CodePath> {
    // std's `mpsc::channel` has no capacity; tokio's of the same name takes one.
    let is_std = paths
        .iter()
        .any(|path| path.segments.join("::").starts_with("std::sync::mpsc"));
    let is_unbounded = |path: &&CodePath| {
        let text = path.segments.join("::");
        let last = path.segments.last().map_or("", String::as_str);
        text == "std::sync::mpsc::channel"
            || is_std && text == "mpsc::channel"
            || last == "unbounded_channel"
            || last == "unbounded" && path.segments.len() > 1
    };
    paths.iter().filter(is_unbounded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_found(text: &str) -> bool {
        let (code, _) = source::production(text).unwrap();
        !unbounded(&source::paths(&code)).is_empty()
    }

    #[test]
    fn unbounded_channels_are_found_by_any_of_their_names() {
        assert!(is_found(
            "fn f() { let (tx, rx) = tokio::sync::mpsc::unbounded_channel(); }"
        ));
        assert!(is_found("use std::sync::mpsc::{channel, Receiver};"));
        assert!(is_found(
            "use std::sync::mpsc; fn f() { let (tx, rx) = mpsc::channel(); }"
        ));
        assert!(is_found("fn f() { futures::channel::mpsc::unbounded() }"));
    }

    #[test]
    fn channels_with_a_capacity_pass() {
        assert!(!is_found(
            "fn f() { tokio::sync::mpsc::channel(8); std::sync::mpsc::sync_channel(1); }"
        ));
        assert!(!is_found(
            "use tokio::sync::mpsc; fn f() { mpsc::channel(8); }"
        ));
        assert!(!is_found("fn f(unbounded: bool) -> bool { unbounded }"));
    }
}
