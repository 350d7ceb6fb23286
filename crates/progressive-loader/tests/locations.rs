//! Locations as people write them.
#![allow(clippy::unwrap_used)]

use progressive_loader::{Location, LocationError, Profile};
use proptest::prelude::*;
use std::path::PathBuf;

const CID: &str = "bafybeicsjbxvx3dqz2lwdyra3ngz3zpyswyagw5s2wqlv37leh45zgqxmm";

fn parse(text: &str) -> Result<Location, LocationError> {
    text.parse()
}

#[test]
fn each_kind_is_read() {
    let file = |path: &str| Location::File(PathBuf::from(path));
    assert_eq!(parse("films/a b.mp4").unwrap(), file("films/a b.mp4"));
    assert_eq!(parse("./odd:name.mp4").unwrap(), file("./odd:name.mp4"));
    assert_eq!(parse("C:\\clip.mp4").unwrap(), file("C:\\clip.mp4"));
    assert_eq!(
        parse("file:films/a%20b.mp4").unwrap(),
        file("films/a b.mp4")
    );
    #[cfg(unix)]
    assert_eq!(
        parse("file:///films/a%20b.mp4").unwrap(),
        file("/films/a b.mp4")
    );
    let ipfs = |path: &[&str]| Location::Ipfs {
        cid: CID.parse().unwrap(),
        path: path.iter().map(|name| (*name).to_owned()).collect(),
    };
    assert_eq!(parse(&format!("ipfs://{CID}")).unwrap(), ipfs(&[]));
    assert_eq!(parse(&format!("IPFS://{CID}/")).unwrap(), ipfs(&[]));
    assert_eq!(
        parse(&format!("ipfs://{CID}/a%2Fb/c d.mp4")).unwrap(),
        ipfs(&["a/b", "c d.mp4"])
    );
    assert!(matches!(
        parse("https://example.org/a.mp4?x=1").unwrap(),
        Location::Http(_)
    ));
}

#[cfg(unix)]
#[test]
fn a_path_that_is_no_utf_8_is_shown_as_what_reads_back() {
    for text in ["file:///films/%DD.mp4", "file:///xy:%ff/%25a%20b"] {
        let location = parse(text).unwrap();
        assert_eq!(parse(&location.to_string()).unwrap(), location, "{text}");
    }
}

#[test]
fn what_is_wrong_is_named_with_what_would_be_right() {
    for (text, named) in [
        ("", "ipfs://"),
        ("rtsp://camera/1", "rtsp"),
        ("ipfs://", "ipfs://CID"),
        ("ipfs://nonsense", "nonsense"),
        ("ipfs://Qmtooshort", "Qmtooshort"),
        ("ipfs:///ipfs/", "ipfs"),
        ("ipfs://x..y/clip", "x..y"),
        ("http://", "http://"),
        ("http:///clip.mp4?", "http"),
        ("https://[::1/clip", "[::1"),
        ("file:", "file:"),
        ("file:a%zz", "%zz"),
        ("file://elsewhere/a.mp4", "file:///"),
    ] {
        match parse(text) {
            Err(error) => assert!(error.to_string().contains(named), "{text}: {error}"),
            // The URL standard reads a third slash as none.
            Ok(location) => assert_eq!(text, "http:///clip.mp4?", "{location:?}"),
        }
    }
    let dots = parse(&format!("ipfs://{CID}/../etc")).unwrap_err();
    assert!(matches!(dots, LocationError::BadPath { .. }));
}

#[test]
fn secrets_are_not_shown() {
    let shown = parse("https://me:hunter2@example.org/a.mp4?signature=abc#t")
        .unwrap()
        .to_string();
    assert_eq!(shown, "https://me:***@example.org/a.mp4?…");
}

proptest! {
    #[test]
    fn what_is_shown_reads_back(path in "[a-zA-Z%:/. ?#äß]{1,24}", names in proptest::collection::vec("[a-z%/?# ä]{1,8}", 0..4)) {
        let file = Location::File(PathBuf::from(&path));
        prop_assert_eq!(parse(&file.to_string()).unwrap(), file);
        let below = Location::Ipfs { cid: CID.parse().unwrap(), path: names };
        prop_assert_eq!(parse(&below.to_string()).unwrap(), below);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}", scheme in "(ipfs://|file:|file://|http://|https://)?") {
        let _ = parse(&format!("{scheme}{text}"));
    }
}

#[test]
fn profiles_are_named_as_kubo_names_them() {
    for profile in Profile::ALL {
        assert_eq!(profile.to_string().parse::<Profile>().unwrap(), profile);
    }
    let error = "cid-v2".parse::<Profile>().unwrap_err().to_string();
    assert!(
        error.contains("cid-v2")
            && error.contains("unixfs-v1-2025")
            && error.contains("legacy-cid-v0")
    );
}
