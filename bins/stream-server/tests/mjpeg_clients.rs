//! MJPEG clients on links of every kind, at the real binary: each gets what it asks for or what it can read, and none
//! costs the others anything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Value, json};
use support::mjpeg::{Mjpeg, Part, bitrate_bps};
use support::{Server, figure};

const METRICS: &str = "/api/v1/streams/one/metrics";
const PATTERN: [&str; 3] = ["--source", "one=test:?size=320x240&fps=30", "--loop"];

fn count(metrics: &Value, path: &str) -> u64 {
    metrics.pointer(path).and_then(Value::as_u64).unwrap()
}

/// Frames after which a new target must be met: five seconds.
const SETTLE_FRAMES: usize = 150;

async fn settled(client: &mut Mjpeg) -> Vec<Part> {
    client.parts(SETTLE_FRAMES).await;
    client.parts(90).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_gets_the_bitrate_it_asks_for_and_follows_a_change_while_it_watches() {
    let server = Server::serve(&PATTERN);
    let mut medium = Mjpeg::open(&server, "/streams/one.mjpg?quality=medium").await;
    let usual = bitrate_bps(&medium.parts(60).await);
    drop(medium);
    let kbps = |share: f64| (usual * share / 1000.0).round() as u64;

    let mut client = Mjpeg::open(&server, &format!("/streams/one.mjpg?kbps={}", kbps(1.2))).await;
    let mut steps = vec![(kbps(1.2), settled(&mut client).await)];
    for wish in [json!(kbps(0.85)), Value::Null, json!(kbps(0.95))] {
        let patch = json!({ "kbps": wish });
        let changed = server.patch("/api/v1/streams/one", &patch).await;
        assert_eq!(changed.json()["kbps"], wish);
        let wanted = wish.as_u64().unwrap_or(kbps(1.2));
        steps.push((wanted, settled(&mut client).await));
    }
    for (wanted, parts) in &steps {
        let got = bitrate_bps(parts) / 1000.0;
        figure("of the target", got / *wanted as f64);
        assert!(
            (got / *wanted as f64 - 1.0).abs() < 0.1,
            "{got:.0} kbit/s where {wanted} were asked for"
        );
    }
    let stats = &server.get(METRICS).await.json()["mjpeg"]["clients"][0]["rate"];
    assert_eq!(stats["target_bps"], kbps(0.95) * 1000, "{stats}");
    let spread = stats["bitrate_variance_ratio"].as_f64().unwrap();
    figure("spread of one-second bitrates", spread);
    // Ten seconds, of which the change may be a part: a tenth up.
    assert!(spread < 0.2, "{stats}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_for_less_than_the_worst_quality_costs_gets_fewer_frames() {
    let server = Server::serve(&PATTERN);
    let mut medium = Mjpeg::open(&server, "/streams/one.mjpg?quality=medium").await;
    let usual = bitrate_bps(&medium.parts(60).await);
    let kbps = (usual * 0.15 / 1000.0).round();
    let mut client = Mjpeg::open(&server, &format!("/streams/one.mjpg?kbps={kbps}")).await;
    client.parts(20).await;
    let parts = client.parts(20).await;
    let share = bitrate_bps(&parts) / (1000.0 * kbps);
    figure("of the target", share);
    assert!((share - 1.0).abs() < 0.1, "{share} of {kbps} kbit/s");
    assert!(parts.iter().all(|part| part.quality() == 30));
    let gaps: Vec<_> = parts
        .windows(2)
        .map(|it| it[1].frame() - it[0].frame())
        .collect();
    let (least, most) = (gaps.iter().min().unwrap(), gaps.iter().max().unwrap());
    assert!(*least > 1 && most - least <= 2, "evenly: {gaps:?}");
    let clients = &server.get(METRICS).await.json()["mjpeg"]["clients"];
    let left_out = count(&clients[1], "/rate/frames_left_out");
    assert!(
        left_out >= gaps.iter().map(|gap| gap - 1).sum(),
        "{left_out}"
    );
    assert_eq!(count(&clients[0], "/rate/frames_left_out"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_clients_on_mixed_links_share_most_encodes() {
    // Half the usual rate: a machine that is busy with other tests must not be what makes clients pass frames over.
    let server = Server::serve(&["--source", "one=test:?size=320x240&fps=15", "--loop"]);
    let mut clients = Vec::new();
    for number in 0..20_u32 {
        let path = match number % 5 {
            0 => "/streams/one.mjpg?quality=low".to_owned(),
            1 => "/streams/one.mjpg?quality=high".to_owned(),
            2 => format!("/streams/one.mjpg?kbps={}", 750 + 50 * number),
            _ => "/streams/one.mjpg".to_owned(),
        };
        let client = Mjpeg::open(&server, &path).await;
        // Two have links that carry a third and two thirds of the stream. Three levels in use and 20 clients make 85 % at
        // best; each level that only a slow link has costs up to 5 of these.
        clients.push(match number % 10 {
            4 => client.at_kbps(150 + 30 * number),
            _ => client,
        });
    }
    let slow = |number: usize| number % 10 == 4;
    let readers = clients.into_iter().enumerate().map(|(number, mut client)| {
        tokio::spawn(async move {
            let parts = client.parts(if slow(number) { 40 } else { 150 }).await;
            for part in &parts {
                let shown = testkit::read_frame_number_encoded(&part.jpeg).unwrap();
                assert_eq!(u64::from(shown), part.frame(), "the header names the frame");
            }
            let in_order = parts.windows(2).all(|it| it[0].frame() < it[1].frame());
            assert!(in_order, "frames come once, and in order");
            client
        })
    });
    let clients = futures_util::future::join_all(readers).await;
    let metrics = server.get(METRICS).await.json();
    assert!(
        clients.iter().all(Result::is_ok),
        "{clients:?}",
        clients = clients.len()
    );
    assert_eq!(metrics["mjpeg"]["clients"].as_array().unwrap().len(), 20);
    let hit_ratio = metrics["optimizer"]["hit_ratio"].as_f64().unwrap();
    figure("hit ratio", hit_ratio);
    assert!(
        hit_ratio > 0.8,
        "hit ratio {hit_ratio}: {:#}",
        metrics["optimizer"]
    );
    assert!(count(&metrics, "/optimizer/frames") <= 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_link_gets_the_newest_frames_at_what_it_carries() {
    let server = Server::serve(&PATTERN);
    let mut fast = Mjpeg::open(&server, "/streams/one.mjpg?quality=medium").await;
    let usual = bitrate_bps(&fast.parts(60).await);
    let half = (usual / 2000.0) as u32;
    let mut slow = Mjpeg::open(&server, "/streams/one.mjpg")
        .await
        .at_kbps(half);
    let parts = slow.parts(120).await;
    assert!(
        parts.windows(2).any(|it| it[1].frame() - it[0].frame() > 1),
        "what the link does not carry is passed over"
    );
    let floor = parts.iter().skip(60).map(Part::quality).min().unwrap();
    assert!((10..50).contains(&floor), "quality went down to {floor}");
    let metrics = server.get(METRICS).await.json();
    let clients = metrics["mjpeg"]["clients"].as_array().unwrap();
    let target = &clients[1]["rate"]["target_bps"];
    assert!(target.as_f64().unwrap() < usual, "{:#}", clients[1]);
    assert_eq!(clients[0]["rate"]["target_bps"], Value::Null);
}

/// That it is closed after 30 s, stream-service's own test shows with a shorter limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_costs_nothing() {
    let server = Server::serve(&PATTERN);
    let stalled = Mjpeg::open(&server, "/streams/one.mjpg?quality=low").await;
    let mut reader = Mjpeg::open(&server, "/streams/one.mjpg?quality=high").await;
    // Long enough to fill whatever buffers there are.
    reader.parts(150).await;
    let before = server.get(METRICS).await.json();
    let frames = reader.parts(90).await;
    let after = server.get(METRICS).await.json();
    let encodes = count(&after, "/optimizer/misses") - count(&before, "/optimizer/misses");
    let released = count(&after, "/performance/frames_released")
        - count(&before, "/performance/frames_released");
    assert!(
        encodes <= released + 1,
        "{encodes} encodes of {released} frames"
    );
    let skipped = frames[89].frame() - frames[0].frame() - 89;
    assert!(
        skipped <= released.saturating_sub(90) + 9,
        "the other client missed {skipped} frames"
    );

    drop(stalled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_encoded_while_nobody_watches() {
    let server = Server::serve(&PATTERN);
    let mut client = Mjpeg::open(&server, "/streams/one.mjpg").await;
    client.parts(10).await;
    drop(client);
    let gone = |m: &Value| m["state"] == "paused" && m["mjpeg"]["clients"] == json!([]);
    let paused = server.until(METRICS, gone).await;
    // Three events of a second each.
    let mut events = reqwest::get(server.url("/api/v1/streams/one/events"))
        .await
        .unwrap();
    let mut text = String::new();
    while text.matches("event: metrics").count() < 3 {
        text.push_str(std::str::from_utf8(&events.chunk().await.unwrap().unwrap()).unwrap());
    }
    let later = server.get(METRICS).await.json();
    for path in ["/optimizer/misses", "/performance/frames_released"] {
        assert_eq!(count(&later, path), count(&paused, path), "{path}");
    }
    assert!(count(&later, "/mjpeg/frames_sent") >= 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_show_the_same_are_encoded_once_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let grey = image::RgbImage::from_pixel(320, 240, image::Rgb([90, 120, 60]));
    let mut jpeg = std::io::Cursor::new(Vec::new());
    grey.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    let still = folder.path().join("still.mjpeg");
    std::fs::write(&still, jpeg.into_inner().repeat(600)).unwrap();
    let config = folder.path().join("frameway.yaml");
    std::fs::write(&config, "Streaming:\n  DROP_SAME_FRAMES: true\n").unwrap();
    let source = format!("one={}?fps=25", still.display());
    let server = Server::serve(&[
        "--config",
        config.to_str().unwrap(),
        "--source",
        &source,
        "--loop",
    ]);
    let mut client = Mjpeg::open(&server, "/streams/one.mjpg").await;
    let parts = client.parts(4).await;
    for pair in parts.windows(2) {
        let apart = pair[1].released() - pair[0].released();
        assert!(apart >= 0.95, "sent again after {apart} s");
    }
    let metrics = server.get(METRICS).await.json();
    assert!(
        count(&metrics, "/mjpeg/same_frames") > 20,
        "{:#}",
        metrics["mjpeg"]
    );
    assert_eq!(
        count(&metrics, "/optimizer/misses"),
        1,
        "{:#}",
        metrics["optimizer"]
    );
}

/// A number gets the nearest of the levels that are configured, so that it costs no encode of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quality_by_number_is_the_nearest_level() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("frameway.yaml");
    std::fs::write(&config, "Streaming:\n  QUALITY_LEVELS: [85, 60, 40]\n").unwrap();
    let configured = ["--config", config.to_str().unwrap()];
    for (further, cases) in [
        (&[][..], [("1", 50), ("59", 50), ("70", 70), ("100", 90)]),
        (
            &configured,
            [("1", 40), ("59", 60), ("70", 60), ("100", 85)],
        ),
    ] {
        let server = Server::serve(&[&PATTERN[..], further].concat());
        for (asked, sent) in cases {
            let path = format!("/streams/one.mjpg?quality={asked}");
            let parts = Mjpeg::open(&server, &path).await.parts(3).await;
            assert!(parts.iter().all(|part| part.quality() == sent), "{asked}");
            let snapshot = server.get(&path.replace("mjpg", "jpg")).await;
            assert_eq!(snapshot.header("x-quality"), sent.to_string());
        }
    }
}

#[tokio::test]
async fn qualities_that_are_none_are_refused() {
    let server = Server::serve(&PATTERN);
    for route in ["/streams/one.mjpg", "/streams/one.jpg"] {
        for (asked, said) in [
            ("0", "quality 0 is out of range"),
            ("101", "quality 101 is out of range"),
            ("-1", "out of range"),
            ("256", "out of range"),
            ("99999999999999999999", "out of range"),
            ("70.5", "out of range"),
            ("nan", "\"nan\" is not a quality"),
            ("best", "\"best\" is not a quality"),
            ("", "\"\" is not a quality"),
            ("High", "\"High\" is not a quality"),
        ] {
            let refused = server.get(&format!("{route}?quality={asked}")).await;
            let problem = refused.problem(422, said);
            assert_eq!(problem["field"], "quality");
            assert!(problem["detail"].as_str().unwrap().contains("1 to 100"));
        }
    }
    let both = server.get("/streams/one.mjpg?quality=70&kbps=800").await;
    assert_eq!(both.problem(422, "quality=70")["field"], "kbps");
    // A stream's own quality stays a name.
    let patch = json!({ "quality": "70" });
    let patch = server.patch("/api/v1/streams/one", &patch).await;
    assert_eq!(patch.problem(422, "quality")["field"], "quality");
}

#[tokio::test]
async fn targets_out_of_range_are_refused_and_a_snapshot_takes_the_same_wishes() {
    let server = Server::serve(&PATTERN);
    for path in ["/streams/one.mjpg", "/streams/one.jpg"] {
        for kbps in ["0", "9", "10000000", "-5", "fast", "", "1e3", "800.5"] {
            let refused = server.get(&format!("{path}?kbps={kbps}")).await;
            let problem = refused.problem(422, "10–1000000");
            assert_eq!(problem["field"], "kbps");
            assert!(problem["range"].as_str().unwrap().contains("kbit/s"));
        }
        let both = server.get(&format!("{path}?kbps=800&quality=high")).await;
        assert_eq!(both.problem(422, "quality=high")["field"], "kbps");
    }
    let offer = server.post("/whep/one?kbps=0", &json!({})).await;
    assert!(offer.status == 415 || offer.status == 422);
    for kbps in [json!(0), json!(10_000_000), json!(1.5)] {
        let create = json!({ "uri": "test:?size=64x64", "kbps": kbps });
        server
            .post("/api/v1/streams", &create)
            .await
            .problem(422, "10–1000000");
        let patch = server
            .patch("/api/v1/streams/one", &json!({ "kbps": kbps }))
            .await;
        assert_eq!(patch.problem(422, "10–1000000")["field"], "kbps");
    }
    let small = server.get("/streams/one.jpg?kbps=10").await;
    let large = server.get("/streams/one.jpg?quality=high").await;
    assert_eq!((small.status, large.status), (200, 200));
    assert!(small.body.len() < large.body.len());
    testkit::read_frame_number_encoded(&small.body).unwrap();
}
