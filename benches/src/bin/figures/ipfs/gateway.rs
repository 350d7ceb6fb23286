//! boxo's gateway as a process: built once a run, started with the files it serves.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use progressive_loader::driver::{IpfsOptions, OpenOptions, OriginConfig};
use testkit::driver::ChildServer;

/// Where the program's source lies, from this package.
const SOURCE: &str = "../crates/progressive-loader/tests/peers/boxo-gateway";
const START: Duration = Duration::from_secs(120);

/// A running one, with one file.
pub(super) struct Gateway {
    _process: ChildServer,
    pub(super) url: String,
    pub(super) cid: String,
}

/// Builds the program into `dir`.
pub(super) fn build(dir: &Path) -> Result<PathBuf> {
    let program = dir.join("boxo-gateway");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(SOURCE);
    let mut go = Command::new("go");
    go.current_dir(source).args(["build", "-o"]);
    let output = go.arg(&program).arg(".").output().context("go")?;
    ensure!(
        output.status.success(),
        "go build: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(program)
}

impl Gateway {
    /// Serves `file` in leaves of 1 MiB.
    pub(super) fn start(program: &Path, file: &Path) -> Result<Self> {
        Self::with_profile(program, file, "unixfs-v1-2025")
    }

    /// Serves `file`, added by one of the profiles of the program.
    pub(super) fn with_profile(program: &Path, file: &Path, profile: &str) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["-profile", profile, "-add"]).arg(file);
        let process = tokio::task::block_in_place(|| ChildServer::start(command, START))?;
        let added = process.first_line().split(' ').nth(1);
        let cid = added.context("the gateway named no CID")?.to_owned();
        let url = process
            .next_line(START)
            .context("the gateway said no address")?;
        Ok(Self {
            _process: process,
            url,
            cid,
        })
    }

    pub(super) fn address(&self) -> Result<SocketAddr> {
        let address = self.url.strip_prefix("http://").context("no address")?;
        Ok(address.parse()?)
    }
}

/// What reads by CID from the gateway at `url`, with a pool of its own.
pub(super) fn options(url: &str) -> Result<OpenOptions> {
    let ipfs = IpfsOptions {
        origins: vec![OriginConfig::Gateway { url: url.parse()? }],
        ..IpfsOptions::default()
    };
    let options = OpenOptions {
        ipfs,
        ..OpenOptions::default()
    };
    Ok(options.connect()?)
}
