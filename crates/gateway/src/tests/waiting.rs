//! Waiting for a run, and ending one that somebody else's connection holds.

use super::fake_broker::SOON;
use super::house::{Answered, House, POLICY, expect_stdout, hello, listen};
use doorward_wire::session::{FromSession, Operator};
use std::io::Write;

/// Starts a run that has said `begun`; its session and its id.
fn begun(house: &House, script: &str) -> (std::os::unix::net::UnixStream, String) {
    let mut session = house.send(format!("sh -c 'echo begun; {script}'"));
    expect_stdout(&mut session, b"begun\n");
    let id = house.newest_run();
    (session, id)
}

fn operator(house: &House, words: &[&str]) -> Answered {
    house.ask(Operator::Runs { words: words.iter().map(|word| (*word).to_owned()).collect() })
}

#[test]
fn waiting_ends_with_the_run_and_its_exit_code() {
    let house = House::new();
    let (mut session, id) = begun(&house, "sleep 0.3; exit 7");
    let waited = house.say(format!("runs wait {id}"));
    assert_eq!((waited.exit, waited.out().as_str()), (Some(7), ""));
    assert!(waited.err().contains(&format!("run {id} ended with exit 7 after 0.")), "{waited:?}");
    assert_eq!(listen(&mut session).exit, Some(7));
    assert_eq!(house.say(format!("runs wait {id} --timeout 1s")).exit, Some(7), "an ended run at once");
    assert_eq!(operator(&house, &["wait", &id]).exit, Some(7));
}

#[test]
fn waiting_ends_when_its_time_is_over() {
    let house = House::new();
    let (_session, id) = begun(&house, "sleep 1000");
    let waited = house.say(format!("runs wait {id} --timeout 1s"));
    assert_eq!(waited.exit, Some(124));
    assert!(waited.err().contains("has not ended yet"), "{waited:?}");
    for wrong in ["runs wait", "runs wait X Y", "runs wait X --timeout soon"] {
        house.say(wrong).assert_refused(2, "bad_request");
    }
    house.say("runs wait NOSUCHRUN").assert_refused(126, "object_not_allowed");
}

#[test]
fn a_cancelled_run_ends_and_says_so() {
    let house = House::new();
    let (mut session, id) = begun(&house, "sleep 1000");
    let cancelled = house.say(format!("runs cancel {id}"));
    assert_eq!(cancelled.exit, Some(0));
    assert!(cancelled.err().contains("exit 143 (cancelled)"), "{cancelled:?}");
    assert_eq!(listen(&mut session).exit, Some(143));
    house.broker.wait_until_idle();
    let waited = house.say(format!("runs wait {id}"));
    assert_eq!(waited.exit, Some(143));
    let again = house.say(format!("runs cancel {id}"));
    assert!(again.exit == Some(0) && again.err().contains("ended with exit 143"), "{again:?}");
    house.say("runs cancel NOSUCHRUN").assert_refused(126, "object_not_allowed");
}

#[test]
fn nobody_elses_run_is_waited_for_or_ended_but_by_the_operator() {
    let mut house = House::with_policy(POLICY);
    let (mut session, id) = begun(&house, "sleep 1000");
    house.broker.set_terms(|terms| terms.worker = "other".into());
    house.close();
    house.open();
    for word in ["wait", "cancel", "export"] {
        house.say(format!("runs {word} {id}")).assert_refused(126, "object_not_allowed");
    }
    assert_eq!(operator(&house, &["wait", &id]).exit, Some(125), "the gateway was stopped in between");
    let _ = listen(&mut session);
    let (mut session, id) = begun(&house, "sleep 1000");
    assert_eq!(operator(&house, &["cancel", &id]).exit, Some(0));
    assert_eq!(listen(&mut session).exit, Some(143));
}

#[test]
fn a_run_that_a_restart_cut_off_says_so() {
    let mut house = House::new();
    let (session, id) = begun(&house, "sleep 1000");
    house.close();
    drop(session);
    house.broker.wait_until_idle();
    house.open();
    let waited = house.say(format!("runs wait {id}"));
    assert_eq!(waited.exit, Some(125));
    assert!(waited.err().contains("was cut off: the gateway stopped while the run went on"), "{waited:?}");
    let shown = house.say(format!("runs show {id}"));
    assert_eq!(shown.out(), "begun\n");
    assert!(shown.err().contains("the gateway stopped while the run went on"), "{shown:?}");
    assert!(shown.err().ends_with("the run was cut off here; nothing more is saved\n"), "{shown:?}");
}

#[test]
fn who_waits_and_hangs_up_leaves_its_place_to_others() {
    let house = House::new();
    let (_session, id) = begun(&house, "sleep 1000");
    let words = ["wait", &id].map(str::to_owned).to_vec();
    for _ in 0..20 {
        drop(house.send(format!("runs wait {id}")));
        let mut operator = house.connect();
        operator.write_all(&hello()).unwrap();
        operator.write_all(&FromSession::Operator(Operator::Runs { words: words.clone() }).encode()).unwrap();
    }
    let waited = house.say_when_free(&format!("runs wait {id} --timeout 1s"));
    assert_eq!(waited.exit, Some(124), "{waited:?}");
    let since = std::time::Instant::now();
    while operator(&house, &["wait", &id, "--timeout", "1s"]).exit != Some(124) {
        assert!(since.elapsed() < SOON, "the operator's places are taken");
    }
}

#[test]
fn as_many_waits_as_there_may_be_keep_nobody_from_looking() {
    let house = House::new();
    let (_session, id) = begun(&house, "sleep 1000");
    let mut waits: Vec<_> = (0..5).map(|_| house.send(format!("runs wait {id}"))).collect();
    for _ in 0..10 {
        assert_eq!(house.say("runs").exit, Some(0));
        assert_eq!(house.say(format!("runs show {id}")).exit, Some(0));
    }
    house.say(format!("runs cancel {id}"));
    let answers: Vec<_> = waits.iter_mut().map(listen).collect();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.exit == Some(126)).collect();
    assert_eq!(refused.len(), 1, "{answers:?}");
    refused[0].assert_refused(126, "rate_limited");
    assert!(refused[0].err().contains("end one of your 'runs wait'"), "{refused:?}");
}
