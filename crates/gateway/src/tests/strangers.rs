//! Peers that are no workers, or no sessions.

use super::fake_broker::SOON;
use super::house::{House, POLICY, hello, listen, listen_fed};
use doorward_wire::broker::ToBroker;
use doorward_wire::session::{FromSession, Hello, Operator};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

#[test]
fn an_unknown_account_is_refused_and_recorded() {
    let mut house = House::closed(POLICY);
    house.broker.set_terms(|terms| {
        terms.login_uid += 1;
        terms.operators.clear();
    });
    house.open();
    house.say("cat /proc/uptime").assert_refused(126, "unknown_worker");
    house.say("").assert_refused(126, "unknown_worker");
    let recorded = house.broker.wait_for(|message| matches!(message, ToBroker::Intent { .. }));
    let ToBroker::Intent { asker, decision, .. } = recorded else { panic!("no Intent") };
    assert_eq!((asker.worker.as_str(), decision.allow), ("", false));
    assert_eq!(asker.uid, rustix::process::getuid().as_raw());
}

#[test]
fn unknown_accounts_cannot_fill_the_log() {
    let mut house = House::closed(POLICY);
    house.broker.set_terms(|terms| {
        terms.login_uid += 1;
        terms.operators.clear();
    });
    house.open();
    for _ in 0..100 {
        house.say("x").assert_refused(126, "unknown_worker");
    }
    let recorded = house.broker.heard().iter().filter(|m| matches!(m, ToBroker::Intent { .. })).count();
    assert!((60..70).contains(&recorded), "{recorded} records");
}

#[test]
fn an_operator_who_is_no_worker_has_no_lines() {
    let mut house = House::closed(POLICY);
    house.broker.set_terms(|terms| terms.login_uid += 1);
    house.open();
    house.say("cat /proc/uptime").assert_refused(126, "unknown_worker");
    assert_eq!(house.ask(Operator::Status { json: false }).exit, Some(0));
}

#[test]
fn a_worker_is_no_operator() {
    let mut house = House::closed(POLICY);
    house.broker.set_terms(|terms| terms.operators.clear());
    house.open();
    house.ask(Operator::Status { json: false }).assert_refused(126, "not_in_policy");
    house.ask(Operator::Runs { words: Vec::new() }).assert_refused(126, "not_in_policy");
}

#[test]
fn what_is_no_session_is_refused_and_the_others_are_served() {
    let house = House::new();
    let old = Hello { protocol: 999, key: None, source: None };
    let garbage: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\n\r\n",
        b"H\xff\xff\xff\xff",
        b"H\0\0\0\x02{}",
        b"H\0\0\0\x06nojson",
        b"Z\0\0\0\0",
        b"L\0\0\0\x02id",
        &FromSession::Hello(old).encode(),
        &[hello(), hello()].concat(),
        &[hello(), b"O\0\0\0\x0e{\"ask\":\"root\"}".to_vec()].concat(),
    ];
    for bytes in garbage {
        let mut stream = house.connect();
        stream.write_all(bytes).unwrap();
        listen(&mut stream).assert_refused(126, "bad_request");
    }
    assert_eq!(house.say("sh -c 'echo served'").out(), "served\n");
}

#[test]
fn any_bytes_are_answered_as_a_line_and_as_frames() {
    let house = House::new();
    let mut runner = TestRunner::new(ProptestConfig { cases: 150, ..ProptestConfig::default() });
    let line = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "(help|runs|explain|docker|cat|sudo|whoami)[ -~]{0,60}".prop_map(String::into_bytes),
    ];
    let answered = runner.run(&line, |line| {
        // A line that reads stdin finds its end.
        let end =
            |mut stream: UnixStream| stream.write_all(&FromSession::Stdin(Vec::new()).encode()).unwrap();
        prop_assert!(listen_fed(&mut house.send(&line), end).exit.is_some());
        Ok(())
    });
    answered.unwrap();
    let frames = runner.run(&prop::collection::vec(any::<u8>(), 1..200), |bytes| {
        let mut stream = house.connect();
        stream.write_all(&bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        prop_assert!(!matches!(listen(&mut stream).exit, Some(0)));
        Ok(())
    });
    frames.unwrap();
    assert_eq!(house.say("sh -c 'echo served'").out(), "served\n");
}

#[test]
fn a_session_that_says_nothing_is_not_waited_for() {
    let mut house = House::closed(POLICY);
    house.set_timing(|timing| timing.first_frames = Duration::from_millis(100));
    house.open();
    let mut silent = house.connect();
    listen(&mut silent).assert_refused(126, "bad_request");
    let mut half = house.connect();
    half.write_all(&hello()).unwrap();
    listen(&mut half).assert_refused(126, "bad_request");
}

#[test]
fn a_session_that_hangs_up_early_is_forgotten() {
    let house = House::new();
    for bytes in [&b""[..], b"H", &hello()] {
        let mut stream = house.connect();
        stream.write_all(bytes).unwrap();
        drop(stream);
    }
    assert_eq!(house.say("sh -c 'echo served'").out(), "served\n");
}

#[test]
fn more_connections_than_may_be_are_turned_away_with_words() {
    let house = House::new();
    assert_eq!(house.say("whoami").exit, Some(0));
    let held: Vec<_> = (0..256).map(|_| house.connect()).collect();
    let mut over = house.connect();
    over.set_read_timeout(Some(SOON)).unwrap();
    listen(&mut over).assert_refused(126, "rate_limited");
    drop(held);
}

#[test]
fn the_operator_sees_the_state_of_the_house_as_text_and_as_data() {
    let house = House::new();
    house.say("sh -c 'echo seen'");
    let text = house.ask(Operator::Status { json: false }).out();
    for part in [
        "broker    connected",
        "proxy     unknown",
        "last record 7",
        "no_sandbox",
        "kernel",
        "commands as uid 60706",
        "echo seen",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let data: serde_json::Value =
        serde_json::from_str(&house.ask(Operator::Status { json: true }).out()).unwrap();
    assert_eq!(data["broker"], "connected");
    assert_eq!(data["workers"][0]["worker"], "w");
    assert_eq!(data["weaker"]["no_sandbox"], "this is a stand-in");
    assert_eq!(data["last_runs"][0]["state"], "ended");
    house.broker.stop();
    assert!(house.ask(Operator::Status { json: false }).out().contains("broker    gone"));
}

#[test]
fn a_gateway_that_the_broker_does_not_serve_ends_with_the_brokers_words() {
    use doorward_wire::broker::{FromBroker, MAX_REQUEST, ToBroker};
    use doorward_wire::frame::{Receiver, send};
    let folder = tempfile::tempdir().unwrap();
    let broker_sock = folder.path().join("broker.sock");
    let listener = UnixListener::bind(&broker_sock).unwrap();
    let broker = std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let hello = Receiver::new(socket.try_clone().unwrap(), MAX_REQUEST).receive::<ToBroker>();
        assert!(matches!(hello, Ok(Some((ToBroker::Hello { .. }, _)))));
        send(&socket, &FromBroker::Unwelcome { message: "not you".into() }, &[]).unwrap();
    });
    let config = crate::serve::Config { broker_sock, state_dir: folder.path().join("state") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let serving = crate::serve::serve_with(config, crate::gateway::Timing::default());
    let ended = runtime.block_on(async { tokio::time::timeout(SOON, serving).await });
    assert_eq!(ended.unwrap().unwrap_err().to_string(), "the broker says: not you");
    broker.join().unwrap();
}
