//! One HTTP request through a bad link, and its response: descriptions and places of WebTransport sessions rewritten,
//! what was upgraded (a WebSocket) handed to `tunnel`, everything else as it is.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::control::Shared;
use super::http::SILENCE;
use super::tunnel::tunnel;
use crate::http_head::{Head, end_of_head};
use crate::rewrite_candidates;

/// What a head may have, as in most servers.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// What a request's body may have, and a description. Other responses pass as they come, whatever their length.
const MAX_BODY_BYTES: usize = 1 << 20;
/// How long a whole request may take to come.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How long, and how much, of a refused request is read on, so that the client gets to read why.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_READS: usize = 256;

/// Types that hold candidates: descriptions, and what is trickled (RFC 8840).
const DESCRIPTIONS: [&str; 2] = ["application/sdp", "application/trickle-ice-sdpfrag"];

pub(super) struct Exchange {
    pub(super) id: u64,
    pub(super) server: SocketAddr,
    pub(super) relay_ip: IpAddr,
    pub(super) shared: Arc<Shared>,
}

/// What in a body tells where UDP goes.
#[derive(Clone, Copy)]
enum Told {
    /// Candidates of a description.
    Candidates,
    /// The port of a server of WebTransport, in JSON.
    Port,
}

/// Why a request has another response than the server's.
struct Refusal {
    status: &'static str,
    why: String,
}

fn refuse<T>(status: &'static str, why: impl Into<String>) -> Result<T, Refusal> {
    let why = why.into();
    Err(Refusal { status, why })
}

/// A whole request, for the server.
struct Request {
    head: Head,
    body: Vec<u8>,
}

/// What the server answered with.
enum Response {
    /// All of it.
    Whole(Vec<u8>),
    /// The beginning, and the connection on which the rest comes.
    Streamed(Vec<u8>, TcpStream),
    /// The answer to an upgrade, and the connection that is no HTTP any more.
    Upgraded(Vec<u8>, TcpStream),
}

impl Exchange {
    pub(super) fn run(self, mut client: TcpStream) {
        let response = read_request(&mut client).and_then(|request| self.ask(&request));
        let is_refused = response.is_err();
        {
            let counts = &mut self.shared.lock().counts;
            counts.requests += u64::from(!is_refused);
            counts.requests_refused += u64::from(is_refused);
            counts.upgrades += u64::from(matches!(response, Ok(Response::Upgraded(..))));
        }
        // Who reads it may be gone; there is nobody to tell.
        let _ = match response {
            Ok(Response::Whole(bytes)) => client.write_all(&bytes),
            Ok(Response::Streamed(begin, mut server)) => client
                .write_all(&begin)
                .and_then(|()| io::copy(&mut server, &mut client).map(drop)),
            Ok(Response::Upgraded(begin, server)) => client
                .write_all(&begin)
                .and_then(|()| tunnel(&client, &server)),
            Err(refusal) => client.write_all(&refusal.to_bytes()),
        };
        // In a cut the client sees a reset, not an orderly end.
        if !self.shared.is_http_cut() {
            let _ = client.shutdown(Shutdown::Write);
            if is_refused {
                read_on(&mut client);
            }
        }
        self.shared.disconnected(self.id);
    }

    fn ask(&self, request: &Request) -> Result<Response, Refusal> {
        let server_gone = |error: io::Error| Refusal {
            status: "502 Bad Gateway",
            why: format!("{}: {error}", self.server),
        };
        let mut server = self.connect(request).map_err(server_gone)?;
        let (mut head, begin) = match read_head(&mut server, SILENCE) {
            Ok(read) => read,
            Err(refusal) => return refuse("502 Bad Gateway", refusal.why),
        };
        if asks_to_upgrade(&request.head) && head.start_line.contains(" 101 ") {
            return Ok(Response::Upgraded(
                [head.to_bytes(), begin].concat(),
                server,
            ));
        }
        head.set("Connection", "close");
        let told = match () {
            () if request.head.start_line.starts_with("HEAD ") => None,
            () if is_description(&head) => Some(Told::Candidates),
            () if is_webtransport(&request.head) => Some(Told::Port),
            () => None,
        };
        let Some(told) = told else {
            server
                .set_read_timeout(Some(SILENCE))
                .map_err(server_gone)?;
            return Ok(Response::Streamed(
                [head.to_bytes(), begin].concat(),
                server,
            ));
        };
        let body = self.description(&mut server, &head, begin, told)?;
        head.set("Content-Length", &body.len().to_string());
        Ok(Response::Whole([head.to_bytes(), body].concat()))
    }

    fn connect(&self, request: &Request) -> io::Result<TcpStream> {
        let mut server = TcpStream::connect_timeout(&self.server, CONNECT_DEADLINE)?;
        server.set_nodelay(true)?;
        server.set_write_timeout(Some(REQUEST_DEADLINE))?;
        self.shared.connected_on(self.id, server.try_clone()?)?;
        // In one piece: some servers read a request that fits in one at once.
        server.write_all(&[&*request.head.to_bytes(), &request.body].concat())?;
        Ok(server)
    }

    /// The rest of a description, with this link's candidates in it.
    fn description(
        &self,
        server: &mut TcpStream,
        head: &Head,
        begin: Vec<u8>,
        told: Told,
    ) -> Result<Vec<u8>, Refusal> {
        const STATUS: &str = "502 Bad Gateway";
        let unreadable = ["Transfer-Encoding", "Content-Encoding"];
        if let Some(name) = unreadable.iter().find(|name| head.get(name).is_some()) {
            return refuse(STATUS, format!("the server's description has a {name}"));
        }
        let Some(len) = content_length(head) else {
            return refuse(STATUS, "the server's description has no Content-Length");
        };
        if len > MAX_BODY_BYTES {
            return refuse(STATUS, "the server's description is larger than 1 MiB");
        }
        let body = read_body(server, begin, len, SILENCE);
        let Ok(Ok(sdp)) = body.map(String::from_utf8) else {
            return refuse(STATUS, "the server's description is cut off, or no text");
        };
        let listen = SocketAddr::new(self.relay_ip, 0);
        if let Told::Port = told {
            let stands_for = |port| {
                let server = SocketAddr::new(self.server.ip(), port);
                let address = self.shared.add_webtransport(server, listen).ok()?;
                Some(address.port())
            };
            return Ok(rewrite_port(&sdp, stands_for).into_bytes());
        }
        let rewritten = rewrite_candidates(&sdp, |it| self.shared.add_route(it, listen).ok());
        let counts = &mut self.shared.lock().counts;
        counts.candidates_rewritten += rewritten.rewritten as u64;
        counts.candidates_dropped += rewritten.dropped as u64;
        Ok(rewritten.sdp.into_bytes())
    }
}

impl Refusal {
    fn to_bytes(&self) -> Vec<u8> {
        let Self { status, why } = self;
        let body = format!("bad link: {why}\n");
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

fn read_request(client: &mut TcpStream) -> Result<Request, Refusal> {
    let (mut head, begin) = read_head(client, REQUEST_DEADLINE)?;
    if head.get("Transfer-Encoding").is_some() {
        return refuse("411 Length Required", "bodies need a Content-Length");
    }
    let has_length = head.get("Content-Length").is_some();
    let Some(len) = (if has_length {
        content_length(&head)
    } else {
        Some(0)
    }) else {
        return refuse("400 Bad Request", "the Content-Length is no number");
    };
    if len > MAX_BODY_BYTES {
        return refuse("413 Content Too Large", "the body is larger than 1 MiB");
    }
    if head.get("Expect").is_some() {
        // Whether the client is still there shows with the body.
        let _ = client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    let Ok(body) = read_body(client, begin, len, REQUEST_DEADLINE) else {
        return refuse("408 Request Timeout", "the body did not come in time");
    };
    head.remove("Expect");
    head.remove("Keep-Alive");
    let upgrade = asks_to_upgrade(&head);
    head.set("Connection", if upgrade { "Upgrade" } else { "close" });
    Ok(Request { head, body })
}

/// A head, and what has come of the body with it.
fn read_head(stream: &mut TcpStream, deadline: Duration) -> Result<(Head, Vec<u8>), Refusal> {
    let give_up_at = Instant::now() + deadline;
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = end_of_head(&bytes) {
            let body = bytes.split_off(end);
            return match Head::parse(&bytes) {
                Some(head) => Ok((head, body)),
                None => refuse("400 Bad Request", "not an HTTP head"),
            };
        }
        if bytes.len() >= MAX_HEAD_BYTES {
            return refuse(
                "431 Request Header Fields Too Large",
                "the head does not end within 64 KiB",
            );
        }
        if read_some(stream, &mut bytes, give_up_at).is_err() {
            return refuse("408 Request Timeout", "the head did not come in time");
        }
    }
}

fn read_body(
    stream: &mut TcpStream,
    begin: Vec<u8>,
    len: usize,
    deadline: Duration,
) -> io::Result<Vec<u8>> {
    let give_up_at = Instant::now() + deadline;
    let mut body = begin;
    while body.len() < len {
        read_some(stream, &mut body, give_up_at)?;
    }
    body.truncate(len);
    Ok(body)
}

/// Appends what has come, at least a byte.
fn read_some(stream: &mut TcpStream, bytes: &mut Vec<u8>, give_up_at: Instant) -> io::Result<()> {
    let left = give_up_at.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    stream.set_read_timeout(Some(left))?;
    let mut chunk = [0; 16 << 10];
    let len = stream.read(&mut chunk)?;
    if len == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    bytes.extend_from_slice(&chunk[..len]);
    Ok(())
}

/// Reads what a refused client still sends: closing before would reset the connection, and lose the response.
fn read_on(client: &mut TcpStream) {
    let give_up_at = Instant::now() + LINGER;
    let mut unread = Vec::new();
    for _ in 0..LINGER_READS {
        if read_some(client, &mut unread, give_up_at).is_err() {
            break;
        }
        unread.clear();
    }
}

fn content_length(head: &Head) -> Option<usize> {
    head.get("Content-Length")?.parse().ok()
}

/// Whether it asks for another protocol on its connection (RFC 9110 §7.8).
fn asks_to_upgrade(request: &Head) -> bool {
    let connection = request.get("Connection").unwrap_or_default();
    let mut options = connection.split(',').map(str::trim);
    request.get("Upgrade").is_some() && options.any(|it| it.eq_ignore_ascii_case("upgrade"))
}

/// Whether it asks a Frameway server for a place for a WebTransport session.
fn is_webtransport(request: &Head) -> bool {
    request.start_line.starts_with("POST /lanes/webtransport")
}

/// The first `"port":NUMBER` by the one that `stands_for` it.
fn rewrite_port(json: &str, stands_for: impl FnOnce(u16) -> Option<u16>) -> String {
    const NAME: &str = "\"port\":";
    let rewritten = json.find(NAME).and_then(|at| {
        let (before, rest) = json.split_at(at + NAME.len());
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (port, after) = rest.split_at(end);
        let port = stands_for(port.parse().ok()?)?;
        Some(format!("{before}{port}{after}"))
    });
    rewritten.unwrap_or_else(|| json.to_owned())
}

fn is_description(head: &Head) -> bool {
    let kind = head.get("Content-Type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    DESCRIPTIONS
        .iter()
        .any(|description| kind.eq_ignore_ascii_case(description))
}
