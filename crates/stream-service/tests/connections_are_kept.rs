//! Several videos to one worker, in one process: which connections each of them opens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use frame_pipeline::builtin;
use stream_service::{
    Connections, LaneWish, ProcessOutput, SendOptions, Summary, Worker, WorkerConfig,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A worker that ends when it is told to.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(http: SocketAddr) -> Self {
        let mut config = WorkerConfig::new(vec![builtin("none").unwrap()]);
        config.http = http;
        let worker = Worker::bind(config).await.unwrap();
        let address = worker.http_address();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let stopped = async move { drop(stopped.await) };
            worker.run(stopped).await.unwrap();
        });
        Self {
            address,
            stop,
            task,
        }
    }

    async fn start_anew(self) -> Self {
        let address = self.address;
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
        Self::start(address).await
    }

    fn video(&self, frames: u64) -> SendOptions {
        let input = format!("opaque:?bytes=2000&frames={frames}");
        SendOptions::new(format!("http://{}", self.address), input)
    }
}

async fn worker() -> Running {
    Running::start(([127, 0, 0, 1], 0).into()).await
}

/// Sends it; the connections that it opened.
async fn opened(connections: &mut Connections, video: SendOptions, frames: u64) -> u64 {
    let summary: Summary = connections.send(video, pending()).await.unwrap();
    assert!(summary.is_whole(), "{summary:?}");
    assert_eq!(summary.results, frames, "{summary:?}");
    summary.lanes_opened
}

#[tokio::test(flavor = "multi_thread")]
async fn videos_of_a_kind_share_their_connections_whatever_carries_them() {
    let worker = worker().await;
    for lanes in [LaneWish::Data(3), LaneWish::Quic, LaneWish::WebSocket] {
        let mut connections = Connections::new();
        let mut counts = Vec::new();
        for frames in [300, 1, 200] {
            let mut video = worker.video(frames);
            video.lanes = lanes;
            counts.push(opened(&mut connections, video, frames).await);
        }
        assert!(counts[0] > 0, "{lanes:?}: {counts:?}");
        // Lanes that were still opening when a short video ended are not lost either.
        let most = if lanes == LaneWish::Data(3) { 3 } else { 1 };
        assert!(counts.iter().sum::<u64>() <= most, "{lanes:?}: {counts:?}");
        connections.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_that_wants_pictures_back_opens_its_own() {
    let worker = worker().await;
    let mut connections = Connections::new();
    let with = |pictures: bool| {
        let mut video = worker.video(3);
        video.input = "test:?size=160x90&frames=3".to_owned();
        video.lanes = LaneWish::Data(1);
        if pictures {
            video.output = ProcessOutput::Both;
        }
        video
    };
    let mut counts = Vec::new();
    for pictures in [false, false, true, true, false] {
        counts.push(opened(&mut connections, with(pictures), 3).await);
    }
    assert_eq!(counts, [1, 0, 1, 0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_started_anew_between_two_videos_is_connected_to_again() {
    let mut worker = worker().await;
    let mut connections = Connections::new();
    let mut counts = Vec::new();
    for _ in 0..3 {
        let mut video = worker.video(50);
        video.lanes = LaneWish::Data(1);
        counts.push(opened(&mut connections, video, 50).await);
        worker = worker.start_anew().await;
    }
    assert_eq!(counts, [1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_idle_for_too_long_are_closed_and_opened_again() {
    let worker = worker().await;
    let mut connections = Connections::new().with_idle_limit(Duration::ZERO);
    let video = || {
        let mut video = worker.video(20);
        video.lanes = LaneWish::Data(1);
        video
    };
    assert_eq!(opened(&mut connections, video(), 20).await, 1);
    let sessions = || async {
        let url = format!("http://{}/", worker.address);
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let state: serde_json::Value = serde_json::from_str(&text).unwrap();
        state["links"][0]["lanes"].as_u64()
    };
    while sessions().await.is_some_and(|lanes| lanes > 0) {
        tokio::task::yield_now().await;
    }
    assert_eq!(opened(&mut connections, video(), 20).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_that_cannot_be_opened_leaves_the_connections_as_they_are() {
    let worker = worker().await;
    let mut connections = Connections::new();
    let mut video = worker.video(20);
    video.lanes = LaneWish::Data(1);
    assert_eq!(opened(&mut connections, video.clone(), 20).await, 1);
    let mut broken = video.clone();
    broken.input = "/nowhere/film.mp4".to_owned();
    let error = connections.send(broken, pending()).await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/film.mp4"), "{error}");
    assert_eq!(opened(&mut connections, video, 20).await, 0);
}
