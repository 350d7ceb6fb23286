//! The API as a client finds it: what is asked for is done, and what cannot be is refused with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Write as _;

use reqwest::Method;
use serde_json::{Value, json};
use support::Server;

const PATTERN: &str = "test:?size=320x240&fps=30";

async fn pattern(server: &Server, name: &str) -> Value {
    let created = server
        .post(
            "/api/v1/streams",
            &json!({ "uri": PATTERN, "name": name, "loop": true }),
        )
        .await;
    assert_eq!(created.status, 201, "{}", created.text());
    created.json()
}

#[tokio::test]
async fn a_stream_is_made_listed_changed_and_stopped() {
    let server = Server::serve(&[]);
    assert_eq!(
        server.get("/api/v1/streams").await.json(),
        json!({ "streams": [] })
    );
    let made = pattern(&server, "One").await;
    assert_eq!(made["id"], "one");
    assert_eq!(
        (
            &made["buffer_size"],
            &made["prefetch_threshold"],
            &made["quality"]
        ),
        (&json!(30), &json!(0.5), &json!("auto"))
    );
    assert_eq!(
        (made["whep_url"].as_str(), made["mjpeg_url"].as_str()),
        (Some("/whep/one"), Some("/streams/one.mjpg"))
    );
    assert_eq!(
        pattern(&server, "One").await["id"],
        "one-2",
        "two streams of one name are told apart"
    );

    let change = json!({ "buffer_size": 60, "prefetch_threshold": 0.25, "quality": "high" });
    let changed = server.patch("/api/v1/streams/one", &change).await.json();
    assert_eq!(
        (
            &changed["buffer_size"],
            &changed["prefetch_threshold"],
            &changed["quality"]
        ),
        (&json!(60), &json!(0.25), &json!("high"))
    );
    server
        .until("/api/v1/streams/one/metrics", |m| m["buffer"]["fill"] == 60)
        .await;

    assert_eq!(server.delete("/api/v1/streams/one").await.status, 204);
    server
        .get("/api/v1/streams/one")
        .await
        .problem(404, "one-2");
    assert_eq!(
        server.get("/api/v1/streams").await.json()["streams"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn parameters_out_of_range_name_the_field_and_its_range() {
    let server = Server::serve(&[]);
    let cases = [
        (json!({ "buffer_size": 0 }), "buffer_size", "1–120"),
        (json!({ "buffer_size": 121 }), "buffer_size", "1–120"),
        (json!({ "buffer_size": -3 }), "buffer_size", "1–120"),
        (json!({ "buffer_size": 2.5 }), "buffer_size", "1–120"),
        (
            json!({ "prefetch_threshold": 0.05 }),
            "prefetch_threshold",
            "0.1–0.9",
        ),
        (
            json!({ "prefetch_threshold": 1 }),
            "prefetch_threshold",
            "0.1–0.9",
        ),
        (
            json!({ "quality": "best" }),
            "quality",
            "low, medium, high or auto",
        ),
        (json!({ "width": 4 }), "width", "16–8192"),
        (json!({ "framerate": 0 }), "framerate", "0.1–240"),
        (
            json!({ "ice_servers": [{ "urls": "http://x" }] }),
            "ice_servers",
            "stun:",
        ),
        (json!({ "uri": "" }), "uri", "test:"),
        (json!({ "cid": "nonsense", "uri": null }), "cid", "nonsense"),
        (json!({ "uri": "gopher://x" }), "uri", "gopher"),
        (json!({ "uri": "test:?size=9999999x1" }), "uri", "9999999"),
    ];
    for (extra, field, names) in cases {
        let mut request = json!({ "uri": PATTERN });
        for (key, value) in extra.as_object().unwrap() {
            request[key] = value.clone();
        }
        let problem = server
            .post("/api/v1/streams", &request)
            .await
            .problem(422, names);
        assert_eq!(problem["field"], field, "{problem}");
    }
    pattern(&server, "one").await;
    let problem = server
        .patch("/api/v1/streams/one", &json!({ "buffer_size": 500 }))
        .await
        .problem(422, "1–120");
    assert_eq!(
        (
            &problem["field"],
            problem["range"].as_str().unwrap().contains("1–120")
        ),
        (&json!("buffer_size"), true)
    );
    assert_eq!(
        server.get("/api/v1/streams/one").await.json()["buffer_size"],
        30,
        "a refused change changes nothing"
    );
}

#[tokio::test]
async fn sources_that_cannot_be_played_say_why() {
    let server = Server::serve(&[]);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::File::create(&path)
            .unwrap()
            .write_all(bytes)
            .unwrap();
        path.display().to_string()
    };
    let text = write("notes.txt", b"these are notes, not a video");
    let empty = write("empty.mp4", b"");
    let broken = write(
        "broken.mp4",
        b"\0\0\0\x18ftypisom\0\0\0\0isommp41\0\0\0\x10moov\0\0",
    );
    let matroska = write("film.mkv", b"\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska");
    let unknown = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    let directory = folder.path().display().to_string();
    let cases = [
        ("/no/such/file.mp4", "/no/such/file.mp4"),
        (text.as_str(), "notes.txt"),
        (empty.as_str(), "empty"),
        (broken.as_str(), "broken"),
        (matroska.as_str(), "Matroska"),
        (directory.as_str(), ".jpg"),
        (
            "ipfs://bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
            unknown,
        ),
        ("http://127.0.0.1:1/film.mp4", "127.0.0.1:1"),
    ];
    for (uri, names) in cases {
        server
            .post("/api/v1/streams", &json!({ "uri": uri }))
            .await
            .problem(422, names);
    }
    assert_eq!(
        server.get("/api/v1/streams").await.json()["streams"],
        json!([]),
        "a refused stream leaves nothing behind"
    );
    pattern(&server, "fine").await;
}

#[tokio::test]
async fn bodies_that_are_no_json_or_too_large_or_of_another_type_are_refused() {
    let server = Server::serve(&[]);
    let send =
        |kind: &'static str, body: String| server.send(Method::POST, "/api/v1/streams", kind, body);
    send("application/json", "{\"uri\": ".to_owned())
        .await
        .problem(400, "not JSON");
    send("application/json", "[1, 2]".to_owned())
        .await
        .problem(422, "JSON");
    send("application/json", "{\"uri\": 7}".to_owned())
        .await
        .problem(422, "string");
    send("application/json", "{\"urii\": \"x\"}".to_owned())
        .await
        .problem(422, "urii");
    send("text/plain", PATTERN.to_owned())
        .await
        .problem(415, "application/json");
    send(
        "application/json",
        format!("{{\"uri\": \"{}\"}}", "x".repeat(100_000)),
    )
    .await
    .problem(413, "65536");
    let long = json!({ "uri": "x".repeat(5000) });
    server
        .post("/api/v1/streams", &long)
        .await
        .problem(422, "2048");
    server.get("/nowhere").await.problem(404, "/nowhere");
    server
        .send(Method::PUT, "/api/v1/streams", "application/json", "{}")
        .await
        .problem(405, "PUT");
    server
        .get("/assets/../Cargo.toml")
        .await
        .problem(404, "Cargo.toml");
    assert_eq!(
        server.get("/healthz").await.status,
        200,
        "the server goes on"
    );
}

#[tokio::test]
async fn a_browser_keeps_the_pages_files_until_the_page_has_others() {
    let server = Server::serve(&[]);
    for page in ["/", "/?streams=all"] {
        let page = server.get(page).await;
        assert_eq!(page.header("cache-control"), "no-cache");
        let text = page.text();
        let files: Vec<&str> = text
            .split('"')
            .filter(|part| part.starts_with("/assets/"))
            .collect();
        assert!(files.len() > 4, "{files:?}");
        for file in files {
            let file = server.get(file).await;
            assert_eq!(file.status, 200);
            assert_eq!(file.header("cache-control"), "max-age=31536000, immutable");
        }
    }
    let current = server.get("/assets/app.js").await;
    assert_eq!(current.header("cache-control"), "no-cache");
    let of_another_version = server.get("/assets/0123456789abcdef/app.js").await;
    assert_eq!(of_another_version.header("cache-control"), "no-cache");
    assert_eq!(of_another_version.body, current.body);
}

#[tokio::test]
async fn offers_that_are_not_session_descriptions_are_refused() {
    let server = Server::serve(&[]);
    pattern(&server, "one").await;
    let offer = |body: String| server.send(Method::POST, "/whep/one", "application/sdp", body);
    offer("hello".to_owned()).await.problem(400, "v=0");
    offer(String::new()).await.problem(400, "v=0");
    offer("x".repeat(70_000)).await.problem(413, "65536");
    let video_only = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\n";
    offer(video_only.to_owned()).await.problem(422, "frames");
    server
        .send(Method::POST, "/whep/one", "application/json", "{}")
        .await
        .problem(415, "application/sdp");
    server
        .send(Method::POST, "/whep/two", "application/sdp", "v=0")
        .await
        .problem(404, "two");
    server.delete("/whep/one/77").await.problem(404, "77");
    server.delete("/whep/one/abc").await.problem(404, "abc");
    assert_eq!(server.get("/api/v1/streams/one").await.json()["viewers"], 0);
    assert_eq!(
        server.get("/readyz").await.status,
        200,
        "the server goes on"
    );
}

#[tokio::test]
async fn metrics_events_and_prometheus_tell_the_same() {
    let server = Server::serve(&["--source", "one=test:?size=320x240&fps=30", "--loop"]);
    let response = reqwest::get(server.url("/api/v1/streams/one/events"))
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let mut response = response;
    let mut events = String::new();
    while events.matches("event: metrics").count() < 2 {
        events.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
    let data = events
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .unwrap();
    let event: Value = serde_json::from_str(data).unwrap();
    assert_eq!(event["buffer"]["size"], 30);

    // Somebody watches: frames are encoded and counted.
    let mut picture = reqwest::get(server.url("/streams/one.mjpg")).await.unwrap();
    assert!(
        picture.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("multipart/x-mixed-replace")
    );
    assert!(!picture.chunk().await.unwrap().unwrap().is_empty());
    let metrics = server
        .until("/api/v1/streams/one/metrics", |m| {
            m["performance"]["encodes"].as_u64() > Some(5)
        })
        .await;
    assert_eq!(metrics["state"], "playing");
    let text = server.get("/metrics").await.text();
    for line in [
        "frameway_frames_released_total{stream=\"one\"}",
        "frameway_buffer_size_frames{stream=\"one\"} 30.0",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is missing:\n{text}");
    }
    drop(picture);
    server
        .until("/api/v1/streams/one", |stream| stream["state"] == "paused")
        .await;

    assert_eq!(server.delete("/api/v1/streams/one").await.status, 204);
    while let Some(chunk) = response.chunk().await.unwrap() {
        events.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(
        events.contains("event: ended"),
        "the events of a deleted stream end with a word"
    );
}

#[tokio::test]
async fn a_snapshot_carries_the_frame_number_in_its_pixels_at_any_size() {
    let server = Server::serve(&["--source", "one=test:?size=640x360&fps=30"]);
    let whole = server.get("/streams/one.jpg?quality=low").await;
    assert_eq!(
        (whole.status, whole.header("content-type")),
        (200, "image/jpeg")
    );
    testkit::read_frame_number_encoded(&whole.body).unwrap();
    let small = json!({ "uri": "test:?size=1280x720&fps=30", "name": "small", "width": 640 });
    assert_eq!(server.post("/api/v1/streams", &small).await.status, 201);
    let small = server.get("/streams/small.jpg").await;
    let picture = image::load_from_memory(&small.body).unwrap();
    assert_eq!((picture.width(), picture.height()), (640, 360));
    testkit::read_frame_number_encoded(&small.body).unwrap();
    server.get("/streams/one.gif").await.problem(404, "one.gif");
    server
        .get("/streams/one.jpg?quality=fine")
        .await
        .problem(422, "low, medium, high, auto, or a number");
}

#[tokio::test]
async fn a_token_guards_every_route_but_the_health_check() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "correct-horse\n").unwrap();
    let server = Server::serve(&["--token-file", file.to_str().unwrap()]);
    assert_eq!(server.get("/healthz").await.status, 200);
    for path in [
        "/",
        "/api/v1/streams",
        "/metrics",
        "/readyz",
        "/assets/app.js",
    ] {
        let refused = server.get(path).await;
        refused.problem(401, "Authorization: Bearer");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
    }
    let client = reqwest::Client::new();
    let ask = |token: &'static str| {
        client
            .get(server.url("/api/v1/streams"))
            .bearer_auth(token)
            .send()
    };
    assert_eq!(ask("correct-horse").await.unwrap().status(), 200);
    assert_eq!(ask("correct-horsf").await.unwrap().status(), 401);
    assert_eq!(ask("").await.unwrap().status(), 401);
}
