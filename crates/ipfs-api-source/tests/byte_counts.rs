//! Bodies that are whole, and bodies that only look it.
#![allow(clippy::unwrap_used, clippy::panic)]

use ipfs_api_backend_hyper::{IpfsClient, TryFromUri};
use ipfs_api_source::IpfsApiSource;
use progressive_loader::{ByteSource, OpenError, ReadError};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CID: &str = "bafkreiczdn6msubxqiw6ywsnle5c4luldhah3xjfodswtead2f7rjrcauy";
const CONTENT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// What the daemon does with the bytes of a range.
type Body = fn(&[u8]) -> (Vec<u8>, &'static str);

/// A daemon that has one file; `kind` is what it says it is.
async fn daemon(kind: &'static str, body: Body) -> IpfsClient {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, kind, body));
        }
    });
    IpfsClient::from_str(&format!("http://{addr}")).unwrap()
}

async fn serve(mut stream: TcpStream, kind: &str, body: Body) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let number = |name: &str| {
        let rest = head.split_once(&format!("{name}=")).unwrap().1;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().unwrap()
    };
    let (bytes, trailers) = if head.starts_with("POST /api/v0/files/stat?") {
        let size = CONTENT.len();
        let stat = format!(
            "{{\"Hash\":\"{CID}\",\"Size\":{size},\"CumulativeSize\":{size},\"Blocks\":0,\"Type\":\"{kind}\"}}"
        );
        (stat.into_bytes(), "")
    } else {
        assert!(
            head.starts_with("POST /api/v0/cat?") && head.contains(CID),
            "{head}"
        );
        let from = number("offset");
        body(&CONTENT[from..from + number("length")])
    };
    let mut answer =
        b"HTTP/1.1 200 OK\r\nTrailer: X-Stream-Error\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec();
    if !bytes.is_empty() {
        answer.extend(format!("{:x}\r\n", bytes.len()).bytes());
        answer.extend(&bytes);
        answer.extend(b"\r\n");
    }
    answer.extend(format!("0\r\n{trailers}\r\n").bytes());
    let _ = stream.write_all(&answer).await;
}

async fn read(body: Body) -> Result<Vec<u8>, ReadError> {
    let source = IpfsApiSource::open(daemon("file", body).await, CID)
        .await
        .unwrap();
    assert_eq!(
        (source.size_bytes(), source.name()),
        (36, format!("ipfs://{CID}"))
    );
    source.read_range(10..20).await.map(Into::into)
}

#[tokio::test]
async fn a_range_is_the_files_own() {
    assert_eq!(
        read(|bytes| (bytes.to_vec(), "")).await.unwrap(),
        CONTENT[10..20]
    );
}

#[tokio::test]
async fn a_body_that_broke_off_is_not_taken_for_whole() {
    let told = read(|bytes| (bytes[..4].to_vec(), "X-Stream-Error: context canceled\r\n")).await;
    assert!(
        matches!(
            told,
            Err(ReadError::Short {
                missing_bytes: 6,
                ..
            }) | Err(ReadError::Transport { .. })
        ),
        "{told:?}"
    );
    let silent = read(|bytes| (bytes[..4].to_vec(), "")).await;
    assert!(
        matches!(
            silent,
            Err(ReadError::Short {
                missing_bytes: 6,
                ..
            })
        ),
        "{silent:?}"
    );
    let empty = read(|_| (Vec::new(), "")).await;
    assert!(
        matches!(
            empty,
            Err(ReadError::Short {
                missing_bytes: 10,
                ..
            })
        ),
        "{empty:?}"
    );
    let long = read(|bytes| ([bytes, b"!"].concat(), "")).await;
    assert!(matches!(long, Err(ReadError::Overlong { .. })), "{long:?}");
}

#[tokio::test]
async fn a_directory_and_a_range_outside_are_errors() {
    let directory = IpfsApiSource::open(daemon("directory", |_| (vec![], "")).await, CID).await;
    assert!(matches!(directory.err(), Some(OpenError::Directory { .. })));
    let source = IpfsApiSource::open(daemon("file", |_| (vec![], "")).await, CID)
        .await
        .unwrap();
    let past = source.read_range(30..37).await;
    assert!(matches!(past, Err(ReadError::OutOfBounds { .. })));
    assert_eq!(source.read_range(5..5).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_reader_reads_through_it() {
    use progressive_loader::driver::{OpenOptions, ProgressiveReader};
    let client = daemon("file", |bytes| (bytes.to_vec(), "")).await;
    let source = IpfsApiSource::open(client, CID).await.unwrap();
    let reader = ProgressiveReader::new(Arc::new(source), &OpenOptions::default()).unwrap();
    let mut whole = Vec::new();
    reader.into_async().read_to_end(&mut whole).await.unwrap();
    assert_eq!(whole, CONTENT);
}
