//! Files read by CID from a Kubo daemon and from gateways, as they answer.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::first_origin::FirstOrigin;
use common::http::{Reply, Request, Server, Then, silence, status, whole};
use common::ipfs::{Dag, Leaves, car, kubo_body, kubo_error};
use futures_util::StreamExt;
use progressive_loader::driver::{
    Auth, GatewayOrigin, HttpOptions, IpfsSource, KuboOrigin, OpenOptions, OriginConfig,
    PathGatewayOrigin, Pool, PoolOptions, Store, TrustlessOrigin, open_source,
};
use progressive_loader::{
    ByteSource, Leaf, LeafSpan, Location, OpenError, Origin, OriginError, Phase, Profile,
    ReadError, Url,
};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

const SIZE: usize = 2_930_000;

async fn serve(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Server, Url) {
    let server = Server::start(answer).await;
    let url = format!("http://{}", server.addr).parse().unwrap();
    (server, url)
}

fn source_of(
    dag: &Dag,
    origin: Arc<dyn Origin>,
) -> impl Future<Output = Result<IpfsSource, OpenError>> {
    let fetcher = Arc::new(FirstOrigin::new(vec![origin]));
    let (root, path) = (dag.directory, dag.path());
    async move { IpfsSource::open(root, &path, fetcher).await }
}

/// Every kind of origin over the same file, and whether it is read whole and in part.
async fn reads_right(dag: &Dag, origin: Arc<dyn Origin>) {
    let source = source_of(dag, origin).await.unwrap();
    let size = dag.content.len() as u64;
    assert_eq!(source.size_bytes(), size);
    assert_eq!(source.cid(), Some(dag.file));
    for range in [
        0..size,
        0..1,
        size - 1..size,
        49_999..50_001,
        123_456..678_901,
        5..5,
    ] {
        let read = source.read_range(range.clone()).await.unwrap();
        assert!(
            read == dag.content[range.start as usize..range.end as usize],
            "{range:?}"
        );
    }
    let past = source.read_range(0..size + 1).await;
    assert!(matches!(past, Err(ReadError::OutOfBounds { .. })));
}

const KINDS: [Leaves; 3] = [Leaves::Raw, Leaves::Wrapped, Leaves::Oddly];

#[tokio::test]
async fn a_kubo_daemon_gives_every_range() {
    for kind in KINDS {
        let dag = Dag::new(SIZE, kind);
        let served = dag.clone();
        let (_server, url) = serve(move |request| served.kubo(request)).await;
        let origin = KuboOrigin::new(&url, None, &HttpOptions::default()).unwrap();
        assert_eq!(
            origin.name(),
            format!("Kubo {}", url.as_str().trim_end_matches('/'))
        );
        reads_right(&dag, Arc::new(origin)).await;
    }
}

#[tokio::test]
async fn a_path_gateway_gives_every_range() {
    for kind in KINDS {
        let dag = Dag::new(SIZE, kind);
        let served = dag.clone();
        let (_server, url) = serve(move |request| served.path_gateway(request)).await;
        let origin = PathGatewayOrigin::new(&url, &HttpOptions::default()).unwrap();
        reads_right(&dag, Arc::new(origin)).await;
    }
}

#[tokio::test]
async fn a_trustless_gateway_gives_every_range() {
    for kind in KINDS {
        let dag = Dag::new(SIZE, kind);
        let served = dag.clone();
        let (_server, url) = serve(move |request| served.trustless(request)).await;
        let origin = TrustlessOrigin::new(&url, &HttpOptions::default()).unwrap();
        reads_right(&dag, Arc::new(origin)).await;
    }
}

#[tokio::test]
async fn ranges_that_are_asked_for_start_and_end_with_a_leaf() {
    let dag = Dag::new(SIZE, Leaves::Raw);
    let served = dag.clone();
    let (server, url) = serve(move |request| served.path_gateway(request)).await;
    let origin = PathGatewayOrigin::new(&url, &HttpOptions::default()).unwrap();
    let source = source_of(&dag, Arc::new(origin)).await.unwrap();
    source.read_range(60_000..110_000).await.unwrap();
    let asked: Vec<_> = server.ranges().into_iter().flatten().collect();
    assert_eq!(asked, std::slice::from_ref(&(50_000..150_000)));
    let chunk = source.preferred_chunk_bytes();
    assert!(chunk >= 1 << 20 && chunk % Dag::LEAF as u64 == 0);
    assert_eq!(*source.chunk_range().start(), 300_000);
}

#[tokio::test]
async fn a_long_span_is_asked_for_in_archives_of_eight_mebibytes() {
    let dag = Dag::new(20_000_000, Leaves::Raw);
    let served = dag.clone();
    let (server, url) = serve(move |request| served.trustless(request)).await;
    let origin = TrustlessOrigin::new(&url, &HttpOptions::default()).unwrap();
    let blocks: Vec<_> = origin.leaves(span_of(&dag, 0..400)).collect().await;
    let read: Vec<u8> = blocks
        .into_iter()
        .flat_map(|block| block.unwrap().into_bytes())
        .collect();
    assert!(read == dag.content);
    let requests = server.requests.lock().unwrap();
    let bytes_of = |path: &str| {
        let (_, bytes) = path.split_once("entity-bytes=")?;
        let (first, last) = bytes.split_once(':')?;
        Some(first.parse::<u64>().ok()?..last.parse::<u64>().ok()? + 1)
    };
    let archives: Vec<_> = requests.iter().filter_map(|r| bytes_of(&r.path)).collect();
    let leaf = Dag::LEAF as u64;
    let most = (8 << 20) / leaf * leaf;
    assert_eq!(
        archives,
        [0..most, most..2 * most, 2 * most..20_000_000],
        "{leaf} B a leaf"
    );
}

#[tokio::test]
async fn what_a_gateway_gives_is_asked_once() {
    let dag = Dag::new(SIZE, Leaves::Raw);
    for trustless in [true, false] {
        let served = dag.clone();
        let (server, url) = serve(move |request| match trustless {
            true => served.trustless(request),
            false => served.path_gateway(request),
        })
        .await;
        let origin = GatewayOrigin::new(&url, &HttpOptions::default()).unwrap();
        reads_right(&dag, Arc::new(origin)).await;
        let requests = server.requests.lock().unwrap();
        let plain = requests
            .iter()
            .filter(|r| !r.path.contains("format="))
            .count();
        let archives = requests
            .iter()
            .filter(|r| r.path.contains("format=car"))
            .count();
        if trustless {
            assert_eq!(plain, 1);
            assert!(archives > 1);
        } else {
            assert_eq!(archives, 0);
        }
    }
}

#[tokio::test]
async fn a_gateway_that_gives_neither_says_so_in_its_own_words() {
    let dag = Dag::new(SIZE, Leaves::Raw);
    let served = dag.clone();
    let (_server, url) = serve(move |request| match request.path.contains("format=raw") {
        true => served.trustless(request),
        false => status("415 Unsupported Media Type"),
    })
    .await;
    let origin = GatewayOrigin::new(&url, &HttpOptions::default()).unwrap();
    let source = source_of(&dag, Arc::new(origin)).await.unwrap();
    let error = source.read_range(0..10).await.unwrap_err().to_string();
    assert!(error.contains("415"), "{error}");
}

#[tokio::test]
async fn an_archive_may_name_each_block_once_or_in_another_order() {
    let content: Vec<u8> = (common::numbered(Dag::LEAF).repeat(3).into_iter())
        .chain(common::numbered(80_000))
        .collect();
    let dag = Dag::of(content, Leaves::Raw);
    for backwards in [true, false] {
        let mut served = dag.clone();
        if backwards {
            served.leaves.reverse();
        } else {
            let mut seen = std::collections::HashSet::new();
            served.leaves.retain(|(block, _)| seen.insert(block.cid));
            // The one that is left stands for all of them.
            for (_, range) in &mut served.leaves {
                *range = 0..u64::MAX;
            }
        }
        let (_server, url) = serve(move |request| served.trustless(request)).await;
        let origin = TrustlessOrigin::new(&url, &HttpOptions::default()).unwrap();
        let source = source_of(&dag, Arc::new(origin)).await.unwrap();
        assert!(source.read_range(0..230_000).await.unwrap() == dag.content);
    }
}

async fn read_by(dag: &Dag, pool: &Pool) -> Result<Bytes, ReadError> {
    let (path, fetcher) = (dag.path(), Arc::new(pool.clone()));
    let source = IpfsSource::open(dag.directory, &path, fetcher).await;
    let whole = 0..dag.content.len() as u64;
    source.unwrap().read_range(whole).await
}

fn leaves_asked_for_by_themselves(dag: &Dag, server: &Server) -> usize {
    let leaves = dag.leaves.iter().map(|(block, _)| block.cid.to_string());
    let leaves: Vec<_> = leaves.collect();
    let requests = server.requests.lock().unwrap();
    let is_leaf = |path: &str| leaves.iter().any(|cid| path.contains(cid));
    requests.iter().filter(|it| is_leaf(&it.path)).count()
}

#[tokio::test]
async fn a_leaf_framed_in_a_way_of_its_own_is_asked_for_by_itself() {
    for (kind, by_itself) in [(Leaves::Wrapped, 0), (Leaves::Oddly, 59)] {
        let dag = Dag::new(SIZE, kind);
        let served = dag.clone();
        let (server, url) = serve(move |request| served.path_gateway(request)).await;
        let origin = PathGatewayOrigin::new(&url, &HttpOptions::default()).unwrap();
        let pool = Pool::new(vec![Arc::new(origin)], PoolOptions::default(), None);
        assert!(read_by(&dag, &pool).await.unwrap() == dag.content);
        assert_eq!(leaves_asked_for_by_themselves(&dag, &server), by_itself);
        let figures = pool.snapshot();
        assert!(!figures.origins[0].struck_out, "{figures:?}");
    }
}

#[tokio::test]
async fn of_a_trusted_daemon_the_content_is_enough() {
    for kind in KINDS {
        let dag = Dag::new(SIZE, kind);
        let served = dag.clone();
        let (server, url) = serve(move |request| served.kubo(request)).await;
        let origin = KuboOrigin::new(&url, None, &HttpOptions::default()).unwrap();
        let origin = Arc::new(origin.trust_if_local(true));
        let pool = Pool::new(vec![origin], PoolOptions::default(), None);
        assert!(read_by(&dag, &pool).await.unwrap() == dag.content);
        assert_eq!(leaves_asked_for_by_themselves(&dag, &server), 0);
    }
}

#[tokio::test]
async fn a_gateway_that_gives_neither_the_content_nor_the_block_is_struck_out() {
    let dag = Dag::new(SIZE, Leaves::Wrapped);
    let mut lying = dag.clone();
    lying.content[1_234_567] ^= 1;
    let of_lie = dag.leaves[24].0.cid;
    lying.blocks.get_mut(&of_lie).unwrap()[20] ^= 1;
    let (_liar, url) = serve(move |request| lying.path_gateway(request)).await;
    let origin = PathGatewayOrigin::new(&url, &HttpOptions::default()).unwrap();
    let pool = Pool::new(vec![Arc::new(origin)], PoolOptions::default(), None);
    let error = read_by(&dag, &pool).await.unwrap_err();
    let reason = error.to_string();
    assert!(reason.contains("bytes 1200000..1250000"), "{reason}");
    assert!(reason.contains("something else than the block"), "{reason}");
    assert!(pool.snapshot().origins[0].struck_out);
}

/// What an origin over `answer` says to the first two leaves of `dag`, in order.
fn span_of(dag: &Dag, leaves: Range<usize>) -> LeafSpan {
    let leaves = dag.leaves[leaves].iter().map(|(block, range)| Leaf {
        cid: block.cid,
        range: range.clone(),
    });
    LeafSpan {
        root: dag.directory,
        path: dag.path().into(),
        file: dag.file,
        leaves: leaves.collect(),
    }
}

async fn leaves_of(dag: &Dag, origin: &dyn Origin) -> Vec<Result<usize, OriginError>> {
    let span = span_of(dag, 1..3);
    assert_eq!(span.range(), 50_000..150_000);
    let items = origin
        .leaves(span)
        .map(|item| item.map(|block| block.len()));
    items.collect().await
}

fn reason(outcome: &[Result<usize, OriginError>]) -> &str {
    match outcome.last() {
        Some(Err(OriginError::Broken { reason })) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_kubo_body_that_is_not_whole_never_looks_whole() {
    let dag = Dag::new(SIZE, Leaves::Raw);
    let span = dag.content[50_000..150_000].to_vec();
    let answer = |reply: fn(&[u8]) -> Reply| {
        let (dag, span) = (dag.clone(), span.clone());
        async move {
            let (_server, url) = serve(move |_| reply(&span)).await;
            let origin = KuboOrigin::new(&url, None, &HttpOptions::default()).unwrap();
            leaves_of(&dag, &origin).await
        }
    };
    let sound = answer(|span| kubo_body(span, span.len(), "")).await;
    assert!(matches!(sound[..], [Ok(50_000), Ok(50_000)]), "{sound:?}");

    const TOLD: &str = "X-Stream-Error: context deadline exceeded\r\n";
    let trailer = answer(|span| kubo_body(&span[..60_000], span.len(), TOLD)).await;
    assert!(
        reason(&trailer).contains("context deadline exceeded"),
        "{trailer:?}"
    );
    assert_eq!(trailer.len(), 2);
    let late = answer(|span| kubo_body(span, span.len(), TOLD)).await;
    assert!(
        reason(&late).contains("context deadline exceeded"),
        "{late:?}"
    );

    let short = answer(|span| kubo_body(&span[..60_000], span.len(), "")).await;
    assert!(reason(&short).contains("40000 bytes before"), "{short:?}");
    let empty = answer(|_| kubo_body(b"", 0, "")).await;
    assert!(reason(&empty).contains("announces 0 bytes"), "{empty:?}");
    let unannounced = answer(|_| common::http::chunked(b"", "", "")).await;
    assert!(
        reason(&unannounced).contains("100000 bytes before"),
        "{unannounced:?}"
    );
    let long = answer(|span| common::http::chunked(&[span, b"!"].concat(), "", "")).await;
    assert!(reason(&long).contains("more bytes than"), "{long:?}");

    let cut = answer(|span| kubo_body(span, span.len(), "").cut(70_000, Then::Close)).await;
    assert!(
        matches!(cut[..], [Ok(50_000), Err(OriginError::Transport { .. })]),
        "{cut:?}"
    );
}

#[tokio::test]
async fn kubos_errors_are_told_apart() {
    let dag = Dag::new(SIZE, Leaves::Raw);
    let absent = dag.leaves[0].0.cid;
    let answer = |reply: fn() -> Reply| async move {
        let (_server, url) = serve(move |_| reply()).await;
        let origin = KuboOrigin::new(&url, None, &HttpOptions::default()).unwrap();
        origin.block(absent).await.unwrap_err()
    };
    let missing =
        answer(|| kubo_error("block was not found locally (offline): ipld: could not find Qm…"))
            .await;
    assert!(matches!(missing, OriginError::NotFound));
    let other = answer(|| kubo_error("context canceled")).await;
    assert!(matches!(other, OriginError::Busy { status: 500, .. }));
    let forbidden = answer(|| status("403 Forbidden")).await;
    assert!(matches!(forbidden, OriginError::Refused { status: 403 }));
    assert!(forbidden.to_string().contains("credentials"));
    let asked = Some(Duration::from_secs(7));
    for busy in [
        answer(|| busy("Retry-After: 7")).await,
        answer(|| {
            busy(
                "Date: Sun, 22 Nov 2026 08:00:00 GMT\r\nRetry-After: Sun, 22 Nov 2026 08:00:07 GMT",
            )
        })
        .await,
    ] {
        assert!(
            matches!(busy, OriginError::Busy { status: 429, retry_after } if retry_after == asked),
            "{busy:?}"
        );
    }
}

fn busy(headers: &str) -> Reply {
    let mut reply = status("429 Too Many Requests");
    reply.head = reply
        .head
        .replace("\r\n\r\n", &format!("\r\n{headers}\r\n\r\n"));
    reply
}

#[tokio::test]
async fn credentials_are_sent_and_never_shown() {
    let dag = Dag::new(SIZE, Leaves::Raw);
    let served = dag.clone();
    let (server, url) = serve(move |request| served.kubo(request)).await;
    let sent = || {
        server
            .requests
            .lock()
            .unwrap()
            .last()
            .unwrap()
            .header("authorization")
            .map(str::to_owned)
    };
    let mut with_userinfo = url.clone();
    with_userinfo.set_username("me").unwrap();
    with_userinfo.set_password(Some("p%40ss")).unwrap();
    let basic = KuboOrigin::new(&with_userinfo, None, &HttpOptions::default()).unwrap();
    basic.block(dag.file).await.unwrap();
    assert_eq!(sent().unwrap(), "Basic bWU6cEBzcw==");
    let bearer = Some(Auth::Bearer("s3cret".into()));
    let token = KuboOrigin::new(&url, bearer.clone(), &HttpOptions::default()).unwrap();
    token.block(dag.file).await.unwrap();
    assert_eq!(sent().unwrap(), "Bearer s3cret");
    let config = OriginConfig::Kubo {
        api: with_userinfo,
        auth: bearer,
    };
    for shown in [
        basic.name(),
        token.name(),
        format!("{basic:?}"),
        format!("{token:?}"),
        format!("{config:?}"),
    ] {
        assert!(
            !shown.contains("s3cret") && !shown.contains("p@ss") && !shown.contains("p%40ss"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn only_a_local_daemon_is_trusted_and_only_when_asked() {
    let trusted = |api: &str, wanted| {
        let api = api.parse().unwrap();
        let origin = KuboOrigin::new(&api, None, &HttpOptions::default()).unwrap();
        origin.trust_if_local(wanted).trusted()
    };
    for local in [
        "http://127.0.0.1:5001",
        "http://[::1]:5001",
        "http://localhost:5001/api/v0",
    ] {
        assert!(trusted(local, true) && !trusted(local, false), "{local}");
    }
    assert!(!trusted("http://192.168.1.5:5001", true));
}

#[tokio::test]
async fn a_gateway_that_ignores_range_is_read_up_to_it_within_bounds() {
    let dag = Dag::new(SIZE, Leaves::Raw);
    let content = dag.content.clone();
    let (_server, url) = serve(move |_| whole(&content)).await;
    let near = PathGatewayOrigin::new(&url, &HttpOptions::default()).unwrap();
    let read = leaves_of(&dag, &near).await;
    assert!(matches!(read[..], [Ok(50_000), Ok(50_000)]), "{read:?}");
    let strict = HttpOptions {
        max_discard_bytes: 49_999,
        ..HttpOptions::default()
    };
    let far = PathGatewayOrigin::new(&url, &strict).unwrap();
    assert!(reason(&leaves_of(&dag, &far).await).contains("ignores Range"));
}

#[tokio::test]
async fn silence_is_a_timeout_of_the_step_it_came_in() {
    let dag = Dag::new(SIZE, Leaves::Raw);
    let first_byte_timeout = Duration::from_millis(50);
    let short = HttpOptions {
        first_byte_timeout,
        idle_timeout: Duration::from_millis(50),
        ..HttpOptions::default()
    };
    let (_server, url) = serve(|_| silence()).await;
    let origin = GatewayOrigin::new(&url, &short).unwrap();
    let error = origin.block(dag.file).await.unwrap_err();
    assert!(
        matches!(error, OriginError::Timeout { phase: Phase::FirstByte, limit } if limit == first_byte_timeout)
    );
    let served = dag.clone();
    let (_server, url) = serve(move |request| {
        let reply = match request.method.as_str() {
            "POST" => served.kubo(request),
            _ => served.path_gateway(request),
        };
        reply.cut(60_000, Then::Hang)
    })
    .await;
    let gateway = PathGatewayOrigin::new(&url, &short).unwrap();
    let kubo = KuboOrigin::new(&url, None, &short).unwrap();
    for origin in [&gateway as &dyn Origin, &kubo] {
        let outcome = leaves_of(&dag, origin).await;
        assert!(
            matches!(
                outcome[..],
                [
                    Ok(_),
                    Err(OriginError::Timeout {
                        phase: Phase::Idle,
                        ..
                    })
                ]
            ),
            "{}: {outcome:?}",
            origin.name()
        );
    }
}

#[tokio::test]
async fn a_subdomain_gateway_may_redirect_to_a_name_of_its_own() {
    let dag = Dag::new(SIZE, Leaves::Raw);
    let served = dag.clone();
    let (server, _) = serve(move |request| {
        let host = request.header("host").unwrap().to_owned();
        let Some(port) = host.strip_prefix("localhost:") else {
            // Below the content's own name the path starts with what is in it.
            let mut inside = request.clone();
            inside.path = format!("/ipfs/{}{}", host.split('.').next().unwrap(), request.path);
            inside.path = inside.path.replace("/?", "?");
            return served.path_gateway(&inside);
        };
        let rest = request.path.strip_prefix("/ipfs/").unwrap();
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (cid, below) = rest.split_at(at);
        let slash = if below.starts_with('/') { "" } else { "/" };
        common::http::redirect(&format!("http://{cid}.ipfs.localhost:{port}{slash}{below}"))
    })
    .await;
    let url = format!("http://localhost:{}", server.addr.port())
        .parse()
        .unwrap();
    let origin = PathGatewayOrigin::new(&url, &HttpOptions::default()).unwrap();
    reads_right(&dag, Arc::new(origin)).await;
}

#[tokio::test]
async fn a_damaged_store_is_healed_by_the_next_origin() {
    let content = common::numbered(3 << 20);
    let whole = Store::temporary().unwrap();
    let cid = whole
        .add_bytes(&content, Profile::UnixfsV1_2025)
        .unwrap()
        .cid;
    let pack = whole.dir().join("packs").join(format!("{cid}.pack"));
    let damaged = Store::temporary().unwrap();
    damaged.add_bytes(&content, Profile::UnixfsV1_2025).unwrap();
    let other = damaged.dir().join("packs").join(format!("{cid}.pack"));
    let mut bytes = std::fs::read(&pack).unwrap();
    bytes[1_500_000] ^= 1;
    std::fs::write(&other, bytes).unwrap();

    let sound = progressive_loader::driver::StoreOrigin::new(whole);
    let served = content.clone();
    let (_server, url) = serve(move |request| {
        if request.path.contains("format=") {
            return status("404 Not Found");
        }
        common::http::partial(&served, request, "")
    })
    .await;
    let options = OpenOptions {
        store: Some(damaged),
        ipfs: progressive_loader::driver::IpfsOptions {
            origins: vec![OriginConfig::Gateway { url }],
            ..Default::default()
        },
        ..OpenOptions::default()
    };
    let source = open_source(&Location::Ipfs { cid, path: vec![] }, &options)
        .await
        .unwrap();
    assert!(source.read_range(0..content.len() as u64).await.unwrap() == content);
    // What the store gives alone is checked as well.
    let alone = FirstOrigin::new(vec![Arc::new(sound)]);
    let source = IpfsSource::open(cid, &[], Arc::new(alone)).await.unwrap();
    assert!(source.read_range(0..content.len() as u64).await.unwrap() == content);
}

#[tokio::test]
async fn without_a_store_and_origins_the_error_is_what_it_was() {
    let cid = Dag::new(10, Leaves::Raw).file;
    let outcome = open_source(
        &Location::Ipfs { cid, path: vec![] },
        &OpenOptions::default(),
    )
    .await;
    assert!(matches!(outcome.err(), Some(OpenError::NoStore { .. })));
}

#[tokio::test]
async fn what_an_archive_leaves_out_is_asked_for_by_itself() {
    let dag = Dag::new(SIZE, Leaves::Raw);
    let absent = dag.leaves[1].0.cid;
    for is_there in [true, false] {
        let mut served = dag.clone();
        served.leaves.remove(1);
        if !is_there {
            served.blocks.remove(&absent);
        }
        let (server, url) = serve(move |request| served.trustless(request)).await;
        let origin = TrustlessOrigin::new(&url, &HttpOptions::default()).unwrap();
        let outcome = leaves_of(&dag, &origin).await;
        if is_there {
            assert!(matches!(outcome[..], [Ok(50_000), Ok(50_000)]));
            let source = source_of(&dag, Arc::new(origin)).await.unwrap();
            assert!(source.read_range(0..SIZE as u64).await.unwrap() == dag.content);
        } else {
            let told = matches!(outcome[..], [Err(OriginError::NotFound)]);
            assert!(told, "{outcome:?}");
            let requests = server.requests.lock().unwrap();
            assert_eq!(requests.len(), 2, "the archive, and the block");
        }
    }
}

#[tokio::test]
async fn an_archive_that_ends_early_is_never_whole() {
    let dag = Dag::new(SIZE, Leaves::Raw);
    let archive = dag.archive(50_000..150_000);
    let served = Arc::new(std::sync::Mutex::new(archive.clone()));
    let shared = Arc::clone(&served);
    let (_server, url) = serve(move |_| car(&shared.lock().unwrap())).await;
    let origin = TrustlessOrigin::new(&url, &HttpOptions::default()).unwrap();
    for len in (0..archive.len()).step_by(997) {
        *served.lock().unwrap() = archive[..len].to_vec();
        let outcome = leaves_of(&dag, &origin).await;
        let leaves = outcome.iter().filter(|item| item.is_ok()).count();
        assert!(
            matches!(outcome.last(), Some(Err(OriginError::Broken { .. }))),
            "cut to {len}: {outcome:?}"
        );
        assert!(leaves < 2 && outcome.len() == leaves + 1, "cut to {len}");
    }
}
