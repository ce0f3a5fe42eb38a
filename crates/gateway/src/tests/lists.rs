//! Lines of several commands: what runs, in which order, with which end.

use super::house::{House, POLICY, expect_stdout, listen};
use doorward_wire::broker::{End, StageErr, StageOut, ToBroker};

pub(super) fn runs(house: &House) -> Vec<ToBroker> {
    house.broker.heard().into_iter().filter(|message| matches!(message, ToBroker::Run { .. })).collect()
}

/// The stages of the newest run, from the database: line, exit, how.
pub(super) fn stages(house: &House) -> Vec<(String, Option<u8>, String)> {
    let database = rusqlite::Connection::open(house.state_dir().join("runs/runs.db")).unwrap();
    let text: Option<String> = database
        .query_row("SELECT stages FROM runs ORDER BY rowid DESC LIMIT 1", [], |row| row.get(0))
        .unwrap();
    let Some(text) = text else { return Vec::new() };
    let stages: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let of = |stage: serde_json::Value| {
        let exit = stage["exit"].as_u64().map(|exit| exit.try_into().unwrap());
        (stage["line"].as_str().unwrap().to_owned(), exit, stage["how"].as_str().unwrap().to_owned())
    };
    stages.into_iter().map(of).collect()
}

#[test]
fn a_pipeline_goes_to_the_broker_in_one_piece_with_its_redirections() {
    let house = House::new();
    let answered = house.say(
        "sh -c 'echo out; echo err >&2' 2>&1 | sh -c 'sort; echo x >&2' 2>/dev/null | sh -c 'tr a-z A-Z'",
    );
    assert_eq!((answered.out().as_str(), answered.err().as_str()), ("ERR\nOUT\n", ""));
    let heard = runs(&house);
    let [ToBroker::Run { stages, seconds, stdin, .. }] = heard.as_slice() else { panic!("{heard:?}") };
    let seen: Vec<_> = stages.iter().map(|stage| (stage.out, stage.err)).collect();
    assert_eq!(
        seen,
        [
            (StageOut::Next, StageErr::Next),
            (StageOut::Next, StageErr::Null),
            (StageOut::Next, StageErr::Line)
        ]
    );
    assert_eq!((*seconds, *stdin), (None, false));
}

#[test]
fn lists_run_and_end_as_under_sh() {
    let house = House::new();
    let lines = [
        "sh -c 'exit 0' && sh -c 'echo a' || sh -c 'echo b'",
        "sh -c 'exit 1' && sh -c 'echo a' || sh -c 'echo b'",
        "sh -c 'exit 1' || sh -c 'exit 3' && sh -c 'echo a'",
        "sh -c 'exit 1' || sh -c 'exit 3'; sh -c 'echo a; exit 4'",
        "sh -c 'exit 0' || sh -c 'echo a' && sh -c 'echo b; exit 5'",
        "sh -c 'exit 1'; sh -c 'exit 0'",
        "sh -c 'exit 7' | sh -c 'exit 0'",
        "sh -c 'exit 0' | sh -c 'exit 7' && sh -c 'echo a'",
        "sh -c 'echo a; exit 2' | sh -c 'cat; exit 1' || sh -c 'echo b' | sh -c cat",
        "sh -c 'kill -9 $$' || sh -c 'echo killed'",
        "sh -c 'echo a'\nsh -c 'echo b; exit 6'\n",
        "sh -c 'echo a' && sh -c 'echo b' && sh -c 'exit 8' && sh -c 'echo c' || sh -c 'exit 9'",
        "sh -c 'echo a >&2; echo b' >/dev/null 2>&1; sh -c 'echo c >&2; echo d' 2>&1 >/dev/null",
    ];
    for line in lines {
        let real = std::process::Command::new("sh").arg("-c").arg(line).output().unwrap();
        let answered = house.say_when_free(line);
        // A shell tells of signals by itself.
        let stderr = String::from_utf8(real.stderr).unwrap().replace("Killed\n", "").into_bytes();
        let expected = (real.stdout, stderr, real.status.code().map(|code| code.try_into().unwrap()));
        assert_eq!((answered.stdout, answered.stderr, answered.exit), expected, "{line}");
    }
}

#[test]
fn every_pipeline_is_a_request_of_the_lines_one_run() {
    let house = House::new();
    house.say("sh -c 'echo a'; sh -c 'echo b' | sh -c cat; sh -c 'echo c'");
    let ids: Vec<_> = runs(&house)
        .into_iter()
        .map(|message| match message {
            ToBroker::Run { request, run, seconds, .. } => (request.0, run, seconds),
            other => panic!("{other:?}"),
        })
        .collect();
    let [(first, run, None), (second, _, Some(left)), (third, _, Some(_))] = ids.as_slice() else {
        panic!("{ids:?}")
    };
    assert!(first == run && ids.iter().all(|(_, of, _)| of == run) && second != third && *left <= 60);
    let listed = house.say("runs").out();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert_eq!(house.say(format!("runs show {run}")).out(), "a\nb\nc\n");
}

#[test]
fn each_commands_end_is_kept_with_the_run() {
    let house = House::new();
    house.say("sh -c 'echo a; exit 3' | sh -c cat && cat /proc/uptime >/dev/null || sh -c 'kill -9 $$'");
    let kept = stages(&house);
    let expected = [
        ("sh -c 'echo a; exit 3'", Some(3), "exited"),
        ("sh -c cat", Some(0), "exited"),
        ("cat /proc/uptime >/dev/null", Some(0), "exited"),
        ("sh -c 'kill -9 $$'", None, "skipped"),
    ];
    assert_eq!(kept, expected.map(|(line, exit, how)| (line.to_owned(), exit, how.to_owned())));
    house.say("sh -c 'echo a'");
    assert_eq!(stages(&house), []);
}

#[test]
fn one_refused_command_refuses_the_line_before_any_of_it_runs() {
    let house = House::new();
    let answered = house.say("sh -c 'echo a' && cat /etc/shadow | sh -c cat");
    answered.assert_refused(126, "not_in_policy");
    assert!(answered.err().contains("[command 2, word 2]"), "{answered:?}");
    house.say("sh -c 'echo a' | docker cp a b").assert_refused(126, "verb_not_allowed");
    let dial = house.say("docker system dial-stdio | sh -c cat");
    dial.assert_refused(126, "bad_request");
    assert!(dial.err().contains("[command 1]"), "{dial:?}");
    house.say("sh -c 'echo a'; docker system dial-stdio").assert_refused(126, "bad_request");
    house.say("sh -c 'echo a' | whoami").assert_refused(126, "bad_request");
    house.say("sh -c 'echo a'; bench list").assert_refused(126, "not_yet");
    assert_eq!(runs(&house).len(), 0);
    assert_eq!(house.say("runs").out().lines().filter(|line| line.contains(" refused ")).count(), 6);
}

#[test]
fn the_output_limit_is_the_whole_lines() {
    let house = House::new();
    let line = "dash -c 'head -c 700000 /dev/zero'; dash -c 'head -c 700000 /dev/zero'; sh -c 'echo no'";
    let answered = house.say(line);
    assert_eq!((answered.stdout.len(), answered.exit), (1 << 20, Some(143)));
    assert_eq!(answered.err(), "doorward: output cut at 1 MiB\n");
    assert_eq!(runs(&house).len(), 2);
    assert_eq!(stages(&house).last().unwrap().2, "skipped");
}

#[test]
fn a_deadline_of_one_command_ends_the_line() {
    let house = House::new();
    house.broker.end_next_with(End::Deadline);
    let answered = house.say("sh -c 'sleep 1000' || sh -c 'echo no'");
    assert_eq!((answered.exit, answered.out().as_str()), (Some(124), ""));
    assert!(answered.err().starts_with("doorward: ended at its deadline"), "{answered:?}");
}

#[test]
fn the_lines_time_is_shared_by_its_commands() {
    let house = House::with_policy(&POLICY.replace("seconds = 60", "seconds = 1"));
    let answered = house.say("sh -c 'sleep 1.2'; sh -c 'echo no'");
    assert_eq!((answered.exit, answered.out().as_str()), (Some(124), ""));
    assert_eq!(runs(&house).len(), 1);
}

#[test]
fn a_broker_that_refuses_in_the_middle_ends_the_line_and_keeps_what_ran() {
    let house = House::new();
    let go = house.file("go");
    let mut session = house.send(format!(
        "sh -c 'echo begun; until [ -e {} ]; do sleep 0.01; done'; sh -c 'echo no'",
        go.display()
    ));
    expect_stdout(&mut session, b"begun\n");
    house.broker.refuse_with(Some("policy_changed"));
    std::fs::write(&go, "").unwrap();
    let answered = listen(&mut session);
    answered.assert_refused(126, "policy_changed");
    house.broker.refuse_with(None);
    let shown = house.say(format!("runs show {}", house.newest_run()));
    assert_eq!(shown.out(), "begun\n");
    let kept: Vec<_> = stages(&house).into_iter().map(|(_, exit, how)| (exit, how)).collect();
    assert_eq!(kept, [(Some(0), "exited".to_owned()), (None, "refused".to_owned())]);
}

#[test]
fn a_broker_that_goes_away_in_the_middle_fails_the_line() {
    let house = House::new();
    let mut session = house.send("sh -c 'echo begun; sleep 1000' | sh -c cat; sh -c 'echo no'");
    expect_stdout(&mut session, b"begun\n");
    house.broker.stop();
    let answered = listen(&mut session);
    assert_eq!((answered.exit, answered.out().as_str()), (Some(125), ""));
    assert!(answered.err().contains("broker_unavailable"), "{answered:?}");
    assert!(house.say("runs 1").out().contains("cut off"));
}

#[test]
fn a_session_that_goes_away_ends_what_runs_and_starts_nothing_more() {
    let house = House::new();
    let mut session = house.send("sh -c 'echo begun; sleep 1000'; sh -c 'echo no' || sh -c 'echo no'");
    expect_stdout(&mut session, b"begun\n");
    drop(session);
    house.broker.wait_for(|message| matches!(message, ToBroker::Cancel { why, .. } if why == "disconnect"));
    house.broker.wait_until_idle();
    house.broker.wait_for(|message| matches!(message, ToBroker::Output { .. }));
    while house.say("runs 1").out().contains("running") {}
    assert_eq!(runs(&house).len(), 1);
    assert_eq!(
        stages(&house).into_iter().map(|(_, _, how)| how).collect::<Vec<_>>(),
        ["disconnect", "skipped", "skipped"]
    );
}

#[test]
fn output_is_cleaned_unless_each_rule_of_the_pipeline_says_raw() {
    let house = House::new();
    let dirty = "printf \"a\\033[31mb\\n\"";
    for (line, out) in [
        (format!("sh -c '{dirty}'"), "ab\n"),
        (format!("dash -c '{dirty}'"), "a\u{1b}[31mb\n"),
        (format!("dash -c '{dirty}' | dash -c cat"), "a\u{1b}[31mb\n"),
        (format!("dash -c '{dirty}' | sh -c cat"), "ab\n"),
        (format!("sh -c '{dirty}'; dash -c '{dirty}'"), "ab\na\u{1b}[31mb\n"),
        (format!("sh -c '{dirty} >&2' 2>&1"), "ab\n"),
    ] {
        let answered = house.say(&line);
        assert_eq!(answered.out(), out, "{line}");
        assert_eq!(house.say(format!("runs show {}", house.newest_run())).out(), out, "{line}");
    }
}
