//! Every stream of the service, by id; bounded.
//!
//! Fed by the controllers' create and delete; read by every route.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use datachannel_transport::GoodbyeCode;
use jpeg_optimizer::StreamingConfig;

use super::params::StreamParams;
use super::stream::{Stream, StreamId, lock};
use crate::lanes::seat::Endpoints;
use crate::pipeline::open::{self, SourceError, SourceSettings};
use crate::pipeline::{fanout::Fanout, producer, releaser};

/// The most streams at once. Each holds two threads and up to 120 frames.
pub const MAX_STREAMS: usize = 64;

/// How long a viewer's goodbye may take to get out before its session is closed.
pub(crate) const GOODBYE_WAIT: Duration = Duration::from_secs(1);

/// Why a stream was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The source cannot be played.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// No room for another.
    #[error(
        "this server runs {MAX_STREAMS} streams, the most it takes; delete one first (DELETE /api/v1/streams/ID)"
    )]
    TooMany,
    /// The system gave no thread.
    #[error("no thread for the stream: {0}; stop other programs or streams and try again")]
    Thread(std::io::Error),
    /// The ring's settings are out of range.
    #[error(transparent)]
    Buffer(#[from] frame_buffer::ConfigError),
}

/// Every stream.
#[derive(Debug)]
pub(crate) struct Registry {
    settings: SourceSettings,
    optimizer: StreamingConfig,
    endpoints: Endpoints,
    clock: Instant,
    streams: Mutex<BTreeMap<StreamId, Slot>>,
    stopping: tokio::sync::watch::Sender<bool>,
}

/// A place in the registry: taken while a source is being opened, so that ids and the bound hold.
#[derive(Debug, Clone)]
enum Slot {
    Opening,
    Open(Arc<Stream>),
}

impl Registry {
    pub(crate) fn new(
        settings: SourceSettings,
        optimizer: StreamingConfig,
        endpoints: Endpoints,
        clock: Instant,
    ) -> Self {
        Self {
            settings,
            optimizer,
            endpoints,
            clock,
            streams: Mutex::new(BTreeMap::new()),
            stopping: tokio::sync::watch::Sender::new(false),
        }
    }

    /// The instant that all of the service's `released_us` count from.
    pub(crate) fn clock(&self) -> Instant {
        self.clock
    }

    /// Where sources are looked up.
    pub(crate) fn settings(&self) -> &SourceSettings {
        &self.settings
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Opens the source and starts the stream's two threads.
    pub(crate) async fn create(&self, params: StreamParams) -> Result<Arc<Stream>, CreateError> {
        let reservation = self.reserve(&params.name)?;
        let opened = open::open(&params, &self.settings).await?;
        let now = Instant::now();
        let about = (opened.source.info().clone(), opened.progress);
        let id = reservation.id.clone();
        let (optimizer, endpoints) = (self.optimizer.clone(), self.endpoints.clone());
        let stream = Stream::new(id, params, about, optimizer, endpoints, now)?;
        let stream = Arc::new(stream);
        self.start(&stream, opened.source, opened.whole)
            .map_err(CreateError::Thread)?;
        reservation.fill(&stream);
        tracing::info!(stream = %stream.id, uri = %stream.params.uri, codec = %stream.info.codec, "stream created");
        Ok(stream)
    }

    fn start(
        &self,
        stream: &Arc<Stream>,
        source: Box<dyn media_source::FrameSource>,
        whole: Option<tempfile::NamedTempFile>,
    ) -> std::io::Result<()> {
        let (producing, releasing) = (Arc::clone(stream), Arc::clone(stream));
        let fanout = Fanout::new(Arc::clone(stream), self.clock);
        let spawn = |name: String, body: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name).spawn(body)
        };
        spawn(
            format!("decode {}", stream.id),
            Box::new(move || {
                producer::run(&producing, source);
                // The copy that the source was read from, if any, has served its purpose.
                drop(whole);
            }),
        )?;
        let releaser = spawn(
            format!("pace {}", stream.id),
            Box::new(move || releaser::run(&releasing, fanout)),
        );
        if releaser.is_err() {
            stream.stop();
        }
        releaser.map(|_| ())
    }

    fn reserve(&self, name: &str) -> Result<Reservation<'_>, CreateError> {
        let mut streams = lock(&self.streams);
        if streams.len() >= MAX_STREAMS {
            return Err(CreateError::TooMany);
        }
        let base = slug(name);
        let id = std::iter::once(base.clone())
            .chain((2..).map(|n| format!("{base}-{n}")))
            .find(|id| !streams.contains_key(id))
            .unwrap_or(base);
        streams.insert(id.clone(), Slot::Opening);
        Ok(Reservation {
            registry: self,
            id,
            filled: false,
        })
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Stream>> {
        match lock(&self.streams).get(id) {
            Some(Slot::Open(stream)) => Some(Arc::clone(stream)),
            _ => None,
        }
    }

    /// The streams, oldest first.
    pub(crate) fn list(&self) -> Vec<Arc<Stream>> {
        let open = |slot: &Slot| match slot {
            Slot::Open(stream) => Some(Arc::clone(stream)),
            Slot::Opening => None,
        };
        let mut streams: Vec<_> = lock(&self.streams).values().filter_map(open).collect();
        streams.sort_by_key(|stream| stream.started);
        streams
    }

    /// Stops a stream and says goodbye to its viewers. False when there is none of that id.
    pub(crate) async fn delete(&self, id: &str, code: GoodbyeCode) -> bool {
        let Some(stream) = self.get(id) else {
            return false;
        };
        lock(&self.streams).remove(id);
        stream.stop();
        for viewer in stream.viewers() {
            viewer.goodbye(Instant::now(), code, "the stream was stopped");
            for seat in viewer.seats() {
                self.endpoints.close(&seat, Some(GOODBYE_WAIT)).await;
            }
        }
        tracing::info!(stream = %id, "stream stopped");
        true
    }

    /// Stops every stream, and says so to [`stopping`](Self::stopping).
    pub(crate) async fn delete_all(&self) {
        self.stopping.send_replace(true);
        for stream in self.list() {
            self.delete(&stream.id, GoodbyeCode::ShuttingDown).await;
        }
    }
}

impl Registry {
    /// Done once [`delete_all`](Self::delete_all) was called.
    pub(crate) async fn stopping(&self) {
        let _ = self
            .stopping
            .subscribe()
            .wait_for(|stopping| *stopping)
            .await;
    }
}

struct Reservation<'a> {
    registry: &'a Registry,
    id: StreamId,
    filled: bool,
}

impl Reservation<'_> {
    fn fill(mut self, stream: &Arc<Stream>) {
        lock(&self.registry.streams).insert(self.id.clone(), Slot::Open(Arc::clone(stream)));
        self.filled = true;
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.filled {
            lock(&self.registry.streams).remove(&self.id);
        }
    }
}

/// A name as it can stand in a URL: lower-case ASCII letters and digits, `-` between.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().take(48) {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        "stream".to_owned()
    } else {
        slug.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn names_become_url_safe_ids() {
        assert_eq!(slug("My holiday (final).mp4"), "my-holiday-final-mp4");
        assert_eq!(slug("../../etc/passwd"), "etc-passwd");
        assert_eq!(slug("видео"), "stream");
    }
}
