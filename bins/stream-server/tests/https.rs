//! With a certificate of its own the server speaks HTTPS, and the page's lanes come by it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use progressive_loader::Profile;
use progressive_loader::driver::Store;
use support::browser::{Chromium, Tab};
use support::{Server, stream_server};
use testkit::{Authority, Issued};

const DAY: Duration = Duration::from_secs(24 * 3600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
const PATTERN: [&str; 3] = ["--source", "pattern=test:?size=640x360&fps=30", "--loop"];

/// A certificate's files, and whose word it is.
struct Files {
    dir: tempfile::TempDir,
    authority: Authority,
    issued: Issued,
}

impl Files {
    fn lasting(time: Duration) -> Self {
        let authority = Authority::new("Test authority").unwrap();
        let names = ["localhost", "127.0.0.1"];
        let issued = authority.issue(&names, SystemTime::now(), time).unwrap();
        let files = Self {
            dir: tempfile::tempdir().unwrap(),
            authority,
            issued,
        };
        std::fs::write(files.path("chain.pem"), &files.issued.certificate).unwrap();
        std::fs::write(files.path("key.pem"), &files.issued.key).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn serve(&self) -> Server {
        let (chain, key) = (self.text("chain.pem"), self.text("key.pem"));
        let tls = ["--tls-cert", &chain, "--tls-key", &key];
        Server::serve(&[&PATTERN[..], &tls].concat())
    }

    /// A browser that takes the certificate as if a public authority had issued it: but for that, QUIC wants it to be one.
    async fn trusting_browser(&self) -> Option<Chromium> {
        let hash = &self.issued.public_key_hash;
        let taken = format!("ignore-certificate-errors-spki-list={hash}");
        Chromium::start_with(1280, 900, &[&taken, "webtransport-developer-mode"]).await
    }
}

async fn plays_by(tab: &Tab, kind: &str) {
    tab.until(&format!("frameway.stats().page.lane === '{kind}'"))
        .await;
    let before: u64 = tab.value("window.seen.length").await;
    tab.until(&format!("window.seen.length >= {}", before + 30))
        .await;
}

async fn choose(tab: &Tab, kind: &str) {
    tab.run(&format!(
        "document.querySelector('input[name=lane][value={kind}]').click()"
    ))
    .await;
}

/// What the server tells of its QUIC: how many certificates by hash.
async fn hashes_told(server: &Server, files: &Files) -> usize {
    let authority = reqwest::Certificate::from_pem(files.authority.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([authority])
        .build()
        .unwrap();
    let url = server.url("/lanes/webtransport/pattern?link=1");
    let place = client
        .post(url)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let place: serde_json::Value = serde_json::from_slice(&place).unwrap();
    place["certificate_hashes"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_lived_certificate_carries_every_kind_of_lane_without_any_flag() {
    let files = Files::lasting(10 * DAY);
    let server = files.serve();
    assert!(server.address().starts_with("https://127.0.0.1:"));
    assert_eq!(hashes_told(&server, &files).await, 1);
    // It goes past the warning, as a person may.
    let Some(browser) = Chromium::start(1280, 900).await else {
        return;
    };
    let tab = browser.open(&server.url("/?stream=pattern")).await;
    for kind in ["quic", "websocket", "data"] {
        choose(&tab, kind).await;
        plays_by(&tab, kind).await;
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_the_browser_trusts_needs_no_hash() {
    let files = Files::lasting(YEAR);
    let server = files.serve();
    assert_eq!(hashes_told(&server, &files).await, 0);
    let Some(browser) = files.trusting_browser().await else {
        return;
    };
    // By address: "localhost" is ::1 first to its QUIC.
    let tab = browser.open(&server.url("/?stream=pattern")).await;
    plays_by(&tab, "quic").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_browser_does_not_take_it_for_quic_another_lane_carries() {
    let files = Files::lasting(YEAR);
    let server = files.serve();
    let Some(browser) = Chromium::start(1280, 900).await else {
        return;
    };
    let tab = browser.open(&server.url("/?stream=pattern")).await;
    plays_by(&tab, "data").await;
    tab.until("document.querySelector('[data-lane=quic]').innerText.includes('Blocked')")
        .await;
    browser.close().await;
}

/// A server that asks the gateway at `gateway` for what it has not, and trusts the authorities in `roots`.
fn serve_from(gateway: &str, roots: &Path) -> Server {
    let trusting = |command: &mut Command| {
        command
            .env("SSL_CERT_FILE", roots)
            .env_remove("SSL_CERT_DIR");
    };
    Server::serve_with(&["--gateway", gateway], trusting)
}

#[tokio::test]
async fn a_gateway_over_https_is_taken_by_the_systems_authorities_and_one_over_http_needs_none() {
    let files = Files::lasting(YEAR);
    std::fs::write(files.path("ca.pem"), files.authority.pem()).unwrap();
    std::fs::write(files.path("none.pem"), "").unwrap();
    let content = b"by CID, over TLS".as_slice();
    let serve = |tls: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let cid = store.add_bytes(content, Profile::default()).unwrap().cid;
        (Server::start_with_store("serve", tls, folder), cid)
    };
    let (chain, key) = (files.text("chain.pem"), files.text("key.pem"));
    let (over_tls, cid) = serve(&["--tls-cert", &chain, "--tls-key", &key]);
    let (plain, _) = serve(&[]);
    let path = format!("/ipfs/{cid}");
    for (gateway, roots) in [(&over_tls, "ca.pem"), (&plain, "none.pem")] {
        let server = serve_from(gateway.address(), &files.path(roots));
        let answer = server.get(&path).await;
        assert_eq!((answer.status, &answer.body[..]), (200, content), "{roots}");
    }
    let server = serve_from(over_tls.address(), &files.path("none.pem"));
    let answer = server.get(&path).await;
    let said = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 502, "{said}");
    assert!(said.contains("certificate"), "{said}");
}

#[test]
fn what_is_wrong_with_the_files_is_2_and_names_them() {
    let good = Files::lasting(YEAR);
    let (chain, key) = (good.text("chain.pem"), good.text("key.pem"));
    let other = Files::lasting(YEAR).issued.key;
    std::fs::write(good.path("other.pem"), other).unwrap();
    std::fs::write(good.path("empty.pem"), "").unwrap();
    let month = 30 * DAY;
    let issue = |from| good.authority.issue(&["localhost"], from, month).unwrap();
    let expired = issue(SystemTime::now() - 2 * month);
    std::fs::write(good.path("expired.pem"), expired.certificate).unwrap();
    std::fs::write(good.path("expired.key"), expired.key).unwrap();
    let path = |name| good.text(name);
    let cases: [(&str, &str, &[&str]); 7] = [
        ("/no/such.pem", &key, &["/no/such.pem", "No such file"]),
        (&chain, "/no/such.key", &["/no/such.key"]),
        (&path("empty.pem"), &key, &["empty.pem", "certificate"]),
        (&chain, &path("empty.pem"), &["empty.pem", "private key"]),
        (
            &chain,
            &path("other.pem"),
            &["other.pem", "chain.pem", "another"],
        ),
        (&key, &chain, &["key.pem"]),
        (
            &path("expired.pem"),
            &path("expired.key"),
            &["expired.pem", "until", "renew"],
        ),
    ];
    let store = path("store");
    for command in ["demo", "serve"] {
        let start = [command, "--store", &store, "--http", "127.0.0.1:0"];
        for (chain, key, words) in &cases {
            let tls = ["--tls-cert", chain, "--tls-key", key];
            assert_usage(&[&start[..], &tls].concat(), words);
        }
        assert_usage(
            &[&start[..], &["--tls-cert", &chain]].concat(),
            &["--tls-key FILE"],
        );
    }
    let config = good.path("c.toml");
    std::fs::write(&config, "tls_key = \"/no/such.key\"\n").unwrap();
    assert_usage(
        &["serve", "--config", config.to_str().unwrap()],
        &["--tls-cert FILE"],
    );
}

#[track_caller]
fn assert_usage(arguments: &[&str], words: &[&str]) {
    let output = stream_server().args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{arguments:?}: {word:?}: {stderr}");
    }
}
