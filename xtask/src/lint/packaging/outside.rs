//! A stranger's package: depends on one of our libraries as packaged, and builds its example.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use toml::{Table, Value};

use crate::lint::source;
use crate::process;
use crate::workspace::Workspace;

/// What the strangers' packages share.
pub(super) struct Outside<'a> {
    workspace: &'a Workspace,
    home: &'a Path,
    /// Our libraries as packaged: name and folder.
    unpacked: &'a [(String, PathBuf)],
    /// The root manifest, for the versions that examples use and the profile they build with.
    root: Table,
}

impl<'a> Outside<'a> {
    pub(super) fn new(
        workspace: &'a Workspace,
        home: &'a Path,
        unpacked: &'a [(String, PathBuf)],
    ) -> Result<Self> {
        let text = fs::read_to_string(workspace.root.join("Cargo.toml"))
            .context("cannot read the root Cargo.toml")?;
        let root = text.parse().context("the root Cargo.toml is not TOML")?;
        Ok(Self {
            workspace,
            home,
            unpacked,
            root,
        })
    }

    /// Lays out a package around the example of `library` and checks it without a lock file.
    pub(super) fn check_example(&self, library: &str) -> Result<()> {
        let example = format!("{}.rs", library.replace('-', "_"));
        let text = fs::read_to_string(self.workspace.root.join("examples").join(&example))
            .with_context(|| format!("cannot read examples/{example}"))?;
        let dir = self.home.join("uses").join(library);
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("cannot empty {}", dir.display()))?;
        }
        fs::create_dir_all(dir.join("src"))
            .with_context(|| format!("cannot create {}", dir.display()))?;
        fs::write(
            dir.join("Cargo.toml"),
            self.manifest(library, &text)?.to_string(),
        )?;
        fs::write(dir.join("src/main.rs"), text)?;

        eprintln!("$ cargo check  # examples/{example}, outside");
        let mut check = process::cargo();
        // The same target folder and profile: what resolves to the same version is not built twice.
        check
            .arg("check")
            .current_dir(&dir)
            .env("CARGO_TARGET_DIR", &self.workspace.target_dir);
        if !check.status().context("cannot start cargo")?.success() {
            bail!("examples/{example} does not build outside the workspace");
        }
        Ok(())
    }

    fn manifest(&self, library: &str, example: &str) -> Result<Table> {
        let (code, _) = source::production(example)?;
        let named: BTreeSet<String> = source::paths(&code)
            .into_iter()
            .filter_map(|path| path.segments.into_iter().next())
            .collect();
        let mut dependencies = Table::new();
        for (name, spec) in self.known_dependencies()? {
            if name == library || named.contains(&name.replace('-', "_")) {
                dependencies.insert(name, spec);
            }
        }
        let mut manifest = Table::new();
        manifest.insert("package".to_owned(), Value::Table(self.package(library)?));
        // A root of its own, although it lies in our target folder.
        manifest.insert("workspace".to_owned(), Value::Table(Table::new()));
        let patched = self.ours_below(&dependencies);
        let ours = self
            .unpacked
            .iter()
            .filter(|(name, _)| patched.contains(name));
        let ours = ours.map(|(name, dir)| (name.clone(), by_path(dir)));
        let patch = Table::from_iter([("crates-io".to_owned(), Value::Table(ours.collect()))]);
        manifest.insert("dependencies".to_owned(), Value::Table(dependencies));
        manifest.insert("patch".to_owned(), Value::Table(patch));
        if let Some(profile) = self.profile() {
            manifest.insert("profile".to_owned(), profile);
        }
        Ok(manifest)
    }

    /// Our libraries that those named depend on, which no registry has yet.
    fn ours_below(&self, named: &Table) -> BTreeSet<String> {
        let mut below = BTreeSet::new();
        let mut to_visit: Vec<String> = named.keys().cloned().collect();
        while let Some(name) = to_visit.pop() {
            let packages = &self.workspace.packages;
            let package = packages.iter().find(|package| package.name == name);
            let dependencies = package
                .into_iter()
                .flat_map(|package| &package.dependencies);
            for dependency in dependencies.filter(|it| !it.is_dev()) {
                let is_ours = self
                    .unpacked
                    .iter()
                    .any(|(ours, _)| *ours == dependency.name);
                if is_ours && below.insert(dependency.name.clone()) {
                    to_visit.push(dependency.name.clone());
                }
            }
        }
        below
    }

    fn package(&self, library: &str) -> Result<Table> {
        let edition = self
            .root
            .get("workspace")
            .and_then(|workspace| workspace.get("package")?.get("edition"))
            .context("the root Cargo.toml names no edition")?;
        Ok(Table::from_iter([
            ("name".to_owned(), Value::String(format!("uses-{library}"))),
            ("version".to_owned(), Value::String("0.0.0".to_owned())),
            ("edition".to_owned(), edition.clone()),
            ("publish".to_owned(), Value::Boolean(false)),
        ]))
    }

    /// Everything an example may name: ours as packaged, others as the workspace declares them.
    fn known_dependencies(&self) -> Result<Vec<(String, Value)>> {
        let declared = self
            .root
            .get("workspace")
            .and_then(|workspace| workspace.get("dependencies")?.as_table())
            .context("the root Cargo.toml has no workspace.dependencies")?;
        let ours = self
            .unpacked
            .iter()
            .map(|(name, dir)| (name.clone(), by_path(dir)));
        let is_by_path = |spec: &Value| spec.get("path").is_some();
        let others = declared.iter().filter(|(_, spec)| !is_by_path(spec));
        Ok(ours
            .chain(others.map(|(name, spec)| (name.clone(), spec.clone())))
            .collect())
    }

    /// Our dev profile without the entries for single packages, which are not in this graph.
    fn profile(&self) -> Option<Value> {
        let mut dev = self.root.get("profile")?.get("dev")?.as_table()?.clone();
        if let Some(Value::Table(packages)) = dev.get_mut("package") {
            packages.retain(|name, _| name == "*");
        }
        Some(Value::Table(Table::from_iter([(
            "dev".to_owned(),
            Value::Table(dev),
        )])))
    }
}

fn by_path(dir: &Path) -> Value {
    Value::Table(Table::from_iter([(
        "path".to_owned(),
        Value::String(dir.to_string_lossy().into_owned()),
    )]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Package;

    fn package_using(name: &str, dependency: &str) -> Package {
        serde_json::from_value(serde_json::json!({
            "name": name, "version": "0.1.0", "manifest_path": "", "targets": [], "publish": null,
            "dependencies": [{ "name": dependency, "kind": null, "features": [] }],
        }))
        .unwrap()
    }

    #[test]
    fn the_strangers_manifest_names_what_the_example_uses_and_no_more() {
        let workspace = Workspace {
            root: PathBuf::from("/p"),
            target_dir: PathBuf::from("/p/target"),
            packages: vec![package_using("media-source", "frame-buffer")],
        };
        let unpacked = ["frame-buffer", "media-source"].map(|name| {
            (
                name.to_owned(),
                PathBuf::from(format!("/p/target/outside/crates/{name}")),
            )
        });
        let root = r#"
            [workspace.package]
            edition = "2024"
            [workspace.dependencies]
            frame-buffer = { path = "crates/frame-buffer", version = "0.1.0" }
            anyhow = "1"
            bytes = "1"
            [profile.dev]
            opt-level = 1
            [profile.dev.package."*"]
            opt-level = 2
            [profile.dev.package.frame-buffer]
            opt-level = 3
        "#;
        let outside = Outside {
            workspace: &workspace,
            home: Path::new("/p"),
            unpacked: &unpacked,
            root: root.parse().unwrap(),
        };
        let manifest = outside
            .manifest(
                "media-source",
                "use anyhow::Result; fn main() { let bytes_read = 1; }",
            )
            .unwrap();
        let names = |table: &Value| {
            table
                .as_table()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&manifest["dependencies"]), ["anyhow", "media-source"]);
        assert_eq!(names(&manifest["patch"]["crates-io"]), ["frame-buffer"]);
        assert_eq!(names(&manifest["profile"]["dev"]["package"]), ["*"]);
        assert!(manifest["workspace"].as_table().unwrap().is_empty());
    }
}
