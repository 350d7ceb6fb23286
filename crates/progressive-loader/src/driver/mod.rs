//! Everything that touches the outside: files, sockets, threads, the runtime.
//!
//! [`open`] turns a [`Location`](crate::Location) into a [`ProgressiveReader`]; [`Store`] keeps
//! content by CID.

mod cache;
mod file;
mod http;
mod open;
mod options;
mod pool;
mod positioned;
mod progress;
mod reader;
mod store;

pub use cache::{BlockCache, CacheOptions, CacheSnapshot};
pub use file::FileSource;
pub use http::HttpSource;
pub use open::{open, open_source};
pub use options::{HttpOptions, OpenOptions};
pub use pool::{OriginSnapshot, Pool, PoolOptions, PoolSnapshot};
pub use progress::LoadProgress;
pub use reader::{AsyncReader, BlockingReader, ProgressiveReader};
pub use store::{
    AddError, AddProgress, Added, ImportError, Imported, Store, StoreError, StoreSource,
    StoredContent,
};
