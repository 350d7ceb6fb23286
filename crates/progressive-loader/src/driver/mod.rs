//! Everything that touches the outside: files, sockets, threads, the runtime.
//!
//! [`open`] turns a [`Location`](crate::Location) into a [`ProgressiveReader`]; [`Store`] keeps
//! content by CID.

mod file;
mod first_origin;
mod http;
mod ipfs_source;
mod open;
mod options;
mod origins;
mod positioned;
mod progress;
mod reader;
mod store;

pub use file::FileSource;
pub use first_origin::FirstOrigin;
pub use http::HttpSource;
pub use ipfs_source::IpfsSource;
pub use open::{open, open_source};
pub use options::{Auth, CacheOptions, HttpOptions, IpfsOptions, OpenOptions, OriginConfig};
pub use origins::{GatewayOrigin, KuboOrigin, PathGatewayOrigin, StoreOrigin, TrustlessOrigin};
pub use progress::LoadProgress;
pub use reader::{AsyncReader, BlockingReader, ProgressiveReader};
pub use store::{
    AddError, AddProgress, Added, ImportError, Imported, Store, StoreError, StoreSource,
    StoredContent,
};
