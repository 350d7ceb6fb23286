//! An MJPEG client over a socket of its own, so that it can read slowly, or not at all.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::{DEADLINE, Server};

/// Kept small, or the kernel would read megabytes on behalf of a client that reads nothing.
const RECEIVE_BUFFER_BYTES: u32 = 16 << 10;

/// One part of the answer.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) jpeg: Vec<u8>,
    headers: HashMap<String, String>,
}

impl Part {
    fn number<T: std::str::FromStr>(&self, name: &str) -> T {
        let text = self
            .headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name}: {:?}", self.headers));
        text.parse().unwrap_or_else(|_| panic!("{name}: {text}"))
    }

    pub(crate) fn frame(&self) -> u64 {
        self.number("x-frame-id")
    }

    pub(crate) fn quality(&self) -> u8 {
        self.number("x-quality")
    }

    /// Place in the content, in seconds.
    pub(crate) fn timestamp(&self) -> f64 {
        self.number("x-timestamp")
    }

    /// When the server showed it, in seconds since 1970.
    pub(crate) fn released(&self) -> f64 {
        self.number("x-released")
    }
}

/// A client.
pub(crate) struct Mjpeg {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// Bytes per second that it reads, if it is slow, with what it has read and since when.
    pace: Option<(f64, usize, Instant)>,
}

impl Mjpeg {
    /// Asks for `path`; has read the answer's head.
    pub(crate) async fn open(server: &Server, path: &str) -> Self {
        let address = server.address().strip_prefix("http://").unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).unwrap();
        let mut socket = socket.connect(address.parse().unwrap()).await.unwrap();
        // HTTP/1.0 has no chunks: what comes is the body as it is.
        let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut client = Self {
            socket,
            buffer: Vec::new(),
            pace: None,
        };
        let head = client.until(b"\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
        assert!(head.contains("multipart/x-mixed-replace"), "{head}");
        client
    }

    /// Reads no more than so many bits per second from now on.
    pub(crate) fn at_kbps(mut self, kbps: u32) -> Self {
        self.pace = Some((f64::from(kbps) * 125.0, 0, Instant::now()));
        self
    }

    pub(crate) async fn part(&mut self) -> Part {
        let head = self.until(b"\r\n\r\n").await;
        assert!(
            head.trim_start().starts_with("--frameway-frame\r\n"),
            "{head}"
        );
        let headers = head.lines().filter_map(|line| line.split_once(": "));
        let headers: HashMap<_, _> = headers
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length: usize = headers["content-length"].parse().unwrap();
        while self.buffer.len() < length {
            self.read().await;
        }
        let jpeg = self.buffer.drain(..length).collect();
        Part { jpeg, headers }
    }

    pub(crate) async fn parts(&mut self, count: usize) -> Vec<Part> {
        let mut parts = Vec::new();
        for _ in 0..count {
            parts.push(self.part().await);
        }
        parts
    }

    async fn until(&mut self, end: &[u8]) -> String {
        loop {
            let found = self.buffer.windows(end.len()).position(|it| it == end);
            if let Some(at) = found {
                let head = self.buffer.drain(..at + end.len()).collect();
                return String::from_utf8(head).unwrap();
            }
            self.read().await;
        }
    }

    async fn read(&mut self) {
        if let Some((bytes_per_second, read, since)) = self.pace {
            let due = since + Duration::from_secs_f64(read as f64 / bytes_per_second);
            tokio::time::sleep_until(due.into()).await;
        }
        let mut bytes = [0; 4096];
        let read = tokio::time::timeout(DEADLINE, self.socket.read(&mut bytes)).await;
        let read = read.expect("no frame in time").unwrap();
        assert!(read > 0, "the server closed the stream");
        self.buffer.extend_from_slice(&bytes[..read]);
        if let Some((_, paced, _)) = &mut self.pace {
            *paced += read;
        }
    }
}

/// Bits per second of these parts, by the server's own clock.
pub(crate) fn bitrate_bps(parts: &[Part]) -> f64 {
    let bytes: usize = parts.iter().skip(1).map(|part| part.jpeg.len()).sum();
    let seconds = parts.last().unwrap().released() - parts[0].released();
    bytes as f64 * 8.0 / seconds
}
