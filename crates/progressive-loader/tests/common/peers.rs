//! IPFS programs of other people, run on loopback: boxo's gateway, Helia, Kubo. Each is built or installed once under the
//! target folder; a machine that cannot says so, and the tests that want it are skipped.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use testkit::driver::ChildServer;

/// The longest that a program may take to answer, on a machine busy with other tests.
pub const DEADLINE: Duration = Duration::from_secs(120);
/// Names an `ipfs` that is not on PATH.
const KUBO_VARIABLE: &str = "FRAMEWAY_IPFS";

/// A gateway, and the CIDs of the files it was started with.
pub struct Gateway {
    pub process: ChildServer,
    pub url: String,
    pub cids: Vec<String>,
}

impl Gateway {
    /// Starts a program that prints `added CID PATH` for each file, and then its address.
    fn start(command: Command) -> Self {
        let process =
            ChildServer::start(command, DEADLINE).unwrap_or_else(|error| panic!("{error}"));
        let mut cids = Vec::new();
        let mut line = process.first_line().to_owned();
        while let Some(added) = line.strip_prefix("added ") {
            cids.push(added.split(' ').next().unwrap().to_owned());
            line = process
                .next_line(DEADLINE)
                .unwrap_or_else(|| panic!("no address: {}", process.stderr()));
        }
        assert!(line.starts_with("http://"), "{line}");
        Self {
            process,
            url: line,
            cids,
        }
    }

    pub fn address(&self) -> std::net::SocketAddr {
        self.url.strip_prefix("http://").unwrap().parse().unwrap()
    }
}

/// boxo's gateway with these arguments; `None`, with the reason printed, where it cannot be built.
pub fn boxo(arguments: &[&str]) -> Option<Gateway> {
    let mut command = Command::new(boxo_program()?);
    command.args(arguments);
    Some(Gateway::start(command))
}

/// The CIDs that boxo gives these files, by its importer, which is Kubo's.
pub fn boxo_cids(profile: &str, files: &[&Path]) -> Option<Vec<String>> {
    let mut command = Command::new(boxo_program()?);
    command.args(["-add-only", "-profile", profile]);
    for file in files {
        command.arg("-add").arg(file);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let cid = |line: &str| line.split(' ').nth(1).unwrap().to_owned();
    Some(text(&output.stdout).lines().map(cid).collect())
}

fn boxo_program() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(build_boxo).as_deref()
}

fn build_boxo() -> Option<PathBuf> {
    let program = cache().join("boxo-gateway");
    // Another test may be building it too: each makes its own, and the last one stays.
    let mine = cache().join(format!("boxo-gateway-{}", std::process::id()));
    let mut go = Command::new("go");
    go.current_dir(peer("boxo-gateway"))
        .args(["build", "-o"])
        .arg(&mine)
        .arg(".");
    go.env("GOFLAGS", "-mod=readonly");
    run("boxo's gateway", &mut go)?;
    fs::rename(&mine, &program).unwrap();
    Some(program)
}

/// Helia's gateway over an archive of blocks; `None`, with the reason printed, where it cannot be installed.
pub fn helia(archive: &Path) -> Option<Gateway> {
    static INSTALLED: OnceLock<Option<PathBuf>> = OnceLock::new();
    let folder = INSTALLED.get_or_init(install_helia).as_deref()?;
    let mut command = Command::new("node");
    command.arg(folder.join("gateway.js")).arg(archive);
    Some(Gateway::start(command))
}

fn install_helia() -> Option<PathBuf> {
    let folder = cache().join("helia-gateway");
    fs::create_dir_all(&folder).unwrap();
    let (lock, installed) = ("package-lock.json", folder.join("installed.json"));
    let wanted = fs::read(peer("helia-gateway").join(lock)).unwrap();
    for name in ["package.json", lock, "gateway.js"] {
        fs::copy(peer("helia-gateway").join(name), folder.join(name)).unwrap();
    }
    if fs::read(&installed).is_ok_and(|it| it == wanted) {
        return Some(folder);
    }
    let mut npm = Command::new("npm");
    npm.current_dir(&folder)
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
    run("Helia", &mut npm)?;
    fs::write(installed, wanted).unwrap();
    Some(folder)
}

/// A Kubo daemon with a repository of its own, offline. It is killed when dropped.
pub struct Kubo {
    program: OsString,
    pub repository: tempfile::TempDir,
    process: Option<ChildServer>,
}

impl Kubo {
    /// `None`, with the reason printed, where there is no `ipfs`.
    pub fn start() -> Option<Self> {
        let program = std::env::var_os(KUBO_VARIABLE).unwrap_or_else(|| "ipfs".into());
        let mut version = Command::new(&program);
        run("Kubo", version.arg("version"))?;
        let mut kubo = Self {
            program,
            repository: tempfile::tempdir().unwrap(),
            process: None,
        };
        kubo.must(&["init", "--profile=test"]);
        kubo.must(&["config", "Addresses.API", "/ip4/127.0.0.1/tcp/0"]);
        kubo.must(&["config", "Addresses.Gateway", "/ip4/127.0.0.1/tcp/0"]);
        kubo.run_daemon();
        Some(kubo)
    }

    fn ipfs(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env("IPFS_PATH", self.repository.path())
            .args(arguments);
        command
    }

    /// What a command prints; it must succeed.
    pub fn must(&self, arguments: &[&str]) -> String {
        let output = self.ipfs(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout).trim().to_owned()
    }

    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts the daemon, again at a port of its own.
    pub fn run_daemon(&mut self) {
        let command = self.ipfs(&["daemon", "--offline"]);
        let process =
            ChildServer::start(command, DEADLINE).unwrap_or_else(|error| panic!("{error}"));
        let mut line = process.first_line().to_owned();
        while line != "Daemon is ready" {
            line = process
                .next_line(DEADLINE)
                .unwrap_or_else(|| panic!("no daemon: {}", process.stderr()));
        }
        self.process = Some(process);
    }

    /// The address of its gateway.
    pub fn gateway(&self) -> String {
        let gateway = fs::read_to_string(self.repository.path().join("gateway")).unwrap();
        gateway.trim().to_owned()
    }

    /// `HOST:PORT` of the RPC.
    pub fn api(&self) -> std::net::SocketAddr {
        let api = fs::read_to_string(self.repository.path().join("api")).unwrap();
        let port = api.trim().rsplit('/').next().unwrap().parse().unwrap();
        ([127, 0, 0, 1], port).into()
    }
}

/// Runs what has to work; else prints why the test is skipped.
fn run(what: &str, command: &mut Command) -> Option<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.output() {
        Ok(output) if output.status.success() => Some(output),
        Ok(output) => {
            eprintln!(
                "skipped: {what}: {program} failed: {}",
                text(&output.stderr).trim()
            );
            None
        }
        Err(error) => {
            eprintln!("skipped: {what}: {program}: {error}");
            None
        }
    }
}

fn cache() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The sources of a peer; tests of other packages use them too.
fn peer(name: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .join("../../crates/progressive-loader/tests/peers")
        .join(name)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
