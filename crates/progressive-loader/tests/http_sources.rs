//! HTTP servers as they are: good ones, odd ones, broken ones.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::http::{Reply, Request, Server, Then, partial, redirect, silence, status, whole};
use common::numbered;
use progressive_loader::driver::{HttpOptions, HttpSource, OpenOptions, open};
use progressive_loader::{ByteSource, Location, OpenError, Phase, ReadError, Url};
use std::io::SeekFrom;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

const SIZE: usize = 300_000;

fn options() -> HttpOptions {
    HttpOptions {
        max_resumes: 2,
        ..HttpOptions::default()
    }
}

async fn source_with(options: &HttpOptions, server: &Server) -> Result<HttpSource, OpenError> {
    let Location::Http(url) = server.location() else {
        panic!("an HTTP location")
    };
    HttpSource::open(&url, options).await
}

async fn source(server: &Server) -> Result<HttpSource, OpenError> {
    source_with(&options(), server).await
}

/// A server that answers ranges, but request `number` as `fault` says.
async fn faulty(
    number: usize,
    fault: impl Fn(Reply) -> Reply + Send + Sync + 'static,
) -> (Server, Vec<u8>) {
    let content = numbered(SIZE);
    let served = content.clone();
    let server = Server::start(move |request: &Request| {
        let reply = partial(&served, request, "ETag: \"v1\"\r\n");
        if request.number == number {
            fault(reply)
        } else {
            reply
        }
    })
    .await;
    (server, content)
}

#[tokio::test]
async fn ranges_are_asked_for_and_no_byte_twice() {
    let (server, content) = faulty(usize::MAX, |reply| reply).await;
    let source = source(&server).await.unwrap();
    assert!(source.supports_ranges());
    assert_eq!(source.size_bytes(), SIZE as u64);
    assert!(source.read_range(0..SIZE as u64).await.unwrap() == content);
    assert_eq!(
        source.read_range(1000..1010).await.unwrap(),
        content[1000..1010]
    );
    let asked: Vec<_> = server.ranges().into_iter().map(Option::unwrap).collect();
    assert_eq!(asked, [0..512 << 10, 1000..1010]);
    let past = source.read_range(0..SIZE as u64 + 1).await;
    assert!(matches!(past, Err(ReadError::OutOfBounds { .. })));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_resumed_where_it_broke() {
    let (server, content) = faulty(1, |reply| reply.cut(5000, Then::Close)).await;
    let source = source(&server).await.unwrap();
    assert!(source.read_range(100_000..200_000).await.unwrap() == content[100_000..200_000]);
    assert_eq!(server.ranges()[2], Some(105_000..200_000));
}

#[tokio::test]
async fn a_body_that_always_breaks_off_is_a_typed_error() {
    let content = numbered(SIZE);
    let server = Server::start(move |request: &Request| match request.number {
        0 => partial(&content, request, ""),
        _ => partial(&content, request, "").cut(0, Then::Close),
    })
    .await;
    let source = source(&server).await.unwrap();
    let error = source.read_range(100_000..100_010).await.unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::Short {
                missing_bytes: 10,
                attempts: 3,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(
        server.ranges().len(),
        4,
        "one to open, one to read, two to resume"
    );
}

#[tokio::test]
async fn a_wrong_content_range_is_refused() {
    let (server, _) = faulty(1, |mut reply| {
        reply.head = reply.head.replace("bytes 100000-", "bytes 100001-");
        reply
    })
    .await;
    let error = source(&server)
        .await
        .unwrap()
        .read_range(100_000..200_000)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ReadError::BadContentRange { answered, .. } if answered.contains("100001")),
        "{error}"
    );
}

#[tokio::test]
async fn a_content_that_changes_is_noticed_by_etag_date_or_size() {
    let changes = [
        ("ETag: \"v1\"", "ETag: \"v2\"", "ETag"),
        (
            "ETag: \"v1\"",
            "Last-Modified: Sat, 21 Nov 2026 08:00:00 GMT",
            "",
        ),
        ("/300000", "/300001", "size"),
    ];
    for (before, after, named) in changes {
        let (server, _) = faulty(1, move |mut reply| {
            reply.head = reply.head.replace(before, after);
            reply
        })
        .await;
        let outcome = source(&server)
            .await
            .unwrap()
            .read_range(100_000..200_000)
            .await;
        match outcome {
            Err(ReadError::Changed { what, .. }) => assert_eq!(what, named),
            other => assert!(
                named.is_empty() && other.is_ok(),
                "{before} to {after}: {other:?}"
            ),
        }
    }
}

#[tokio::test]
async fn a_server_without_ranges_is_read_in_order_over_one_request() {
    let content = numbered(SIZE);
    let served = content.clone();
    let server = Server::start(move |_| whole(&served)).await;
    let mut reader = open(&server.location(), &OpenOptions::default())
        .await
        .unwrap()
        .into_async();
    let mut read = Vec::new();
    reader.read_to_end(&mut read).await.unwrap();
    assert!(read == content);
    assert_eq!(server.ranges().len(), 1);
}

#[tokio::test]
async fn a_server_without_ranges_skips_up_to_a_bound_and_goes_back_by_starting_over() {
    let content = numbered(SIZE);
    let served = content.clone();
    let server = Server::start(move |_| whole(&served)).await;
    let options = HttpOptions {
        max_discard_bytes: 200_000,
        ..options()
    };
    let source = source_with(&options, &server).await.unwrap();
    assert!(!source.supports_ranges());
    assert_eq!(
        source.read_range(150_000..150_010).await.unwrap(),
        content[150_000..150_010]
    );
    assert_eq!(
        source.read_range(200_000..200_010).await.unwrap(),
        content[200_000..200_010]
    );
    assert_eq!(server.ranges().len(), 1, "forward goes on in the same body");
    assert_eq!(source.read_range(10..20).await.unwrap(), content[10..20]);
    assert_eq!(server.ranges().len(), 2, "back starts over");
    let error = source.read_range(250_000..250_010).await.unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::RangeIgnored {
                offset: 250_000,
                max_discard_bytes: 200_000,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn statuses_are_named() {
    for (line, code) in [
        ("404 Not Found", 404),
        ("500 Oops", 500),
        ("403 Forbidden", 403),
    ] {
        let server = Server::start(move |_| status(line)).await;
        let error = source(&server).await.unwrap_err();
        assert!(
            matches!(&error, OpenError::Read(ReadError::Status { status, .. }) if *status == code),
            "{error}"
        );
        assert!(error.to_string().contains(&code.to_string()));
    }
}

#[tokio::test]
async fn a_server_that_is_busy_for_a_moment_is_asked_again() {
    let (server, content) = faulty(1, |_| status("503 Busy")).await;
    let source = source(&server).await.unwrap();
    assert_eq!(
        source.read_range(100_000..100_010).await.unwrap(),
        content[100_000..100_010]
    );
}

/// How long it is at least says that the server was left alone: without, the pause is 100 ms.
#[tokio::test]
async fn a_server_that_says_when_to_come_back_is_left_alone_until_then() {
    for headers in [
        "Retry-After: 1",
        "Date: Sun, 22 Nov 2026 08:00:00 GMT\r\nRetry-After: Sun, 22 Nov 2026 08:00:01 GMT",
    ] {
        let (server, content) = faulty(1, move |_| {
            let mut busy = status("503 Busy");
            busy.head = busy
                .head
                .replace("\r\n\r\n", &format!("\r\n{headers}\r\n\r\n"));
            busy
        })
        .await;
        let source = source(&server).await.unwrap();
        let asked = Instant::now();
        let read = source.read_range(100_000..100_010).await.unwrap();
        assert_eq!(read, content[100_000..100_010]);
        assert!(asked.elapsed() >= Duration::from_secs(1), "{headers}");
    }
}

#[tokio::test]
async fn a_server_that_is_busy_when_it_is_opened_is_asked_again_unless_it_asks_for_long() {
    let busy_at_first = |seconds: u64| {
        faulty(0, move |_| {
            let mut busy = status("429 Too Many Requests");
            let told = format!("\r\nRetry-After: {seconds}\r\n\r\n");
            busy.head = busy.head.replace("\r\n\r\n", &told);
            busy
        })
    };
    let (server, content) = busy_at_first(1).await;
    let asked = Instant::now();
    let source = source(&server).await.unwrap();
    assert!(asked.elapsed() >= Duration::from_secs(1));
    assert_eq!(source.read_range(0..10).await.unwrap(), content[..10]);

    let (server, _) = busy_at_first(20).await;
    let refused = self::source(&server).await.unwrap_err();
    assert!(
        matches!(
            &refused,
            OpenError::Read(ReadError::Status { status: 429, .. })
        ),
        "{refused}"
    );
}

#[tokio::test]
async fn an_unknown_size_is_a_typed_error() {
    let chunked = |_: &Request| Reply {
        head: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
        body: b"5\r\nhello\r\n0\r\n\r\n".to_vec(),
        then: Then::KeepAlive,
    };
    let error = source(&Server::start(chunked).await).await.unwrap_err();
    assert!(matches!(error, OpenError::UnknownSize { .. }), "{error}");
    let (server, _) = faulty(0, |mut reply| {
        reply.head = reply.head.replace("/300000", "/*");
        reply
    })
    .await;
    assert!(matches!(
        source(&server).await,
        Err(OpenError::UnknownSize { .. })
    ));
}

#[tokio::test]
async fn an_empty_resource_is_an_empty_content() {
    let empty = |_: &Request| {
        let mut reply = status("416 Range Not Satisfiable");
        reply.head = reply
            .head
            .replace("\r\n\r\n", "\r\nContent-Range: bytes */0\r\n\r\n");
        reply
    };
    for server in [
        Server::start(empty).await,
        Server::start(|_| whole(b"")).await,
    ] {
        assert_eq!(source(&server).await.unwrap().size_bytes(), 0);
    }
}

#[tokio::test]
async fn a_compressed_answer_is_refused() {
    let server = Server::start(|request: &Request| {
        partial(&numbered(100), request, "Content-Encoding: gzip\r\n")
    })
    .await;
    let error = source(&server).await.unwrap_err();
    assert!(
        matches!(&error, OpenError::Read(ReadError::Encoded { encoding, .. }) if encoding == "gzip"),
        "{error}"
    );
}

/// A server that ignores `Range`, and whose content never ends although it says where.
#[tokio::test]
async fn a_body_that_goes_on_past_its_end_is_read_no_further() {
    let content = numbered(SIZE);
    for ranges in [true, false] {
        let served = content.clone();
        let server = Server::start(move |request: &Request| {
            let mut reply = match ranges {
                true => partial(&served, request, ""),
                false => whole(&served),
            };
            reply.body.extend(vec![7; 1 << 20]);
            reply
        })
        .await;
        let source = source(&server).await.unwrap();
        let read = source.read_range(0..SIZE as u64).await.unwrap();
        assert!(read == content, "ranges: {ranges}");
    }
}

#[tokio::test]
async fn redirects_are_followed_up_to_a_bound() {
    let content = numbered(1000);
    let served = content.clone();
    let server = Server::start(move |request: &Request| match request.path.as_str() {
        "/clip.mp4" => redirect("/step"),
        "/step" => redirect("/there"),
        _ => partial(&served, request, ""),
    })
    .await;
    let source = source(&server).await.unwrap();
    assert_eq!(source.read_range(0..10).await.unwrap(), content[..10]);

    let endless = Server::start(|_| redirect("/again")).await;
    let error = source_with(&options(), &endless).await.unwrap_err();
    assert!(
        matches!(&error, OpenError::Redirect { reason, .. } if reason.contains("more than 5")),
        "{error}"
    );

    let elsewhere = Server::start(|_| redirect("ftp://example.org/clip.mp4")).await;
    let error = source_with(&options(), &elsewhere).await.unwrap_err();
    assert!(matches!(error, OpenError::Redirect { .. }), "{error}");
}

#[tokio::test]
async fn each_silence_has_its_own_timeout() {
    let short = HttpOptions {
        max_resumes: 0,
        ..options()
    };
    let first_byte = HttpOptions {
        first_byte_timeout: Duration::from_millis(50),
        ..short.clone()
    };
    let server = Server::start(|_| silence()).await;
    let error = source_with(&first_byte, &server).await.unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::Read(ReadError::Timeout {
                phase: Phase::FirstByte,
                ..
            })
        ),
        "{error}"
    );

    let idle = HttpOptions {
        idle_timeout: Duration::from_millis(50),
        ..short
    };
    let (server, _) = faulty(1, |reply| reply.cut(10, Then::Hang)).await;
    let error = source_with(&idle, &server)
        .await
        .unwrap()
        .read_range(100_000..200_000)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::Timeout {
                phase: Phase::Idle,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn nobody_listening_is_named_with_its_cause() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url: Url = format!("http://me:hunter2@{free}/clip.mp4?key=secret")
        .parse()
        .unwrap();
    let error = HttpSource::open(&url, &options())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&free.to_string()) && error.contains("refused"),
        "{error}"
    );
    assert!(
        !error.contains("hunter2") && !error.contains("secret"),
        "{error}"
    );
}

#[tokio::test]
async fn dropping_the_reader_closes_the_connection() {
    let content = numbered(SIZE);
    let mut server = Server::start(move |request: &Request| {
        partial(&content, request, "").cut(1000, Then::Hang)
    })
    .await;
    let mut reader = open(&server.location(), &OpenOptions::default())
        .await
        .unwrap()
        .into_async();
    // What comes before the server hangs.
    reader.read_exact(&mut [0; 1000]).await.unwrap();
    drop(reader);
    assert_eq!(
        server.hung_up.recv().await,
        Some(()),
        "the server sees the connection close"
    );
}

#[tokio::test]
async fn a_seek_closes_the_request_it_left_and_is_answered() {
    let content = numbered(20 << 20);
    let served = content.clone();
    let mut server = Server::start(move |request: &Request| {
        match request.range.as_ref().map(|range| range.start) {
            Some(start) if start == 512 << 10 || start == 1 << 20 => {
                partial(&served, request, "").cut(1000, Then::Hang)
            }
            _ => partial(&served, request, ""),
        }
    })
    .await;
    let mut reader = open(&server.location(), &OpenOptions::default())
        .await
        .unwrap()
        .into_async();
    reader
        .read_exact(&mut vec![0; (512 << 10) + 1000])
        .await
        .unwrap();
    reader.seek(SeekFrom::Start(15 << 20)).await.unwrap();
    let mut buf = [0; 100];
    reader.read_exact(&mut buf).await.unwrap();
    assert_eq!(buf, content[15 << 20..][..100]);
    assert_eq!(server.hung_up.recv().await, Some(()));
}

#[tokio::test]
async fn what_is_read_on_and_on_takes_few_requests_and_no_byte_twice() {
    let content = numbered(64 << 20);
    let served = content.clone();
    let server = Server::start(move |request: &Request| partial(&served, request, "")).await;
    let options = OpenOptions::default();
    let opened = open(&server.location(), &options).await.unwrap();
    let (mut reader, mut read) = (opened.into_async(), Vec::new());
    reader.read_to_end(&mut read).await.unwrap();
    assert!(read == content);
    let mut asked: Vec<_> = server.ranges().into_iter().map(Option::unwrap).collect();
    assert!(asked.len() < 20, "{asked:?}");
    asked.sort_by_key(|range| range.start);
    let joined = asked.windows(2).all(|pair| pair[0].end == pair[1].start);
    assert!(joined, "{asked:?}");
}

#[tokio::test]
async fn a_jump_gives_up_the_body_that_was_read_on_and_on() {
    let is_long = |range: &std::ops::Range<u64>| range.end - range.start > 8 << 20;
    let content = numbered(64 << 20);
    let served = content.clone();
    let mut server = Server::start(move |request: &Request| {
        let reply = partial(&served, request, "");
        match &request.range {
            Some(range) if is_long(range) => reply.cut(1 << 20, Then::Hang),
            _ => reply,
        }
    })
    .await;
    let options = OpenOptions::default();
    let opened = open(&server.location(), &options).await.unwrap();
    let mut reader = opened.into_async();
    // On a busy machine reading may have paused, and begins to be a long one later.
    let asked_for_long = || server.ranges().iter().flatten().any(is_long);
    while !asked_for_long() {
        reader.read_exact(&mut vec![0; 1 << 20]).await.unwrap();
    }
    reader.seek(SeekFrom::Start(60 << 20)).await.unwrap();
    let mut there = [0; 100];
    reader.read_exact(&mut there).await.unwrap();
    assert_eq!(there, content[60 << 20..][..100]);
    assert_eq!(server.hung_up.recv().await, Some(()));
}

#[tokio::test]
async fn a_dropped_reader_over_a_server_without_ranges_closes_its_body() {
    let content = numbered(SIZE);
    let mut server = Server::start(move |_| whole(&content).cut(100_000, Then::Hang)).await;
    let source = Arc::new(source(&server).await.unwrap());
    let mut reader =
        progressive_loader::driver::ProgressiveReader::new(source, &OpenOptions::default())
            .unwrap()
            .into_async();
    reader.read_exact(&mut [0; 50_000]).await.unwrap();
    drop(reader);
    assert_eq!(server.hung_up.recv().await, Some(()));
}
