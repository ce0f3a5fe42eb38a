//! Connections to the broker: who is let in, what ends one, and which sockets a service is handed.

use super::served::stage;
use super::serviced::{house, house_for};
use super::support::root;
use crate::serve::Identities;
use doorward_wire::broker::{FromBroker, RequestId, Service, ToBroker};
use doorward_wire::frame;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[test]
fn a_peer_of_the_wrong_account_is_not_welcome() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.connect(Service::Proxy);
    assert!(matches!(peer.next(), FromBroker::Unwelcome { .. }));
    assert!(peer.closed());
}

#[test]
fn a_message_of_the_other_service_ends_the_connection() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    peer.send(&ToBroker::CheckBinds { request: RequestId::new(), paths: vec![] }, &[]);
    assert!(peer.closed());
    let proxy = house_for((4242, 4242), (0, 0));
    let mut peer = proxy.connect(Service::Proxy);
    assert!(matches!(peer.next(), FromBroker::Welcome { .. }));
    let (_, out) = std::io::pipe().unwrap();
    peer.send(&peer.ask(vec![stage(&["id"])]), &[out.as_fd(), out.as_fd()]);
    assert!(peer.closed(), "a proxy ran a command");
}

#[test]
fn sockets_have_the_owners_and_modes_that_let_only_their_users_in() {
    if !root() {
        return;
    }
    let house = house_for((4242, 4243), (4244, 4245));
    let _sockets = [Service::Gateway, Service::Proxy].map(|service| house.broker.listeners.open_for(service));
    let facts = |path: &str| {
        let facts = std::fs::metadata(house.dir.path().join("run").join(path)).unwrap();
        (facts.uid(), facts.gid(), facts.mode() & 0o7777)
    };
    let spawn = house.broker.policy.workers["hermes"].spawn_uid;
    assert_eq!(facts("broker.sock"), (4242, 4245, 0o660));
    assert_eq!(facts("gateway.sock"), (0, 0, 0o666));
    assert_eq!(facts("workers/hermes/docker.sock"), (0, spawn, 0o660));
    assert_eq!(facts("workers/hermes"), (0, 0, 0o755));
    assert_eq!(facts(""), (0, 0, 0o755));
}

#[test]
fn runs_kept_under_a_stand_in_are_handed_to_the_account_that_was_made_since() {
    if !root() {
        return;
    }
    let house = house_for((4242, 4243), (4244, 4245));
    let state = house.dir.path().join("state");
    let runs = state.join("runs");
    std::fs::write(runs.join("runs.db"), "rows").unwrap();
    std::os::unix::fs::lchown(runs.join("runs.db"), Some(4242), Some(4243)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", runs.join("link")).unwrap();
    let others = std::fs::metadata("/etc/passwd").unwrap().uid();
    let identities = Identities { gateway: (4343, 4344), proxy: (4244, 4245), rootless: false };
    crate::listeners::runs_folder(&state, &identities).unwrap();
    let owner = |path: PathBuf| std::fs::symlink_metadata(path).unwrap().uid();
    assert_eq!((owner(runs.clone()), owner(runs.join("runs.db"))), (4343, 4343));
    assert_eq!(std::fs::metadata("/etc/passwd").unwrap().uid(), others, "links are not followed");
}

#[test]
fn the_host_is_told_with_whether_the_proxy_is_there() {
    if !root() {
        return;
    }
    let house = house_for((0, 0), (0, 0));
    let mut peer = house.connect(Service::Gateway);
    let _sockets = peer.next_with_fds();
    let mut proxy = || {
        peer.send(&ToBroker::Host { request: RequestId::new() }, &[]);
        let FromBroker::Host { host, .. } = peer.next() else { panic!("the host is asked for") };
        host.facts["proxy"].clone()
    };
    let mut becomes = |wanted: &str| {
        (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            proxy() == wanted
        })
    };
    assert!(becomes("gone"));
    let mut other = house.connect(Service::Proxy);
    let sockets = other.next_with_fds();
    assert!(becomes("connected"));
    drop((other, sockets));
    assert!(becomes("gone"));
}

#[test]
fn the_socket_of_a_service_that_is_gone_refuses_at_once() {
    let house = house();
    let gateway_sock = house.dir.path().join("run/gateway.sock");
    let mut peer = house.connect(Service::Gateway);
    let (_, sockets) = peer.next_with_fds();
    assert!(UnixStream::connect(&gateway_sock).is_ok(), "the service listens");
    // An answer tells that the welcome, and with it the broker's own copy of the socket, is done with.
    peer.send(&ToBroker::Host { request: RequestId::new() }, &[]);
    assert!(matches!(peer.next(), FromBroker::Host { .. }));
    drop(sockets);
    // A command that another test starts at this moment has a copy until its own first step closes it.
    let refused = (0..500).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        UnixStream::connect(&gateway_sock).err()
    });
    assert_eq!(refused.map(|error| error.kind()), Some(std::io::ErrorKind::ConnectionRefused));
    let mut next = house.connect(Service::Gateway);
    let _sockets = next.next_with_fds();
    assert!(UnixStream::connect(&gateway_sock).is_ok(), "the service is back");
}

#[test]
fn garbage_ends_a_connection_and_not_the_broker() {
    if !root() {
        return;
    }
    use std::io::Write;
    let house = house();
    for garbage in [&b"\xff\xff\xff\xff\xff"[..], b"\0\0\0\x02\0{}", b"GET / HTTP/1.1\r\n\r\n"] {
        let mut socket = UnixStream::connect(house.sock()).unwrap();
        socket.write_all(garbage).unwrap();
        let mut rest = Vec::new();
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let _ = socket.read_to_end(&mut rest);
    }
    let mut peer = house.gateway();
    peer.send(&ToBroker::Host { request: RequestId::new() }, &[]);
    assert!(matches!(peer.next(), FromBroker::Host { last_seq, .. } if last_seq >= 2));
}

#[test]
fn a_peer_that_asks_and_does_not_read_is_given_up() {
    if !root() {
        return;
    }
    let house = house();
    let peer = house.gateway();
    peer.socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let question = ToBroker::Host { request: RequestId("unread".into()) };
    let end = (0..1_000_000).find_map(|_| frame::send(&peer.socket, &question, &[]).err());
    assert!(end.is_some(), "the broker kept every answer");
    house.gateway();
}

#[test]
fn an_account_cannot_hold_all_connections() {
    if !root() {
        return;
    }
    let house = house();
    let first = house.gateway();
    let held: Vec<_> = (0..100).map(|_| UnixStream::connect(house.sock()).unwrap()).collect();
    let closed = |socket: &UnixStream| {
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let read = (&*socket).read(&mut [0]);
        !matches!(read, Err(ref error) if error.kind() == std::io::ErrorKind::WouldBlock)
    };
    assert!(closed(held.last().unwrap()), "the last one is turned away");
    drop(held);
    drop(first);
    // Places come back as the broker sees the ends.
    let until = Instant::now() + Duration::from_secs(10);
    while house.broker.connections() > 0 {
        assert!(Instant::now() < until, "places do not come back");
        std::thread::sleep(Duration::from_millis(10));
    }
    house.gateway();
}
