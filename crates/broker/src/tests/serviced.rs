//! The whole broker over its socket: peers, records, refusals, running commands.

use super::served::{self, House, asker};
use super::support::root;
use crate::serve::Identities;
use doorward_wire::broker::{
    Asker, Decision, End, FromBroker, HttpRecord, RequestId, Service, Stage, ToBroker,
};
use doorward_wire::frame;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const POLICY: &str = r#"
version = 1
[worker.hermes]
user = "no-such-login-account"
roles = ["look"]
[worker.hermes.limits]
lines = { concurrent = 2, seconds = 1 }
[role.look]
about = "For tests."
[[role.look.command]]
run = "echo {word:name}"
[[role.look.command]]
run = "sleep {seconds:0..1000}"
[[role.look.command]]
run = "cat"
[[role.look.command]]
run = "grep Cap /proc/self/status"
caps = ["net_admin", "dac_read_search"]
[[role.look.command]]
run = "no-such-program-here"
[[role.look.command]]
run = "grep CapBnd /proc/self/status"
[role.look.docker]
verbs = ["version"]
[role.look.docker.run]
binds = [{ host = "/srv/doorward-test-bind", at = "/b" }]
[runs]
redact = ['hunter\d']
"#;

fn house() -> House {
    house_for((0, 0), (4242, 4242))
}

fn house_for(gateway: (u32, u32), proxy: (u32, u32)) -> House {
    served::house(POLICY, gateway, proxy)
}

#[test]
fn an_allowed_line_is_recorded_run_and_its_outcome_completed() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    let (request, mut out, _err) = peer.run(&["echo", "hunter7"]);
    peer.started();
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), peer.end()), ("hunter7\n", End::Exited { code: 0 }));
    peer.send(&ToBroker::Output { request: request.clone(), bytes: 8, truncated: false }, &[]);
    let log = house.log(1).join("\n");
    let intent = log.lines().find(|line| line.contains(r#""kind":"intent""#)).unwrap();
    for part in [
        r#""worker":"hermes""#,
        r#""argv":["echo","[redacted]"]"#,
        r#""verdict":"allow""#,
        r#""rule":"look#1""#,
        &request.0,
    ] {
        assert!(intent.contains(part), "{part} is not in {intent}");
    }
    let outcome = log.lines().find(|line| line.contains(r#""kind":"outcome""#)).unwrap();
    for part in [r#""how":"exited""#, r#""exit":0"#, r#""bytes":8"#, r#""run":"RUN1""#, &request.0] {
        assert!(outcome.contains(part), "{part} is not in {outcome}");
    }
    assert!(!log.contains("hunter7"), "a secret is in the log");
}

#[test]
fn a_rule_gets_its_capabilities_and_the_next_one_none_of_them() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    let (_, mut out, _err) = peer.run(&["grep", "Cap", "/proc/self/status"]);
    peer.started();
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    assert_eq!(peer.end(), End::Exited { code: 0 });
    let sets: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(sets, ["0000000000001004"; 5], "{text}");
    let (_, mut out, _err) = peer.run(&["grep", "CapBnd", "/proc/self/status"]);
    peer.started();
    text.clear();
    out.read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), peer.end()), ("CapBnd:\t0000000000000000\n", End::Exited { code: 0 }));
}

#[test]
fn a_refusal_is_recorded_and_nothing_runs() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    for (words, reason) in [
        (vec!["sleep", "1", "2"], "not_in_policy"),
        (vec!["rm", "-rf", "/"], "not_in_policy"),
        (vec!["no-such-program-here"], "unavailable"),
        (vec!["docker", "exec", "x", "sh"], "verb_not_allowed"),
        (vec![], "not_in_policy"),
    ] {
        let (_, mut out, _err) = peer.run(&words);
        let (got, message) = peer.refused();
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        assert!(got == reason || (words.is_empty() && got == "bad_request"), "{words:?}: {got}: {message}");
        assert!(text.is_empty() && !message.contains('/'), "{text}{message}");
    }
    let denials = house.log(0).iter().filter(|line| line.contains(r#""verdict":"deny""#)).count();
    assert_eq!(denials, 5);
}

#[test]
fn another_policy_hash_and_an_unknown_worker_are_refused() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    let hash = std::mem::replace(&mut peer.hash, "other".into());
    let _pipes = peer.run(&["echo", "x"]);
    assert_eq!(peer.refused().0, "policy_changed");
    peer.hash = hash;
    let (_, stdout) = std::io::pipe().unwrap();
    let message = ToBroker::Run {
        request: RequestId::new(),
        asker: Asker { worker: "nobody".into(), ..asker() },
        policy: peer.hash.clone(),
        run: "R".into(),
        stages: vec![Stage::plain(vec!["echo".into(), "x".into()])],
        stdin: false,
        seconds: None,
    };
    peer.send(&message, &[stdout.as_fd(), stdout.as_fd()]);
    assert_eq!(peer.refused().0, "unknown_worker");
}

#[test]
fn descriptors_that_are_no_pipes_are_refused() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    let file = std::fs::File::open("/etc/passwd").unwrap();
    let tty_like = std::fs::File::open("/dev/null").unwrap();
    for fds in [vec![file.as_fd(), file.as_fd()], vec![tty_like.as_fd(), tty_like.as_fd()], vec![]] {
        let message = ToBroker::Run {
            request: RequestId::new(),
            asker: asker(),
            policy: peer.hash.clone(),
            run: "R".into(),
            stages: vec![Stage::plain(vec!["echo".into(), "x".into()])],
            stdin: false,
            seconds: None,
        };
        peer.send(&message, &fds);
        assert_eq!(peer.refused().0, "bad_request");
    }
}

#[test]
fn a_line_ends_at_its_deadline_and_at_a_cancel() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    let _pipes = peer.run(&["sleep", "900"]);
    peer.started();
    assert_eq!(peer.end(), End::Deadline);
    let (request, _out, _err) = peer.run(&["sleep", "901"]);
    peer.started();
    peer.send(&ToBroker::Cancel { request, why: "output_limit".into() }, &[]);
    assert_eq!(peer.end(), End::Cancelled { why: "output_limit".into() });
}

#[test]
fn a_lost_connection_ends_its_commands_and_completes_their_records() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    let (_, mut out, _err) = peer.run(&["sleep", "902"]);
    peer.started();
    drop(peer);
    let mut text = Vec::new();
    out.read_to_end(&mut text).unwrap();
    let outcome = house.log(1).into_iter().find(|line| line.contains(r#""kind":"outcome""#)).unwrap();
    assert!(outcome.contains(r#""how":"cancelled""#) && outcome.contains("disconnect"), "{outcome}");
}

#[test]
fn more_lines_at_once_than_the_worker_may_are_refused_and_places_come_back() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    let first = peer.run(&["sleep", "903"]);
    peer.started();
    let second = peer.run(&["sleep", "903"]);
    peer.started();
    let _third = peer.run(&["echo", "x"]);
    assert_eq!(peer.refused().0, "rate_limited");
    for (request, ..) in [&first, &second] {
        peer.send(&ToBroker::Cancel { request: request.clone(), why: "test".into() }, &[]);
    }
    assert!(matches!((peer.end(), peer.end()), (End::Cancelled { .. }, End::Cancelled { .. })));
    let _fourth = peer.run(&["echo", "x"]);
    peer.started();
    assert_eq!(peer.end(), End::Exited { code: 0 });
}

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
    let message = ToBroker::Run {
        request: RequestId::new(),
        asker: asker(),
        policy: String::new(),
        run: String::new(),
        stages: vec![Stage::plain(vec!["id".into()])],
        stdin: false,
        seconds: None,
    };
    peer.send(&message, &[out.as_fd(), out.as_fd()]);
    assert!(peer.closed(), "a proxy ran a command");
}

/// A new Engine API request with nothing in it but its verdict.
fn bare_intent(hash: &str, target: &str, allow: bool, durable: bool) -> ToBroker {
    ToBroker::Intent {
        request: RequestId::new(),
        asker: asker(),
        policy: hash.to_owned(),
        decision: Decision { allow, rule: None, reason: None, message: None },
        operation: serde_json::Value::Null,
        argv: None,
        line_base64: None,
        http: Some(HttpRecord { method: "POST".into(), target: target.into(), body_sha256: None }),
        objects: Vec::new(),
        durable,
    }
}

#[test]
fn an_engine_request_is_recorded_before_its_effect_and_its_outcome_after() {
    if !root() {
        return;
    }
    let house = house_for((4242, 4242), (0, 0));
    let mut peer = house.connect(Service::Proxy);
    let FromBroker::Welcome { hash, .. } = peer.next() else { panic!() };
    let request = RequestId::new();
    let intent = ToBroker::Intent {
        request: request.clone(),
        asker: asker(),
        policy: hash,
        decision: Decision { allow: true, rule: Some("look".into()), reason: None, message: None },
        operation: serde_json::json!({ "create": { "Cmd": ["hunter2"] } }),
        argv: None,
        line_base64: None,
        http: Some(HttpRecord { method: "POST".into(), target: "/x?t=hunter3".into(), body_sha256: None }),
        objects: vec!["id1".into()],
        durable: true,
    };
    peer.send(&intent, &[]);
    assert!(matches!(peer.next(), FromBroker::Recorded { request: ref got, .. } if *got == request));
    // The same id a second time is no new request.
    peer.send(&intent, &[]);
    assert_eq!(peer.refused().0, "bad_request");
    let outcome =
        ToBroker::Outcome { request, status: 201, millis: 3, bytes: 9, truncated: false, error: None };
    peer.send(&outcome, &[]);
    let log = house.log(1).join("\n");
    assert!(log.contains(r#""status":201"#) && !log.contains("hunter"), "{log}");
}

#[test]
fn an_allowed_effect_is_recorded_with_what_is_weaker_here_and_a_look_is_not() {
    if !root() {
        return;
    }
    let house = house_for((4242, 4242), (0, 0));
    let mut peer = house.connect(Service::Proxy);
    let FromBroker::Welcome { hash, host, .. } = peer.next() else { panic!() };
    let mut report = host.clone();
    report.weaker = [("told_by_proxy".to_owned(), "For tests.".to_owned())].into();
    peer.send(&ToBroker::Report { report }, &[]);
    for (target, allow, durable) in
        [("/effect", true, true), ("/look", true, false), ("/denied", false, true)]
    {
        peer.send(&bare_intent(&hash, target, allow, durable), &[]);
        assert!(matches!(peer.next(), FromBroker::Recorded { .. }));
    }
    let log = house.log(0);
    let of =
        |target: &str| log.iter().find(|line| line.contains(&format!(r#""target":"{target}""#))).unwrap();
    for code in host.weaker.keys().map(String::as_str).chain(["told_by_proxy"]) {
        assert!(of("/effect").contains(&format!("\"{code}\"")), "{code} is not in {}", of("/effect"));
    }
    assert!(!of("/look").contains("told_by_proxy") && !of("/denied").contains("told_by_proxy"));
}

#[test]
fn a_bind_must_be_named_by_the_policy_and_safe_now() {
    if !root() {
        return;
    }
    let house = house_for((4242, 4242), (0, 0));
    let mut peer = house.connect(Service::Proxy);
    peer.next();
    for path in ["/etc", "/srv/doorward-test-bind"] {
        // Named or not: the one is not in the policy, the other does not exist here.
        peer.send(&ToBroker::CheckBinds { request: RequestId::new(), paths: vec![path.into()] }, &[]);
        let answer = peer.next();
        assert!(
            matches!(&answer, FromBroker::Binds { unsafe_path: Some((got, _)), .. } if got == path),
            "{answer:?}"
        );
    }
}

#[test]
fn without_an_audit_log_nothing_runs() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    house.broker.audit.close().unwrap();
    let (_, mut out, _err) = peer.run(&["echo", "x"]);
    assert_eq!(peer.refused().0, "audit_unavailable");
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    assert_eq!(text, "");
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
fn refusals_of_the_proxy_do_not_use_up_its_open_requests() {
    if !root() {
        return;
    }
    let house = house_for((4242, 4242), (0, 0));
    let mut peer = house.connect(Service::Proxy);
    let FromBroker::Welcome { hash, .. } = peer.next() else { panic!() };
    // More than one connection may have open; the last one is let through.
    for place in 0..200 {
        let allow = place == 199;
        peer.send(&bare_intent(&hash, "/x", allow, false), &[]);
        let answer = peer.next();
        assert!(matches!(answer, FromBroker::Recorded { .. }), "{place}: {answer:?}");
    }
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
