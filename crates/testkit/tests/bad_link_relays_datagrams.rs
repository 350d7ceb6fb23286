//! The relay between real sockets: who hears whom, and what an impairment does.

#![allow(clippy::unwrap_used)]

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use testkit::LinkConfig;
use testkit::driver::{BadLink, BadLinkConfig, Ways, wait_until};

/// Only a hang reaches it.
const LIMIT: Duration = Duration::from_secs(20);

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (len, from) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..len].to_vec(), from)
}

/// A server, and a bad link before it.
fn server_behind(config: BadLinkConfig) -> (UdpSocket, BadLink) {
    let server = socket();
    let link = BadLink::to_udp(server.local_addr().unwrap(), config).unwrap();
    (server, link)
}

fn client_of(link: &BadLink) -> UdpSocket {
    let client = socket();
    client.connect(link.address()).unwrap();
    client
}

#[test]
fn both_ways_and_clients_are_kept_apart() {
    let (server, link) = server_behind(BadLinkConfig::default());
    let clients = [client_of(&link), client_of(&link)];
    let mut seen = Vec::new();
    for (n, client) in clients.iter().enumerate() {
        client.send(&[n as u8]).unwrap();
        let (bytes, from) = receive(&server);
        assert_eq!(bytes, [n as u8]);
        seen.push(from);
    }
    assert_ne!(seen[0], seen[1], "the server could not tell them apart");
    for (n, from) in seen.iter().enumerate().rev() {
        server.send_to(&[10 + n as u8], from).unwrap();
    }
    for (n, client) in clients.iter().enumerate() {
        assert_eq!(receive(client), (vec![10 + n as u8], link.address()));
    }
    let stats = link.control().stats();
    assert_eq!((stats.up.forwarded, stats.down.forwarded), (2, 2));
    assert_eq!((stats.clients, stats.servers, stats.unsent), (2, 1, 0));
    assert_eq!(stats.up.forwarded_bytes, 2);
}

#[test]
fn clients_that_move_are_seen_elsewhere_and_notice_nothing() {
    let (server, link) = server_behind(BadLinkConfig::default());
    let client = client_of(&link);
    client.send(b"here").unwrap();
    let (_, before) = receive(&server);
    link.control().move_clients();
    // The relay moves them as soon as it looks.
    let mut after = before;
    let moved = wait_until(LIMIT, || {
        client.send(b"there").unwrap();
        after = receive(&server).1;
        after != before
    });
    assert!(moved);
    assert_ne!(after.port(), before.port());
    if cfg!(target_os = "linux") {
        assert_ne!(after.ip(), before.ip());
    }
    // What goes to where the client was is lost; what goes to where it is arrives.
    server.send_to(b"old", before).unwrap();
    server.send_to(b"new", after).unwrap();
    assert_eq!(receive(&client), (b"new".to_vec(), link.address()));
}

#[test]
fn a_delay_passes_before_a_datagram_arrives() {
    let delay = Duration::from_millis(60);
    let config = LinkConfig {
        delay,
        ..LinkConfig::datagrams()
    };
    let (server, link) = server_behind(BadLinkConfig::both(config));
    let client = client_of(&link);
    let sent_at = Instant::now();
    client.send(b"there").unwrap();
    let (_, from) = receive(&server);
    assert!(sent_at.elapsed() >= delay);
    server.send_to(b"back", from).unwrap();
    receive(&client);
    assert!(sent_at.elapsed() >= 2 * delay);
}

#[test]
fn a_cut_way_drops_and_a_restored_one_carries_again() {
    let (server, link) = server_behind(BadLinkConfig::default());
    let client = client_of(&link);
    client.send(b"before").unwrap();
    let (_, from) = receive(&server);

    link.control().cut(Ways::Up, false);
    client.send(b"during").unwrap();
    let dropped = || link.control().stats().up.dropped_cut == 1;
    assert!(wait_until(LIMIT, dropped));
    server.send_to(b"the other way", from).unwrap();
    assert_eq!(receive(&client).0, b"the other way");

    link.control().restore();
    client.send(b"after").unwrap();
    assert_eq!(receive(&server).0, b"after");

    link.control()
        .cut_for(Ways::Both, Duration::from_millis(30), false);
    assert!(wait_until(LIMIT, || {
        client.send(b"again").unwrap();
        link.control().stats().up.forwarded >= 3
    }));
    assert_eq!(receive(&server), (b"again".to_vec(), from));
}

#[test]
fn impairments_can_be_changed_while_it_runs() {
    let (server, link) = server_behind(BadLinkConfig::default());
    let client = client_of(&link);
    let set = |config| link.control().set(Ways::Up, config);

    set(LinkConfig {
        duplication: 1.0,
        ..LinkConfig::datagrams()
    });
    client.send(b"twice").unwrap();
    assert_eq!(receive(&server).0, b"twice");
    assert_eq!(receive(&server).0, b"twice");

    set(LinkConfig {
        loss: 1.0,
        ..LinkConfig::datagrams()
    });
    client.send(b"lost").unwrap();
    assert!(wait_until(LIMIT, || link.control().stats().up.lost == 1));

    set(LinkConfig {
        rate_bytes_per_s: Some(1),
        queue_bytes: 10,
        ..LinkConfig::datagrams()
    });
    client.send(b"more than the queue holds").unwrap();
    let dropped = || link.control().stats().up.dropped_full == 1;
    assert!(wait_until(LIMIT, dropped));

    set(LinkConfig::datagrams());
    client.send(b"whole").unwrap();
    assert_eq!(receive(&server).0, b"whole");
}

#[test]
fn clients_beyond_the_256th_are_refused() {
    let (server, link) = server_behind(BadLinkConfig::default());
    let clients: Vec<_> = (0..256).map(|_| client_of(&link)).collect();
    for client in &clients {
        client.send(b"x").unwrap();
        receive(&server);
    }
    let late = client_of(&link);
    late.send(b"x").unwrap();
    assert!(wait_until(LIMIT, || link.control().stats().refused == 1));
    assert_eq!(link.control().stats().clients, 256);
    clients[63].send(b"still served").unwrap();
    assert_eq!(receive(&server).0, b"still served");
}

/// A server that is restarted at its port is found again, by the same client.
#[test]
fn a_server_that_is_away_does_not_end_the_link() {
    let (server, link) = server_behind(BadLinkConfig::default());
    let client = client_of(&link);
    client.send(b"x").unwrap();
    let (_, from) = receive(&server);
    let address = server.local_addr().unwrap();
    drop(server);
    for _ in 0..10 {
        client.send(b"nobody hears it").unwrap();
    }
    let all_gone = || link.control().stats().up.forwarded == 11;
    assert!(wait_until(LIMIT, all_gone));

    let server = UdpSocket::bind(address).unwrap();
    server.set_read_timeout(Some(LIMIT)).unwrap();
    client.send(b"heard").unwrap();
    // One of those before may have been on its way still.
    while receive(&server) != (b"heard".to_vec(), from) {}
}

#[test]
fn it_ends_when_dropped() {
    let (_server, link) = server_behind(BadLinkConfig::default());
    let address = link.address();
    drop(link);
    UdpSocket::bind(address).unwrap();
}
