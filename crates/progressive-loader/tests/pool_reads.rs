//! What a pool of origins promises: the right bytes, in order, whatever any one of them does.
#![allow(clippy::unwrap_used)]

mod common;

use common::origins::{Fake, Fault, File, flaky};
use futures_util::StreamExt;
use progressive_loader::driver::{BlockCache, CacheOptions, Pool, PoolOptions};
use progressive_loader::plan::BreakerState;
use progressive_loader::{Block, Demand, Fetcher, LeafSpan, Origin, OriginError, ReadError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testkit::Rng;
use tokio::time::Instant;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn pool(origins: &[&Arc<Fake>]) -> Pool {
    pooled(origins, None)
}

fn pooled(origins: &[&Arc<Fake>], cache: Option<BlockCache>) -> Pool {
    let origins = origins
        .iter()
        .map(|&origin| Arc::clone(origin) as Arc<dyn Origin>);
    let options = PoolOptions {
        seed: 7,
        ..PoolOptions::default()
    };
    Pool::new(origins.collect(), options, cache)
}

fn memory(bytes: u64) -> BlockCache {
    BlockCache::open(&CacheOptions {
        memory_bytes: bytes,
        ..CacheOptions::default()
    })
}

fn at_rate(fake: Fake, bytes_per_second: u64) -> Arc<Fake> {
    Arc::new(fake.speed(Duration::from_millis(20), bytes_per_second))
}

async fn read(pool: &Pool, span: LeafSpan) -> Result<Vec<Block>, ReadError> {
    let blocks: Vec<_> = pool.leaves(span).collect().await;
    blocks.into_iter().collect()
}

fn assert_whole(file: &File, blocks: &[Block]) {
    assert_eq!(blocks.len(), file.span.leaves.len());
    for (number, block) in blocks.iter().enumerate() {
        assert!(
            block.clone().into_bytes() == file.block(number),
            "leaf {number}"
        );
    }
}

fn broken() -> OriginError {
    OriginError::Broken {
        reason: "cut".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn one_origin_gives_every_leaf_in_one_request() {
    let file = File::new(32, 64 * KIB);
    let origin = Arc::new(Fake::new("a", &file));
    let pool = pool(&[&origin]);
    assert_whole(&file, &read(&pool, file.span.clone()).await.unwrap());
    assert_eq!(
        (origin.requests(), origin.sent_bytes()),
        (1, file.size_bytes())
    );
    let figures = &pool.snapshot().origins[0];
    assert_eq!((figures.blocks, figures.bytes), (32, file.size_bytes()));
    assert!(
        figures
            .bytes_per_second
            .is_some_and(|rate| (5 << 20..11 << 20).contains(&rate)),
        "{figures:?}"
    );
    let shown = serde_json::to_value(pool.snapshot()).unwrap();
    assert_eq!(shown["origins"][0]["state"], "closed");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_block_strikes_its_origin_out_and_goes_nowhere() {
    let file = File::new(16, 64 * KIB);
    let poisoned = file.span.leaves[5].cid;
    let liar = Fake::new("liar", &file).scripted(move |cid| {
        if *cid == poisoned {
            Fault::Wrong
        } else {
            Fault::None
        }
    });
    let (liar, honest) = (Arc::new(liar), Arc::new(Fake::new("honest", &file)));
    let cache = memory(16 << 20);
    let pool = pooled(&[&liar, &honest], Some(cache.clone()));
    assert_whole(&file, &read(&pool, file.span.clone()).await.unwrap());
    assert!(
        cache.get(&poisoned).await.unwrap().into_bytes() == file.block(5),
        "the right one is cached"
    );
    let figures = pool.snapshot();
    assert!(figures.origins[0].struck_out && !figures.origins[1].struck_out);
    // Last for good, however fast it is.
    let asked = liar.requests();
    for _ in 0..50 {
        pool.block(file.span.root, common::origins::cid_of(b"nowhere"))
            .await
            .unwrap_err();
        let other = File::new(1, 100);
        assert!(read(&pool, other.span).await.is_err());
    }
    assert!(
        liar.requests() - asked <= 100,
        "asked only when the other had said no"
    );
    let fresh = pooled(&[&liar], None);
    let error = read(&fresh, file.span.clone()).await.unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, ReadError::GaveUp { .. }) && text.contains("liar"),
        "{text}"
    );
    assert!(text.contains(&poisoned.to_string()), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_one_origin_did_tells_more_than_that_another_has_not_got_it() {
    let (file, other) = (File::new(2, 64 * KIB), File::new(1, 100));
    let without = Arc::new(Fake::new("without", &other));
    let absent = read(&pool(&[&without]), file.span.clone()).await;
    let absent = absent.unwrap_err().to_string();
    assert!(absent.contains("without: it has not got it"), "{absent}");
    let second = file.span.leaves[1].cid;
    let gave_up = async |fault: fn() -> Fault| {
        let faulty = Fake::new("faulty", &file).scripted(move |cid| match *cid == second {
            true => fault(),
            false => Fault::None,
        });
        let faulty = Arc::new(faulty);
        // Whoever is asked last.
        for origins in [[&faulty, &without], [&without, &faulty]] {
            let error = read(&pool(&origins), file.span.clone()).await.unwrap_err();
            let ReadError::GaveUp { origin, cid, .. } = &error else {
                panic!("{error}")
            };
            assert_eq!((origin.as_str(), **cid), ("faulty", second), "{error}");
        }
    };
    gave_up(|| Fault::Wrong).await;
    gave_up(|| Fault::Error(OriginError::Refused { status: 403 })).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_wrong_is_ever_cached_even_when_nobody_is_right() {
    let file = File::new(1, 64 * KIB);
    let liar = Arc::new(Fake::new("liar", &file).scripted(|_| Fault::Wrong));
    let cache = memory(16 << 20);
    let pool = pooled(&[&liar], Some(cache.clone()));
    assert!(read(&pool, file.span.clone()).await.is_err());
    let cid = file.span.leaves[0].cid;
    assert!(pool.block(file.span.root, cid).await.is_err());
    assert!(!cache.contains(&cid));
}

#[tokio::test(start_paused = true)]
async fn a_trusted_origin_is_not_checked_and_not_cached() {
    let file = File::new(1, 64 * KIB);
    let mut daemon = Fake::new("daemon", &file).scripted(|_| Fault::Wrong);
    daemon.trusted = true;
    let daemon = Arc::new(daemon);
    let cache = memory(16 << 20);
    let pool = pooled(&[&daemon], Some(cache.clone()));
    assert!(read(&pool, file.span.clone()).await.unwrap()[0] != file.block(0).clone().into());
    assert!(!cache.contains(&file.span.leaves[0].cid));
    let origins = vec![Arc::clone(&daemon) as Arc<dyn Origin>];
    let strict = PoolOptions {
        verify_trusted: true,
        ..PoolOptions::default()
    };
    assert!(
        read(&Pool::new(origins, strict, None), file.span)
            .await
            .is_err()
    );
}

/// One source cut a hundred times: what a gigabyte of 256 KiB leaves is, at a sixteenth.
async fn killed(leaves: usize, leaf_bytes: usize, kills: u64) -> f64 {
    let file = File::new(leaves, leaf_bytes);
    let (mut blocks, mut killed) = (0_u64, 0_u64);
    let every = leaves as u64 / kills;
    let origin = Fake::new("flaky", &file).scripted(move |_| {
        blocks += 1;
        if killed < kills && blocks.is_multiple_of(every) {
            killed += 1;
            Fault::Break
        } else {
            Fault::None
        }
    });
    let origin = Arc::new(origin);
    let pool = pool(&[&origin]);
    // As a reader asks: in chunks of 8 MiB.
    let per_chunk = (8 * MIB / leaf_bytes).max(1);
    for start in (0..leaves).step_by(per_chunk) {
        let part = start..(start + per_chunk).min(leaves);
        let got = read(&pool, file.part(part.clone())).await.unwrap();
        for (number, block) in part.zip(&got) {
            assert!(
                block.clone().into_bytes() == file.block(number),
                "leaf {number}"
            );
        }
    }
    assert_eq!(
        pool.snapshot().origins[0].failures,
        kills,
        "so often it was killed"
    );
    origin.sent_bytes() as f64 / file.size_bytes() as f64 - 1.0
}

#[tokio::test(start_paused = true)]
async fn a_source_killed_a_hundred_times_costs_less_than_a_twentieth_more() {
    let twice = killed(4096, 16 * KIB, 100).await;
    assert!(
        twice > 0.0 && twice <= 0.05,
        "{:.2} % fetched twice",
        100.0 * twice
    );
}

/// The issue's own figure; takes a gigabyte of memory.
#[tokio::test(start_paused = true)]
#[ignore = "takes 1 GiB of memory; run it with --ignored"]
async fn a_gigabyte_from_a_source_killed_a_hundred_times() {
    for leaf_bytes in [256 * KIB, MIB] {
        let twice = killed((1 << 30) / leaf_bytes, leaf_bytes, 100).await;
        println!(
            "leaves of {leaf_bytes} B: {:.2} % fetched twice",
            100.0 * twice
        );
        assert!(twice <= 0.05, "{:.2} % fetched twice", 100.0 * twice);
    }
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_hangs_is_hedged_and_costs_little() {
    let file = File::new(1024, 64 * KIB);
    let mut blocks = 0_u64;
    let slow = Fake::new("slow", &file).scripted(move |_| {
        blocks += 1;
        if blocks.is_multiple_of(40) {
            Fault::Hang
        } else {
            Fault::None
        }
    });
    let (slow, other) = (Arc::new(slow), Arc::new(Fake::new("other", &file)));
    let pool = pool(&[&slow, &other]);
    let started = Instant::now();
    for start in (0..1024).step_by(64) {
        read(&pool, file.part(start..start + 64)).await.unwrap();
    }
    let figures = pool.snapshot();
    assert!(
        figures
            .origins
            .iter()
            .map(|origin| origin.outrun)
            .sum::<u64>()
            > 0,
        "{figures:?}"
    );
    let sent = slow.sent_bytes() + other.sent_bytes();
    assert!(sent as f64 <= 1.05 * file.size_bytes() as f64 + (2 << 20) as f64);
    // 64 MiB at 10 MiB/s, and no hang of 30 s.
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_stops_is_left_though_no_more_may_be_fetched_twice() {
    let file = File::new(64, 1024 * KIB);
    let mut blocks = 0_u64;
    let stops = Fake::new("stops", &file).scripted(move |_| {
        blocks += 1;
        if blocks.is_multiple_of(4) {
            Fault::Hang
        } else {
            Fault::None
        }
    });
    let stops = at_rate(stops, 20_000_000);
    let other = at_rate(Fake::new("other", &file), 3_000_000);
    let pool = pool(&[&stops, &other]);
    for leaf in 0..64 {
        let started = Instant::now();
        let blocks = read(&pool, file.part(leaf..leaf + 1)).await.unwrap();
        assert!(blocks[0].clone().into_bytes() == file.block(leaf));
        // Not the 30 s after which an origin counts as stalled.
        assert!(
            started.elapsed() < Duration::from_secs(6),
            "leaf {leaf}: {:?}",
            started.elapsed()
        );
    }
    let sent = stops.sent_bytes() + other.sent_bytes();
    assert!(sent as f64 <= 1.05 * file.size_bytes() as f64 + (2 << 20) as f64);
}

#[tokio::test(start_paused = true)]
async fn who_was_left_for_a_faster_one_is_asked_again_when_that_one_stops() {
    let file = File::new(12, 1024 * KIB);
    let mut blocks = 0;
    let fast = Fake::new("fast", &file).scripted(move |_| {
        blocks += 1;
        if blocks == 2 {
            Fault::Hang
        } else {
            Fault::None
        }
    });
    let fast = at_rate(fast, 20_000_000);
    let slow = at_rate(Fake::new("slow", &file), 3_000_000);
    let pool = pool(&[&slow, &fast]);
    let started = Instant::now();
    let whole = read(&pool, file.span.clone());
    // The unknown one gets its turn now and then.
    let meets_the_fast_one = async {
        while fast.requests() == 0 {
            read(&pool, file.part(11..12)).await.unwrap();
        }
    };
    let (whole, ()) = tokio::join!(whole, meets_the_fast_one);
    assert_whole(&file, &whole.unwrap());
    let figures = pool.snapshot();
    let outrun = figures.origins[1].outrun;
    assert_eq!(outrun, 1, "it stopped when it was asked for the rest");
    // Not the 30 s after which an origin counts as stalled.
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_kept_and_bounded() {
    let file = File::new(1, KIB);
    for (said, least, most) in [(3, 3, 9), (3600, 30, 40)] {
        let mut asked = 0;
        let busy = Fake::new("busy", &file).scripted(move |_| {
            asked += 1;
            let retry_after = Some(Duration::from_secs(said));
            if asked == 1 {
                Fault::Error(OriginError::Busy {
                    status: 429,
                    retry_after,
                })
            } else {
                Fault::None
            }
        });
        let started = Instant::now();
        read(&pool(&[&Arc::new(busy)]), file.span.clone())
            .await
            .unwrap();
        let waited = started.elapsed().as_secs();
        assert!(
            (least..=most).contains(&waited),
            "waited {waited} s for {said}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn giving_up_names_source_block_range_attempts_and_cause() {
    let file = File::new(3, KIB);
    let dead = file.span.leaves[1].cid;
    let script = move |cid: &_| {
        if *cid == dead {
            Fault::Error(broken())
        } else {
            Fault::None
        }
    };
    let origin = Arc::new(Fake::new("http://gateway", &file).scripted(script));
    let error = read(&pool(&[&origin]), file.span.clone())
        .await
        .unwrap_err();
    let ReadError::GaveUp {
        name,
        origin: last_asked,
        cid,
        range,
        attempts,
        last,
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!(*name, format!("ipfs://{}/clip.mp4", file.span.root));
    assert_eq!(
        (last_asked.as_str(), **cid, range.clone(), *attempts),
        ("http://gateway", dead, 1024..2048, 8)
    );
    assert!(
        last.is::<OriginError>() && error.to_string().contains("cut"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_block_that_nobody_has_is_told_at_once() {
    let (file, other) = (File::new(1, KIB), File::new(2, 2 * KIB));
    let origins = [
        Arc::new(Fake::new("a", &file)),
        Arc::new(Fake::new("b", &file)),
    ];
    let pool = pool(&[&origins[0], &origins[1]]);
    let started = Instant::now();
    let error = read(&pool, other.span).await.unwrap_err();
    assert!(
        matches!(error, ReadError::GaveUp { attempts: 2, .. }),
        "{error}"
    );
    assert!(started.elapsed() < Duration::from_secs(1));
    assert!(
        pool.snapshot()
            .origins
            .iter()
            .all(|origin| origin.state == BreakerState::Closed)
    );
    assert!(
        pool.snapshot()
            .origins
            .iter()
            .all(|origin| origin.not_found == 1)
    );
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_keeps_failing_is_left_alone() {
    let file = File::new(400, KIB);
    let dead = Arc::new(Fake::new("dead", &file).scripted(|_| Fault::Error(broken())));
    let good = Arc::new(Fake::new("good", &file));
    let pool = pool(&[&dead, &good]);
    for leaf in 0..400 {
        read(&pool, file.part(leaf..leaf + 1)).await.unwrap();
    }
    assert!(dead.requests() < 20, "asked {} times", dead.requests());
}

#[tokio::test(start_paused = true)]
async fn two_slow_origins_together_keep_up_with_a_fast_reader() {
    let file = File::new(512, 64 * KIB);
    let slow = |name| Arc::new(Fake::new(name, &file).speed(Duration::from_millis(50), 1 << 20));
    let (a, b) = (slow("a"), slow("b"));
    let pool = pool(&[&a, &b]);
    let mut elapsed = Vec::new();
    for demand in [None, Some(1_600_000)] {
        let started = Instant::now();
        for start in (0..512).step_by(64) {
            pool.demand(Demand {
                bytes_per_second: demand,
                dry_in: None,
            });
            assert!(read(&pool, file.part(start..start + 64)).await.is_ok());
        }
        elapsed.push(started.elapsed().as_secs_f64());
    }
    let (alone, together) = (elapsed[0], elapsed[1]);
    assert!(
        together < 0.65 * alone,
        "{together} s together, {alone} s alone"
    );
    assert!(a.sent_bytes() > 8 << 20 && b.sent_bytes() > 8 << 20);
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_keep_up_is_helped_in_the_middle_of_a_long_span() {
    let file = File::new(192, 256 * KIB);
    let slow = |name| Arc::new(Fake::new(name, &file).speed(Duration::from_millis(50), 1 << 20));
    let (a, b) = (slow("a"), slow("b"));
    let pool = pool(&[&a, &b]);
    // Both are known from before.
    for start in [0, 8] {
        read(&pool, file.part(start..start + 8)).await.unwrap();
    }
    let before = [a.sent_bytes(), b.sent_bytes()];
    let started = Instant::now();
    let mut leaves = pool.leaves(file.span.clone());
    let mut blocks = Vec::new();
    while let Some(block) = leaves.next().await {
        blocks.push(block.unwrap());
        // Nobody was in a hurry when it began; who is says so again and again.
        if blocks.len() >= 4 {
            pool.demand(Demand {
                bytes_per_second: Some(1_600_000),
                dry_in: None,
            });
        }
    }
    assert_whole(&file, &blocks);
    let brought = [a.sent_bytes() - before[0], b.sent_bytes() - before[1]];
    // 48 s by one; 8 MiB by one and the rest by both are 28.
    let seconds = started.elapsed().as_secs_f64();
    assert!(seconds < 34.0, "{seconds} s, {brought:?}");
    assert!(brought.iter().all(|bytes| *bytes > 16 << 20), "{brought:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_origin_is_left_in_the_middle_of_its_answer() {
    let file = File::new(96, 256 * KIB);
    let fast = Arc::new(Fake::new("fast", &file));
    let slow = Arc::new(Fake::new("slow", &file).speed(Duration::from_millis(10), 300_000));
    let pool = pool(&[&fast, &slow]);
    let started = Instant::now();
    for start in (0..96).step_by(16) {
        read(&pool, file.part(start..start + 16)).await.unwrap();
    }
    // 24 MiB at 10 MiB/s, and what it took to find the slow one out.
    assert!(
        started.elapsed() < Duration::from_secs(6),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(slow.requests(), 1, "it was met once");
    assert!(slow.sent_bytes() < 1 << 20);
}

#[tokio::test(start_paused = true)]
async fn a_block_larger_than_one_may_be_is_the_contents_fault() {
    let file = File::new(1, (2 << 20) + 1);
    let origin = Arc::new(Fake::new("a", &file));
    let pool = pool(&[&origin]);
    let error = read(&pool, file.span.clone()).await.unwrap_err();
    assert!(matches!(error, ReadError::Block { .. }), "{error}");
    assert!(!pool.snapshot().origins[0].struck_out);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_gets_nowhere_ends() {
    let file = File::new(1, KIB);
    let options = PoolOptions {
        stall_timeout: Duration::from_secs(20),
        seed: 1,
        ..PoolOptions::default()
    };
    let hanging = Arc::new(Fake::new("hanging", &file).scripted(|_| Fault::Hang));
    let pool = Pool::new(vec![hanging as Arc<dyn Origin>], options, None);
    let started = Instant::now();
    let error = read(&pool, file.span.clone()).await.unwrap_err();
    assert!(error.to_string().contains("20 s"), "{error}");
    assert!(
        started.elapsed() <= Duration::from_secs(90),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_block_is_asked_for_once() {
    let file = File::new(1, 64 * KIB);
    let origin = Arc::new(Fake::new("a", &file));
    let pool = pool(&[&origin]);
    let cid = file.span.leaves[0].cid;
    let blocks =
        futures_util::future::join_all((0..50).map(|_| pool.block(file.span.root, cid))).await;
    assert!(
        blocks
            .iter()
            .all(|block| block.as_ref().unwrap() == file.block(0))
    );
    assert_eq!(origin.requests(), 1);
    // One that gives up takes nobody with it; the last one takes the request.
    let mut first = pool.block(file.span.root, cid);
    let mut second = pool.block(file.span.root, cid);
    for waiting in [&mut first, &mut second] {
        assert!(
            tokio::time::timeout(Duration::from_millis(1), waiting)
                .await
                .is_err()
        );
    }
    drop(first);
    assert!(second.await.is_ok());
    assert_eq!(origin.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_read_drops_its_request() {
    let file = File::new(100, 64 * KIB);
    let origin = Arc::new(Fake::new("a", &file));
    let pool = pool(&[&origin]);
    let mut blocks = pool.leaves(file.span.clone());
    assert!(blocks.next().await.unwrap().is_ok());
    drop(blocks);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(origin.dropped.load(Ordering::Relaxed), 1);
    assert!(
        origin.sent_bytes() <= 4 * file.leaf_bytes,
        "no more than what was in hand"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hash_that_cannot_be_checked_is_not_asked_for() {
    let file = File::new(1, KIB);
    let origin = Arc::new(Fake::new("a", &file));
    let murmur = cid::multihash::Multihash::wrap(0x22, &[1; 16]).unwrap();
    let cid = progressive_loader::Cid::new_v1(0x55, murmur);
    let error = pool(&[&origin]).block(cid, cid).await.unwrap_err();
    assert!(
        matches!(error, ReadError::Block { .. }) && error.to_string().contains("0x22"),
        "{error}"
    );
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn a_long_answer_does_not_push_out_of_the_memory_what_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = File::new(64, 16 * KIB);
    let origin = Arc::new(Fake::new("a", &file).speed(Duration::ZERO, 1 << 40));
    let cache = BlockCache::open(&CacheOptions {
        memory_bytes: 512 * KIB as u64,
        disk: Some(dir.path().join("cache")),
        ..CacheOptions::default()
    });
    let pool = pooled(&[&origin], Some(cache.clone()));
    read(&pool, file.part(0..10)).await.unwrap();
    let first = cache.snapshot().memory_bytes;
    assert_eq!(first, 10 * file.leaf_bytes);
    let rest = read(&pool, file.part(10..64)).await.unwrap();
    assert_eq!(rest.len(), 54);
    cache.flush().await;
    let figures = cache.snapshot();
    assert_eq!((figures.memory_bytes, figures.disk_blocks), (first, 64));
    // Nor does it when it comes from the disk.
    read(&pool, file.part(10..64)).await.unwrap();
    assert_eq!(cache.snapshot().memory_bytes, first);
    assert_eq!(origin.sent_bytes(), 64 * file.leaf_bytes);
    read(&pool, file.part(60..64)).await.unwrap();
    assert_eq!(cache.snapshot().memory_bytes, 14 * file.leaf_bytes);
}

#[tokio::test]
async fn a_restarted_read_fetches_only_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let options = CacheOptions {
        memory_bytes: 0,
        disk: Some(dir.path().join("cache")),
        ..CacheOptions::default()
    };
    let file = File::new(64, 16 * KIB);
    let fast = || Arc::new(Fake::new("a", &file).speed(Duration::ZERO, 1 << 40));
    let origin = fast();
    let cache = BlockCache::open(&options);
    read(&pooled(&[&origin], Some(cache.clone())), file.part(0..40))
        .await
        .unwrap();
    cache.flush().await;
    drop(cache);
    // One is damaged meanwhile.
    let blocks: Vec<_> = std::fs::read_dir(dir.path().join("cache/blocks"))
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(blocks.len(), 40);
    std::fs::write(blocks[0].path(), b"damaged").unwrap();
    let origin = fast();
    // The directory is free once the first read's last task is gone.
    let lock = std::fs::File::open(dir.path().join("cache/lock")).unwrap();
    while lock.try_lock().is_err() {
        tokio::task::yield_now().await;
    }
    drop(lock);
    let cache = BlockCache::open(&options);
    let again = pooled(&[&origin], Some(cache.clone()));
    assert_whole(&file, &read(&again, file.span.clone()).await.unwrap());
    assert_eq!(
        origin.sent_bytes(),
        25 * file.leaf_bytes,
        "24 that were missing and the damaged one"
    );
    assert_eq!(cache.snapshot().disk_hits, 39);
}

/// Several origins with every kind of trouble, one of them whole: always the right bytes, soon enough.
#[tokio::test(start_paused = true)]
async fn whatever_the_others_do_one_good_origin_is_enough() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let file = File::new(200, 16 * KIB);
        let origins: Vec<_> = (0..3)
            .map(|number| {
                let (first, rate) = (
                    rng.duration(Duration::from_millis(300)),
                    100_000 + rng.below(20_000_000),
                );
                let script = flaky(rng.next_u64(), 0.2, |rng| match rng.below(6) {
                    0 => Fault::Wrong,
                    1 => Fault::Break,
                    2 => Fault::Hang,
                    3 => Fault::Error(OriginError::NotFound),
                    4 => Fault::Error(OriginError::Busy {
                        status: 503,
                        retry_after: None,
                    }),
                    _ => Fault::Error(broken()),
                });
                let name = ["a", "b", "c"][number];
                Arc::new(Fake::new(name, &file).speed(first, rate).scripted(script))
            })
            .chain([Arc::new(Fake::new("good", &file))])
            .collect();
        let cache = (seed % 2 == 0).then(|| memory(1 << 20));
        let pool = pooled(&origins.iter().collect::<Vec<_>>(), cache);
        let started = Instant::now();
        for start in (0..200).step_by(25) {
            let demand = (seed % 3 == 0).then_some(2_000_000);
            pool.demand(Demand {
                bytes_per_second: demand,
                dry_in: None,
            });
            let got = read(&pool, file.part(start..start + 25)).await;
            let got = got.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            for (number, block) in (start..).zip(&got) {
                assert!(
                    block.clone().into_bytes() == file.block(number),
                    "seed {seed}: leaf {number}"
                );
            }
        }
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "seed {seed}: {:?}",
            started.elapsed()
        );
    }
}
