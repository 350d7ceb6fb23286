//! Lists the viewer page's files, so that the binary carries the page and a file added to `web/` needs no line here.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    // The page lives at the top of the repository; the packaged crate carries a copy through the `web` link.
    let web = manifest.join("web");
    println!("cargo::rerun-if-changed={}", web.display());
    let mut files: Vec<PathBuf> = fs::read_dir(&web)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|path| path.is_file() && kind_of(path).is_some());
    files.sort();
    let mut hasher = DefaultHasher::new();
    for path in &files {
        println!("cargo::rerun-if-changed={}", path.display());
        fs::read(path)?.hash(&mut hasher);
    }
    let version = format!("{:016x}", hasher.finish());
    let mut code =
        format!("static ASSETS_VERSION: &str = {version:?};\nstatic ASSETS: &[Asset] = &[\n");
    for path in &files {
        let (name, kind) = (
            path.file_name().unwrap_or_default(),
            kind_of(path).unwrap_or_default(),
        );
        let path = if kind.starts_with("text/html") {
            versioned(path, &version, &out.join(name))?
        } else {
            fs::canonicalize(path)?
        };
        writeln!(
            code,
            "    Asset {{ name: {name:?}, kind: {kind:?}, body: include_str!({path:?}) }},"
        )
        .map_err(io::Error::other)?;
    }
    code += "];\n";
    fs::write(out.join("web_assets.rs"), code)
}

/// A document that names its files at an address of this version, so that a browser may keep them for good: they
/// name each other relatively.
fn versioned(document: &Path, version: &str, copy: &Path) -> io::Result<PathBuf> {
    let text = fs::read_to_string(document)?;
    fs::write(
        copy,
        text.replace("=\"/assets/", &format!("=\"/assets/{version}/")),
    )?;
    Ok(copy.to_owned())
}

fn kind_of(path: &Path) -> Option<&'static str> {
    Some(match path.extension()?.to_str()? {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "webmanifest" => "application/manifest+json",
        _ => return None,
    })
}
