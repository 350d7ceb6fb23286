//! From a stream's parameters to a source of frames that plays from its first byte on.

use std::time::Duration;

use frame_buffer::FramePool;
use media_source::{FrameSource, Looped, VideoUri};
use progressive_loader::driver::{LoadProgress, OpenOptions, Store};

use crate::model::params::StreamParams;

/// The longest that opening a source may take, everything included.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// Idle picture buffers a stream keeps for reuse: the decoder's next, and those just shown.
const IDLE_PICTURES: usize = 4;

/// What every source of the service shares.
#[derive(Debug, Clone, Default)]
pub(crate) struct SourceSettings {
    /// Where CIDs are looked up.
    pub(crate) store: Option<Store>,
}

/// A source, ready to give its first frame.
pub(crate) struct OpenedSource {
    pub(crate) source: Box<dyn FrameSource>,
    /// What is loaded of it, where it is loaded at all.
    pub(crate) progress: Option<LoadProgress>,
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
    /// It takes too long.
    #[error("{uri} did not open within {OPEN_TIMEOUT:?}; check that its server answers")]
    Timeout {
        /// The source.
        uri: String,
    },
}

/// Opens the source of a stream.
pub(crate) async fn open(params: &StreamParams, settings: &SourceSettings) -> Result<OpenedSource, SourceError> {
    let uri: VideoUri = params.uri.parse()?;
    let options = OpenOptions { store: settings.store.clone(), ..OpenOptions::default() };
    let pool = FramePool::new(IDLE_PICTURES);
    let opening = media_source::driver::open_with_progress(&uri, &options, pool);
    let opened = tokio::time::timeout(OPEN_TIMEOUT, opening)
        .await
        .map_err(|_| SourceError::Timeout { uri: params.uri.clone() })??;
    let source: Box<dyn FrameSource> =
        if params.looping { Box::new(Looped::new(opened.source)) } else { opened.source };
    Ok(OpenedSource { source, progress: opened.progress })
}
