//! The file that holds a bearer token.

use std::path::Path;

use anyhow::Context as _;

/// The shortest that our own servers take.
const OUR_MIN_CHARS: usize = 8;

/// The first line of a file with a token of our servers, of 8 characters or more.
///
/// # Errors
/// It cannot be read, or what it holds is no such token.
pub fn read_token(path: &Path) -> anyhow::Result<String> {
    first_line(path, OUR_MIN_CHARS)
}

/// The same of somebody else's server, which may be content with any.
pub(crate) fn read_their_token(path: &Path) -> anyhow::Result<String> {
    first_line(path, 1)
}

fn first_line(path: &Path, min_chars: usize) -> anyhow::Result<String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the token file {shown}"))?;
    let token = text.lines().next().unwrap_or("").trim().to_owned();
    anyhow::ensure!(
        !token.is_empty(),
        "the token file {shown} has no token on its first line"
    );
    anyhow::ensure!(
        token.len() >= min_chars,
        "the token file {shown} must hold at least {min_chars} characters on its first line"
    );
    anyhow::ensure!(
        token.bytes().all(|b| b.is_ascii_graphic()),
        "the token in {shown} must be printable ASCII without spaces"
    );
    Ok(token)
}
