//! Contents come whole and checked from the gateways and daemons that people run, also through a network that spoils what
//! they say.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::path::Path;
use std::time::Duration;

use common::contents::{Content, first_file, location, over, whole};
use common::peers::{DEADLINE, Gateway, boxo, boxo_cids, helia};
use progressive_loader::driver::{OpenOptions, OriginConfig, Store, open, open_source};
use progressive_loader::{Cid, OpenError, Profile, ReadError};
use testkit::driver::{Fault, FaultProxy, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn options(gateways: &[String]) -> OpenOptions {
    let gateway = |url: &String| OriginConfig::Gateway {
        url: url.parse().unwrap(),
    };
    over(gateways.iter().map(gateway).collect())
}

/// boxo with one content.
fn boxo_with(content: &Content, more: &[&str]) -> Option<(Gateway, String)> {
    let gateway = boxo(&[&["-add", content.path()], more].concat())?;
    let cid = gateway.cids[0].clone();
    Some((gateway, cid))
}

#[test]
fn boxos_importer_gives_the_stores_cids() {
    // About one leaf, one node of leaves, and two levels of nodes; the rest is in kubo_cids.
    let sizes = [0, 1, 256 * KIB, 256 * KIB + 1, MIB, MIB + 1, 46 * MIB];
    let contents: Vec<Content> = sizes.into_iter().map(Content::of).collect();
    let files: Vec<&Path> = contents.iter().map(|it| it.file.path()).collect();
    for profile in Profile::ALL {
        let Some(theirs) = boxo_cids(&profile.to_string(), &files) else {
            return;
        };
        let store = Store::temporary().unwrap();
        let ours = contents
            .iter()
            .map(|it| store.add_bytes(&it.bytes, profile).unwrap().cid.to_string());
        assert_eq!(theirs, ours.collect::<Vec<_>>(), "{profile}");
    }
}

#[tokio::test]
async fn boxo_gives_whole_contents_and_ranges_in_either_mode() {
    let content = Content::of(5 * MIB + 77);
    for profile in Profile::ALL {
        for mode in [&[][..], &["-trustless"]] {
            let name = profile.to_string();
            let more = [&["-profile", &name], mode].concat();
            let Some((gateway, cid)) = boxo_with(&content, &more) else {
                return;
            };
            let options = options(std::slice::from_ref(&gateway.url));
            let read = whole(&cid, &options).await.unwrap();
            assert!(read == content.bytes, "{profile} {mode:?}");
            // Without what was kept.
            let fresh = self::options(std::slice::from_ref(&gateway.url));
            let source = open_source(&location(&cid), &fresh).await.unwrap();
            assert_eq!(source.cid(), Some(Cid::try_from(cid.as_str()).unwrap()));
            assert_eq!(source.size_bytes(), content.bytes.len() as u64);
            for range in [
                0..1,
                262_143..262_145,
                MIB..2 * MIB,
                3_000_000..4_500_001,
                5 * MIB..5 * MIB + 77,
            ] {
                let part = source
                    .read_range(range.start as u64..range.end as u64)
                    .await
                    .unwrap();
                assert!(
                    part == content.bytes[range.clone()],
                    "{profile} {mode:?} {range:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn paths_below_a_directory_lead_to_its_files() {
    for name in [
        "subdir-with-mixed-block-files.car",
        "single-layer-hamt-with-multi-block-files.car",
    ] {
        let Some(archive) = common::shared_fixture(name) else {
            return;
        };
        for mode in [&[][..], &["-trustless"]] {
            let arguments = [&["-car", archive.to_str().unwrap()], mode].concat();
            let Some(gateway) = boxo(&arguments) else {
                return;
            };
            let store = Store::temporary().unwrap();
            let root = store
                .import_car(std::fs::File::open(&archive).unwrap())
                .unwrap()
                .roots[0];
            let from_store = OpenOptions {
                store: Some(store),
                ..OpenOptions::default()
            };
            let from_gateway = options(std::slice::from_ref(&gateway.url));
            let path = first_file(&root.to_string(), &from_store).await;
            assert!(path.contains('/'), "{path} is below a directory");
            let (a, b) = (
                whole(&path, &from_store).await,
                whole(&path, &from_gateway).await,
            );
            assert!(a.unwrap() == b.unwrap(), "{name} {mode:?}: {path}");
            let none = whole(&format!("{root}/no such"), &from_gateway)
                .await
                .unwrap_err();
            assert!(matches!(none, OpenError::NoSuchEntry { .. }), "{none}");
            let directory = whole(&root.to_string(), &from_gateway).await.unwrap_err();
            assert!(
                matches!(directory, OpenError::Directory { .. }),
                "{directory}"
            );
        }
    }
}

#[tokio::test]
async fn a_missing_block_spares_what_is_around_it() {
    let Some(archive) = common::shared_fixture("file-3k-and-3-blocks-missing-block.car") else {
        return;
    };
    for mode in [&[][..], &["-trustless"]] {
        let arguments = [&["-car", archive.to_str().unwrap()], mode].concat();
        let Some(gateway) = boxo(&arguments) else {
            return;
        };
        let root = Store::temporary().unwrap();
        let root = root
            .import_car(std::fs::File::open(&archive).unwrap())
            .unwrap()
            .roots[0];
        let options = options(std::slice::from_ref(&gateway.url));
        let source = open_source(&location(&root.to_string()), &options)
            .await
            .unwrap();
        let third = source.size_bytes() / 3;
        assert_eq!(
            source.read_range(0..third).await.unwrap().len() as u64,
            third
        );
        let last = source.size_bytes() - third..source.size_bytes();
        assert_eq!(source.read_range(last).await.unwrap().len() as u64, third);
        // That the gateway has not got it is known after the first answer, or after one that broke off there.
        for range in [third..2 * third, 0..source.size_bytes()] {
            let error = source.read_range(range).await.unwrap_err();
            assert!(
                matches!(
                    error,
                    ReadError::GaveUp {
                        attempts: 1..=2,
                        ..
                    }
                ),
                "{mode:?}: {error}"
            );
            let told = error.to_string();
            assert!(told.contains(&root.to_string()), "{told}");
            assert!(told.contains("it has not got it"), "{told}");
        }
    }
}

#[tokio::test]
async fn an_unknown_cid_is_told_as_one() {
    let content = Content::of(1000);
    for mode in [&[][..], &["-trustless"]] {
        let Some((gateway, _)) = boxo_with(&content, mode) else {
            return;
        };
        let options = options(std::slice::from_ref(&gateway.url));
        let unknown = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
        let error = whole(unknown, &options).await.unwrap_err();
        assert!(error.to_string().contains(unknown), "{error}");
        let OpenError::Read(ReadError::GaveUp { .. }) = error else {
            panic!("{error}")
        };
    }
}

/// What a proxy does to answers, and whether a single source can be read through it all the same.
const FAULTS: [(Fault, bool); 10] = [
    (Fault::Delay(Duration::from_millis(200)), true),
    (Fault::Cut(300_000), true),
    (Fault::Cut(0), true),
    (Fault::Truncate(300_000), true),
    (Fault::Flip(100_000), false),
    (Fault::Hang, true),
    (Fault::Stall(300_000), true),
    (Fault::Status(429, Some(1)), true),
    (Fault::Status(500, None), true),
    (Fault::Status(504, None), true),
];

#[tokio::test]
async fn answers_that_are_spoilt_now_and_then_are_asked_for_again() {
    let content = Content::of(6 * MIB);
    for mode in [&[][..], &["-trustless"]] {
        let Some((gateway, cid)) = boxo_with(&content, mode) else {
            return;
        };
        for (fault, survives) in FAULTS {
            let proxy = FaultProxy::start(gateway.address()).unwrap();
            let options = options(&[proxy.url()]);
            let source = open_source(&location(&cid), &options).await.unwrap();
            // What the next answers are: the spoilt one is among them, wherever the reader is by then.
            proxy.next([Fault::None, fault]);
            let mut reader = open(&location(&cid), &options).await.unwrap().into_async();
            let mut read = Vec::new();
            let outcome = reader.read_to_end(&mut read).await;
            drop(source);
            match outcome {
                Ok(_) => assert!(read == content.bytes, "{mode:?} {fault:?}"),
                Err(error) => assert!(!survives, "{mode:?} {fault:?}: {error}"),
            }
            assert!(
                content.bytes.starts_with(&read),
                "{mode:?} {fault:?}: wrong bytes were passed on"
            );
        }
    }
}

#[tokio::test]
async fn a_source_that_is_always_spoilt_is_left_for_one_that_is_not() {
    let content = Content::of(4 * MIB);
    let Some((gateway, cid)) = boxo_with(&content, &[]) else {
        return;
    };
    for (fault, _) in FAULTS {
        let (bad, good) = (
            FaultProxy::start(gateway.address()).unwrap(),
            FaultProxy::start(gateway.address()).unwrap(),
        );
        bad.always(fault);
        let options = options(&[bad.url(), good.url()]);
        let read = whole(&cid, &options)
            .await
            .unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert!(read == content.bytes, "{fault:?}");
    }
}

#[tokio::test]
async fn wrong_bytes_strike_a_source_out() {
    let content = Content::of(4 * MIB);
    let Some((gateway, cid)) = boxo_with(&content, &[]) else {
        return;
    };
    let (bad, good) = (
        FaultProxy::start(gateway.address()).unwrap(),
        FaultProxy::start(gateway.address()).unwrap(),
    );
    bad.always(Fault::Flip(10));
    let options = options(&[bad.url(), good.url()]);
    assert!(whole(&cid, &options).await.unwrap() == content.bytes);
    let pool = options.pool.as_ref().unwrap().snapshot();
    let struck: Vec<bool> = pool.origins.iter().map(|it| it.struck_out).collect();
    assert_eq!(struck, [true, false], "{pool:?}");
    let before = bad.counts().requests;
    assert!(whole(&cid, &options).await.unwrap() == content.bytes);
    assert_eq!(bad.counts().requests, before, "it is not asked again");
    // Alone it gives nothing at all, and never what is wrong.
    let alone = self::options(&[bad.url()]);
    let error = whole(&cid, &alone).await.unwrap_err();
    assert!(error.to_string().contains(&cid), "{error}");
}

#[tokio::test]
async fn a_gateway_that_ignores_ranges_is_read_all_the_same() {
    let content = Content::of(4 * MIB);
    let Some((gateway, cid)) = boxo_with(&content, &[]) else {
        return;
    };
    let proxy = FaultProxy::start(gateway.address()).unwrap();
    proxy.always(Fault::IgnoreRange);
    let options = options(&[proxy.url()]);
    assert!(whole(&cid, &options).await.unwrap() == content.bytes);
    let mut reader = open(&location(&cid), &self::options(&[proxy.url()]))
        .await
        .unwrap()
        .into_async();
    reader
        .seek(std::io::SeekFrom::Start(3_000_000))
        .await
        .unwrap();
    let mut piece = vec![0; 1000];
    reader.read_exact(&mut piece).await.unwrap();
    assert!(piece == content.bytes[3_000_000..3_001_000]);
}

#[tokio::test]
async fn a_source_that_is_killed_again_and_again_costs_little_more_than_once() {
    let content = Content::of(32 * MIB);
    let Some((gateway, cid)) = boxo_with(&content, &[]) else {
        return;
    };
    let proxy = FaultProxy::start(gateway.address()).unwrap();
    proxy.kill_every(Some(2_345_678));
    let read = whole(&cid, &options(&[proxy.url()])).await.unwrap();
    assert!(read == content.bytes);
    let counts = proxy.counts();
    assert!(counts.kills >= 10, "{counts:?}");
}

#[tokio::test]
async fn a_look_ahead_is_all_that_is_fetched_ahead() {
    let content = Content::of(32 * MIB);
    let Some((gateway, cid)) = boxo_with(&content, &[]) else {
        return;
    };
    let proxy = FaultProxy::start(gateway.address()).unwrap();
    let options = OpenOptions {
        lookahead_bytes: 4 << 20,
        ..options(&[proxy.url()])
    };
    let reader = open(&location(&cid), &options).await.unwrap();
    let progress = reader.progress();
    let mut reader = reader.into_async();
    // So much that the look-ahead is as long as it may be.
    let mut read = vec![0; 4 * MIB];
    reader.read_exact(&mut read).await.unwrap();
    let ahead = 8 << 20;
    // The last chunk, half of it at most, waits until there is room for all of it.
    let full = move || {
        let held = progress.snapshot().ranges;
        held.iter().any(|it| it.end >= ahead - (2 << 20))
    };
    let full = tokio::task::spawn_blocking(move || wait_until(DEADLINE, full));
    assert!(full.await.unwrap(), "the look-ahead is not filled");
    let fetched = proxy.counts().body_bytes;
    assert!(
        fetched <= ahead + (2 << 20),
        "{fetched} bytes for a reader of 4 MiB with a look-ahead of 4 MiB"
    );
}

#[tokio::test]
async fn helia_gives_contents_too() {
    let Some(archive) = common::shared_fixture("subdir-with-mixed-block-files.car") else {
        return;
    };
    let Some(gateway) = helia(&archive) else {
        return;
    };
    let store = Store::temporary().unwrap();
    let root = store
        .import_car(std::fs::File::open(&archive).unwrap())
        .unwrap()
        .roots[0];
    let from_store = OpenOptions {
        store: Some(store),
        ..OpenOptions::default()
    };
    let path = first_file(&root.to_string(), &from_store).await;
    let from_helia = options(std::slice::from_ref(&gateway.url));
    assert!(whole(&path, &from_helia).await.unwrap() == whole(&path, &from_store).await.unwrap());
}
