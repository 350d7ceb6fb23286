//! Kubo itself, where there is one: what it added has the CIDs that the store gives, and comes back whole, by ranges, through
//! its gateway, over its death, and not at all where it does not know who asks.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::net::SocketAddr;
use std::ops::Range;

use common::contents::{Content, first_file, location, over, whole};
use common::peers::Kubo;
use futures_util::StreamExt as _;
use progressive_loader::driver::{
    Auth, HttpOptions, KuboOrigin, OpenOptions, OriginConfig, Store, open, open_source,
};
use progressive_loader::{
    Cid, Leaf, LeafSpan, OpenError, Origin as _, OriginError, Profile, ReadError,
};
use std::path::Path;
use testkit::driver::FaultProxy;
use tokio::io::AsyncReadExt as _;

const MIB: usize = 1 << 20;

fn kubo_at(api: SocketAddr) -> OpenOptions {
    let api = format!("http://{api}").parse().unwrap();
    over(vec![OriginConfig::Kubo { api, auth: None }])
}

/// What `ipfs add` is told for a profile, by the settings that the profile stands for.
fn arguments(profile: Profile) -> &'static [&'static str] {
    match profile {
        Profile::LegacyCidV0 => &[
            "--cid-version=0",
            "--raw-leaves=false",
            "--chunker=size-262144",
            "--max-file-links=174",
        ],
        _ => &[
            "--cid-version=1",
            "--raw-leaves",
            "--chunker=size-1048576",
            "--max-file-links=1024",
        ],
    }
}

fn added(kubo: &Kubo, content: &Content, profile: Profile) -> String {
    kubo.must(&[&["add", "--quieter"], arguments(profile), &[content.path()]].concat())
}

/// At both ends, and on both sides of leaves and of nodes of them.
fn ranges(size: usize) -> Vec<Range<usize>> {
    let edges = [0, 262_144, MIB, 174 * 262_144, size / 3, size];
    let around = |&edge: &usize| edge.saturating_sub(1000)..(edge + 1000).min(size);
    let within = edges.iter().filter(|edge| **edge <= size);
    let mut ranges: Vec<_> = within.map(around).collect();
    ranges.push(size / 3..size / 2);
    ranges
}

#[tokio::test]
async fn kubo_gives_what_it_added_under_the_cids_that_the_store_gives() {
    let Some(kubo) = Kubo::start() else { return };
    let store = Store::temporary().unwrap();
    for size in [0, 1, 1000, 3 * MIB + 5, 60 * MIB, 300_000_000] {
        let content = Content::of(size);
        for profile in Profile::ALL {
            let cid = added(&kubo, &content, profile);
            let mut nothing = |_| ();
            let ours = store.add_file(content.file.path(), profile, &mut nothing);
            assert_eq!(
                cid,
                ours.unwrap().cid.to_string(),
                "{profile}, {size} bytes"
            );
            if size <= 60 * MIB {
                let read = whole(&cid, &kubo_at(kubo.api())).await.unwrap();
                assert!(read == content.bytes, "{profile}, {size} bytes");
            }
            let options = kubo_at(kubo.api());
            let source = open_source(&location(&cid), &options).await.unwrap();
            assert_eq!(source.size_bytes(), size as u64);
            for range in ranges(size) {
                let asked = range.start as u64..range.end as u64;
                let part = source.read_range(asked).await.unwrap();
                let same = part == content.bytes[range.clone()];
                assert!(same, "{profile}, {size} bytes, {range:?}");
            }
        }
    }
}

#[tokio::test]
async fn kubos_own_gateway_gives_it_too() {
    let Some(kubo) = Kubo::start() else { return };
    let content = Content::of(5 * MIB + 77);
    for profile in Profile::ALL {
        let cid = added(&kubo, &content, profile);
        let url = kubo.gateway().parse().unwrap();
        let options = over(vec![OriginConfig::Gateway { url }]);
        assert!(
            whole(&cid, &options).await.unwrap() == content.bytes,
            "{profile}"
        );
    }
}

fn import(kubo: &Kubo, archive: &Path) {
    let archive = archive.to_str().unwrap();
    kubo.must(&["dag", "import", "--pin-roots=false", archive]);
}

#[tokio::test]
async fn paths_and_sharded_directories_are_followed_through_kubo() {
    let Some(kubo) = Kubo::start() else { return };
    for name in [
        "subdir-with-mixed-block-files.car",
        "single-layer-hamt-with-multi-block-files.car",
    ] {
        let Some(archive) = common::shared_fixture(name) else {
            return;
        };
        import(&kubo, &archive);
        let store = Store::temporary().unwrap();
        let archive = std::fs::File::open(&archive).unwrap();
        let root = store.import_car(archive).unwrap().roots[0];
        let from_store = OpenOptions {
            store: Some(store),
            ..OpenOptions::default()
        };
        let path = first_file(&root.to_string(), &from_store).await;
        let read = whole(&path, &kubo_at(kubo.api())).await.unwrap();
        assert!(read == whole(&path, &from_store).await.unwrap(), "{path}");
        let none = format!("{root}/no such");
        let error = whole(&none, &kubo_at(kubo.api())).await.unwrap_err();
        assert!(matches!(error, OpenError::NoSuchEntry { .. }), "{error}");
    }
}

/// It answers 200 and breaks off, with the reason in a trailer.
#[tokio::test]
async fn a_block_that_kubo_has_not_spares_what_is_around_it() {
    let Some(kubo) = Kubo::start() else { return };
    let Some(archive) = common::shared_fixture("file-3k-and-3-blocks-missing-block.car") else {
        return;
    };
    import(&kubo, &archive);
    let archive = std::fs::File::open(&archive).unwrap();
    let root = Store::temporary()
        .unwrap()
        .import_car(archive)
        .unwrap()
        .roots[0];
    let options = kubo_at(kubo.api());
    let source = open_source(&location(&root.to_string()), &options)
        .await
        .unwrap();
    let third = source.size_bytes() / 3;
    for range in [0..third, 2 * third..3 * third] {
        assert_eq!(source.read_range(range).await.unwrap().len() as u64, third);
    }
    let error = source.read_range(third..2 * third).await.unwrap_err();
    assert!(matches!(error, ReadError::GaveUp { .. }), "{error}");
}

/// It answers 200 with nothing in it, which is not what was asked for.
#[tokio::test]
async fn nothing_from_past_the_end_is_an_error() {
    let Some(kubo) = Kubo::start() else { return };
    let content = Content::of(1000);
    let cid: Cid = added(&kubo, &content, Profile::UnixfsV1_2025)
        .parse()
        .unwrap();
    let url = format!("http://{}", kubo.api()).parse().unwrap();
    let origin = KuboOrigin::new(&url, None, &HttpOptions::default()).unwrap();
    let past = LeafSpan {
        root: cid,
        path: [].into(),
        file: cid,
        leaves: [Leaf {
            cid,
            range: 2000..3000,
        }]
        .into(),
    };
    let error = origin.leaves(past).next().await.unwrap().unwrap_err();
    assert!(matches!(error, OriginError::Broken { .. }), "{error}");
}

#[tokio::test]
async fn kubo_is_told_who_asks() {
    let Some(mut kubo) = Kubo::start() else {
        return;
    };
    let content = Content::of(3 * MIB);
    let cid = added(&kubo, &content, Profile::UnixfsV1_2025);
    let allowed = r#"{
        "a": {"AuthSecret": "bearer:s3cret", "AllowedPaths": ["/api/v0"]},
        "b": {"AuthSecret": "basic:me:p@ss", "AllowedPaths": ["/api/v0"]}
    }"#;
    kubo.must(&["config", "--json", "API.Authorizations", allowed]);
    kubo.kill();
    kubo.run_daemon();
    let api = format!("http://{}", kubo.api());
    let asked = |auth| {
        let api = api.parse().unwrap();
        over(vec![OriginConfig::Kubo { api, auth }])
    };
    let basic = Auth::Basic {
        user: "me".to_owned(),
        password: "p@ss".to_owned(),
    };
    for auth in [Auth::Bearer("s3cret".to_owned()), basic] {
        assert!(whole(&cid, &asked(Some(auth))).await.unwrap() == content.bytes);
    }
    for auth in [None, Some(Auth::Bearer("guess".to_owned()))] {
        let error = whole(&cid, &asked(auth)).await.unwrap_err().to_string();
        assert!(
            error.contains("403") && error.contains("credentials"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn kubo_is_killed_and_started_again_in_the_middle() {
    let Some(mut kubo) = Kubo::start() else {
        return;
    };
    let content = Content::of(24 * MIB);
    let cid = kubo.must(&["add", "--quieter", content.path()]);
    // It comes back at another port, which the proxy hides.
    let proxy = FaultProxy::start(kubo.api()).unwrap();
    let options = kubo_at(proxy.address());
    let mut reader = open(&location(&cid), &options).await.unwrap().into_async();
    let mut read = vec![0; 2 * MIB];
    reader.read_exact(&mut read).await.unwrap();
    proxy.down(true);
    kubo.kill();
    let rest = tokio::spawn(async move {
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).await.map(|_| rest)
    });
    let kubo = tokio::task::spawn_blocking(move || {
        kubo.run_daemon();
        kubo
    });
    let kubo = kubo.await.unwrap();
    proxy.server(kubo.api());
    proxy.down(false);
    let read = [read, rest.await.unwrap().unwrap()].concat();
    assert!(read == content.bytes);
}

#[tokio::test]
async fn an_unknown_cid_costs_a_kubo_that_is_offline_no_time() {
    let Some(kubo) = Kubo::start() else { return };
    let unknown = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    let error = whole(unknown, &kubo_at(kubo.api())).await.unwrap_err();
    assert!(error.to_string().contains(unknown), "{error}");
}
