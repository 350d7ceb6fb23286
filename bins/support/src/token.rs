//! The file that holds a bearer token.

use std::path::Path;

use anyhow::Context as _;

/// The first line of a token file.
///
/// # Errors
/// It cannot be read, or what it holds is no token.
pub fn read_token(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the token file {shown}"))?;
    let token = text.lines().next().unwrap_or("").trim().to_owned();
    anyhow::ensure!(
        token.len() >= 8,
        "the token file {shown} must hold at least 8 characters on its first line"
    );
    anyhow::ensure!(
        token.bytes().all(|b| b.is_ascii_graphic()),
        "the token in {shown} must be printable ASCII without spaces"
    );
    Ok(token)
}
