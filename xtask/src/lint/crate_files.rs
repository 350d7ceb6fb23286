//! What each crate brings along: a README with an example, a runnable example, a place in the lists.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::outcome::Outcome;
use super::{Check, Context};
use crate::workspace::Package;

pub(super) const CHECK: Check = Check {
    name: "crate-files",
    about: "each crate has a README and a runnable example; every example and bench is listed",
    remedy: "write what is missing; examples/Cargo.toml and benches/Cargo.toml list their targets by name",
    compiles: false,
    run,
};

/// Shorter than this, a README is a placeholder.
const SHORTEST_README: usize = 15;

fn run(context: &Context) -> Result<Outcome> {
    let root = &context.workspace.root;
    let mut findings = Vec::new();
    for package in &context.workspace.packages {
        let is_library = package.is_library_crate(&context.workspace);
        if is_library || package.dir().starts_with(root.join("bins")) {
            findings.extend(readme(context, package));
        }
        if is_library && package.is_published_library() {
            let example = format!("examples/{}.rs", package.crate_name());
            if !root.join(&example).is_file() {
                findings.push(format!("{} has no {example}", package.name));
            }
        }
    }
    findings.extend(unlisted(
        context,
        "frameway-examples",
        "example",
        &root.join("examples"),
    )?);
    findings.extend(unlisted(
        context,
        "frameway-benches",
        "bench",
        &root.join("benches"),
    )?);
    Ok(Outcome::from_findings(findings))
}

fn readme(context: &Context, package: &Package) -> Option<String> {
    let path = package.dir().join("README.md");
    let place = context.workspace.relative(&path);
    let Ok(text) = fs::read_to_string(&path) else {
        return Some(format!("{place} is missing"));
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
    if lines < SHORTEST_README {
        return Some(format!(
            "{place} has {lines} lines: say what it is, when to use it, its limits and defaults"
        ));
    }
    (!text.contains("```")).then(|| format!("{place} shows no example"))
}

/// The `.rs` files in `dir` that are no target of `package`.
fn unlisted(context: &Context, package: &str, kind: &str, dir: &Path) -> Result<Vec<String>> {
    let package = context
        .workspace
        .packages
        .iter()
        .find(|it| it.name == package)
        .with_context(|| format!("the workspace has no package {package}"))?;
    let listed = |stem: &str| {
        package
            .targets
            .iter()
            .any(|target| target.name == stem && target.kind.iter().any(|it| it == kind))
    };
    let mut findings = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.extension().is_some_and(|extension| extension == "rs") && !listed(&stem) {
            findings.push(format!(
                "{} is not listed in {}",
                context.workspace.relative(&path),
                context.workspace.relative(&package.manifest_path)
            ));
        }
    }
    findings.sort();
    Ok(findings)
}
