//! From a location to a reader.

use crate::driver::cache::BlockCache;
use crate::driver::file::FileSource;
use crate::driver::http::HttpSource;
use crate::driver::ipfs_source::IpfsSource;
use crate::driver::options::OpenOptions;
use crate::driver::origins::StoreOrigin;
use crate::driver::pool::{Pool, PoolOptions};
use crate::driver::reader::ProgressiveReader;
use crate::error::{OpenError, ReadError};
use crate::location::Location;
use crate::origin::Origin;
use crate::source::ByteSource;
use cid::Cid;
use std::sync::Arc;

/// Opens `location` and learns its size; fetches nothing more until the reader asks.
///
/// Needs a tokio runtime with time and I/O enabled, which also runs the reader's fetches.
///
/// # Errors
/// [`OpenError`], naming the location and what to do.
pub async fn open(
    location: &Location,
    options: &OpenOptions,
) -> Result<ProgressiveReader, OpenError> {
    options.check()?;
    let source = open_source(location, options).await?;
    ProgressiveReader::new(source, options)
}

/// Opens `location` as a bare source, for those who read ranges themselves.
///
/// # Errors
/// [`OpenError`], naming the location and what to do.
pub async fn open_source(
    location: &Location,
    options: &OpenOptions,
) -> Result<Arc<dyn ByteSource>, OpenError> {
    options.check()?;
    match location {
        Location::File(path) => {
            let path = path.clone();
            let name = path.display().to_string();
            let source = blocking(name, move || FileSource::open(&path)).await?;
            Ok(Arc::new(source))
        }
        Location::Http(url) => Ok(Arc::new(HttpSource::open(url, &options.http).await?)),
        Location::Ipfs { cid, path } => open_ipfs(*cid, path.clone(), options).await,
    }
}

async fn open_ipfs(
    cid: Cid,
    path: Vec<String>,
    options: &OpenOptions,
) -> Result<Arc<dyn ByteSource>, OpenError> {
    if let Some(pool) = &options.pool {
        let fetcher = Arc::new(pool.clone());
        return Ok(Arc::new(IpfsSource::open(cid, &path, fetcher).await?));
    }
    if !options.ipfs.origins.is_empty() {
        let options = options.clone();
        let connecting = blocking(format!("ipfs://{cid}"), move || pool(&options));
        let fetcher = Arc::new(connecting.await?);
        return Ok(Arc::new(IpfsSource::open(cid, &path, fetcher).await?));
    }
    let store = options
        .store
        .clone()
        .ok_or(OpenError::NoStore { cid: Box::new(cid) })?;
    let source = blocking(format!("ipfs://{cid}"), move || {
        store.open_path(&cid, &path)
    })
    .await?;
    Ok(Arc::new(source))
}

impl OpenOptions {
    /// Makes the [`pool`](Self::pool), where there are origins and none was made. Blocks while it lists the
    /// cache's directory.
    ///
    /// # Errors
    /// [`OpenError`] naming the origin that cannot be used.
    pub fn connect(mut self) -> Result<Self, OpenError> {
        if self.pool.is_none() && !self.ipfs.origins.is_empty() {
            self.pool = Some(pool(&self)?);
        }
        Ok(self)
    }
}

/// The store, if there is one, and then the origins, with one cache before them.
fn pool(options: &OpenOptions) -> Result<Pool, OpenError> {
    let mut origins: Vec<Arc<dyn Origin>> = Vec::new();
    if let Some(store) = &options.store {
        origins.push(Arc::new(StoreOrigin::new(store.clone())));
    }
    for config in &options.ipfs.origins {
        origins.push(config.open(&options.ipfs, &options.http)?);
    }
    let cache = BlockCache::open(&options.ipfs.cache);
    Ok(Pool::new(origins, PoolOptions::default(), Some(cache)))
}

/// Runs `work` on a blocking thread. It is lost only when the runtime shuts down meanwhile.
async fn blocking<T: Send + 'static>(
    name: String,
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.unwrap_or_else(|_| Err(ReadError::Cancelled { name }.into()))
}
