//! What the proxy tells the broker of Engine API requests, and asks it about binds.

use super::served::asker;
use super::serviced::house_for;
use super::support::root;
use doorward_wire::broker::{Decision, FromBroker, HttpRecord, RequestId, Service, ToBroker};

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
fn an_id_of_another_form_is_no_requests() {
    if !root() {
        return;
    }
    let house = house_for((4242, 4242), (0, 0));
    let mut peer = house.connect(Service::Proxy);
    let FromBroker::Welcome { hash, .. } = peer.next() else { panic!() };
    for id in ["", "x", "../../../../etc/passwd____", "01ARZ3NDEKTSV4RRFFQ69G5FAVX"] {
        let mut intent = bare_intent(&hash, "/x", true, false);
        let ToBroker::Intent { request, .. } = &mut intent else { panic!("{intent:?}") };
        request.0 = id.to_owned();
        peer.send(&intent, &[]);
        assert_eq!(peer.refused().0, "bad_request", "{id}");
    }
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
fn an_end_that_is_told_before_its_record_stands_is_written_all_the_same() {
    if !root() {
        return;
    }
    let house = house_for((4242, 4242), (0, 0));
    let mut peer = house.connect(Service::Proxy);
    let FromBroker::Welcome { hash, .. } = peer.next() else { panic!() };
    // In all, more than one connection may have open.
    let (rounds, each) = (4, 50);
    for _ in 0..rounds {
        for _ in 0..each {
            let intent = bare_intent(&hash, "/x", true, true);
            let ToBroker::Intent { request, .. } = &intent else { panic!("{intent:?}") };
            let outcome = ToBroker::Outcome {
                request: request.clone(),
                status: 0,
                millis: 0,
                bytes: 0,
                truncated: true,
                error: Some("the worker went away".into()),
            };
            peer.send(&intent, &[]);
            peer.send(&outcome, &[]);
        }
        for place in 0..each {
            let answer = peer.next();
            assert!(matches!(answer, FromBroker::Recorded { .. }), "{place}: {answer:?}");
        }
    }
    let log = house.log(rounds * each);
    let ends = log.iter().filter(|line| line.contains(r#""error":"the worker went away""#)).count();
    assert_eq!(ends, rounds * each);
}

#[test]
fn requests_whose_records_do_not_stand_when_their_service_goes_are_recorded_as_cut_off() {
    if !root() {
        return;
    }
    let house = house_for((4242, 4242), (0, 0));
    let mut peer = house.connect(Service::Proxy);
    let FromBroker::Welcome { hash, .. } = peer.next() else { panic!() };
    for _ in 0..50 {
        peer.send(&bare_intent(&hash, "/x", true, true), &[]);
    }
    drop(peer);
    let log = house.log(50);
    let ends = log.iter().filter(|line| line.contains(r#""how":"disconnected""#)).count();
    assert_eq!(ends, 50);
}
