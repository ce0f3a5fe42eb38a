//! Hermes' backend: its errands are answered, its wrapper is taken off its lines.

use super::house::{Answered, House, POLICY, hello, listen_fed};
use super::lists::runs;
use doorward_wire::broker::ToBroker;
use doorward_wire::session::FromSession;
use serde_json::Value;
use std::io::Write;

/// What a real Hermes sent, and what it is.
fn cases() -> Vec<Value> {
    let text = include_str!("../../../line/tests/data/hermes.json");
    let all: Value = serde_json::from_str(text).unwrap();
    all["cases"].as_array().unwrap().clone()
}

/// The first that Hermes sent for this step.
fn sent(step: &str) -> String {
    let found = cases().into_iter().find(|case| case["is"]["step"] == step).unwrap();
    found["sent"].as_str().unwrap().to_owned()
}

/// Hermes' wrapper around a line without quotes, and its closing mark.
fn wrapped(line: &str) -> (String, String) {
    let found = cases().into_iter().find(|case| case["is"]["line"] == "docker ps").unwrap();
    let (marker, cwd) = (found["is"]["marker"].as_str().unwrap(), found["is"]["cwd"].as_str().unwrap());
    let mark = format!("\n__HERMES_CWD_{marker}__{cwd}__HERMES_CWD_{marker}__\n");
    (found["sent"].as_str().unwrap().replace("docker ps", line), mark)
}

fn house() -> House {
    House::with_policy(&POLICY.replace("user = \"w\"", "user = \"ai-worker\""))
}

/// What was recorded of an errand, and the bytes that its outcome tells.
fn recorded(house: &House, step: &str) -> (bool, u64) {
    let intent = house.broker.wait_for(|message| match message {
        ToBroker::Intent { operation, .. } => operation["step"] == step,
        _ => false,
    });
    let ToBroker::Intent { asker, operation, decision, request, .. } = intent else { panic!("no Intent") };
    assert_eq!((operation["op"].as_str(), operation["agent"].as_str()), (Some("agent"), Some("hermes")));
    assert_eq!(asker.way, "hermes");
    let outcome = house
        .broker
        .wait_for(|message| matches!(message, ToBroker::Outcome { request: of, .. } if *of == request));
    let ToBroker::Outcome { bytes, .. } = outcome else { panic!("no Outcome") };
    (decision.allow, bytes)
}

#[test]
fn errands_are_answered_and_recorded_and_change_nothing() {
    let house = house();
    let answers = [
        ("home", "/home/ai-worker\n".as_bytes().to_vec()),
        ("folders", Vec::new()),
        ("removal", Vec::new()),
        ("probe", Vec::new()),
        ("download", vec![0; 10_240]),
    ];
    for (step, answer) in answers {
        let answered = house.say(sent(step));
        assert_eq!(
            (answered.stdout, answered.stderr, answered.exit),
            (answer, Vec::new(), Some(0)),
            "{step}"
        );
        assert_eq!(recorded(&house, step), (true, 0), "{step}");
    }
    let snapshot = house.say(sent("snapshot"));
    assert!(snapshot.out().starts_with("\n__HERMES_CWD_") && snapshot.exit == Some(0), "{snapshot:?}");
    assert!(house.say("runs").out().contains("(no runs yet)"));
    assert_eq!(runs(&house).len(), 0);
}

#[test]
fn an_empty_archive_is_one_for_tar() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("a.tar");
    std::fs::write(&archive, house().say(sent("download")).stdout).unwrap();
    let listed = std::process::Command::new("tar").arg("tf").arg(&archive).output().unwrap();
    assert!(listed.status.success() && listed.stdout.is_empty() && listed.stderr.is_empty(), "{listed:?}");
}

#[test]
fn an_upload_is_read_to_its_end_counted_and_not_kept() {
    let house = house();
    let mut session = house.send(sent("upload"));
    let answered = listen_fed(&mut session, |mut stream| {
        let piece = FromSession::Stdin(b"canary".repeat(10_000)).encode();
        (0..50).for_each(|_| stream.write_all(&piece).unwrap());
        stream.write_all(&FromSession::Stdin(Vec::new()).encode()).unwrap();
    });
    assert_eq!((answered.out().as_str(), answered.err().as_str(), answered.exit), ("", "", Some(0)));
    assert_eq!(recorded(&house, "upload"), (true, 3_000_000));
    for entry in std::fs::read_dir(house.state_dir().join("runs")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"canary"));
    }
}

#[test]
fn an_upload_that_breaks_off_is_no_whole_one() {
    let house = house();
    let mut session = house.send(sent("upload"));
    let answered = listen_fed(&mut session, |mut stream| {
        stream.write_all(&FromSession::Stdin(b"canary".to_vec()).encode()).unwrap();
        stream.write_all(&hello()).unwrap();
    });
    answered.assert_refused(126, "too_large");
    assert_eq!(recorded(&house, "upload"), (true, 6));
}

#[test]
fn errands_that_cannot_be_recorded_are_refused() {
    let house = house();
    house.broker.refuse_with(Some("audit_unavailable"));
    for step in ["home", "upload", "download", "snapshot"] {
        house.say(sent(step)).assert_refused(126, "audit_unavailable");
    }
}

#[test]
fn a_wrapped_line_is_judged_recorded_and_saved_as_the_line_inside() {
    let house = house();
    for line in
        ["cat /proc/uptime >/dev/null && echo hello", "echo hello | tr a-z A-Z | grep -v x || true", "false"]
    {
        let (wrapper, mark) = wrapped(line);
        let (bare, answered) = (house.say(line), house.say(wrapper));
        assert_eq!((answered.out(), answered.exit), (bare.out() + &mark, bare.exit), "{line}");
        let id = house.newest_run();
        assert!(house.say("runs 1").out().contains(line));
        assert_eq!(house.say(format!("runs show {id}")).out(), bare.out(), "the mark is not saved");
        house.broker.wait_for(|message| match message {
            ToBroker::Run { run, asker, .. } => *run == id && asker.way == "hermes",
            _ => false,
        });
    }
}

#[test]
fn words_within_the_wrapper_are_answered() {
    let (wrapper, mark) = wrapped("whoami | grep worker");
    assert_eq!(house().say(wrapper).out(), format!("worker   w\n{mark}"));
}

fn assert_refused_within(answered: &Answered, reason: &str, mark: &str) {
    assert!(answered.err().starts_with(&format!("doorward: refused ({reason}): ")), "{answered:?}");
    assert_eq!((answered.out().as_str(), answered.exit), (mark, Some(126)));
}

#[test]
fn refusals_come_with_the_mark_and_status_126() {
    let house = house();
    for (line, reason) in [
        ("cat /etc/shadow", "not_in_policy"),
        ("echo $(id)", "construct"),
        ("docker system dial-stdio", "bad_request"),
        ("echo a; cat /etc/shadow", "not_in_policy"),
    ] {
        let (wrapper, mark) = wrapped(line);
        assert_refused_within(&house.say(wrapper), reason, &mark);
        assert!(house.say("runs 1").out().contains("refused"), "{line}");
    }
    assert_eq!(runs(&house).len(), 0);
}

#[test]
fn a_background_command_is_refused_with_what_to_say_instead() {
    let house = house();
    let backgrounds = cases().into_iter().filter(|case| case["is"]["step"] == "background");
    for case in backgrounds {
        let answered = house.say(case["sent"].as_str().unwrap());
        assert!(answered.err().contains("doorward: refused (construct)"), "{answered:?}");
        assert!(answered.err().contains("doorward: allowed: submit -- "), "{answered:?}");
        assert!(answered.out().starts_with("\n__HERMES_CWD_"), "{answered:?}");
        assert_eq!(answered.exit, Some(126));
    }
    assert_eq!(runs(&house).len(), 0);
}

#[test]
fn every_thing_that_hermes_sent_is_answered() {
    let house = house();
    for case in cases() {
        let mut session = house.send(case["sent"].as_str().unwrap());
        let answered = listen_fed(&mut session, |mut stream| {
            stream.write_all(&FromSession::Stdin(Vec::new()).encode()).unwrap();
        });
        assert!(answered.exit.is_some(), "{case}");
    }
}
