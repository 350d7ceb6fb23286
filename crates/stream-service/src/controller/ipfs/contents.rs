//! What the answers of `/ipfs` share: where contents are looked up, how many are sent at once, and the layouts of films that
//! were looked at lately.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use progressive_loader::driver::{FaststartSource, faststart_layout, open_source};
use progressive_loader::faststart::Layout;
use progressive_loader::{ByteSource, Location};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problems;
use crate::controller::Problem;
use crate::pipeline::open::SourceSettings;

/// The most answers sent at once; each holds up to 6 MiB.
const MAX_ANSWERS: usize = 64;
/// The longest that opening a content may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// How many films' layouts are kept, for a player asks for a film in many ranges.
const KEPT_LAYOUTS: usize = 16;
/// The most bytes of all kept layouts.
const KEPT_LAYOUT_BYTES: usize = 64 << 20;

/// A content, open.
pub(super) struct Content {
    pub(super) source: Arc<dyn ByteSource>,
    /// With its quotes; equal for equal bytes and for nothing else.
    pub(super) etag: String,
    pub(super) place: Arc<OwnedSemaphorePermit>,
}

/// A film's layout, or that it has none, by the entity tag of the file.
type Kept = (String, Option<Arc<Layout>>);

#[derive(Debug)]
pub(crate) struct Contents {
    settings: SourceSettings,
    places: Arc<Semaphore>,
    layouts: Mutex<VecDeque<Kept>>,
}

impl Contents {
    pub(crate) fn new(settings: SourceSettings) -> Self {
        Self {
            settings,
            places: Arc::new(Semaphore::new(MAX_ANSWERS)),
            layouts: Mutex::default(),
        }
    }

    /// Opens what `location` names; with `faststart` a film has its index in front.
    pub(super) async fn open(
        &self,
        location: &Location,
        faststart: bool,
    ) -> Result<Content, Problem> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = Arc::new(place.map_err(|_| problems::busy(MAX_ANSWERS))?);
        let opening = async {
            let source = open_source(location, &self.settings.open).await;
            let source = source.map_err(problems::not_opened)?;
            let name = match source.cid() {
                Some(cid) => cid.to_string(),
                None => plain_name(location),
            };
            let etag = format!("\"{name}\"");
            let layout = match faststart {
                true => self.layout(&etag, &*source).await?,
                false => None,
            };
            Ok(match layout {
                None => Content {
                    source,
                    etag,
                    place,
                },
                Some(layout) => Content {
                    source: Arc::new(FaststartSource::new(source, layout)),
                    etag: format!("\"{name}.faststart\""),
                    place,
                },
            })
        };
        let opened = tokio::time::timeout(OPEN_TIMEOUT, opening).await;
        opened.map_err(|_| {
            let what = format!("the beginning of {location}");
            problems::too_slow(&what, &self.asked())
        })?
    }

    /// The daemons and gateways, without secrets; no more of them than a message can hold.
    fn asked(&self) -> Vec<String> {
        const NAMED: usize = 8;
        let pool = self.settings.open.pool.as_ref();
        let origins = pool.map_or_else(Vec::new, |pool| pool.snapshot().origins);
        origins.into_iter().take(NAMED).map(|it| it.name).collect()
    }

    async fn layout(
        &self,
        etag: &str,
        source: &dyn ByteSource,
    ) -> Result<Option<Arc<Layout>>, Problem> {
        if let Some(kept) = self.kept(etag) {
            return Ok(kept);
        }
        let found = faststart_layout(source).await;
        let found = found.map_err(|error| problems::not_read(&error))?;
        if let Err(reason) = &found {
            tracing::debug!(source = %source.name(), %reason, "served as it is");
        }
        let layout = found.ok().map(Arc::new);
        self.keep(etag, layout.clone());
        Ok(layout)
    }

    fn kept(&self, etag: &str) -> Option<Option<Arc<Layout>>> {
        let mut layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        let at = layouts.iter().position(|(of, _)| of == etag)?;
        let kept = layouts.remove(at)?;
        let layout = kept.1.clone();
        // The one used last is the last to go.
        layouts.push_back(kept);
        Some(layout)
    }

    fn keep(&self, etag: &str, layout: Option<Arc<Layout>>) {
        let mut layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        layouts.retain(|(of, _)| of != etag);
        layouts.push_back((etag.to_owned(), layout));
        let held = |it: &Kept| it.1.as_ref().map_or(0, |layout| layout.held_bytes());
        let mut bytes: usize = layouts.iter().map(held).sum();
        while layouts.len() > KEPT_LAYOUTS || bytes > KEPT_LAYOUT_BYTES {
            let Some(gone) = layouts.pop_front() else {
                break;
            };
            bytes -= held(&gone);
        }
    }
}

/// Root and path in characters that an entity tag may have (RFC 9110 §8.8.3).
fn plain_name(location: &Location) -> String {
    let text = location.to_string();
    let mut name = String::new();
    for byte in text.trim_start_matches("ipfs://").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                name.push(byte.into());
            }
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    name
}
