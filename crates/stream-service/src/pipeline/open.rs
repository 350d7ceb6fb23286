//! From a stream's parameters to a source of frames that plays from its first byte on.

use std::time::Duration;

use frame_buffer::FramePool;
use media_source::{FrameSource, Looped, VideoUri};
use progressive_loader::Location;
use progressive_loader::driver::{LoadProgress, OpenOptions};
use tempfile::NamedTempFile;

use crate::model::params::StreamParams;

/// The longest that opening a source may take, everything included.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// Idle picture buffers a stream keeps for reuse: the decoder's next, and those just shown.
const IDLE_PICTURES: usize = 4;

/// What every source of the service shares.
#[derive(Debug, Clone, Default)]
pub(crate) struct SourceSettings {
    /// Where CIDs are looked up: the store, and a pool of daemons and gateways that all share.
    pub(crate) open: OpenOptions,
}

/// A source, ready to give its first frame.
pub(crate) struct OpenedSource {
    pub(crate) source: Box<dyn FrameSource>,
    /// What is loaded of it, where it is loaded at all.
    pub(crate) progress: Option<LoadProgress>,
    /// The whole content, where it was loaded before it plays. Kept as long as the source is used.
    pub(crate) whole: Option<NamedTempFile>,
}

/// Why a source cannot be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The URI names nothing known.
    #[error(transparent)]
    Uri(#[from] media_source::UriError),
    /// The content cannot be had or decoded.
    #[error(transparent)]
    Open(#[from] media_source::OpenError),
    /// It could not be loaded whole, as was asked for.
    #[error(
        "{uri} could not be loaded whole: {source}; without use_progressive_loading=false it plays while it loads"
    )]
    Load {
        /// The source.
        uri: String,
        /// What broke.
        source: std::io::Error,
    },
    /// It takes too long.
    #[error("{uri} did not open within {OPEN_TIMEOUT:?}; check that its server answers")]
    Timeout {
        /// The source.
        uri: String,
    },
}

/// Opens the source of a stream.
pub(crate) async fn open(
    params: &StreamParams,
    settings: &SourceSettings,
) -> Result<OpenedSource, SourceError> {
    let uri: VideoUri = params.uri.parse()?;
    let options = &settings.open;
    let pool = FramePool::new(IDLE_PICTURES);
    let remote = uri
        .location()
        .filter(|location| !matches!(location, Location::File(_)));
    let (uri, whole) = match remote {
        Some(location) if !params.use_progressive_loading => {
            let copy = load_whole(location, options).await?;
            let location = Location::File(copy.path().to_owned());
            let local = match uri {
                VideoUri::LocationAt { fps, .. } => VideoUri::LocationAt { location, fps },
                _ => VideoUri::Location(location),
            };
            (local, Some(copy))
        }
        _ => (uri, None),
    };
    let opening = media_source::driver::open_with_progress(&uri, options, pool);
    let opened = tokio::time::timeout(OPEN_TIMEOUT, opening)
        .await
        .map_err(|_| SourceError::Timeout {
            uri: params.uri.clone(),
        })??;
    if let (Some(progress), Some(duration)) = (&opened.progress, opened.source.info().duration) {
        // A stream plays at the video's own pace, so that the loader need not wait to measure it.
        let rate = progress.total_bytes() as f64 / duration.as_secs_f64().max(0.001);
        progress.set_playback_bytes_per_second(rate as u64);
    }
    let source: Box<dyn FrameSource> = if params.looping {
        Box::new(Looped::new(opened.source))
    } else {
        opened.source
    };
    Ok(OpenedSource {
        source,
        progress: opened.progress,
        whole,
    })
}

/// Loads a content to its end into a temporary file, which lives as long as the stream.
async fn load_whole(
    location: &Location,
    options: &OpenOptions,
) -> Result<NamedTempFile, SourceError> {
    let cannot = |source| SourceError::Load {
        uri: location.to_string(),
        source,
    };
    let reader = progressive_loader::driver::open(location, options).await;
    let mut reader = reader
        .map_err(|source| cannot(std::io::Error::other(source)))?
        .into_async();
    let copy = NamedTempFile::new().map_err(cannot)?;
    let mut file = tokio::fs::File::from_std(copy.reopen().map_err(cannot)?);
    tokio::io::copy(&mut reader, &mut file)
        .await
        .map_err(cannot)?;
    tokio::io::AsyncWriteExt::flush(&mut file)
        .await
        .map_err(cannot)?;
    Ok(copy)
}
