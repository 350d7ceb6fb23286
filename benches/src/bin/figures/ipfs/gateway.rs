//! Gateways as processes: boxo's, built once a run and started with the files it serves, and Kubo's where there is a Kubo.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use progressive_loader::driver::{IpfsOptions, OpenOptions, OriginConfig};
use tempfile::TempDir;
use testkit::driver::ChildServer;

/// Where the program's source lies, from this package.
const SOURCE: &str = "../crates/progressive-loader/tests/peers/boxo-gateway";
const START: Duration = Duration::from_secs(120);

/// A running one, with one file.
pub(super) struct Gateway {
    _process: ChildServer,
    /// Kubo's repository.
    _folder: Option<TempDir>,
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
            _folder: None,
            url,
            cid,
        })
    }

    /// A Kubo daemon of its own, offline, that added `file` in leaves of 1 MiB.
    pub(super) fn kubo(ipfs: &Path, file: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let kubo = |arguments: &[&str]| {
            let mut command = Command::new(ipfs);
            command.env("IPFS_PATH", folder.path()).args(arguments);
            command
        };
        let must = |arguments: &[&str]| {
            let output = kubo(arguments).output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "ipfs {arguments:?}: {said}");
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        must(&["init", "--profile=test,unixfs-v1-2025"])?;
        must(&["config", "Addresses.API", "/ip4/127.0.0.1/tcp/0"])?;
        must(&["config", "Addresses.Gateway", "/ip4/127.0.0.1/tcp/0"])?;
        let cid = must(&["add", "--quieter", &file.to_string_lossy()])?;
        let start = || ChildServer::start(kubo(&["daemon", "--offline"]), START);
        let process = tokio::task::block_in_place(start)?;
        while process.next_line(START).context("no daemon")? != "Daemon is ready" {}
        let url = std::fs::read_to_string(folder.path().join("gateway"))?;
        Ok(Self {
            _process: process,
            _folder: Some(folder),
            url: url.trim().to_owned(),
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
