//! Everything that touches the outside: files, sockets, threads, the runtime.
//!
//! [`open`] turns a [`Location`](crate::Location) into a [`ProgressiveReader`]; [`Store`] keeps
//! content by CID.

mod cache;
mod clock;
mod faststart;
mod file;
mod http;
mod ipfs_source;
mod open;
mod options;
mod origins;
mod pool;
mod positioned;
mod progress;
mod reader;
mod store;
mod verifier;

pub use cache::{BlockCache, CacheOptions, CacheSnapshot};
pub use faststart::{FaststartSource, faststart_layout};
pub use file::FileSource;
pub use http::HttpSource;
pub use ipfs_source::IpfsSource;
pub use open::{open, open_source};
pub use options::{Auth, HttpOptions, IpfsOptions, OpenOptions, OriginConfig};
pub use origins::{GatewayOrigin, KuboOrigin, PathGatewayOrigin, StoreOrigin, TrustlessOrigin};
pub use pool::{OriginSnapshot, Pool, PoolOptions, PoolSnapshot};
pub use progress::LoadProgress;
pub use reader::{AsyncReader, BlockingReader, ProgressiveReader};
pub use store::{
    AddError, AddProgress, Added, ImportError, Imported, Store, StoreError, StoreSource,
    StoredContent,
};
