//! The workspace as cargo sees it: where it is, its packages and what they depend on.
//!
//! Fed by `cargo metadata`; feeds the commands and the lint checks.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::process;

/// The checkout that the command was called in.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    /// Where cargo puts what it builds, wherever that is configured.
    #[serde(rename = "target_directory")]
    pub(crate) target_dir: PathBuf,
    /// The members and their declared dependencies.
    pub(crate) packages: Vec<Package>,
}

impl Workspace {
    /// Asks cargo, so that a moved checkout or a call from a subfolder is found all the same.
    pub(crate) fn locate() -> Result<Self> {
        let mut command = process::cargo();
        command.args(["metadata", "--format-version", "1", "--no-deps"]);
        let text =
            process::stdout(&mut command).context("run this inside the project's checkout")?;
        serde_json::from_str(&text).context("cargo metadata printed something unexpected")
    }

    /// Cargo, run at the root.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = process::cargo();
        command.current_dir(&self.root);
        command
    }

    /// `path` as a person names it: relative to the root, with forward slashes.
    pub(crate) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .to_string_lossy()
            .replace('\\', "/")
    }
}

/// One member of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
    /// `None`: may be published anywhere; an empty list: `publish = false`.
    publish: Option<Vec<String>>,
}

/// A dependency as the manifest declares it.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` is a normal dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
    pub(crate) features: Vec<String>,
}

/// A library, binary, example, test or bench.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

impl Package {
    /// The folder of its manifest.
    pub(crate) fn dir(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new(""))
    }

    /// Whether it is a library that others add to their own manifest.
    pub(crate) fn is_published_library(&self) -> bool {
        self.publish
            .as_ref()
            .is_none_or(|registries| !registries.is_empty())
            && self
                .targets
                .iter()
                .any(|target| target.kind.iter().any(|kind| kind == "lib"))
    }

    /// Whether it lives under `crates/`.
    pub(crate) fn is_library_crate(&self, workspace: &Workspace) -> bool {
        self.dir().starts_with(workspace.root.join("crates"))
    }

    /// Its name as code writes it.
    pub(crate) fn crate_name(&self) -> String {
        self.name.replace('-', "_")
    }
}

impl Dependency {
    pub(crate) fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}
