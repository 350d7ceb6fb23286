//! The part that touches files and the runtime: from a [`VideoUri`] to a source of frames.
//!
//! Fed by the loader with bytes; feeds the demuxers.

mod folder;

pub use folder::open_folder;

use std::path::Path;

use frame_buffer::FramePool;
use progressive_loader::Location;
use progressive_loader::driver::{LoadProgress, OpenOptions, ProgressiveReader};

use crate::{
    AccessUnits, FrameSource, OpenError, PatternOptions, TestPattern, VideoUri, open_reader_at,
};

/// An open video, and how much of it has been loaded.
pub struct Opened {
    /// The frames.
    pub source: Box<dyn FrameSource>,
    /// True figures of the bytes fetched; `None` for the pattern and for a folder, which are not loaded.
    pub progress: Option<LoadProgress>,
}

/// Opens a video by its name. The container is read on a blocking thread, and the frames are to be taken
/// from one as well: the source waits for its bytes.
///
/// # Errors
/// [`OpenError::Load`] when the bytes cannot be reached, otherwise as [`open_reader`](crate::open_reader).
pub async fn open(
    uri: &VideoUri,
    options: &OpenOptions,
    pool: FramePool,
) -> Result<Box<dyn FrameSource>, OpenError> {
    Ok(open_with_progress(uri, options, pool).await?.source)
}

/// As [`open`], with the loader's progress.
///
/// # Errors
/// As [`open`].
pub async fn open_with_progress(
    uri: &VideoUri,
    options: &OpenOptions,
    pool: FramePool,
) -> Result<Opened, OpenError> {
    let rate = uri.default_frame_rate();
    let location = match uri {
        VideoUri::Test(pattern) => return open_pattern(*pattern, pool).await,
        VideoUri::Location(location) | VideoUri::LocationAt { location, .. } => location,
    };
    match location {
        Location::File(path) if is_folder(path).await => {
            let path = path.clone();
            let name = location.to_string();
            let source = blocking(&name, move || open_folder(&path, rate, pool));
            Ok(unloaded(source.await?))
        }
        _ => load(location, options, rate, pool).await,
    }
}

/// Opens a video by its name to read its own access units. The container is read on a blocking thread, and the units
/// are to be taken from one as well.
///
/// # Errors
/// [`OpenError::Load`] when the bytes cannot be reached, otherwise as [`open_access_units`](crate::open_access_units).
pub async fn open_access_units(
    uri: &VideoUri,
    options: &OpenOptions,
) -> Result<AccessUnits, OpenError> {
    let none = |name: String, what: &str| OpenError::NoAccessUnits {
        name,
        reason: format!("it is {what}"),
    };
    let location = match uri {
        VideoUri::Test(_) => return Err(none("test:".to_owned(), "a generated pattern")),
        VideoUri::Location(location) | VideoUri::LocationAt { location, .. } => location,
    };
    let name = location.to_string();
    if let Location::File(path) = location
        && is_folder(path).await
    {
        return Err(none(name, "a folder"));
    }
    let reader = reader(location, options).await?;
    let label = name.clone();
    let units = blocking(&name, move || {
        let len_bytes = reader.len();
        crate::open_access_units(Box::new(reader.into_blocking()), len_bytes, &label)
    });
    units.await
}

async fn open_pattern(pattern: PatternOptions, pool: FramePool) -> Result<Opened, OpenError> {
    let source = blocking("test:", move || TestPattern::new(pattern, pool));
    Ok(unloaded(Box::new(source.await?)))
}

async fn load(
    location: &Location,
    options: &OpenOptions,
    rate: f64,
    pool: FramePool,
) -> Result<Opened, OpenError> {
    let name = location.to_string();
    let reader = reader(location, options).await?;
    let progress = Some(reader.progress());
    let label = name.clone();
    let source = blocking(&name, move || {
        let len_bytes = reader.len();
        let reader = Box::new(reader.into_blocking());
        open_reader_at(reader, len_bytes, &label, rate, pool)
    });
    Ok(Opened {
        source: source.await?,
        progress,
    })
}

async fn reader(
    location: &Location,
    options: &OpenOptions,
) -> Result<ProgressiveReader, OpenError> {
    let opened = progressive_loader::driver::open(location, options).await;
    opened.map_err(|source| OpenError::Load {
        name: location.to_string(),
        source: source.into(),
    })
}

fn unloaded(source: Box<dyn FrameSource>) -> Opened {
    Opened {
        source,
        progress: None,
    }
}

async fn is_folder(path: &Path) -> bool {
    let metadata = tokio::fs::metadata(path).await;
    metadata.is_ok_and(|metadata| metadata.is_dir())
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    let done = tokio::task::spawn_blocking(work).await;
    // Only a runtime that shuts down, or a defect here, keeps the work from finishing.
    done.unwrap_or_else(|stopped| {
        Err(OpenError::Decoder {
            name: name.to_owned(),
            reason: stopped.to_string(),
        })
    })
}
