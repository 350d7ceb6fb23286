//! Contents in files, for programs to add, and reading them back by their CIDs.

use std::time::Duration;

use progressive_loader::driver::{
    HttpOptions, IpfsOptions, OpenOptions, OriginConfig, open, open_source,
};
use progressive_loader::{Location, OpenError, ReadError};
use testkit::shake;
use tokio::io::AsyncReadExt as _;

/// Short limits, for servers on this machine that hang on purpose.
pub fn over(origins: Vec<OriginConfig>) -> OpenOptions {
    let ipfs = IpfsOptions {
        origins,
        ..IpfsOptions::default()
    };
    let http = HttpOptions {
        first_byte_timeout: Duration::from_secs(3),
        idle_timeout: Duration::from_secs(3),
        ..HttpOptions::default()
    };
    let options = OpenOptions {
        ipfs,
        http,
        ..OpenOptions::default()
    };
    options.connect().unwrap()
}

pub fn location(cid: &str) -> Location {
    format!("ipfs://{cid}").parse().unwrap()
}

pub async fn whole(cid: &str, options: &OpenOptions) -> Result<Vec<u8>, OpenError> {
    let mut reader = open(&location(cid), options).await?.into_async();
    let mut content = Vec::new();
    match reader.read_to_end(&mut content).await {
        Ok(_) => Ok(content),
        Err(error) => Err(error.downcast::<ReadError>().unwrap().into()),
    }
}

/// A content in a file, for a program to add.
pub struct Content {
    pub bytes: Vec<u8>,
    pub file: tempfile::NamedTempFile,
}

impl Content {
    pub fn of(size: usize) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes = shake(size);
        std::fs::write(file.path(), &bytes).unwrap();
        Self { bytes, file }
    }

    pub fn path(&self) -> &str {
        self.file.path().to_str().unwrap()
    }
}

/// Down from a directory to a file, by the names that errors list.
pub async fn first_file(root: &str, options: &OpenOptions) -> String {
    let mut path = root.to_owned();
    loop {
        match open_source(&location(&path), options).await {
            Ok(_) => return path,
            Err(OpenError::Directory { entries, .. }) => {
                path = format!("{path}/{}", entries.last().unwrap());
            }
            Err(error) => panic!("{path}: {error}"),
        }
    }
}
