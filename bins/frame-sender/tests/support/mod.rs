//! What the end-to-end tests share: both real binaries on loopback, and what they wrote.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use testkit::LinkConfig;
use testkit::driver::{BadLink, BadLinkConfig, ChildServer, wait_until};

/// The longest that anything may take on a machine busy with other tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// Where clips are that are handed to every developer: `FRAMEWAY_MEDIA`, or beside the repository. `None`, and a reason on
/// stderr, where there are none.
#[allow(clippy::print_stderr)]
pub(crate) fn media() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/media");
    let folder = std::env::var_os("FRAMEWAY_MEDIA").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} is absent", folder.display());
    None
}

/// The worker's binary, which a test of the whole workspace builds beside the sender's.
fn frame_worker() -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_frame-sender")).with_file_name("frame-worker");
    assert!(
        beside.exists(),
        "{} is not built: cargo build -p frame-worker",
        beside.display()
    );
    beside
}

/// A running worker.
pub(crate) struct Worker {
    process: ChildServer,
    arguments: Vec<String>,
}

impl Worker {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|&it| it.to_owned()).collect();
        Self::start_at("127.0.0.1:0", arguments)
    }

    /// At an address that is not 127.0.0.1.
    pub(crate) fn start_on(http: &str, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&it| it.to_owned()).collect();
        Self::start_at(http, arguments)
    }

    fn start_at(http: &str, arguments: Vec<String>) -> Self {
        Self::start_by(Command::new(frame_worker()), http, arguments)
    }

    /// In a network namespace of its own.
    pub(crate) fn start_within(namespace: &str, http: &str, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&it| it.to_owned()).collect();
        Self::start_by(program_within(namespace, &frame_worker()), http, arguments)
    }

    fn start_by(mut command: Command, http: &str, arguments: Vec<String>) -> Self {
        command
            .env_remove("RUST_LOG")
            .args(["--http", http])
            .args(&arguments);
        let process = ChildServer::start(command, DEADLINE).unwrap_or_else(|e| panic!("{e}"));
        Self { process, arguments }
    }

    /// `http://HOST:PORT`, or with `https`.
    pub(crate) fn address(&self) -> &str {
        self.process.first_line()
    }

    pub(crate) fn http(&self) -> SocketAddr {
        let (_, address) = self.address().split_once("://").unwrap();
        address.parse().unwrap()
    }

    /// A bad network in front of it, the same both ways.
    pub(crate) fn behind(&self, way: LinkConfig) -> BadLink {
        BadLink::to_http(self.http(), BadLinkConfig::both(way)).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// A figure of `/metrics`, by its name and label.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let (status, text) = request(self.http(), "GET", "/metrics");
        assert_eq!(status, 200, "{text}");
        metric_in(&text, name)
    }

    /// Waits until a figure of `/metrics` is so high.
    pub(crate) fn metric_reaches(&self, name: &str, value: u64) {
        let reached = wait_until(DEADLINE, || self.metric(name) >= value);
        assert!(reached, "{name} is {}, not {value}", self.metric(name));
    }

    /// Sends the process a signal, by its name without SIG.
    pub(crate) fn signal(&self, name: &str) {
        send_signal(self.process.id(), name);
    }

    /// Dies without a word to anybody, and starts again at the same address.
    pub(crate) fn killed_and_back(self) -> Self {
        let address = self.address().to_owned();
        let Self { process, arguments } = self;
        drop(process);
        Self::start_at(address.strip_prefix("http://").unwrap(), arguments)
    }
}

/// `ip` becomes the program, so that signals reach it.
fn program_within(namespace: &str, program: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program);
    command
}

pub(crate) fn metric_in(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let found = lines.find(|(it, _)| *it == name);
    let (_, value) = found.unwrap_or_else(|| panic!("no {name} in {text}"));
    value.parse().unwrap()
}

/// A request without a body, and what comes back: status and body.
pub(crate) fn request(to: SocketAddr, method: &str, path: &str) -> (u16, String) {
    request_with(to, method, path, "text/plain", "")
}

/// The same with a body of that kind.
pub(crate) fn request_with(
    to: SocketAddr,
    method: &str,
    path: &str,
    kind: &str,
    body: &str,
) -> (u16, String) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap();
    (status.parse().unwrap(), body.to_owned())
}

fn send_signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status();
    assert!(sent.unwrap().success(), "SIG{name} could not be sent");
}

/// One run of the sender, with the files it writes.
pub(crate) struct Run {
    pub(crate) dir: tempfile::TempDir,
    to: String,
    input: String,
    extra: Vec<String>,
    log: Option<String>,
    namespace: Option<String>,
}

impl Run {
    pub(crate) fn new(to: &str, input: &str, extra: &[&str]) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            to: to.to_owned(),
            input: input.to_owned(),
            extra: extra.iter().map(|&it| it.to_owned()).collect(),
            log: None,
            namespace: None,
        }
    }

    /// In a network namespace of its own.
    pub(crate) fn within(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// With more on stderr: what `RUST_LOG` takes.
    pub(crate) fn logging(mut self, filter: &str) -> Self {
        self.log = Some(filter.to_owned());
        self
    }

    /// The same by way of a bad network.
    pub(crate) fn through(link: &BadLink, input: &str, extra: &[&str]) -> Self {
        Self::new(&format!("http://{}", link.address()), input, extra)
    }

    /// Goes on at another worker.
    pub(crate) fn to(mut self, worker: &str) -> Self {
        worker.clone_into(&mut self.to);
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Waits until the run has begun its ledger.
    pub(crate) fn has_begun(&self) {
        let begun = wait_until(DEADLINE, || self.path("ledger.jsonl").exists());
        assert!(begun, "no ledger");
    }

    fn command(&self) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_frame-sender"));
        let mut command = match &self.namespace {
            Some(namespace) => program_within(namespace, program),
            None => Command::new(program),
        };
        command.env_remove("RUST_LOG");
        command.envs(self.log.iter().map(|filter| ("RUST_LOG", filter)));
        command.args(["--to", &self.to, "--input", &self.input]);
        command.arg("--results").arg(self.path("results.jsonl"));
        command.arg("--ledger").arg(self.path("ledger.jsonl"));
        command.args(&self.extra);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts it; killed when dropped.
    pub(crate) fn start(&self) -> Running {
        Running(Some(self.command().spawn().unwrap()))
    }

    /// Runs it to its end.
    pub(crate) fn complete(&self) -> Done {
        self.start().finish()
    }

    /// Whole lines in the file of results now.
    pub(crate) fn results_written(&self) -> usize {
        let text = std::fs::read(self.path("results.jsonl")).unwrap_or_default();
        text.iter().filter(|&&byte| byte == b'\n').count()
    }

    /// Waits until so many results are written.
    pub(crate) fn reached(&self, results: usize) {
        let here = wait_until(DEADLINE, || self.results_written() >= results);
        assert!(here, "{} results", self.results_written());
    }

    pub(crate) fn results(&self) -> Vec<Value> {
        lines(&self.path("results.jsonl"))
    }

    /// Without the header and the end.
    pub(crate) fn ledger(&self) -> Vec<Value> {
        let mut entries = lines(&self.path("ledger.jsonl")).split_off(1);
        entries.retain(|entry| entry.get("end").is_none());
        entries
    }

    /// Each frame of `frames` has exactly one result, in order.
    pub(crate) fn assert_each_frame_once(&self, frames: u64) {
        let ids: Vec<u64> = self.results().iter().map(frame_id).collect();
        let expected: Vec<u64> = (0..frames).collect();
        assert_eq!(ids, expected);
        let entries = self.ledger();
        let listed: Vec<u64> = entries
            .iter()
            .map(|entry| entry["frame"].as_u64().unwrap())
            .collect();
        assert_eq!(listed, expected);
    }
}

pub(crate) fn frame_id(result: &Value) -> u64 {
    result["video_metadata"]["frame_id"].as_u64().unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A sender that runs.
pub(crate) struct Running(Option<Child>);

impl Running {
    /// Without a word to anybody.
    pub(crate) fn kill(mut self) {
        let mut child = self.0.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends the process a signal, by its name without SIG.
    pub(crate) fn signal(&self, name: &str) {
        send_signal(self.0.as_ref().unwrap().id(), name);
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.as_mut().unwrap().try_wait().unwrap().is_some()
    }

    pub(crate) fn finish(mut self) -> Done {
        Done::of(self.0.take().unwrap().wait_with_output().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A worker with an honest sender's frames under way, beside which others misbehave.
pub(crate) struct Scene {
    pub(crate) worker: Worker,
    run: Run,
    running: Running,
    frames: u64,
    lanes: &'static str,
}

impl Scene {
    /// Over lanes of that kind.
    pub(crate) fn begin(frames: u64, lanes: &'static str) -> Self {
        let worker = Worker::start(&["--processor", "sleep:4ms", "--workers", "1"]);
        let input = format!("opaque:?bytes=20000&frames={frames}");
        let run = Run::new(worker.address(), &input, &["--lanes", lanes]);
        let running = run.start();
        run.reached(50);
        Self {
            worker,
            run,
            running,
            frames,
            lanes,
        }
    }

    /// The honest sender noticed nothing, and another one is welcome.
    pub(crate) fn end(self) {
        let done = self.running.finish();
        done.assert_whole(self.frames);
        self.run.assert_each_frame_once(self.frames);
        assert_eq!(done.summary["resumed"], 0, "{done:?}");
        assert_eq!(done.summary["repeated"], 0, "{done:?}");
        let input = "opaque:?bytes=20000&frames=20";
        let next = Run::new(self.worker.address(), input, &["--lanes", self.lanes]);
        next.complete().assert_whole(20);
    }
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) summary: Value,
    pub(crate) stderr: String,
}

impl Done {
    fn of(output: Output) -> Self {
        let stdout = String::from_utf8(output.stdout).unwrap();
        Self {
            code: output.status.code(),
            summary: stdout
                .lines()
                .last()
                .map_or(Value::Null, |line| serde_json::from_str(line).unwrap()),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Each frame has its result, says the sender.
    pub(crate) fn assert_whole(&self, frames: u64) {
        assert_eq!(self.code, Some(0), "{self:?}");
        for field in ["frames", "sent", "acked", "results"] {
            assert_eq!(self.summary[field], frames, "{field}: {self:?}");
        }
        for field in ["lost", "duplicated"] {
            assert_eq!(self.summary[field], 0, "{field}: {self:?}");
        }
        assert_eq!(self.summary["verified"], true, "{self:?}");
    }
}
