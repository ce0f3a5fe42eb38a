//! Jobs: runs that go on without the connection that submitted them.

use super::fake_broker::SOON;
use super::house::{Answered, House};
use doorward_wire::broker::{End, ToBroker};
use std::time::{Duration, Instant};

fn submit(house: &House, script: &str) -> String {
    let answered = house.say(format!("submit -- sh -c '{script}'"));
    assert_eq!(answered.exit, Some(0), "{answered:?}");
    let id = answered.out().trim_end().to_owned();
    assert_eq!((id.len(), answered.out()), (26, format!("{id}\n")));
    assert!(answered.err().contains(&format!("runs wait {id}")), "{answered:?}");
    id
}

#[track_caller]
fn shown(house: &House, id: &str, expected: &str) -> Answered {
    let since = Instant::now();
    loop {
        let shown = house.say(format!("runs show {id}"));
        if shown.out() == expected {
            return shown;
        }
        assert!(since.elapsed() < SOON, "{shown:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_job_goes_on_without_its_session_and_keeps_its_output_and_exit() {
    let house = House::new();
    let id = submit(&house, "echo one; sleep 0.5; echo two >&2; exit 9");
    assert!(house.say("runs").out().contains("running"), "it is listed while it runs");
    let waited = house.say(format!("runs wait {id}"));
    assert_eq!(waited.exit, Some(9), "{waited:?}");
    let shown = house.say(format!("runs show {id}"));
    assert_eq!(shown.out(), "one\n");
    assert!(shown.err().contains("submitted line: sh -c") && shown.err().contains("two\n"), "{shown:?}");
    let listed = house.say("runs").out();
    assert!(
        listed.contains("  sh -c") && !listed.contains("submit"),
        "the line that was submitted: {listed}"
    );
}

#[test]
fn how_far_a_job_has_come_is_shown_while_it_runs() {
    let house = House::new();
    let go = house.file("go");
    let id =
        submit(&house, &format!("echo 10%; while ! test -e {}; do sleep 0.05; done; echo 20%", go.display()));
    let so_far = shown(&house, &id, "10%\n");
    assert!(so_far.err().ends_with("the run has not ended; this is what is saved so far\n"), "{so_far:?}");
    std::fs::write(go, "").unwrap();
    shown(&house, &id, "10%\n20%\n");
}

#[test]
fn a_job_may_be_a_whole_line_in_quotes() {
    let house = House::new();
    let answered = house.say(r#"submit -- "sh -c 'echo one; exit 3' || sh -c 'echo two'""#);
    assert_eq!(answered.exit, Some(0), "{answered:?}");
    let id = answered.out().trim().to_owned();
    assert_eq!(house.say(format!("runs wait {id}")).exit, Some(0));
    let shown = house.say(format!("runs show {id}"));
    assert_eq!(shown.out(), "one\ntwo\n");
    assert!(shown.err().contains("command 1: sh -c 'echo one; exit 3': exit 3, by"), "{shown:?}");
}

#[test]
fn what_may_not_run_is_refused_at_once() {
    let house = House::new();
    let cases = [
        ("submit -- cat /etc/shadow", "not_in_policy"),
        ("submit -- 'cat /proc/uptime; cat /etc/shadow'", "not_in_policy"),
        ("submit -- submit -- cat /proc/uptime", "bad_request"),
        ("submit -- 'cat /proc/uptime; submit -- cat /proc/uptime'", "bad_request"),
        ("submit -- help", "bad_request"),
        ("submit -- docker system dial-stdio", "bad_request"),
        ("submit -- ''", "bad_request"),
        ("cat /proc/uptime; submit -- cat /proc/uptime", "bad_request"),
    ];
    for (line, reason) in cases {
        house.say(line).assert_refused(126, reason);
    }
    for line in ["submit --", "submit cat /proc/uptime"] {
        house.say(line).assert_refused(2, "bad_request");
    }
    // What is left of `ssh HOST submit -- 'A && B'` when a shell has taken the quotes.
    let unquoted = house.say("submit -- cat /proc/uptime && cat /proc/uptime");
    assert!(unquoted.err().contains(r#"ssh HOST "submit -- 'A && B'""#), "{unquoted:?}");
    assert!(house.say("help submit").out().contains(r#"ssh HOST "submit -- 'A && B'""#));
    let runs = house.broker.heard().into_iter().filter(|message| matches!(message, ToBroker::Run { .. }));
    assert_eq!(runs.count(), 0, "nothing ran");
}

#[test]
fn a_job_takes_a_place_and_keeps_the_lines_limits() {
    let house = House::new();
    let ids: Vec<_> = (0..4).map(|_| submit(&house, "sleep 1000")).collect();
    house.say("submit -- sh -c true").assert_refused(126, "rate_limited");
    house.say("sh -c true").assert_refused(126, "rate_limited");
    assert!(house.say(format!("runs cancel {}", ids[0])).err().contains("cancelled"));
    let flood = submit(&house, "head -c 2000000 /dev/zero | tr \\\\0 x; sleep 1000");
    let waited = house.say(format!("runs wait {flood}"));
    assert!(waited.exit == Some(143) && waited.err().contains("output_limit"), "{waited:?}");
    let shown = house.say(format!("runs show {flood}"));
    assert_eq!(shown.stdout.len(), 1 << 20);
    assert!(shown.err().ends_with("the output was cut here, at the limit of the line\n"), "{}", shown.err());
}

#[test]
fn a_job_that_a_restart_cuts_off_says_so() {
    let mut house = House::new();
    let id = submit(&house, "echo begun; sleep 1000");
    shown(&house, &id, "begun\n");
    house.close();
    house.broker.wait_until_idle();
    house.open();
    assert!(house.say("runs").out().contains("cut off"));
    let waited = house.say(format!("runs wait {id}"));
    assert_eq!(waited.exit, Some(125));
    assert!(waited.err().contains("was cut off: the gateway stopped"), "{waited:?}");
    assert_eq!(house.say(format!("runs show {id}")).out(), "begun\n");
}

#[test]
fn the_record_of_a_submission_names_its_run() {
    let house = House::new();
    let id = submit(&house, "true");
    house.broker.wait_for(|message| match message {
        ToBroker::Intent { decision, operation, .. } => {
            decision.allow && operation["word"] == "submit" && operation["run"] == id.as_str()
        }
        _ => false,
    });
    house.broker.wait_for(
        |message| matches!(message, ToBroker::Run { run, asker, .. } if *run == id && asker.way == "line"),
    );
    assert_eq!(house.say(format!("runs wait {id}")).exit, Some(0));
}

#[test]
fn without_a_record_nothing_is_submitted() {
    let house = House::new();
    house.broker.refuse_with(Some("audit_unavailable"));
    house.say("submit -- sh -c true").assert_refused(126, "audit_unavailable");
    house.broker.refuse_with(None);
    assert!(house.say("runs").out().contains("no runs yet"));
}

#[test]
fn a_docker_command_that_was_ended_says_that_its_container_may_go_on() {
    let house = House::new();
    let left = "doorward: what the docker command started may go on: docker ps shows it, docker rm -f NAME ends it\n";
    let ends = [
        End::Deadline,
        End::Cancelled { why: "cancelled".into() },
        End::Cancelled { why: "disconnect".into() },
    ];
    for end in ends {
        for line in ["docker logs x", "docker logs x | cat"] {
            house.broker.end_next_with(end.clone());
            let told = house.say(line).err();
            assert!(told.ends_with(left), "{line}: {told}");
            let id = house.newest_run();
            for word in ["show", "wait", "cancel"] {
                let told = house.say(format!("runs {word} {id}")).err();
                assert!(told.contains(left), "{word}: {told}");
            }
        }
        house.broker.end_next_with(end);
        let told = house.say("sh -c 'sleep 1000'").err();
        assert!(!told.contains("docker"), "{told}");
        assert!(!house.say(format!("runs show {}", house.newest_run())).err().contains("docker"));
    }
    house.broker.end_next_with(End::Exited { code: 0 });
    assert_eq!(house.say("docker logs x").err(), "");
}
