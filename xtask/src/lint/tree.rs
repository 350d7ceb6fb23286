//! The tree is the same on every machine: no path of a checkout or a home, no private package host.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::outcome::Outcome;
use super::{Check, Context};
use crate::process;
use crate::workspace::Workspace;

pub(super) const CHECK: Check = Check {
    name: "tree",
    about: "no machine's paths, package hosts or conflict marks in the tree",
    remedy: "name paths relative to the repository; leave hosts to each machine's own cargo configuration",
    compiles: false,
    run,
};

/// First components of absolute paths that only one machine has. Spelt without their slashes, so
/// that this file passes its own check.
const PRIVATE_ROOTS: [&str; 5] = ["home", "root", "work", "Users", "farm"];

/// First labels of hosts that packages come from.
const PACKAGE_HOSTS: [&str; 7] = [
    "artifactory",
    "index",
    "mirror",
    "mirrors",
    "nexus",
    "proxy",
    "registry",
];

fn run(context: &Context) -> Result<Outcome> {
    let root = &context.workspace.root;
    let checkout = root.to_string_lossy().into_owned();
    let mut findings = Vec::new();
    for file in files(&context.workspace)? {
        let Ok(bytes) = fs::read(root.join(&file)) else {
            continue;
        };
        // Pictures and the like are not text.
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            if let Some(what) = wrong_with(line, &checkout) {
                findings.push(format!("{file}:{} {what}", number + 1));
            }
        }
    }
    Ok(Outcome::from_findings(findings))
}

/// Every file that is committed or could be, relative to the root.
pub(super) fn files(workspace: &Workspace) -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(&workspace.root).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ]);
    let listing = process::stdout(&mut git)
        .context("the checks of the tree ask git which files are in it")?;
    let mut files: Vec<String> = listing
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    files.retain(|name| workspace.root.join(name).is_file());
    Ok(files)
}

fn wrong_with(line: &str, checkout: &str) -> Option<String> {
    // A checkout such as `/p` would be found in every path.
    if checkout.len() > 4 && line.contains(checkout) {
        return Some(format!("names this checkout's own path, {checkout}"));
    }
    if line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ") {
        return Some("is left over from a merge".to_owned());
    }
    private_path(line)
        .map(|path| format!("names the machine's path {path}"))
        .or_else(|| package_host(line).map(|host| format!("names the package host {host}")))
}

/// The first absolute path in `line` that starts with a private root.
fn private_path(line: &str) -> Option<String> {
    PRIVATE_ROOTS.iter().find_map(|root| {
        let start = format!("/{root}/");
        line.match_indices(&start)
            .find(|(at, _)| {
                // `a/home/b` and `host/home/` are not absolute.
                let before = line[..*at].chars().next_back();
                before
                    .is_none_or(|before| !before.is_alphanumeric() && !"._-/}~*$".contains(before))
            })
            .map(|_| start.clone())
    })
}

fn package_host(line: &str) -> Option<&str> {
    line.match_indices("://").find_map(|(at, mark)| {
        let rest = &line[at + mark.len()..];
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.')
            .unwrap_or(rest.len());
        let host = &rest[..end];
        let label = host.split('.').next().unwrap_or_default();
        (host.contains('.') && PACKAGE_HOSTS.contains(&label)).then_some(host)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> bool {
        wrong_with(line, "/somewhere/frameway").is_some()
    }

    #[test]
    fn private_paths_hosts_and_conflicts_are_found() {
        let home = ["", "home", "me", "video.mp4"].join("/");
        assert!(found(&format!("open {home}")));
        assert!(found(&format!("\"{home}\"")));
        assert!(found("see /somewhere/frameway/target"));
        assert!(found(&format!(
            "replace-with = \"sparse+https:{}registry.corp.example{}\"",
            "//", "/x"
        )));
        assert!(found(&format!("{} HEAD", "<".repeat(7))));
    }

    #[test]
    fn relative_paths_and_public_addresses_pass() {
        assert!(!found("open ../shared/media/clip.mp4 or crates/home/x.rs"));
        assert!(!found(
            "https://example.org/home/page and http://127.0.0.1:8080/"
        ));
        assert!(!found("/tmp/x and /usr/bin/cc"));
    }
}
