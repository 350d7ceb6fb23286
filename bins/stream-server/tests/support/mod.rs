//! What the end-to-end tests share: the real binary on loopback, a real Chromium, and a small HTTP client.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

pub(crate) mod browser;
pub(crate) mod mjpeg;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testkit::driver::ChildServer;

/// The longest that anything may take on a machine busy with other tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// The binary under test.
pub(crate) fn stream_server() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stream-server"));
    command.env_remove("RUST_LOG");
    command
}

/// A running server with a store of its own; both end with it.
pub(crate) struct Server {
    pub(crate) process: ChildServer,
    pub(crate) store: tempfile::TempDir,
}

impl Server {
    /// `stream-server demo`.
    pub(crate) fn demo() -> Self {
        Self::start("demo", &[])
    }

    /// `stream-server serve` with further arguments.
    pub(crate) fn serve(arguments: &[&str]) -> Self {
        Self::start("serve", arguments)
    }

    fn start(command: &str, arguments: &[&str]) -> Self {
        let store = tempfile::tempdir().unwrap();
        Self::start_with_store(command, arguments, store)
    }

    pub(crate) fn start_with_store(
        command: &str,
        arguments: &[&str],
        store: tempfile::TempDir,
    ) -> Self {
        Self::start_at("127.0.0.1:0", command, arguments, store)
    }

    /// Dies without a word to anybody, and starts again at the same address.
    pub(crate) fn killed_and_back(self, command: &str, arguments: &[&str]) -> Self {
        let address = self.address().to_owned();
        let Self { process, store } = self;
        drop(process);
        let http = address.strip_prefix("http://").unwrap();
        Self::start_at(http, command, arguments, store)
    }

    /// Sends the process a signal, by its name without SIG.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success(), "SIG{name} could not be sent");
    }

    /// `stream-server serve` with further arguments, and what `prepare` gives its process.
    pub(crate) fn serve_with(arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Self {
        let store = tempfile::tempdir().unwrap();
        let mut process = Self::process("127.0.0.1:0", "serve", arguments, &store);
        prepare(&mut process);
        Self::run(process, store)
    }

    fn start_at(http: &str, command: &str, arguments: &[&str], store: tempfile::TempDir) -> Self {
        Self::run(Self::process(http, command, arguments, &store), store)
    }

    fn process(
        http: &str,
        command: &str,
        arguments: &[&str],
        store: &tempfile::TempDir,
    ) -> Command {
        let mut process = stream_server();
        process
            .args([command, "--http", http, "--udp", "127.0.0.1:0", "--store"])
            .arg(store.path());
        process.args(arguments);
        process
    }

    fn run(process: Command, store: tempfile::TempDir) -> Self {
        let process =
            ChildServer::start(process, DEADLINE).unwrap_or_else(|error| panic!("{error}"));
        Self { process, store }
    }

    /// `http://HOST:PORT`, without a slash.
    pub(crate) fn address(&self) -> &str {
        self.process.first_line()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address())
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(reqwest::Client::new().get(self.url(path))).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        Answer::of(reqwest::Client::new().delete(self.url(path))).await
    }

    pub(crate) async fn post(&self, path: &str, json: &Value) -> Answer {
        self.send(
            reqwest::Method::POST,
            path,
            "application/json",
            json.to_string(),
        )
        .await
    }

    pub(crate) async fn patch(&self, path: &str, json: &Value) -> Answer {
        self.send(
            reqwest::Method::PATCH,
            path,
            "application/json",
            json.to_string(),
        )
        .await
    }

    pub(crate) async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        kind: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        Answer::of(
            reqwest::Client::new()
                .request(method, self.url(path))
                .header("content-type", kind)
                .body(body),
        )
        .await
    }

    /// Polls `path` until `holds`.
    pub(crate) async fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let started = std::time::Instant::now();
        loop {
            let json = self.get(path).await.json();
            if holds(&json) {
                return json;
            }
            assert!(
                started.elapsed() < DEADLINE,
                "{path} never came to hold: {json:#}\n{}",
                self.process.stderr()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// An HTTP answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.timeout(DEADLINE).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self {
            status,
            headers,
            body: response.bytes().await.unwrap().to_vec(),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The problem+json of a refusal, whose detail names `what`.
    pub(crate) fn problem(&self, status: u16, what: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains(what),
            "the detail does not name {what:?}: {detail}"
        );
        problem
    }
}

/// A figure of a run, shown by `--nocapture`.
pub(crate) fn figure(name: &str, value: f64) {
    eprintln!("{name}: {value:.3}");
}

/// The real clips that stand beside the project on some machines.
pub(crate) fn media() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/media");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "skipped: there is no {} with the real clips",
        folder.display()
    );
    None
}
