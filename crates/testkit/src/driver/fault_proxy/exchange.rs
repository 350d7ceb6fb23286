//! One connection of a fault proxy: requests passed on one after another, answers spoilt as was asked for.
//!
//! Each request has a connection of its own to the server, so that a body ends where that does or where its head says.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::{Fault, SeenRequest, Shared};
use crate::http_head::{Head, end_of_head};

/// The largest head.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// One piece of a body.
const PIECE_BYTES: usize = 16 << 10;
/// Pieces on their way through the link: what is in flight at 1 Gbit/s and 80 ms is more, and then waits.
const PIECES_IN_FLIGHT: usize = 256;
/// How long a hanging connection is looked at before the test's end is.
const LOOK: Duration = Duration::from_millis(50);

/// Serves a client until it goes, or until an answer cannot be followed by another.
pub(super) fn run(client: &TcpStream, shared: &Shared) {
    let _ = client.set_nodelay(true);
    thread::sleep(shared.link.shape.round_trip);
    while let Ok(Some(head)) = read_head(client) {
        match exchange(client, head, shared) {
            Ok(true) => {}
            _ => break,
        }
    }
    let _ = client.shutdown(std::net::Shutdown::Both);
}

/// Whether another request may follow.
fn exchange(client: &TcpStream, mut head: Head, shared: &Shared) -> io::Result<bool> {
    let mut words = head.start_line.split(' ').map(str::to_owned);
    let seen = SeenRequest {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        range: head.get("range").map(str::to_owned),
        accept: head.get("accept").map(str::to_owned),
    };
    let is_head = seen.method == "HEAD";
    let body = request_body(client, &head)?;
    let (fault, server) = {
        let mut state = shared.lock();
        (state.requested(seen), state.server)
    };
    match fault {
        Fault::Delay(by) => thread::sleep(by),
        Fault::Hang => return hang(client, shared),
        Fault::Status(status, retry_after) => return refuse(client, status, retry_after),
        Fault::IgnoreRange => head.remove("range"),
        _ => {}
    }
    let server = server.ok_or(io::ErrorKind::NotConnected)?;
    let mut upstream = TcpStream::connect(server)?;
    head.set("Connection", "close");
    upstream.write_all(&head.to_bytes())?;
    upstream.write_all(&body)?;
    thread::sleep(shared.link.shape.round_trip);
    let mut upstream = BufReader::new(upstream);
    let answer = read_answer_head(&mut upstream)?;
    let whole = Body::of(&answer, is_head);
    pass_on(client, shared, answer, whole, upstream, fault)
}

/// How an answer's body ends (RFC 9112 §6.3).
#[derive(Clone, Copy, PartialEq)]
enum Body {
    None,
    Length(u64),
    Chunked,
    ToTheEnd,
}

impl Body {
    fn of(answer: &Head, is_head: bool) -> Self {
        let status = answer.start_line.split(' ').nth(1).unwrap_or_default();
        let chunked = answer.get("transfer-encoding");
        if is_head || matches!(status, "204" | "304") {
            Self::None
        } else if chunked.is_some_and(|it| it.eq_ignore_ascii_case("chunked")) {
            Self::Chunked
        } else {
            let length = answer.get("content-length").and_then(|it| it.parse().ok());
            length.map_or(Self::ToTheEnd, Self::Length)
        }
    }
}

/// Sends an answer with its fault; the body goes over the link.
fn pass_on(
    mut client: &TcpStream,
    shared: &Shared,
    mut answer: Head,
    body: Body,
    mut upstream: BufReader<TcpStream>,
    fault: Fault,
) -> io::Result<bool> {
    let body_bytes = match (body, fault) {
        (Body::Length(length), Fault::Truncate(at)) => {
            answer.set("Content-Length", &length.min(at).to_string());
            length.min(at)
        }
        (Body::Length(length), _) => length,
        (Body::None, _) => 0,
        (_, Fault::Truncate(at)) => at,
        _ => u64::MAX,
    };
    answer.remove("connection");
    client.write_all(&answer.to_bytes())?;
    let chunked = body == Body::Chunked;
    let trailers = thread::scope(|scope| {
        let (sender, pieces) = sync_channel(PIECES_IN_FLIGHT);
        let reading = scope.spawn(move || {
            let reader = BodyReader::new(&mut upstream, body);
            read_body(reader, body_bytes, shared, &sender)
        });
        if !deliver(client, shared, pieces, chunked, fault)? {
            return Ok(None);
        }
        let trailers = reading.join().map_err(|_| io::ErrorKind::Other)??;
        io::Result::Ok(Some(trailers))
    })?;
    let Some(trailers) = trailers else {
        return Ok(false);
    };
    if chunked {
        client.write_all(format!("0\r\n{trailers}\r\n").as_bytes())?;
    }
    Ok(body != Body::ToTheEnd)
}

/// Reads a body as fast as the link takes it; what stands after it.
fn read_body(
    mut reader: BodyReader<'_, impl BufRead>,
    mut left_bytes: u64,
    shared: &Shared,
    pieces: &SyncSender<Vec<u8>>,
) -> io::Result<String> {
    while left_bytes > 0 {
        let piece = reader.piece(left_bytes)?;
        if piece.is_empty() {
            break;
        }
        left_bytes -= piece.len() as u64;
        sleep_until(shared.link.pass(piece.len(), Instant::now()));
        if pieces.send(piece).is_err() {
            break;
        }
    }
    Ok(reader.trailers)
}

/// Sends a body with its fault; false where nothing may follow it.
fn deliver(
    client: &TcpStream,
    shared: &Shared,
    pieces: Receiver<Vec<u8>>,
    chunked: bool,
    fault: Fault,
) -> io::Result<bool> {
    let mut sent = 0;
    for mut piece in pieces {
        let end = sent + piece.len() as u64;
        let limit = match fault {
            Fault::Cut(at) | Fault::Stall(at) if at < end => Some(at.saturating_sub(sent)),
            _ => None,
        };
        if let Fault::Flip(at) = fault
            && (sent..end).contains(&at)
        {
            piece[(at - sent) as usize] ^= 1;
        }
        piece.truncate(limit.map_or(piece.len(), |it| it as usize));
        send(client, &piece, chunked)?;
        shared.lock().sent(piece.len() as u64);
        sent = end;
        match (limit, fault) {
            (Some(_), Fault::Stall(_)) => return hang(client, shared),
            (Some(_), _) => return Err(io::ErrorKind::ConnectionReset.into()),
            _ => {}
        }
    }
    Ok(true)
}

fn send(mut client: &TcpStream, piece: &[u8], chunked: bool) -> io::Result<()> {
    if piece.is_empty() {
        return Ok(());
    }
    if !chunked {
        return client.write_all(piece);
    }
    let mut framed = format!("{:x}\r\n", piece.len()).into_bytes();
    framed.extend_from_slice(piece);
    framed.extend_from_slice(b"\r\n");
    client.write_all(&framed)
}

fn sleep_until(at: Instant) {
    thread::sleep(at.saturating_duration_since(Instant::now()));
}

/// Says nothing until the client or the proxy goes.
fn hang(mut client: &TcpStream, shared: &Shared) -> io::Result<bool> {
    client.set_read_timeout(Some(LOOK))?;
    let mut byte = [0];
    while !shared.lock().stopped {
        match client.read(&mut byte) {
            Ok(1..) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) => {}
            _ => break,
        }
    }
    Ok(false)
}

fn refuse(mut client: &TcpStream, status: u16, retry_after: Option<u32>) -> io::Result<bool> {
    let mut text = format!("HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\n");
    if let Some(seconds) = retry_after {
        text.push_str(&format!("Retry-After: {seconds}\r\n"));
    }
    text.push_str("\r\n");
    client.write_all(text.as_bytes())?;
    Ok(true)
}

/// The next request's head; `None` when the client is gone.
fn read_head(mut client: &TcpStream) -> io::Result<Option<Head>> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while end_of_head(&bytes).is_none() {
        if bytes.len() == MAX_HEAD_BYTES || client.read(&mut byte)? == 0 {
            return Ok(None);
        }
        bytes.push(byte[0]);
    }
    Ok(Head::parse(&bytes))
}

fn read_answer_head(upstream: &mut impl BufRead) -> io::Result<Head> {
    let mut bytes = Vec::new();
    while end_of_head(&bytes).is_none() {
        let before = bytes.len();
        upstream
            .take(MAX_HEAD_BYTES as u64)
            .read_until(b'\n', &mut bytes)?;
        if bytes.len() == before || bytes.len() > MAX_HEAD_BYTES {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Head::parse(&bytes).ok_or(io::ErrorKind::InvalidData.into())
}

/// A request's body, which is small: a `Content-Length`, or none.
fn request_body(mut client: &TcpStream, head: &Head) -> io::Result<Vec<u8>> {
    let length = head.get("content-length").and_then(|it| it.parse().ok());
    let mut body = vec![0; length.unwrap_or(0).min(MAX_HEAD_BYTES)];
    client.read_exact(&mut body)?;
    Ok(body)
}

/// A server's body without its framing.
struct BodyReader<'a, R> {
    upstream: &'a mut R,
    body: Body,
    /// What is left of a chunk.
    chunk: u64,
    /// The lines after the last chunk, with their ends.
    trailers: String,
}

impl<'a, R: BufRead> BodyReader<'a, R> {
    fn new(upstream: &'a mut R, body: Body) -> Self {
        Self {
            upstream,
            body,
            chunk: 0,
            trailers: String::new(),
        }
    }

    /// The next bytes, at most `most`; none at the end.
    fn piece(&mut self, most: u64) -> io::Result<Vec<u8>> {
        if self.body == Body::Chunked && self.chunk == 0 && !self.next_chunk()? {
            return Ok(Vec::new());
        }
        let within = if self.body == Body::Chunked {
            self.chunk
        } else {
            u64::MAX
        };
        let mut piece = vec![0; most.min(within).min(PIECE_BYTES as u64) as usize];
        let len = self.upstream.read(&mut piece)?;
        piece.truncate(len);
        if len == 0 && self.body != Body::ToTheEnd {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.body == Body::Chunked {
            self.chunk -= len as u64;
            if self.chunk == 0 {
                self.line()?;
            }
        }
        Ok(piece)
    }

    /// Reads a chunk's size; false at the end, with what stands after it.
    fn next_chunk(&mut self) -> io::Result<bool> {
        let line = self.line()?;
        let size = line.split(';').next().unwrap_or_default().trim();
        self.chunk = u64::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        if self.chunk > 0 {
            return Ok(true);
        }
        loop {
            let line = self.line()?;
            if line.trim().is_empty() || self.trailers.len() > MAX_HEAD_BYTES {
                return Ok(false);
            }
            self.trailers.push_str(&line);
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        let mut limited = (&mut *self.upstream).take(MAX_HEAD_BYTES as u64);
        limited.read_line(&mut line)?;
        Ok(line)
    }
}
