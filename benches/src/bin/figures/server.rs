//! A stream-server of our own, started for one measurement and gone after it.
//!
//! Fed by the built binary; feeds the measurements with its address, its process and what it says of itself.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use tempfile::TempDir;
use testkit::driver::ChildServer;

use crate::args::Args;

/// How long it may take to answer requests.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// The stream that every figure is about.
pub(crate) const SOURCE: &str = "test:?size=1280x720&fps=30";

/// The binary to measure.
pub(crate) fn binary(args: &Args) -> Result<PathBuf> {
    let beside = || {
        std::env::current_exe()
            .ok()?
            .parent()
            .map(|dir| dir.join("stream-server"))
    };
    let path = args
        .server
        .clone()
        .or_else(beside)
        .ok_or_else(|| anyhow!("name it with --server PATH"))?;
    if !path.is_file() {
        bail!(
            "no stream-server at {}; `cargo build --release -p stream-server`, or name it with --server",
            path.display()
        );
    }
    Ok(path)
}

/// A running server with one stream.
pub(crate) struct Server {
    child: ChildServer,
    _store: TempDir,
    http: reqwest::Client,
    /// `http://HOST:PORT`.
    pub(crate) url: String,
    /// The stream's id.
    pub(crate) stream: String,
}

impl Server {
    /// Starts one and gives it the 720p30 test pattern, at medium quality so that every figure is about the same bytes.
    pub(crate) async fn start(args: &Args) -> Result<Self> {
        let store = tempfile::tempdir()?;
        let mut command = Command::new(binary(args)?);
        command
            .args(["serve", "--http", "127.0.0.1:0", "--store"])
            .arg(store.path())
            .env("RUST_LOG", "warn");
        let child = tokio::task::block_in_place(|| ChildServer::start(command, START_DEADLINE))?;
        let url = child.first_line().to_owned();
        let http = reqwest::Client::new();
        let wish = serde_json::json!({ "uri": SOURCE, "name": "pattern", "quality": "medium" });
        let request = http
            .post(format!("{url}/api/v1/streams"))
            .header("content-type", "application/json");
        let response = request.body(wish.to_string()).send().await?;
        let (status, body) = (response.status(), response.text().await?);
        let made: Value =
            serde_json::from_str(&body).with_context(|| format!("{status}: {body}"))?;
        let id = made["id"]
            .as_str()
            .with_context(|| format!("the stream was not made: {status}: {body}"))?;
        Ok(Self {
            stream: id.to_owned(),
            child,
            _store: store,
            http,
            url,
        })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The stream's WHEP address for one quality.
    pub(crate) fn whep(&self, quality: &str) -> String {
        format!("{}/whep/{}?quality={quality}", self.url, self.stream)
    }

    /// The stream's metrics now.
    pub(crate) async fn metrics(&self) -> Result<Value> {
        let url = format!("{}/api/v1/streams/{}/metrics", self.url, self.stream);
        Ok(serde_json::from_str(
            &self.http.get(url).send().await?.text().await?,
        )?)
    }
}

/// A number out of JSON, by pointer.
pub(crate) fn number(json: &Value, pointer: &str) -> Result<f64> {
    json.pointer(pointer)
        .and_then(Value::as_f64)
        .ok_or_else(|| anyhow!("{pointer} is missing in {json}"))
}
