//! A library is usable alone: it packages, and its example builds from the package, elsewhere.
//!
//! `cargo package` makes the `.crate` files; [`outside`] builds each example against them in a
//! package of its own, resolved afresh, so that neither our lock file nor a path hides a mistake.

mod outside;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::outcome::Outcome;
use super::{Check, Context};
use crate::process;
use crate::workspace::Package;
use outside::Outside;

pub(super) const CHECK: Check = Check {
    name: "packaging",
    about: "each library packages, and its example builds outside the workspace from a fresh resolve",
    remedy: "see the command's output above; what the example needs must be in the package or its dependencies",
    compiles: true,
    run,
};

/// What each package must hold, at least.
const CONTENT: [&str; 3] = ["Cargo.toml", "README.md", "src/lib.rs"];

fn run(context: &Context) -> Result<Outcome> {
    let libraries: Vec<&Package> = context
        .workspace
        .packages
        .iter()
        .filter(|package| {
            package.is_library_crate(&context.workspace) && package.is_published_library()
        })
        .collect();
    package(context, &libraries)?;
    let home = context.workspace.target_dir.join("outside");
    let unpacked = unpack(context, &libraries, &home.join("crates"))?;
    let outside = Outside::new(&context.workspace, &home, &unpacked)?;
    let mut findings = Vec::new();
    for (name, dir) in &unpacked {
        let missing = CONTENT.iter().filter(|file| !dir.join(file).is_file());
        findings.extend(missing.map(|file| format!("the package of {name} lacks {file}")));
        if let Err(error) = outside.check_example(name) {
            findings.push(format!("{name}: {error:#}"));
        }
    }
    Ok(Outcome::from_findings(findings))
}

/// All at once: packages of one call find each other although none is published yet.
fn package(context: &Context, libraries: &[&Package]) -> Result<()> {
    let mut command = context.workspace.cargo();
    command.args(["package", "--no-verify", "--allow-dirty", "--quiet"]);
    for library in libraries {
        command.args(["--package", &library.name]);
    }
    process::run(&mut command)
}

/// The packages as their users get them: name and folder, in the order given.
fn unpack(
    context: &Context,
    libraries: &[&Package],
    into: &Path,
) -> Result<Vec<(String, PathBuf)>> {
    if into.exists() {
        fs::remove_dir_all(into).with_context(|| format!("cannot empty {}", into.display()))?;
    }
    fs::create_dir_all(into).with_context(|| format!("cannot create {}", into.display()))?;
    let mut unpacked = Vec::new();
    for library in libraries {
        let stem = format!("{}-{}", library.name, library.version);
        let archive = context
            .workspace
            .target_dir
            .join("package")
            .join(format!("{stem}.crate"));
        process::stdout(
            Command::new("tar")
                .arg("-xzf")
                .arg(&archive)
                .arg("-C")
                .arg(into),
        )?;
        unpacked.push((library.name.clone(), into.join(stem)));
    }
    Ok(unpacked)
}
