//! Lines over the broker's socket: run, refused, ended, and each with its record.

use super::served::{self, House, stage};
use super::support::root;
use doorward_wire::broker::{End, ToBroker};
use std::io::Read;
use std::os::fd::AsFd;

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
run = "echo {word:name} [{more:name}]"
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
redact = ['hunter\d', 'token \S+']
"#;

pub(super) fn house() -> House {
    house_for((0, 0), (4242, 4242))
}

pub(super) fn house_for(gateway: (u32, u32), proxy: (u32, u32)) -> House {
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
fn a_secret_that_only_shows_across_words_is_not_in_the_log() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    let (request, _out, _err) = peer.run(&["echo", "token", "abc123"]);
    peer.started();
    assert_eq!(peer.end(), End::Exited { code: 0 });
    peer.send(&ToBroker::Output { request, bytes: 13, truncated: false }, &[]);
    let log = house.log(1).join("\n");
    assert!(log.contains(r#""argv":["echo [redacted]"]"#) && !log.contains("abc123"), "{log}");
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
    let mut message = peer.ask(vec![stage(&["echo", "x"])]);
    let ToBroker::Run { asker, .. } = &mut message else { panic!("{message:?}") };
    asker.worker = "nobody".into();
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
        peer.send(&peer.ask(vec![stage(&["echo", "x"])]), &fds);
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
