//! What names a video, and what does not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use media_source::{PatternOptions, VideoUri};
use progressive_loader::Location;

fn parse(uri: &str) -> VideoUri {
    uri.parse().unwrap()
}

fn error(uri: &str) -> String {
    uri.parse::<VideoUri>().unwrap_err().to_string()
}

#[test]
fn the_pattern_has_defaults_and_parameters() {
    assert_eq!(parse("test:"), VideoUri::Test(PatternOptions::default()));
    let VideoUri::Test(options) = parse("test:?size=640x360&fps=29.97&frames=90") else {
        panic!("not a pattern");
    };
    assert_eq!((options.size.width, options.size.height), (640, 360));
    assert_eq!((options.fps, options.frames), (29.97, Some(90)));
}

#[test]
fn a_uri_reads_back_as_itself() {
    for uri in [
        "test:?size=640x360&fps=29.97&frames=90",
        "test:?size=1280x720&fps=30",
        "clips/a.mp4",
        "frames?fps=12.5",
        "https://example.org/v.mp4",
    ] {
        let parsed = parse(uri);
        assert_eq!(parse(&parsed.to_string()), parsed, "{uri}");
    }
}

#[test]
fn a_rate_may_stand_behind_a_local_path_only() {
    let folder = parse("frames?fps=30");
    assert_eq!(folder.default_frame_rate(), 30.0);
    assert_eq!(folder.location(), Some(&Location::File("frames".into())));
    let url = parse("http://example.org/v.mp4?fps=30");
    assert_eq!(url.default_frame_rate(), 25.0);
    assert!(matches!(url.location(), Some(Location::Http(url)) if url.query() == Some("fps=30")));
}

#[test]
fn errors_name_the_text_and_what_is_accepted() {
    for (uri, parts) in [
        (
            "test:?size=big",
            &["test:?size=big", "size=big", "WIDTHxHEIGHT"][..],
        ),
        ("test:?size=10x10", &["size=10x10", "160x90 to 8192x8192"]),
        ("test:?fps=0", &["fps=0", "0.1 to 1000"]),
        ("test:?fps=nan", &["fps=nan", "a number"]),
        ("test:?frames=-1", &["frames=-1", "whole number"]),
        (
            "test:?colour=red",
            &["colour", "size=WxH, fps=N and frames=N"],
        ),
        ("frames?fps=fast", &["fps=fast", "a number"]),
        ("frames?fps=-3", &["fps=-3", "0.001 to 1000"]),
        ("gopher://x/y", &["gopher", "test:"]),
        ("ipfs://nonsense", &["nonsense", "CID"]),
        ("", &["empty"]),
    ] {
        let message = error(uri);
        for part in parts {
            assert!(
                message.contains(part),
                "{uri:?}: {message:?} lacks {part:?}"
            );
        }
    }
}
