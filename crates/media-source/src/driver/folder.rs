//! A folder of JPEGs as a video: one file a frame, in the natural order of their names.
//!
//! Fed by the file system; feeds [`MjpegSource`](crate::mjpeg::MjpegSource).

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use frame_buffer::{FrameId, FramePool};

use crate::mjpeg::{JpegStream, MjpegSource, StreamInfo, Unit};
use crate::open::checked_rate;
use crate::rate::Rate;
use crate::{DecodeError, FrameSource, OpenError};

const CONTAINER: &str = "folder of JPEGs";
/// Most files: 9 hours at 30 fps. Their names are kept in memory.
const MAX_FILES: usize = 1_000_000;
/// Longest file, as in the other wrappings.
const MAX_FILE_BYTES: u64 = 32 << 20;

/// Opens a folder. Every file that ends in `.jpg` or `.jpeg` is a frame; `frame2` comes before `frame10`.
///
/// `frame_rate` is in frames per second, 0.001 to 1000; a folder has none of its own, and
/// [`DEFAULT_FRAME_RATE`](crate::DEFAULT_FRAME_RATE) is the usual one. Blocks while it reads the folder.
///
/// # Errors
/// [`OpenError::Read`] when the folder cannot be read, [`OpenError::EmptyFolder`] when it has no JPEG,
/// [`OpenError::TooLarge`] beyond a million, [`OpenError::OutOfRange`] for the rate, and
/// [`OpenError::Malformed`] when the first file is no JPEG.
pub fn open_folder(
    dir: &Path,
    frame_rate: f64,
    pool: FramePool,
) -> Result<Box<dyn FrameSource>, OpenError> {
    let name = dir.display().to_string();
    let rate = checked_rate(frame_rate)?;
    let files = list(dir, &name)?;
    if files.is_empty() {
        return Err(OpenError::EmptyFolder { name });
    }
    let stream = FolderStream {
        name,
        files,
        rate,
        next: 0,
    };
    Ok(Box::new(MjpegSource::open(stream, pool)?))
}

fn list(dir: &Path, name: &str) -> Result<Vec<PathBuf>, OpenError> {
    let read_error = |source| OpenError::Read {
        name: name.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(read_error)? {
        let path = entry.map_err(read_error)?.path();
        if !is_jpeg_name(&path) || !path.is_file() {
            continue;
        }
        if files.len() == MAX_FILES {
            return Err(OpenError::TooLarge {
                name: name.to_owned(),
                what: "the number of JPEGs in it",
                value: files.len() as u64 + 1,
                limit: MAX_FILES as u64,
            });
        }
        files.push(path);
    }
    files.sort_by(|a, b| natural_order(&file_name(a), &file_name(b)));
    Ok(files)
}

fn is_jpeg_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| e.eq_ignore_ascii_case("jpg") || e.eq_ignore_ascii_case("jpeg"))
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Runs of digits compare as numbers, everything else as text; equal numbers by their length.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    loop {
        let (number_a, after_a) = split_digits(rest_a);
        let (number_b, after_b) = split_digits(rest_b);
        if !number_a.is_empty() && !number_b.is_empty() {
            let [short_a, short_b] = [number_a, number_b].map(|n| n.trim_start_matches('0'));
            let order = short_a.len().cmp(&short_b.len()).then(short_a.cmp(short_b));
            if order != Ordering::Equal {
                return order;
            }
            (rest_a, rest_b) = (after_a, after_b);
            continue;
        }
        let (mut chars_a, mut chars_b) = (rest_a.chars(), rest_b.chars());
        match (chars_a.next(), chars_b.next()) {
            (None, None) => return a.cmp(b),
            (x, y) if x == y => (rest_a, rest_b) = (chars_a.as_str(), chars_b.as_str()),
            (x, y) => return x.cmp(&y),
        }
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

struct FolderStream {
    name: String,
    files: Vec<PathBuf>,
    rate: Rate,
    next: usize,
}

impl JpegStream for FolderStream {
    fn name(&self) -> &str {
        &self.name
    }

    fn info(&self) -> StreamInfo {
        let frames = self.files.len() as u64;
        StreamInfo {
            container: CONTAINER,
            frame_rate: self.rate.fps(),
            frame_count: Some(frames),
            duration: Some(self.rate.start(frames)),
        }
    }

    fn next_jpeg(&mut self, jpeg: &mut Vec<u8>) -> Result<Option<Unit>, DecodeError> {
        let Some(path) = self.files.get(self.next) else {
            return Ok(None);
        };
        let index = self.next as u64;
        let (pts, duration) = self.rate.times(index);
        self.next += 1;
        // A file that has gone or cannot be read costs its frame, as a damaged one does.
        read_file(path, jpeg).map_err(|source| DecodeError::Frame {
            name: path.display().to_string(),
            index: FrameId(index),
            pts,
            reason: source.to_string(),
        })?;
        Ok(Some(Unit {
            pts,
            duration,
            repeat: false,
        }))
    }

    fn rewind(&mut self) -> Result<(), DecodeError> {
        self.next = 0;
        Ok(())
    }

    fn seek(&mut self, to: Duration) -> Result<u64, DecodeError> {
        let last = self.files.len().saturating_sub(1);
        let index = usize::try_from(self.rate.index_at(to));
        self.next = index.map_or(last, |index| index.min(last));
        Ok(self.next as u64)
    }
}

fn read_file(path: &Path, jpeg: &mut Vec<u8>) -> io::Result<()> {
    jpeg.clear();
    File::open(path)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(jpeg)?;
    if jpeg.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!(
            "it is longer than {MAX_FILE_BYTES} bytes"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = [
            "f10.jpg", "f2.jpg", "f1.jpg", "f002.jpg", "e99.jpg", "f10a.jpg",
        ];
        names.sort_by(|a, b| natural_order(a, b));
        let expected = [
            "e99.jpg", "f1.jpg", "f002.jpg", "f2.jpg", "f10.jpg", "f10a.jpg",
        ];
        assert_eq!(names, expected);
    }
}
