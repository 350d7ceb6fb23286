//! Daemons and gateways that mean harm: each is a typed error, and takes no more memory than it may.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::car::{RAW, archive, block, varint};
use common::http::{Reply, Request, Server, Then, chunked, in_chunks_of, ok, redirect};
use common::ipfs::{Dag, Leaves, car};
use futures_util::StreamExt;
use progressive_loader::driver::{
    GatewayOrigin, HttpOptions, KuboOrigin, PathGatewayOrigin, TrustlessOrigin,
};
use progressive_loader::{Cid, Leaf, LeafSpan, Origin, OriginError, Url};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const ENOUGH: u64 = 64 << 20;

async fn serve(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Server, Url) {
    let server = Server::start(answer).await;
    let url = format!("http://{}", server.addr).parse().unwrap();
    (server, url)
}

/// Every kind of origin over one address.
fn origins(url: &Url) -> Vec<Arc<dyn Origin>> {
    let options = HttpOptions {
        max_discard_bytes: 4 << 20,
        ..HttpOptions::default()
    };
    vec![
        Arc::new(KuboOrigin::new(url, None, &options).unwrap()),
        Arc::new(PathGatewayOrigin::new(url, &options).unwrap()),
        Arc::new(TrustlessOrigin::new(url, &options).unwrap()),
        Arc::new(GatewayOrigin::new(url, &options).unwrap()),
    ]
}

fn span_of(dag: &Dag) -> LeafSpan {
    let leaves = dag.leaves.iter().map(|(block, range)| Leaf {
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

async fn failure(origin: &dyn Origin, dag: &Dag) -> OriginError {
    let mut leaves = origin.leaves(span_of(dag));
    loop {
        match leaves.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                assert!(
                    leaves.next().await.is_none(),
                    "it ends with the first error"
                );
                return error;
            }
            None => panic!("{} had no error", origin.name()),
        }
    }
}

/// Answers every request with `head` and then `piece` again and again, until the client hangs up; how much it sent.
async fn endless(
    head: String,
    first: Vec<u8>,
    piece: Vec<u8>,
) -> (Url, tokio::sync::mpsc::Receiver<u64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let (tell, sent) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (head, first, piece, tell) =
                (head.clone(), first.clone(), piece.clone(), tell.clone());
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let mut sent = 0;
                let mut next = [head.as_bytes(), &first].concat();
                while sent < ENOUGH && stream.write_all(&next).await.is_ok() {
                    sent += next.len() as u64;
                    next.clone_from(&piece);
                }
                let _ = tell.send(sent).await;
            });
        }
    });
    (url, sent)
}

#[tokio::test]
async fn a_block_that_never_ends_is_cut_off() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.ipld.raw\r\n\r\n";
    let (url, mut sent) = endless(head.into(), vec![], vec![7; 1 << 16]).await;
    let cid = block(RAW, b"x").cid;
    for origin in origins(&url) {
        let error = origin.block(cid).await.unwrap_err();
        assert!(
            matches!(&error, OriginError::Broken { reason } if reason.contains("more than 2097152")),
            "{error}"
        );
        // What the sockets hold besides what was read.
        assert!(sent.recv().await.unwrap() < 32 << 20);
    }
}

#[tokio::test]
async fn an_archive_that_never_ends_is_cut_off() {
    let dag = Dag::new(100_000, Leaves::Raw);
    let other = block(RAW, &[7; 60_000]);
    let section = archive(&[], &[&other])[archive(&[], &[]).len()..].to_vec();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.ipld.car\r\n\r\n";
    let (url, mut sent) = endless(head.into(), archive(&[&dag.file], &[]), section).await;
    let error = failure(origins(&url)[2].as_ref(), &dag).await;
    assert!(
        error.to_string().contains("besides what was asked for"),
        "{error}"
    );
    assert!(sent.recv().await.unwrap() < 32 << 20);
}

#[tokio::test]
async fn packed_answers_are_refused() {
    let dag = Dag::new(100_000, Leaves::Raw);
    for encoding in ["gzip", "br", "identity, gzip"] {
        let headers =
            format!("Content-Encoding: {encoding}\r\nContent-Type: application/vnd.ipld.car\r\n");
        let (_server, url) = serve(move |_| ok(vec![0x1f, 0x8b, 8, 0], &headers)).await;
        for origin in origins(&url) {
            for error in [
                failure(origin.as_ref(), &dag).await,
                origin.block(dag.file).await.unwrap_err(),
            ] {
                assert!(
                    matches!(&error, OriginError::Broken { reason } if reason.contains(encoding)),
                    "{error}"
                );
            }
        }
    }
}

#[tokio::test]
async fn redirects_to_other_schemes_are_refused() {
    let dag = Dag::new(100_000, Leaves::Raw);
    for to in [
        "file:///etc/passwd",
        "ftp://example.org/",
        "gopher://example.org/",
    ] {
        let (_server, url) = serve(move |_| redirect(to)).await;
        for origin in origins(&url) {
            let error = failure(origin.as_ref(), &dag).await;
            assert!(error.to_string().contains("redirect"), "{error}");
        }
    }
    let (server, url) = serve(|request| redirect(&request.path)).await;
    let error = origins(&url)[1].block(dag.file).await.unwrap_err();
    assert!(
        error.to_string().contains("more than 5 redirects"),
        "{error}"
    );
    assert!(server.requests.lock().unwrap().len() <= 7);
}

#[tokio::test]
async fn an_archive_may_not_have_what_is_no_block() {
    let dag = Dag::new(100_000, Leaves::Raw);
    let large = block(RAW, &vec![0; (2 << 20) + 1]);
    let header = archive(&[&dag.file], &[]);
    let then = |section: &[u8]| [&header[..], section].concat();
    let bodies = [
        archive(&[&dag.file], &[&large]),
        then(&[0xff; 12]),
        then(&varint(u64::MAX)),
        then(&[0]),
        then(&[5, 1, 0x55, 0x12, 0x20, 0]),
        then(&[1]),
        vec![0xff; 12],
        varint(1 << 30),
        vec![],
        b"<html>not found</html>".to_vec(),
    ];
    for (number, body) in bodies.into_iter().enumerate() {
        let (_server, url) = serve(move |_| car(&body)).await;
        let error = failure(origins(&url)[2].as_ref(), &dag).await;
        assert!(
            matches!(&error, OriginError::Broken { .. }),
            "{number}: {error}"
        );
    }
    let (_server, url) = serve(|_| {
        ok(
            b"<html>hello</html>".to_vec(),
            "Content-Type: text/html\r\n",
        )
    })
    .await;
    let error = failure(origins(&url)[2].as_ref(), &dag).await;
    assert!(error.to_string().contains("text/html"), "{error}");
    let error = origins(&url)[2].block(dag.file).await.unwrap_err();
    assert!(error.to_string().contains("text/html"), "{error}");
}

/// Large blocks under the names of small leaves, all of them before the first one that is wanted.
#[tokio::test]
async fn an_archive_may_not_fill_the_memory_with_blocks_before_their_turn() {
    let dag = Dag::new(1_000_000, Leaves::Raw);
    let mut liars: Vec<_> = dag.leaves.iter().map(|(leaf, _)| leaf.clone()).collect();
    for liar in &mut liars {
        liar.bytes = vec![7; 2 << 20];
    }
    let blocks: Vec<_> = liars.iter().rev().collect();
    let body = archive(&[&dag.file], &blocks);
    let (_server, url) = serve(move |_| car(&body)).await;
    let error = failure(origins(&url)[2].as_ref(), &dag).await;
    assert!(
        error.to_string().contains("larger than the leaves"),
        "{error}"
    );
}

#[tokio::test]
async fn a_partial_answer_for_another_range_is_refused() {
    let dag = Dag::new(100_000, Leaves::Raw);
    for answered in [
        "bytes 0-99998/100000",
        "bytes 1-100000/100001",
        "bytes 0-99999/*",
        "bytes */100000",
        "",
    ] {
        let content = dag.content.clone();
        let (_server, url) = serve(move |_| {
            let mut reply = ok(content.clone(), &format!("Content-Range: {answered}\r\n"));
            reply.head = reply.head.replace("200 OK", "206 Partial Content");
            reply
        })
        .await;
        let error = failure(origins(&url)[1].as_ref(), &dag).await;
        assert!(
            matches!(&error, OriginError::Broken { reason } if reason.contains(answered)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_body_cut_at_any_place_is_never_whole() {
    let dag = Dag::new(120_000, Leaves::Wrapped);
    let span: u64 = dag.content.len() as u64;
    for kind in 0..3 {
        for cut in (0..span as usize).step_by(9_973) {
            let served = dag.clone();
            let (_server, url) = serve(move |request| {
                let reply = match kind {
                    0 => served.kubo(request),
                    1 => served.path_gateway(request),
                    _ => served.trustless(request),
                };
                reply.cut(cut, Then::Close)
            })
            .await;
            let error = failure(origins(&url)[kind].as_ref(), &dag).await;
            assert!(
                matches!(
                    error,
                    OriginError::Transport { .. } | OriginError::Broken { .. }
                ),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn a_body_in_chunks_of_a_byte_makes_a_block_of_few_pieces() {
    let dag = Dag::new(100_000, Leaves::Raw);
    let span = span_of(&dag);
    let range = span.range();
    let body = dag.content[range.start as usize..range.end as usize].to_vec();
    let served = body.clone();
    let (_server, url) = serve(move |_| in_chunks_of(1, &served, "", "")).await;
    let kubo = KuboOrigin::new(&url, None, &HttpOptions::default()).unwrap();
    let blocks: Vec<_> = kubo.leaves(span).collect().await;
    let mut read = Vec::new();
    for block in blocks {
        let block = block.unwrap();
        assert!(block.pieces().len() <= 2, "{}", block.pieces().len());
        read.extend(block.into_bytes());
    }
    assert!(read == body);
}

#[tokio::test]
async fn a_long_error_text_is_not_read_to_its_end() {
    let cid: Cid = block(RAW, b"x").cid;
    let (_server, url) = serve(|_| {
        let mut reply = chunked(&vec![b'e'; 1 << 20], "", "");
        reply.head = reply.head.replace("200 OK", "500 Internal Server Error");
        reply
    })
    .await;
    let error = origins(&url)[0].block(cid).await.unwrap_err();
    assert!(
        matches!(error, OriginError::Broken { .. } | OriginError::Busy { .. }),
        "{error}"
    );
}
