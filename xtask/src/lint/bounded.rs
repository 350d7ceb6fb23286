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
    for package in &context.packages {
        for source in source::read_tree(&package.dir().join("src"))? {
            let place = context.workspace.relative(&source.path);
            let unbounded = source::paths(&source.code).into_iter().filter(is_unbounded);
            findings.extend(
                unbounded
                    .map(|path| format!("{place}:{} `{}`", path.line, path.segments.join("::"))),
            );
        }
    }
    Ok(Outcome::from_findings(findings))
}

fn is_unbounded(path: &CodePath) -> bool {
    let text = path.segments.join("::");
    // std's `mpsc::channel` has no capacity; tokio's of the same name takes one.
    text == "std::sync::mpsc::channel"
        || path
            .segments
            .last()
            .is_some_and(|last| last == "unbounded_channel")
        || path.segments.len() > 1 && text.ends_with("::unbounded")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_found(text: &str) -> bool {
        let (code, _) = source::production(text).unwrap();
        source::paths(&code).iter().any(is_unbounded)
    }

    #[test]
    fn unbounded_channels_are_found_by_any_of_their_names() {
        assert!(is_found(
            "fn f() { let (tx, rx) = tokio::sync::mpsc::unbounded_channel(); }"
        ));
        assert!(is_found("use std::sync::mpsc::{channel, Receiver};"));
        assert!(is_found("fn f() { futures::channel::mpsc::unbounded() }"));
    }

    #[test]
    fn channels_with_a_capacity_pass() {
        assert!(!is_found(
            "fn f() { tokio::sync::mpsc::channel(8); std::sync::mpsc::sync_channel(1); }"
        ));
        assert!(!is_found("fn f(unbounded: bool) -> bool { unbounded }"));
    }
}
