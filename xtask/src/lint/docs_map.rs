//! Docs that name files name files that exist, and the architecture's map covers every package.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::outcome::Outcome;
use super::{Check, Context, tree};

pub(super) const CHECK: Check = Check {
    name: "docs-map",
    about: "every path and link in the docs leads somewhere, and docs/architecture.md maps each package",
    remedy: "correct the path, or add the package to the map at the end of docs/architecture.md",
    compiles: false,
    run,
};

const MAP: &str = "docs/architecture.md";

/// The folders that hold the project; a code span that starts with one is a path.
const TOP: [&str; 10] = [
    "crates/",
    "bins/",
    "examples/",
    "benches/",
    "fuzz/",
    "docs/",
    "web/",
    "xtask/",
    ".ci/",
    ".cargo/",
];

fn run(context: &Context) -> Result<Outcome> {
    let root = &context.workspace.root;
    let mut findings = Vec::new();
    for file in tree::files(&context.workspace)? {
        if Path::new(&file)
            .extension()
            .is_none_or(|extension| extension != "md")
        {
            continue;
        }
        let path = root.join(&file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?;
        for (line, target) in references(&text) {
            let exists = match &target {
                Reference::FromRoot(named) => root.join(named).exists(),
                Reference::Link(link) => resolve(root, &path, link).exists(),
            };
            if !exists {
                findings.push(format!(
                    "{file}:{line} names {}, which does not exist",
                    target.text()
                ));
            }
        }
    }
    findings.extend(unmapped(context)?);
    Ok(Outcome::from_findings(findings))
}

/// Packages of which the map names no file.
fn unmapped(context: &Context) -> Result<Vec<String>> {
    let map = context.workspace.root.join(MAP);
    let text = fs::read_to_string(&map).with_context(|| format!("cannot read {MAP}"))?;
    let named: Vec<String> = references(&text)
        .into_iter()
        .map(|(_, target)| target.text().to_owned())
        .collect();
    let is_mapped = |dir: &str| {
        named
            .iter()
            .any(|path| path.starts_with(&format!("{dir}/")))
    };
    Ok(context
        .workspace
        .packages
        .iter()
        .map(|package| context.workspace.relative(package.dir()))
        .filter(|dir| !is_mapped(dir))
        .map(|dir| format!("{MAP} names no file of {dir}"))
        .collect())
}

#[derive(Debug, PartialEq, Eq)]
enum Reference {
    /// A code span such as `crates/frame-buffer/src/ring.rs`.
    FromRoot(String),
    /// A Markdown link to a file of ours, relative to the document.
    Link(String),
}

impl Reference {
    fn text(&self) -> &str {
        match self {
            Self::FromRoot(text) | Self::Link(text) => text,
        }
    }
}

/// Paths and links with their lines, fenced code left out.
fn references(text: &str) -> Vec<(usize, Reference)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let spans = line
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|span| is_path(span));
        found.extend(spans.map(|span| (number + 1, Reference::FromRoot(span.to_owned()))));
        found.extend(links(line).map(|link| (number + 1, Reference::Link(link))));
    }
    found
}

/// A placeholder (`docs/decisions/NNNN-name.md`, `crates/<name>`, `tests/*.rs`) is no path.
fn is_path(span: &str) -> bool {
    TOP.iter().any(|top| span.starts_with(top))
        && !span.contains(['*', '<', '{', '…', ' ', '$'])
        && !span.contains("NNNN")
}

/// The targets of `[text](target)` that are neither addresses nor anchors in the same document.
fn links(line: &str) -> impl Iterator<Item = String> + '_ {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default().to_owned())
        .filter(|target| {
            !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:")
        })
}

fn resolve(root: &Path, document: &Path, link: &str) -> PathBuf {
    match link.strip_prefix('/') {
        Some(from_root) => root.join(from_root),
        None => document.parent().unwrap_or(root).join(link),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_links_are_told_from_other_code_and_addresses() {
        let text = "\
See `crates/a/src/b.rs` and `Vec::new`, [the wire](wire.md#acks), [elsewhere](https://example.org/x).
Not `crates/<name>/README.md`, not `docs/decisions/NNNN-name.md`, not [here](#below).
```
`crates/in/a/fence.rs`
```
";
        assert_eq!(
            references(text),
            [
                (1, Reference::FromRoot("crates/a/src/b.rs".to_owned())),
                (1, Reference::Link("wire.md".to_owned())),
            ]
        );
    }

    #[test]
    fn links_start_at_their_document() {
        let root = Path::new("/p");
        assert_eq!(
            resolve(root, Path::new("/p/docs/a.md"), "b.md"),
            Path::new("/p/docs/b.md")
        );
        assert_eq!(
            resolve(root, Path::new("/p/docs/a.md"), "/README.md"),
            Path::new("/p/README.md")
        );
    }
}
