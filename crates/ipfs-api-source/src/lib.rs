#![doc = include_str!("../README.md")]

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use ipfs_api_backend_hyper::{IpfsApi, request::FilesStat};
use progressive_loader::{ByteSource, Cause, Cid, OpenError, ReadError};
use std::fmt::Display;
use std::ops::Range;
use std::sync::Arc;

/// A file that a Kubo daemon has, read through a client of the `ipfs-api` crates.
///
/// The bytes are believed: nothing is checked against the CID. What is checked is their number, because the client drops
/// the trailer in which Kubo tells that a body broke off.
pub struct IpfsApiSource<C> {
    client: C,
    /// `CID` or `CID/name/name`.
    path: String,
    file: Option<Cid>,
    size_bytes: u64,
}

/// What the client said went wrong.
#[derive(Debug)]
struct ClientError(String);

impl Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ClientError {}

impl<C> IpfsApiSource<C>
where
    C: IpfsApi + Send + Sync + 'static,
    C::Error: Display,
{
    /// Asks the daemon for the size of the file at `path`: a CID, or a CID and the names of entries below it, separated by
    /// slashes.
    ///
    /// # Errors
    /// [`OpenError::Directory`] when it is one; [`OpenError::Read`] for what the daemon or the way to it did.
    pub async fn open(client: C, path: impl Into<String>) -> Result<Self, OpenError> {
        let path = path.into();
        let asked = format!("/ipfs/{path}");
        let request = FilesStat {
            path: &asked,
            ..FilesStat::default()
        };
        let stat = client.files_stat_with_options(request).await;
        let stat = stat.map_err(|error| transport(&path, &error))?;
        let file: Option<Cid> = stat.hash.parse().ok();
        if stat.typ == "directory" {
            let name = || transport(&path, &"it is a directory; name one of its files");
            return Err(file.map_or_else(
                || OpenError::Read(name()),
                |cid| OpenError::Directory {
                    cid: Box::new(cid),
                    entries: Vec::new(),
                    total_entries: 0,
                },
            ));
        }
        Ok(Self {
            client,
            path,
            file,
            size_bytes: stat.size,
        })
    }

    fn pieces(&self, range: &Range<u64>) -> BoxStream<'_, Result<Bytes, ReadError>> {
        // Where addresses have 32 bits such a file cannot be asked for.
        let (Ok(offset), Ok(length)) = (
            usize::try_from(range.start),
            usize::try_from(range.end - range.start),
        ) else {
            let error = transport(&self.path, &"an offset too large for this machine");
            return stream::iter([Err(error)]).boxed();
        };
        self.client
            .cat_range(&format!("/ipfs/{}", self.path), offset, length)
            .map_err(|error| transport(&self.path, &error))
            .boxed()
    }
}

fn transport(path: &str, error: &dyn Display) -> ReadError {
    let source: Cause = Arc::new(ClientError(error.to_string()));
    ReadError::Transport {
        name: format!("ipfs://{path}"),
        attempts: 1,
        source,
    }
}

/// A range on its way, and how much of it is missing.
struct Counted<'s> {
    name: String,
    range: Range<u64>,
    missing_bytes: u64,
    pieces: BoxStream<'s, Result<Bytes, ReadError>>,
    over: bool,
}

impl Counted<'_> {
    /// The next piece; an error in place of the end when it comes too early.
    async fn next(&mut self) -> Option<Result<Bytes, ReadError>> {
        while !self.over {
            let (name, range) = (self.name.clone(), self.range.clone());
            let failure = match self.pieces.next().await {
                Some(Ok(piece)) if piece.is_empty() => continue,
                Some(Ok(piece)) => match self.missing_bytes.checked_sub(piece.len() as u64) {
                    Some(rest) => {
                        self.missing_bytes = rest;
                        return Some(Ok(piece));
                    }
                    None => ReadError::Overlong { name, range },
                },
                Some(Err(error)) => error,
                None if self.missing_bytes == 0 => return None,
                None => ReadError::Short {
                    name,
                    range,
                    missing_bytes: self.missing_bytes,
                    attempts: 1,
                },
            };
            self.over = true;
            return Some(Err(failure));
        }
        None
    }
}

impl<C> ByteSource for IpfsApiSource<C>
where
    C: IpfsApi + Send + Sync + 'static,
    C::Error: Display,
{
    fn name(&self) -> String {
        format!("ipfs://{}", self.path)
    }

    fn cid(&self) -> Option<Cid> {
        self.file
    }

    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_range(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        Box::pin(async move {
            let mut whole = BytesMut::new();
            let mut pieces = self.stream_range(range);
            while let Some(piece) = pieces.next().await {
                whole.extend_from_slice(&piece?);
            }
            Ok(whole.freeze())
        })
    }

    fn stream_range(&self, range: Range<u64>) -> BoxStream<'_, Result<Bytes, ReadError>> {
        if range.start > range.end || range.end > self.size_bytes {
            let error = ReadError::OutOfBounds {
                name: self.name(),
                range,
                size_bytes: self.size_bytes,
            };
            return stream::iter([Err(error)]).boxed();
        }
        if range.is_empty() {
            return stream::empty().boxed();
        }
        let counted = Counted {
            name: self.name(),
            missing_bytes: range.end - range.start,
            pieces: self.pieces(&range),
            range,
            over: false,
        };
        stream::unfold(counted, |mut counted| async move {
            counted.next().await.map(|item| (item, counted))
        })
        .boxed()
    }
}
