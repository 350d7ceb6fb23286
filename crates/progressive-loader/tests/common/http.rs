//! An HTTP/1.1 server that answers each request as a test says, faults included.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// How many came before it.
    pub number: usize,
    pub method: String,
    /// Path and query, as they were sent.
    pub path: String,
    pub range: Option<Range<u64>>,
    /// All of the head.
    pub head: String,
}

impl Request {
    /// The value of a header; `None` when it is not there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// What to answer.
pub struct Reply {
    pub head: String,
    pub body: Vec<u8>,
    pub then: Then,
}

/// What to do after the body.
#[derive(Clone, Copy, PartialEq)]
pub enum Then {
    KeepAlive,
    Close,
    /// Send nothing more, and tell when the client hangs up.
    Hang,
}

pub struct Server {
    pub addr: SocketAddr,
    pub requests: Arc<Mutex<Vec<Request>>>,
    /// One message per connection that the client closed while the server hung.
    pub hung_up: mpsc::Receiver<()>,
}

impl Server {
    /// Serves with `answer` until the runtime ends.
    pub async fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (tell, hung_up) = mpsc::channel(64);
        let (answer, log) = (Arc::new(answer), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(
                    stream,
                    Arc::clone(&answer),
                    Arc::clone(&log),
                    tell.clone(),
                ));
            }
        });
        Self {
            addr,
            requests,
            hung_up,
        }
    }

    pub fn location(&self) -> progressive_loader::Location {
        format!("http://{}/clip.mp4", self.addr).parse().unwrap()
    }

    /// The ranges asked for so far.
    pub fn ranges(&self) -> Vec<Option<Range<u64>>> {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .map(|request| request.range.clone())
            .collect()
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: Arc<impl Fn(&Request) -> Reply>,
    log: Arc<Mutex<Vec<Request>>>,
    hung_up: mpsc::Sender<()>,
) {
    // Head and body are two writes: as a real server, it does not wait 40 ms for the first one's ack.
    let _ = stream.set_nodelay(true);
    while let Some(head) = read_head(&mut stream).await {
        let request = {
            let mut log = log.lock().unwrap();
            let request = parse(&head, log.len());
            log.push(request.clone());
            request
        };
        let reply = answer(&request);
        let sent = stream.write_all(reply.head.as_bytes()).await;
        if sent.is_err()
            || stream.write_all(&reply.body).await.is_err()
            || reply.then == Then::Close
        {
            return;
        }
        if reply.then == Then::Hang {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            let _ = hung_up.send(()).await;
            return;
        }
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

fn parse(head: &str, number: usize) -> Request {
    let word = |n| head.split(' ').nth(n).unwrap_or_default().to_owned();
    let (method, path) = (word(0), word(1));
    let range = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
        name.eq_ignore_ascii_case("range").then_some(())?;
        Some(first.parse().ok()?..last.parse::<u64>().ok()? + 1)
    });
    Request {
        number,
        method,
        path,
        range,
        head: head.to_owned(),
    }
}

/// 206 with the range asked for, cut at the content's end.
pub fn partial(content: &[u8], request: &Request, headers: &str) -> Reply {
    let range = request.range.clone().expect("a range was asked for");
    let end = range.end.min(content.len() as u64);
    let body = content[range.start as usize..end as usize].to_vec();
    let (first, last, total) = (range.start, end - 1, content.len());
    let length = body.len();
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{total}\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    Reply {
        head,
        body,
        then: Then::KeepAlive,
    }
}

/// 200 with all of it, whatever was asked for.
pub fn whole(content: &[u8]) -> Reply {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        content.len()
    );
    Reply {
        head,
        body: content.to_vec(),
        then: Then::KeepAlive,
    }
}

/// A 200 of known length.
pub fn ok(body: Vec<u8>, headers: &str) -> Reply {
    let length = body.len();
    Reply {
        head: format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{headers}\r\n"),
        body,
        then: Then::KeepAlive,
    }
}

/// A 200 in chunks, which ends with `trailers` (each line with its CRLF).
pub fn chunked(body: &[u8], headers: &str, trailers: &str) -> Reply {
    in_chunks_of(30_000, body, headers, trailers)
}

pub fn in_chunks_of(chunk_bytes: usize, body: &[u8], headers: &str, trailers: &str) -> Reply {
    let mut chunks = Vec::new();
    for chunk in body.chunks(chunk_bytes) {
        chunks.extend(format!("{:x}\r\n", chunk.len()).bytes());
        chunks.extend(chunk);
        chunks.extend(b"\r\n");
    }
    chunks.extend(format!("0\r\n{trailers}\r\n").bytes());
    Reply {
        head: format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{headers}\r\n"),
        body: chunks,
        then: Then::KeepAlive,
    }
}

pub fn status(line: &str) -> Reply {
    Reply {
        head: format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n\r\n"),
        body: Vec::new(),
        then: Then::KeepAlive,
    }
}

pub fn redirect(to: &str) -> Reply {
    let head = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
    Reply {
        head,
        body: Vec::new(),
        then: Then::KeepAlive,
    }
}

/// No answer at all.
pub fn silence() -> Reply {
    Reply {
        head: String::new(),
        body: Vec::new(),
        then: Then::Hang,
    }
}

impl Reply {
    /// Sends only `bytes` of the body and then does as told, whatever length was promised.
    pub fn cut(mut self, bytes: usize, then: Then) -> Self {
        self.body.truncate(bytes);
        self.then = then;
        self
    }
}
