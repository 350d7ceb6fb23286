//! `/ipfs/CID`: the content itself, whole or by ranges, as any client of HTTP asks for it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

#[path = "../../../crates/progressive-loader/tests/common/peers.rs"]
#[allow(dead_code, unreachable_pub)]
mod peers;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use progressive_loader::Profile;
use progressive_loader::driver::Store;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use support::{DEADLINE, Server};
use testkit::driver::{Fault, FaultProxy};
use testkit::shake;

/// A server with contents in its store.
struct Contents {
    server: Server,
    cids: Vec<String>,
}

impl Contents {
    fn serve(contents: &[&[u8]], profile: Profile, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let add = |content: &&[u8]| store.add_bytes(content, profile).unwrap().cid.to_string();
        let cids = contents.iter().map(add).collect();
        let server = Server::start_with_store("serve", arguments, folder);
        Self { server, cids }
    }

    async fn get(&self, headers: &[(&'static str, &str)]) -> Reply {
        let path = format!("/ipfs/{}", self.cids[0]);
        ask(&self.server, Method::GET, &path, headers).await
    }
}

#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }

    fn detail(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status.as_u16());
        problem["detail"].as_str().unwrap().to_owned()
    }
}

async fn ask(
    server: &Server,
    method: Method,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Reply {
    let header = |(name, value): &(&'static str, &str)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )
    };
    let request = reqwest::Client::new().request(method, server.url(path));
    let request = request
        .headers(headers.iter().map(header).collect())
        .timeout(DEADLINE);
    let response = request.send().await.unwrap();
    Reply {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.bytes().await.unwrap().to_vec(),
    }
}

#[tokio::test]
async fn a_content_is_served_whole_under_the_name_of_its_hash() {
    let content = shake(3 << 20);
    for profile in Profile::ALL {
        let contents = Contents::serve(&[&content, b""], profile, &[]);
        let cid = &contents.cids[0];
        let whole = contents.get(&[]).await;
        assert_eq!(whole.status, 200);
        assert!(whole.body == content);
        assert_eq!(whole.header("etag"), format!("\"{cid}\""));
        assert_eq!(
            whole.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(whole.header("accept-ranges"), "bytes");
        assert_eq!(whole.header("content-type"), "application/octet-stream");
        assert_eq!(whole.header("content-security-policy"), "sandbox");
        let head = ask(
            &contents.server,
            Method::HEAD,
            &format!("/ipfs/{cid}"),
            &[("range", "bytes=0-9")],
        )
        .await;
        assert_eq!(
            (head.status.as_u16(), head.body.len()),
            (200, 0),
            "a Range is for GET alone"
        );
        for name in [
            "etag",
            "cache-control",
            "accept-ranges",
            "content-type",
            "content-length",
        ] {
            assert_eq!(head.header(name), whole.header(name), "{name}");
        }
        let empty = ask(
            &contents.server,
            Method::GET,
            &format!("/ipfs/{}", contents.cids[1]),
            &[],
        )
        .await;
        assert_eq!((empty.status.as_u16(), empty.body.len()), (200, 0));
        assert_eq!(empty.header("content-length"), "0");
    }
}

#[tokio::test]
async fn a_range_is_just_its_bytes() {
    let content = shake(2_500_000);
    let contents = Contents::serve(&[&content], Profile::LegacyCidV0, &[]);
    let size = content.len();
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=262143-262144", 262_143, 262_144),
        ("bytes=1000000-", 1_000_000, size - 1),
        ("bytes=-1", size - 1, size - 1),
        ("bytes=-99999999", 0, size - 1),
        ("bytes=2499999-9999999", size - 1, size - 1),
        ("bytes=10-19,20-29", 10, 29),
    ] {
        let part = contents.get(&[("range", range)]).await;
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(
            part.header("content-range"),
            format!("bytes {first}-{last}/{size}")
        );
        assert_eq!(
            part.header("content-length"),
            (last - first + 1).to_string()
        );
        assert!(part.body == content[first..=last], "{range}");
    }
    for (range, why) in [
        ("bytes=2500000-", "2500000 bytes"),
        (
            "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16",
            "at most 8",
        ),
    ] {
        let none = contents.get(&[("range", range)]).await;
        assert_eq!(none.status, 416);
        assert_eq!(none.header("content-range"), "bytes */2500000");
        assert_eq!(none.header("cache-control"), "no-store");
        assert!(none.detail().contains(why), "{}", none.detail());
    }
    for ignored in ["bytes=9-8", "lines=1-2", "bytes=x"] {
        let whole = contents.get(&[("range", ignored)]).await;
        assert_eq!(
            (whole.status.as_u16(), whole.body.len()),
            (200, size),
            "{ignored}"
        );
    }
}

#[tokio::test]
async fn several_ranges_come_as_parts_in_the_order_asked_for() {
    let content = shake(1 << 20);
    let contents = Contents::serve(&[&content], Profile::UnixfsV1_2025, &[]);
    let reply = contents
        .get(&[("range", "bytes=900000-900009, 0-4, 5-99, -2")])
        .await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("content-range")),
        (206, "")
    );
    let kind = reply.header("content-type");
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let mut expected = Vec::new();
    for range in [900_000..900_010, 0..100, 1_048_574..1_048_576] {
        let (first, last) = (range.start, range.end - 1);
        let before = if expected.is_empty() { "" } else { "\r\n" };
        let head = format!(
            "{before}--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {first}-{last}/1048576\r\n\r\n"
        );
        expected.extend(head.into_bytes());
        expected.extend(&content[range]);
    }
    expected.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
    assert!(reply.body == expected, "{}", reply.body.escape_ascii());
    assert_eq!(reply.header("content-length"), expected.len().to_string());
}

#[tokio::test]
async fn conditions_are_about_the_hash() {
    let content = shake(10_000);
    let contents = Contents::serve(&[&content], Profile::UnixfsV1_2025, &[]);
    let etag = format!("\"{}\"", contents.cids[0]);
    let weak = format!("W/{etag}");
    for has in [&etag, &weak, "*"] {
        let reply = contents
            .get(&[("if-none-match", has), ("range", "bytes=0-0")])
            .await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (304, 0), "{has}");
        assert_eq!(reply.header("etag"), etag);
    }
    let reply = contents.get(&[("if-none-match", "\"other\"")]).await;
    assert_eq!(reply.status, 200);
    let reply = contents.get(&[("if-match", "\"other\"")]).await;
    assert_eq!(reply.status, 412);
    assert!(reply.detail().contains(&etag));
    for (if_range, status) in [
        (&*etag, 206),
        (&weak, 200),
        ("\"other\"", 200),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 200),
    ] {
        let reply = contents
            .get(&[("if-range", if_range), ("range", "bytes=5-9")])
            .await;
        assert_eq!(reply.status, status, "{if_range}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_as_a_problem() {
    let contents = Contents::serve(&[b"hello world\n"], Profile::LegacyCidV0, &[]);
    let get = async |path: &str| ask(&contents.server, Method::GET, path, &[]).await;
    let unknown = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    let reply = get(&format!("/ipfs/{unknown}")).await;
    assert_eq!(reply.status, 404);
    assert!(reply.detail().contains(unknown));
    let below = get(&format!("/ipfs/{}/x.mp4", contents.cids[0])).await;
    assert_eq!(below.status, 404);
    assert!(below.detail().contains("x.mp4"));
    for bad in [
        "/ipfs/",
        "/ipfs/nonsense",
        "/ipfs/%ff",
        &format!("/ipfs/{unknown}/%2e%2e/x"),
    ] {
        let reply = get(bad).await;
        assert!(
            [400, 404].contains(&reply.status.as_u16()),
            "{bad}: {reply:?}"
        );
        reply.detail();
    }
    let codec = get("/ipfs/bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua").await;
    assert_eq!(codec.status, 404);
    let post = ask(
        &contents.server,
        Method::POST,
        &format!("/ipfs/{unknown}"),
        &[],
    )
    .await;
    assert_eq!(post.status, 405);
    let text = contents.get(&[]).await;
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(
        text.header("etag"),
        "\"QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o\""
    );
}

#[tokio::test]
async fn a_directory_lists_its_names_and_its_files_are_below_it() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/ipfs-fixtures/subdir-with-mixed-block-files.car");
    let Ok(archive) = std::fs::File::open(&fixture) else {
        eprintln!("skipped: {} is not there", fixture.display());
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let root = Store::open(folder.path())
        .unwrap()
        .import_car(archive)
        .unwrap()
        .roots[0];
    let server = Server::start_with_store("serve", &[], folder);
    let mut path = format!("/ipfs/{root}");
    // Down to a file, by the names that each directory lists.
    let file = loop {
        let reply = ask(&server, Method::GET, &path, &[]).await;
        if reply.status == 200 {
            break reply;
        }
        assert_eq!(reply.status, 404, "{reply:?}");
        let problem: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(problem["type"], "urn:frameway:problem:directory");
        let names = problem["entries"].as_array().unwrap();
        assert_eq!(problem["total_entries"], names.len());
        let name = names[names.len() - 1].as_str().unwrap();
        assert!(reply.detail().contains(name));
        let none = ask(&server, Method::GET, &format!("{path}/no-such"), &[]).await;
        assert_eq!(none.status, 404);
        assert!(none.detail().contains(name), "{}", none.detail());
        path = format!("{path}/{name}");
    };
    assert!(!file.body.is_empty());
    let own = file.header("etag").trim_matches('"');
    assert_ne!(own, root.to_string(), "the file's CID, not the root's");
    let direct = ask(&server, Method::GET, &format!("/ipfs/{own}"), &[]).await;
    assert!(direct.body == file.body);
}

fn flip(folder: &Path, cid: &str, offset: usize) {
    let pack: PathBuf = folder.join("packs").join(format!("{cid}.pack"));
    let mut bytes = std::fs::read(&pack).unwrap();
    bytes[offset] ^= 1;
    std::fs::write(&pack, bytes).unwrap();
}

#[tokio::test]
async fn a_damaged_content_is_a_problem_before_the_first_byte_and_a_cut_after_it() {
    let leaf = 256 << 10;
    let content = shake(40 * leaf);
    let contents = Contents::serve(&[&content], Profile::LegacyCidV0, &[]);
    let cid = &contents.cids[0];
    flip(contents.server.store.path(), cid, 30 * leaf + 5);
    let sound = contents.get(&[("range", "bytes=0-999999")]).await;
    assert!(sound.body == content[..1_000_000]);
    let mut response = reqwest::get(contents.server.url(&format!("/ipfs/{cid}")))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let mut got = Vec::new();
    let end = loop {
        match response.chunk().await {
            Ok(Some(piece)) => got.extend(piece),
            Ok(None) => break "a whole answer".to_owned(),
            Err(error) => break error.to_string(),
        }
    };
    assert!(
        end.contains("body"),
        "a body that ends early is an error: {end}"
    );
    assert!(got.len() < content.len() && content.starts_with(&got));
    let range = format!("bytes={}-", 30 * leaf);
    let problem = contents.get(&[("range", &range)]).await;
    assert_eq!(problem.status, 502);
    assert!(problem.detail().contains(cid.as_str()));
    assert_eq!(problem.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_token_guards_contents_and_keeps_them_out_of_shared_caches() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "correct-horse\n").unwrap();
    let contents = Contents::serve(
        &[b"content"],
        Profile::LegacyCidV0,
        &["--token-file", file.to_str().unwrap()],
    );
    let refused = contents.get(&[]).await;
    assert_eq!(refused.status, 401);
    let reply = contents
        .get(&[("authorization", "Bearer correct-horse")])
        .await;
    assert_eq!(
        (reply.status.as_u16(), &*reply.body),
        (200, &b"content"[..])
    );
    assert_eq!(
        reply.header("cache-control"),
        "private, max-age=31536000, immutable"
    );
}

#[tokio::test]
async fn what_the_store_has_not_comes_checked_from_a_gateway() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let content = shake(3_000_000);
    std::fs::write(file.path(), &content).unwrap();
    let added = ["-add", file.path().to_str().unwrap()];
    let Some(gateway) = peers::boxo(&added) else {
        return;
    };
    let proxy = FaultProxy::start(gateway.address()).unwrap();
    // In the store, and nowhere else.
    let contents = Contents::serve(
        &[b"of the store"],
        Profile::LegacyCidV0,
        &["--gateway", &proxy.url()],
    );
    assert_eq!(contents.get(&[]).await.body, b"of the store");
    let path = format!("/ipfs/{}", gateway.cids[0]);
    let get = async |headers: &[(&'static str, &str)]| {
        ask(&contents.server, Method::GET, &path, headers).await
    };
    let part = get(&[("range", "bytes=2000000-2000099")]).await;
    assert_eq!(
        (part.status.as_u16(), part.header("content-range")),
        (206, "bytes 2000000-2000099/3000000")
    );
    assert!(part.body == content[2_000_000..2_000_100]);
    let whole = get(&[]).await;
    assert!(whole.body == content);
    assert_eq!(whole.header("etag"), format!("\"{}\"", gateway.cids[0]));
    let unknown = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    let none = ask(
        &contents.server,
        Method::GET,
        &format!("/ipfs/{unknown}"),
        &[],
    )
    .await;
    assert_eq!(none.status, 404, "{}", none.detail());
    assert!(none.detail().contains(unknown));
    proxy.down(true);
    let gone = ask(
        &contents.server,
        Method::GET,
        "/ipfs/bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4",
        &[],
    )
    .await;
    assert!([502, 504].contains(&gone.status.as_u16()), "{gone:?}");
    assert!(gone.detail().contains(&proxy.url()), "{}", gone.detail());
}

#[tokio::test]
async fn wrong_bytes_of_a_gateway_never_reach_a_client() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let content = shake(6_000_000);
    std::fs::write(file.path(), &content).unwrap();
    let added = ["-add", file.path().to_str().unwrap()];
    let Some(gateway) = peers::boxo(&added) else {
        return;
    };
    let proxy = FaultProxy::start(gateway.address()).unwrap();
    let contents = Contents::serve(&[b""], Profile::LegacyCidV0, &["--gateway", &proxy.url()]);
    let path = format!("/ipfs/{}", gateway.cids[0]);
    let sound = ask(&contents.server, Method::HEAD, &path, &[]).await;
    assert_eq!(sound.header("content-length"), "6000000");
    proxy.always(Fault::Flip(500_000));
    let mut response = reqwest::get(contents.server.url(&path)).await.unwrap();
    let mut got = Vec::new();
    let cut = loop {
        match response.chunk().await {
            Ok(Some(piece)) if response.status() == 200 => got.extend(piece),
            Ok(Some(_)) => {}
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(
        cut || response.status() == 502,
        "neither cut nor refused: {}",
        response.status()
    );
    assert!(content.starts_with(&got) && got.len() < content.len());
}

/// What ffmpeg decodes from a file or an address; `None`, with the reason printed, where there is no ffmpeg.
fn decoded(input: &str) -> Option<String> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-i", input, "-f", "framemd5", "-"]);
    let Ok(output) = ffmpeg.output() else {
        eprintln!("skipped: ffmpeg is not on PATH");
        return None;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8(output.stdout).unwrap())
}

fn film(folder: &Path) -> Option<PathBuf> {
    let path = folder.join("film.mp4");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args([
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=320x180:rate=25:duration=8",
    ]);
    ffmpeg.args([
        "-f",
        "lavfi",
        "-i",
        "sine=duration=8",
        "-c:v",
        "mpeg4",
        "-c:a",
        "aac",
    ]);
    match ffmpeg.arg(&path).status() {
        Ok(status) => assert!(status.success()),
        Err(_) => {
            eprintln!("skipped: ffmpeg is not on PATH");
            return None;
        }
    }
    Some(path)
}

fn place_of(bytes: &[u8], kind: &[u8]) -> usize {
    bytes.windows(kind.len()).position(|it| it == kind).unwrap()
}

#[tokio::test]
async fn a_film_comes_with_its_index_in_front_if_so_asked_and_plays() {
    let folder = tempfile::tempdir().unwrap();
    let Some(path) = film(folder.path()) else {
        return;
    };
    let plain = std::fs::read(&path).unwrap();
    assert!(
        place_of(&plain, b"mdat") < place_of(&plain, b"moov"),
        "it was made with its index behind"
    );
    let contents = Contents::serve(&[&plain, b"a text"], Profile::UnixfsV1_2025, &[]);
    let cid = &contents.cids[0];
    let address = format!("/ipfs/{cid}?faststart");
    let get = async |headers: &[(&'static str, &str)]| {
        ask(&contents.server, Method::GET, &address, headers).await
    };
    let whole = get(&[]).await;
    assert_eq!(
        (whole.status.as_u16(), whole.header("content-type")),
        (200, "video/mp4")
    );
    assert!(place_of(&whole.body, b"moov") < place_of(&whole.body, b"mdat"));
    assert_eq!(
        whole.body.len(),
        plain.len(),
        "the index moved, and nothing was added"
    );
    assert_eq!(whole.header("etag"), format!("\"{cid}.faststart\""));
    let mut parts = Vec::new();
    while parts.len() < whole.body.len() {
        let range = format!("bytes={}-{}", parts.len(), parts.len() + 33_332);
        let part = get(&[("range", &range), ("if-range", whole.header("etag"))]).await;
        assert_eq!(part.status, 206);
        parts.extend(part.body);
    }
    assert!(
        parts == whole.body,
        "ranges are those of the film as served"
    );
    let other = get(&[("range", "bytes=0-9"), ("if-range", &format!("\"{cid}\""))]).await;
    assert_eq!(other.status, 200, "the file's own entity tag is another's");
    let text = format!("/ipfs/{}?faststart", contents.cids[1]);
    let text = ask(&contents.server, Method::GET, &text, &[]).await;
    assert_eq!(
        (&*text.body, text.header("etag")),
        (&b"a text"[..], &*format!("\"{}\"", contents.cids[1]))
    );
    let url = contents.server.url(&address);
    let (from_file, from_server) =
        tokio::task::spawn_blocking(move || (decoded(path.to_str().unwrap()), decoded(&url)))
            .await
            .unwrap();
    assert_eq!(from_file, from_server, "the same pictures and sound");
}

#[tokio::test]
async fn the_clips_come_byte_for_byte_and_play_from_the_address() {
    let Some(media) = support::media() else {
        return;
    };
    for entry in std::fs::read_dir(media).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let contents = Contents::serve(&[&bytes], Profile::UnixfsV1_2025, &[]);
        let whole = contents.get(&[]).await;
        assert_eq!(whole.header("content-type"), "video/mp4");
        assert!(whole.body == bytes, "{}", path.display());
        let url = contents
            .server
            .url(&format!("/ipfs/{}?faststart", contents.cids[0]));
        let both =
            tokio::task::spawn_blocking(move || (decoded(path.to_str().unwrap()), decoded(&url)));
        let (from_file, from_server) = both.await.unwrap();
        assert_eq!(from_file, from_server);
    }
}
