//! Two machines of the kernel's: its own TCP crosses a wire that delays and loses, and what each flow got is told.
//! Needs root; without it the tests say so and pass.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use testkit::driver::{Wire, WireConfig, wait_until};
use testkit::{Flow, LinkConfig, Transport};

const DEADLINE: Duration = Duration::from_secs(30);
const BYTES: usize = 300_000;

fn wire(out: LinkConfig) -> Option<Wire> {
    let config = WireConfig {
        out,
        ..WireConfig::default()
    };
    match Wire::new(&config) {
        Ok(wire) => Some(wire),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

#[test]
fn tcp_crosses_a_wire_that_loses_packets() {
    let Some(wire) = wire(LinkConfig {
        delay: Duration::from_millis(2),
        loss: 0.05,
        ..LinkConfig::datagrams()
    }) else {
        return;
    };
    let at = SocketAddr::from((wire.far().address(), 0));
    let listener = wire.far().enter(|| TcpListener::bind(at)).unwrap();
    let to = listener.local_addr().unwrap();
    let reader = thread::spawn(move || {
        let mut received = Vec::new();
        listener
            .accept()
            .unwrap()
            .0
            .read_to_end(&mut received)
            .unwrap();
        received
    });
    let mut stream = wire.near().enter(|| TcpStream::connect(to)).unwrap();
    let from = stream.local_addr().unwrap();
    let sent: Vec<u8> = (0..BYTES).map(|at| at as u8).collect();
    stream.write_all(&sent).unwrap();
    drop(stream);
    assert_eq!(reader.join().unwrap(), sent);
    let carried = wire.out();
    let flow = Flow {
        transport: Transport::Tcp,
        from_port: from.port(),
        to_port: to.port(),
    };
    assert!(carried.flow_bytes[&flow] > BYTES as u64, "{carried:?}");
    assert!(carried.path.lost > 0, "{carried:?}");
    assert!(wire.back().path.forwarded > 0, "what acknowledges them");
}

#[test]
fn a_packet_is_never_early() {
    let delay = Duration::from_millis(30);
    let Some(wire) = wire(LinkConfig {
        delay,
        ..LinkConfig::datagrams()
    }) else {
        return;
    };
    let bind = |address| move || UdpSocket::bind(SocketAddr::from((address, 0)));
    let from = wire.near().enter(bind(wire.near().address())).unwrap();
    let to = wire.far().enter(bind(wire.far().address())).unwrap();
    to.set_read_timeout(Some(DEADLINE)).unwrap();
    let sent_at = Instant::now();
    from.send_to(b"hello", to.local_addr().unwrap()).unwrap();
    let mut buffer = [0; 16];
    let (len, source) = to.recv_from(&mut buffer).unwrap();
    assert!(sent_at.elapsed() >= delay);
    assert_eq!(
        (&buffer[..len], source),
        (&b"hello"[..], from.local_addr().unwrap())
    );
}

#[test]
fn a_queue_that_is_full_drops_what_comes() {
    let Some(wire) = wire(LinkConfig {
        rate_bytes_per_s: Some(100_000),
        queue_bytes: 10_000,
        ..LinkConfig::datagrams()
    }) else {
        return;
    };
    let from = SocketAddr::from((wire.near().address(), 0));
    let from = wire.near().enter(|| UdpSocket::bind(from)).unwrap();
    let nobody = SocketAddr::from((wire.far().address(), 9));
    for _ in 0..100 {
        from.send_to(&[0; 1000], nobody).unwrap();
    }
    let all = || wire.out().path.received >= 100;
    assert!(wait_until(DEADLINE, all));
    assert!(wire.out().path.dropped_full > 0, "{:?}", wire.out());
    let gone = || wire.out().path.in_flight == 0;
    assert!(wait_until(DEADLINE, gone));
    let path = wire.out().path;
    assert_eq!(path.received, path.forwarded + path.dropped_full);
}

#[test]
fn programs_run_on_a_machine() {
    let Some(wire) = wire(LinkConfig::datagrams()) else {
        return;
    };
    let mut command = wire.far().command("ip");
    let output = command.args(["-4", "-o", "address"]).output().unwrap();
    let addresses = String::from_utf8(output.stdout).unwrap();
    assert!(
        addresses.contains(&wire.far().address().to_string()),
        "{addresses}"
    );
}
