//! The binary as a person at a terminal meets it: exit codes, what stands on stdout, and errors that say what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;
use std::process::Output;

use support::mjpeg::Mjpeg;
use support::{DEADLINE, Server, stream_server};
use testkit::driver::ChildServer;

fn run(arguments: &[&str]) -> Output {
    stream_server().args(arguments).output().unwrap()
}

#[track_caller]
fn fails(arguments: &[&str], code: i32, names: &[&str]) {
    let output = run(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    for name in names {
        assert!(
            stderr.contains(name),
            "{arguments:?}: stderr does not name {name:?}: {stderr}"
        );
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
    let error = stderr.lines().find(|line| line.starts_with("error: "));
    let parts: Vec<&str> = error.unwrap_or_default().split(": ").collect();
    assert!(
        parts.windows(2).all(|pair| pair[0] != pair[1]),
        "a reason is given once: {stderr}"
    );
    assert!(output.stdout.is_empty(), "an error belongs on stderr");
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn bad_usage_exits_with_2_and_says_what_is_accepted() {
    fails(&[], 2, &["Usage", "demo", "serve", "add"]);
    fails(&["watch"], 2, &["watch"]);
    fails(&["demo", "--htp", "127.0.0.1:0"], 2, &["--htp", "--http"]);
    fails(&["demo", "--http", "nowhere"], 2, &["nowhere", "HOST:PORT"]);
    fails(&["demo", "--http", "127.0.0.1:99999"], 2, &["99999"]);
    fails(
        &["serve", "--source", "noequals"],
        2,
        &["noequals", "NAME=URI"],
    );
    fails(
        &["serve", "--config", "/no/such.toml"],
        2,
        &["/no/such.toml"],
    );
    fails(
        &["serve", "--token-file", "/no/such/token"],
        2,
        &["/no/such/token"],
    );
    fails(&["add"], 2, &["FILE"]);
    fails(
        &["add", "--profile", "md5", "x"],
        2,
        &["md5", "unixfs-v1-2025", "legacy-cid-v0"],
    );
}

#[test]
fn a_log_filter_that_cannot_be_read_is_named() {
    let stderr = |filter| {
        let mut add = stream_server();
        add.args(["add", "/no/such/file"]).env("RUST_LOG", filter);
        String::from_utf8(add.output().unwrap().stderr).unwrap()
    };
    assert!(stderr("a=loud").contains("RUST_LOG=\"a=loud\""));
    for readable in ["", "debug", "warn,stream_server=info"] {
        assert!(!stderr(readable).contains("RUST_LOG"), "{readable:?}");
    }
}

#[test]
fn help_shows_every_default_and_exits_0() {
    for (arguments, words) in [
        (&["--help"][..], &["demo", "serve", "add", "Exit codes"][..]),
        (
            &["demo", "--help"],
            &[
                "127.0.0.1:8080",
                "FRAMEWAY_HTTP",
                "--token-file",
                "--insecure",
            ],
        ),
        (
            &["serve", "--help"],
            &[
                "NAME=URI",
                "--token-file",
                "--insecure",
                "test:?size=1280x720&fps=30",
            ],
        ),
        (&["add", "--help"], &["unixfs-v1-2025", "legacy-cid-v0"]),
    ] {
        let output = run(arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success());
        for word in words {
            assert!(
                text.contains(word),
                "{arguments:?} does not tell {word:?}: {text}"
            );
        }
    }
}

#[test]
fn what_cannot_be_done_exits_with_1_and_names_the_way_out() {
    let store = tempfile::tempdir().unwrap();
    let store = path(store.path());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    fails(
        &["demo", "--store", store, "--http", &taken],
        1,
        &[&taken, "in use", "--http"],
    );
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp = udp.local_addr().unwrap().to_string();
    fails(
        &[
            "demo",
            "--store",
            store,
            "--http",
            "127.0.0.1:0",
            "--udp",
            &udp,
        ],
        1,
        &[&udp, "--udp"],
    );
    let http = ["serve", "--store", store, "--http", "127.0.0.1:0"];
    fails(
        &[&http[..], &["--source", "x=/no/such.mp4"]].concat(),
        1,
        &["x", "/no/such.mp4"],
    );
    fails(
        &[&http[..], &["--source", "x=ipfs://bafynonsense"]].concat(),
        1,
        &["bafynonsense"],
    );
    fails(
        &["serve", "--store", store, "--http", "0.0.0.0:0"],
        1,
        &["0.0.0.0", "--token-file", "--insecure"],
    );
    let open = ["demo", "--store", store, "--http", "0.0.0.0:0"];
    fails(&open, 1, &["0.0.0.0", "--token-file", "--insecure"]);
    fails(
        &[&open[..], &["--token-file", "/no/such/token"]].concat(),
        2,
        &["/no/such/token"],
    );
    fails(
        &["add", "--store", store, "/no/such/file"],
        1,
        &["/no/such/file"],
    );
    fails(&["add", "--store", store, "/"], 1, &["/"]);
    fails(
        &["demo", "--http", "127.0.0.1:0", "--store", "/proc/nowhere"],
        1,
        &["/proc/nowhere", "--store"],
    );
}

#[test]
fn add_prints_the_cid_that_kubo_prints_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (store, file) = (folder.path().join("store"), folder.path().join("hello.txt"));
    std::fs::write(&file, "hello world\n").unwrap();
    let add = |profile: &[&str]| {
        let output = run(&[&["add", "--store", path(&store), path(&file)], profile].concat());
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    // Known to everybody who has ever added "hello world" to IPFS.
    assert_eq!(
        add(&["--profile", "legacy-cid-v0"]),
        "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o\n"
    );
    assert_eq!(
        add(&[]),
        "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4\n"
    );
    let json: serde_json::Value = serde_json::from_str(&add(&["--json"])).unwrap();
    assert_eq!(
        (&json["size_bytes"], &json["blocks"]),
        (&12.into(), &1.into())
    );
}

#[tokio::test]
async fn a_config_file_names_streams_and_flags_beat_it() {
    let folder = tempfile::tempdir().unwrap();
    let toml = folder.path().join("frameway.toml");
    std::fs::write(
        &toml,
        "loop = true\n[sources]\none = \"test:?size=320x240&fps=10\"\ntwo = \"/no/such\"\n",
    )
    .unwrap();
    let yaml = folder.path().join("frameway.yaml");
    std::fs::write(
        &yaml,
        "loop: true\nsources:\n  one: 'test:?size=320x240&fps=10'\n  two: /no/such\n",
    )
    .unwrap();
    for file in [toml, yaml] {
        let server = Server::serve(&[
            "--config",
            path(&file),
            "--source",
            "two=test:?size=160x120&fps=10",
        ]);
        let streams = server.get("/api/v1/streams").await.json();
        let mut names: Vec<_> = streams["streams"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["name"].as_str().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["one", "two"]);
        assert!(
            streams["streams"]
                .as_array()
                .unwrap()
                .iter()
                .all(|stream| stream["looping"] == true)
        );
    }
    let wrong = folder.path().join("wrong.toml");
    std::fs::write(&wrong, "htpp = \"127.0.0.1:0\"\n").unwrap();
    fails(
        &["serve", "--config", path(&wrong)],
        2,
        &["wrong.toml", "htpp"],
    );
}

#[tokio::test]
async fn the_optimizer_is_configured_as_its_users_write_it_and_in_lower_case() {
    let folder = tempfile::tempdir().unwrap();
    let yaml = "Streaming:\n  ENABLE_OPTIMIZER: true\n  CACHE_SIZE: 3\n  QUALITY_LEVELS: [85, 60, 40]\n  ADAPTIVE_QUALITY: true\n  \
                MIN_QUALITY: 40\n  MAX_QUALITY: 80\n  TARGET_BITRATE: 20M\n";
    let toml = "[streaming]\nenable_optimizer = true\ncache_size = 3\nquality_levels = [80, 60, 40]\nadaptive_quality = true\n\
                min_quality = 40\nmax_quality = 80\ntarget_bitrate = \"20M\"\n";
    // As they would be written together; 85 is above 80.
    let outside = folder.path().join("outside.yaml");
    std::fs::write(&outside, yaml).unwrap();
    fails(
        &["serve", "--config", path(&outside)],
        2,
        &["outside.yaml", "QUALITY_LEVELS", "85", "MAX_QUALITY 80"],
    );
    for (name, text) in [
        ("a.yaml", yaml.replace("85", "80")),
        ("b.toml", toml.to_owned()),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let source = "one=test:?size=320x240&fps=30";
        let server = Server::serve(&["--config", path(&file), "--source", source, "--loop"]);
        // The target is far beyond what the best costs.
        let mut client = Mjpeg::open(&server, "/streams/one.mjpg").await;
        let best = client.parts(40).await.pop().unwrap();
        assert_eq!(best.quality(), 80, "{name}");
        let high = server.get("/streams/one.jpg?quality=high").await;
        assert_eq!(high.header("x-quality"), "80", "{name}");
        let metrics = server.get("/api/v1/streams/one/metrics").await.json();
        let client = &metrics["mjpeg"]["clients"][0]["rate"];
        assert_eq!(client["target_bps"], 20_000_000, "{client}");
        assert!(metrics["optimizer"]["frames"].as_u64() <= Some(3));
    }
}

#[test]
fn settings_of_the_optimizer_that_cannot_be_taken_name_the_key_and_its_range() {
    let folder = tempfile::tempdir().unwrap();
    for (setting, words) in [
        ("CACHE_SIZE: 0", &["CACHE_SIZE", "1 to 128"][..]),
        ("CACHE_SIZE: -1", &["CACHE_SIZE", "1 to 128"]),
        ("CACHE_BYTES: 5", &["CACHE_BYTES", "1048576 to 1073741824"]),
        ("MIN_QUALITY: 0", &["MIN_QUALITY", "1 to 100"]),
        ("MAX_QUALITY: 101", &["MAX_QUALITY", "1 to 100"]),
        ("QUALITY_LEVELS: []", &["QUALITY_LEVELS", "at least one"]),
        (
            "QUALITY_LEVELS: [70, 90, 80]",
            &["QUALITY_LEVELS", "out of order"],
        ),
        (
            "TARGET_BITRATE: 0",
            &["TARGET_BITRATE", "10 kbit/s to 1 Gbit/s"],
        ),
        (
            "TARGET_BITRATE: 10G",
            &["TARGET_BITRATE", "10 kbit/s to 1 Gbit/s"],
        ),
        ("CACHE_SIZ: 5", &["CACHE_SIZ", "CACHE_SIZE"]),
        ("ENABLE_OPTIMIZER: perhaps", &["perhaps"]),
    ] {
        let file = folder.path().join("wrong.yaml");
        std::fs::write(&file, format!("Streaming:\n  {setting}\n")).unwrap();
        let all: Vec<_> = ["wrong.yaml"]
            .into_iter()
            .chain(words.iter().copied())
            .collect();
        fails(&["serve", "--config", path(&file)], 2, &all);
    }
}

#[tokio::test]
async fn a_signal_drains_and_exits_0_even_while_somebody_watches() {
    for signal in ["INT", "TERM"] {
        let mut server = Server::demo();
        let mut watching = reqwest::get(server.url("/streams/demo.mjpg"))
            .await
            .unwrap();
        let events = reqwest::get(server.url("/api/v1/streams/demo/events"))
            .await
            .unwrap();
        watching.chunk().await.unwrap();
        server.signal(signal);
        while watching.chunk().await.ok().flatten().is_some() {}
        let text = events.text().await.unwrap();
        assert!(
            text.contains("event: ended"),
            "a watcher of events is told: {text}"
        );
        let status = server.process.wait(DEADLINE).expect("it did not end");
        assert_eq!(status.code(), Some(0), "{}", server.process.stderr());
    }
}

#[test]
fn the_first_line_on_stdout_is_the_address_and_requests_are_answered_then() {
    let server: Server = Server::demo();
    let process: &ChildServer = &server.process;
    let address = process.first_line();
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    let port = address.rsplit(':').next().unwrap();
    std::net::TcpStream::connect(("127.0.0.1", port.parse::<u16>().unwrap())).unwrap();
}
