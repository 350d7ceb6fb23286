//! Two real videos, by file and by CID: every frame of both is drawn, in order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;

use support::browser::Chromium;
use support::{Server, media, stream_server};

/// Adds the file with the binary itself; returns the CID it prints.
fn add(store: &Path, file: &Path) -> String {
    let output = stream_server()
        .args(["add", "--store"])
        .arg(store)
        .arg(file)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn every_frame_is_drawn(clip: &str, codec: &str, size: (u32, u32), frame_rate: f64) {
    let Some(folder) = media() else { return };
    let Some(browser) = Chromium::start(1280, 800).await else {
        return;
    };
    let file = folder.join(clip);
    let store = tempfile::tempdir().unwrap();
    let cid = add(store.path(), &file);
    let by_file = format!("file={}", file.display());
    let by_cid = format!("cid=ipfs://{cid}");
    let server =
        Server::start_with_store("serve", &["--source", &by_file, "--source", &by_cid], store);
    for id in ["file", "cid"] {
        let about = server.get(&format!("/api/v1/streams/{id}")).await.json();
        let video = &about["video"];
        assert_eq!(
            (video["width"].as_u64(), video["height"].as_u64()),
            (Some(size.0.into()), Some(size.1.into()))
        );
        assert!(
            video["codec"].as_str().unwrap().starts_with(codec),
            "{video}"
        );
        assert!(
            (video["frame_rate"].as_f64().unwrap() - frame_rate).abs() < 0.1,
            "{video}"
        );
        let frames = video["frame_count"].as_u64().unwrap();
        let tab = browser.open(&server.url(&format!("/?stream={id}"))).await;
        // As long as the clip lasts, and then some.
        server
            .until(&format!("/api/v1/streams/{id}"), |stream| {
                stream["state"] == "ended"
            })
            .await;
        tab.until(&format!("window.drawn.length >= {frames}")).await;
        let drawn: Vec<u64> = tab.value("window.drawn").await;
        assert_eq!(
            drawn,
            (0..frames).collect::<Vec<_>>(),
            "{clip} by {id}: not every frame once, in order"
        );
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h264_baseline_at_12_and_a_half_frames_a_second() {
    every_frame_is_drawn("car-detection.mp4", "H.264", (768, 432), 12.5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h264_high_with_b_frames() {
    every_frame_is_drawn("bottle-detection.mp4", "H.264 High", (640, 360), 29.83).await;
}
