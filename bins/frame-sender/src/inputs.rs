//! Which videos are sent, and what the files of each are called.
//!
//! Fed by the command line; feeds `run` with one set of options per video.

use std::collections::HashSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use bin_support::Failure;

use crate::args::Args;

/// Longest name of a video's files, in bytes: file systems take 255, and a number and an ending follow.
const MAX_NAME_BYTES: usize = 200;

/// A video of several, or the only one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) uri: String,
    /// What its files are called in the folders; `None`: it is the only one, and they are called what was asked for.
    pub(crate) name: Option<String>,
}

impl Input {
    /// Where something of this video is written: the file itself, or one in that folder.
    pub(crate) fn file(&self, place: &Path, ending: &str) -> PathBuf {
        match &self.name {
            Some(name) => place.join(format!("{name}{ending}")),
            None => place.to_owned(),
        }
    }
}

/// What the command line names.
pub(crate) fn inputs(args: &Args) -> Result<Vec<Input>, Failure> {
    let mut uris = args.input.clone();
    if let Some(path) = &args.inputs_from {
        let text = read(path).map_err(Failure::Usage)?;
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        uris.extend(lines.map(str::to_owned));
    }
    if uris.is_empty() {
        let file = args.inputs_from.as_deref().unwrap_or(Path::new(""));
        return Err(Failure::Usage(anyhow!(
            "{} names no input; write one a line",
            file.display()
        )));
    }
    let alone = uris.len() == 1 && args.inputs_from.is_none();
    if alone {
        let only = uris.into_iter().map(|uri| Input { uri, name: None });
        return Ok(only.collect());
    }
    let places = [&args.results, &args.ledger, &args.pictures];
    for folder in places.into_iter().flatten() {
        let made = std::fs::create_dir_all(folder).with_context(|| {
            format!(
                "{}: of several inputs this is a folder, and it cannot be made",
                folder.display()
            )
        });
        made.map_err(Failure::Usage)?;
    }
    Ok(named(uris))
}

fn read(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("the inputs cannot be read from stdin")?;
        return Ok(text);
    }
    std::fs::read_to_string(path)
        .with_context(|| format!("the list of inputs {} cannot be read", path.display()))
}

/// Each with a name of its own: the last part of its address, with a number where an earlier one has it already.
fn named(uris: Vec<String>) -> Vec<Input> {
    let mut taken = HashSet::new();
    let mut inputs = Vec::with_capacity(uris.len());
    for uri in uris {
        let stem = stem(&uri);
        let mut name = stem.clone();
        let mut number = 2;
        // Names that differ in case alone are one file on some systems.
        while !taken.insert(name.to_lowercase()) {
            name = format!("{stem}-{number}");
            number += 1;
        }
        let name = Some(name);
        inputs.push(Input { uri, name });
    }
    inputs
}

/// The last part of a path or address, in characters that every file system takes.
fn stem(uri: &str) -> String {
    let path = uri.trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or(path);
    let safe = last.chars().map(|it| match it {
        it if it.is_alphanumeric() || ".-_ ".contains(it) => it,
        _ => '_',
    });
    let mut name: String = safe.collect();
    name.truncate(name.floor_char_boundary(MAX_NAME_BYTES));
    match name.trim_matches('.') {
        "" => "video".to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(uris: &[&str]) -> Vec<String> {
        let uris = uris.iter().map(|&uri| uri.to_owned()).collect();
        named(uris).into_iter().filter_map(|it| it.name).collect()
    }

    #[test]
    fn a_video_is_called_what_its_file_is_called() {
        assert_eq!(
            names(&[
                "clips/a.mp4",
                "file:///x/b c.mp4",
                "ipfs://bafy/d.mp4",
                "e/"
            ]),
            ["a.mp4", "b c.mp4", "d.mp4", "e"]
        );
        assert_eq!(
            names(&["test:?size=320x180&frames=3", "..", "\u{e4}.mp4"]),
            ["test__size_320x180_frames_3", "video", "\u{e4}.mp4"]
        );
    }

    #[test]
    fn no_two_videos_share_their_files() {
        assert_eq!(
            names(&["x/a.mp4", "y/a.mp4", "a.mp4-2", "z/A.mp4"]),
            ["a.mp4", "a.mp4-2", "a.mp4-2-2", "A.mp4-3"]
        );
        let long = "\u{e4}".repeat(300);
        assert!(names(&[&long, &long]).iter().all(|it| it.len() <= 202));
    }

    #[test]
    fn files_of_the_only_video_are_where_it_was_asked_for() {
        let place = Path::new("here/results");
        let mut input = Input {
            uri: "a.mp4".to_owned(),
            name: None,
        };
        assert_eq!(input.file(place, ".jsonl"), place);
        input.name = Some("a.mp4".to_owned());
        assert_eq!(input.file(place, ".jsonl"), place.join("a.mp4.jsonl"));
    }
}
