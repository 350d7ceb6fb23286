//! Several videos by one command: over the same connections, each with its own ledger and results, whatever dies meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::{DEADLINE, Worker, frame_id};
use testkit::LinkConfig;
use testkit::driver::{BadLink, BadLinkConfig, Ways, wait_until};

/// Videos of so many frames, and folders for what is written.
struct Videos {
    dir: tempfile::TempDir,
    to: String,
    frames: Vec<u64>,
    extra: Vec<String>,
}

/// How a command ended: what it printed.
struct Ended {
    code: Option<i32>,
    lines: Vec<Value>,
    stderr: String,
}

impl Videos {
    fn new(to: &str, frames: &[u64], extra: &[&str]) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            to: to.to_owned(),
            frames: frames.to_vec(),
            extra: extra.iter().map(|&it| it.to_owned()).collect(),
        }
    }

    fn inputs(&self) -> Vec<String> {
        let frames = self.frames.iter().enumerate();
        // Each of another size, so that none can pass for another.
        let uris = frames.map(|(n, frames)| format!("opaque:?bytes={}&frames={frames}", 9_000 + n));
        uris.collect()
    }

    fn file(&self, folder: &str, video: usize, ending: &str) -> PathBuf {
        let name = self.inputs()[video].replace([':', '?', '&', '='], "_");
        self.dir.path().join(folder).join(format!("{name}{ending}"))
    }

    fn start(&self) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_frame-sender"));
        command.env_remove("RUST_LOG").args(["--to", &self.to]);
        command.arg("--input").args(self.inputs());
        for folder in ["results", "ledger"] {
            command
                .arg(format!("--{folder}"))
                .arg(self.dir.path().join(folder));
        }
        command
            .args(&self.extra)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn complete(&self) -> Ended {
        finish(self.start())
    }

    fn results_of(&self, video: usize) -> usize {
        let text = std::fs::read(self.file("results", video, ".jsonl")).unwrap_or_default();
        text.iter().filter(|&&byte| byte == b'\n').count()
    }

    fn reached(&self, video: usize, results: usize) {
        let here = wait_until(DEADLINE, || self.results_of(video) >= results);
        assert!(here, "video {video}: {} results", self.results_of(video));
    }

    /// Every frame of every video has one result, of that video, and the ledger of each has its end.
    fn assert_whole(&self) {
        for (video, frames) in self.frames.iter().enumerate() {
            let results = lines(&self.file("results", video, ".jsonl"));
            let ids: Vec<u64> = results.iter().map(frame_id).collect();
            assert_eq!(ids, (0..*frames).collect::<Vec<_>>(), "video {video}");
            for result in results {
                let bytes = &result["serialized_output_data"]["none"]["bytes"];
                assert_eq!(*bytes, 9_000 + video, "video {video}");
            }
            let ledger = lines(&self.file("ledger", video, ".ledger"));
            assert_eq!(ledger.len() as u64, frames + 2, "video {video}");
            let end = &ledger.last().unwrap()["end"];
            assert_eq!(end["frames"], *frames, "video {video}: {end}");
            assert_eq!(end["bytes"], frames * (9_000 + video as u64), "{end}");
        }
    }
}

impl Ended {
    fn assert_whole(&self, videos: &Videos) {
        assert_eq!(self.code, Some(0), "{:?} {}", self.lines, self.stderr);
        assert_eq!(self.lines.len(), videos.frames.len() + 1);
        for (n, (line, frames)) in self.lines.iter().zip(&videos.frames).enumerate() {
            assert_eq!(line["video"], n + 1);
            assert_eq!(line["input"], videos.inputs()[n]);
            assert_eq!(line["results"], *frames, "{line}");
            assert_eq!(line["verified"], true, "{line}");
        }
        let totals = self.totals();
        assert_eq!(totals["frames"], videos.frames.iter().sum::<u64>());
        for field in ["lost", "duplicated"] {
            assert_eq!(totals[field], 0, "{totals}");
        }
        videos.assert_whole();
    }

    fn totals(&self) -> &Value {
        self.lines.last().unwrap()
    }
}

fn finish(child: Child) -> Ended {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    Ended {
        code: output.status.code(),
        lines: text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn lines(path: &PathBuf) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A counter of the worker's `/metrics`.
fn metric(worker: &Worker, name: &str) -> u64 {
    let host = worker.address().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name}: {text}"))
        .trim()
        .parse()
        .unwrap()
}

#[test]
fn three_videos_go_over_one_connection() {
    let worker = Worker::start(&["--processor", "none"]);
    let videos = Videos::new(worker.address(), &[300, 1, 200], &["--lanes", "data:1"]);
    let ended = videos.complete();
    ended.assert_whole(&videos);
    let opened: Vec<_> = ended.lines.iter().map(|it| &it["lanes_opened"]).collect();
    assert_eq!(opened, [1, 0, 0, 1]);
    assert_eq!(metric(&worker, "frameway_worker_sessions_total"), 1);
    assert_eq!(metric(&worker, "frameway_worker_links_total"), 3);
}

#[test]
fn the_way_that_carries_stays_from_video_to_video() {
    let worker = Worker::start(&["--processor", "sleep:2ms", "--processor", "none"]);
    // The first is long enough for QUIC to take over from whatever opened first.
    let videos = Videos::new(worker.address(), &[600, 100, 100], &["--lanes", "auto"]);
    let ended = videos.complete();
    ended.assert_whole(&videos);
    let opened: Vec<_> = ended.lines.iter().map(|it| &it["lanes_opened"]).collect();
    assert_eq!(opened, [2, 0, 0, 2], "{}", ended.stderr);
    for video in &ended.lines[..3] {
        assert_eq!(video["carrier"], "quic", "{video}");
    }
    for video in &ended.lines[1..3] {
        assert_eq!(video["carrier_changes"], 0, "{video}");
    }
}

#[test]
fn a_cut_in_the_second_video() {
    let worker = Worker::start(&["--processor", "sleep:2ms", "--processor", "none"]);
    let http = worker.address().trim_start_matches("http://");
    let way = LinkConfig {
        delay: Duration::from_millis(2),
        ..LinkConfig::datagrams()
    };
    let link = BadLink::to_http(http.parse().unwrap(), BadLinkConfig::both(way)).unwrap();
    let to = format!("http://{}", link.address());
    let videos = Videos::new(&to, &[100, 600, 100], &["--lanes", "data:2"]);
    let running = videos.start();
    videos.reached(1, 100);
    link.control()
        .cut_for(Ways::Both, Duration::from_secs(3), true);
    let ended = finish(running);
    ended.assert_whole(&videos);
    assert!(link.control().stats().up.dropped_cut > 0);
    assert_eq!(ended.lines[2]["lanes_opened"], 0, "{:?}", ended.lines);
}

#[test]
fn a_worker_that_is_killed_in_the_second_video() {
    let worker = Worker::start(&["--processor", "sleep:2ms", "--processor", "none"]);
    let videos = Videos::new(worker.address(), &[100, 600, 100], &["--lanes", "data:1"]);
    let running = videos.start();
    videos.reached(1, 100);
    let worker = worker.killed_and_back();
    finish(running).assert_whole(&videos);
    assert_eq!(metric(&worker, "frameway_worker_sessions_total"), 1);
}

#[test]
fn a_sender_that_is_killed_in_the_second_video_goes_on_there() {
    let worker = Worker::start(&["--processor", "sleep:2ms", "--processor", "none"]);
    let videos = Videos::new(worker.address(), &[100, 600, 100], &[]);
    let mut running = videos.start();
    videos.reached(1, 100);
    running.kill().unwrap();
    running.wait().unwrap();
    let before = videos.results_of(1);
    assert!(before < 600, "{before}");
    let ended = videos.complete();
    ended.assert_whole(&videos);
    // Of the first nothing was sent again, of the second only the rest.
    assert_eq!(ended.lines[0]["bytes"], 0, "{:?}", ended.lines);
    let sent = ended.lines[1]["bytes"].as_u64().unwrap();
    assert!(sent <= (601 - 100) * 9_001, "{sent}");
    assert_eq!(ended.totals()["resumed"], 2, "{:?}", ended.lines);
}

#[test]
fn a_sender_that_is_interrupted_in_the_second_video_says_where_it_stopped() {
    let worker = Worker::start(&["--processor", "sleep:2ms", "--processor", "none"]);
    let videos = Videos::new(worker.address(), &[50, 600, 50], &[]);
    let running = videos.start();
    videos.reached(1, 50);
    let sent = Command::new("kill")
        .args(["-s", "INT", &running.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    let stopped = finish(running);
    assert_eq!(stopped.code, Some(1), "{}", stopped.stderr);
    assert!(
        stopped.stderr.contains("video 2 of 3"),
        "{}",
        stopped.stderr
    );
    assert!(stopped.stderr.contains("goes on"), "{}", stopped.stderr);
    assert_eq!(stopped.totals()["whole"], 1, "{:?}", stopped.lines);
    videos.complete().assert_whole(&videos);
}

#[test]
fn what_is_no_video_costs_itself_alone() {
    let worker = Worker::start(&["--processor", "none"]);
    let dir = tempfile::tempdir().unwrap();
    let (text, list) = (dir.path().join("notes.txt"), dir.path().join("list"));
    std::fs::write(&text, "no video\n").unwrap();
    let all = format!(
        "# the night's\n\nopaque:?bytes=100&frames=3\n{}\nopaque:?bytes=200&frames=4\n",
        text.display()
    );
    std::fs::write(&list, all).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_frame-sender"));
    command
        .env_remove("RUST_LOG")
        .args(["--to", worker.address()]);
    command.arg("--inputs-from").arg(&list);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let ended = finish(child);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for said in ["video 2 of 3", "notes.txt", "2 of 3 videos are whole"] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
    let totals = ended.totals();
    assert_eq!(
        (&totals["whole"], &totals["results"]),
        (&2.into(), &7.into())
    );
}

#[test]
fn progress_says_which_video_it_is_of() {
    let worker = Worker::start(&["--processor", "sleep:5ms", "--processor", "none"]);
    let videos = Videos::new(worker.address(), &[60, 60], &["--json"]);
    let mut running = videos.start();
    let stdout = BufReader::new(running.stdout.take().unwrap());
    let mut told = Vec::new();
    for line in stdout.lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if line["progress"].is_object() {
            assert_eq!(line["videos"], 2, "{line}");
            told.push(line["video"].as_u64().unwrap());
        }
    }
    assert!(running.wait().unwrap().success());
    assert!(told.is_sorted() && told.contains(&1), "{told:?}");
}
