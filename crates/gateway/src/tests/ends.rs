//! How commands end other than by themselves.

use super::house::{House, POLICY, expect_stdout, listen};
use doorward_wire::broker::{End, ToBroker};

fn cancelled(house: &House) -> String {
    let heard = house.broker.wait_for(|message| matches!(message, ToBroker::Cancel { .. }));
    let ToBroker::Cancel { why, .. } = heard else { panic!("no Cancel") };
    why
}

#[test]
fn a_session_that_goes_away_ends_its_command_and_frees_its_place() {
    let house = House::with_policy(&POLICY.replace("concurrent = 4", "concurrent = 1"));
    let session = house.send("sh -c 'sleep 1000'");
    house.broker.wait_for(|message| matches!(message, ToBroker::Run { .. }));
    house.say("sh -c 'echo no'").assert_refused(126, "rate_limited");
    drop(session);
    assert_eq!(cancelled(&house), "disconnect");
    house.broker.wait_until_idle();
    house.broker.wait_for(|message| matches!(message, ToBroker::Output { .. }));
    assert_eq!(house.say_when_free("sh -c 'echo yes'").out(), "yes\n");
}

#[test]
fn a_session_that_goes_away_while_output_comes_ends_its_command() {
    let house = House::new();
    let session = house.send("sh -c 'while :; do echo output; done'");
    house.broker.wait_for(|message| matches!(message, ToBroker::Run { .. }));
    drop(session);
    assert_eq!(cancelled(&house), "disconnect");
    house.broker.wait_until_idle();
}

#[test]
fn output_is_cut_at_the_limit_with_a_mark_and_the_command_is_ended() {
    let house = House::new();
    let answered = house.say("sh -c 'while :; do echo 0123456789012345678901234567890123456789; done'");
    assert_eq!(answered.stdout.len(), 1 << 20);
    assert_eq!((answered.err().as_str(), answered.exit), ("doorward: output cut at 1 MiB\n", Some(143)));
    assert_eq!(cancelled(&house), "output_limit");
    let told = house.broker.wait_for(|message| matches!(message, ToBroker::Output { .. }));
    let ToBroker::Output { bytes, truncated, .. } = told else { panic!("no Output") };
    assert!(truncated && bytes > 1 << 20);
    let shown = house.say(format!("runs show {}", house.newest_run()));
    assert!(shown.err().contains("the saved output is not whole"), "{}", shown.err());
    assert_eq!(shown.stdout, answered.stdout);
}

#[test]
fn output_of_exactly_the_limit_is_not_cut() {
    let house = House::new();
    let answered = house.say("dash -c 'head -c 1048576 /dev/zero'");
    assert_eq!((answered.stdout.len(), answered.err().as_str(), answered.exit), (1 << 20, "", Some(0)));
}

#[test]
fn the_limit_holds_for_what_cleaning_makes_of_an_output() {
    let house = House::new();
    let answered = house.say("sh -c 'head -c 900000 /dev/zero | tr \"\\0\" \"\\377\"'");
    assert_eq!(answered.out(), "\u{fffd}".repeat((1 << 20) / 3), "cut between characters");
    assert_eq!(answered.err(), "doorward: output cut at 1 MiB\n");
    let shown = house.say(format!("runs show {}", house.newest_run()));
    assert_eq!(shown.stdout, answered.stdout);
    assert!(shown.err().contains("the saved output is not whole"), "{}", shown.err());
}

#[test]
fn a_line_whose_broker_goes_away_between_two_commands_is_cut_off() {
    let house = House::new();
    let (go, begun) = (house.file("go"), house.file("begun"));
    let wait =
        format!("sh -c 'echo 1 > {}; while [ ! -e {} ]; do sleep 0.01; done'", begun.display(), go.display());
    let mut session = house.send(format!("{wait}; sh -c 'echo never'"));
    while !begun.exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    house.broker.go_silent();
    std::fs::write(go, "").unwrap();
    house.broker.wait_for_runs(2);
    house.broker.stop();
    let answered = listen(&mut session);
    assert_eq!((answered.out().as_str(), answered.exit), ("", Some(125)), "{answered:?}");
    let listed = house.say("runs 1").out();
    assert!(listed.contains("cut off"), "{listed}");
}

#[test]
fn the_deadline_exits_with_124_and_says_so() {
    let house = House::new();
    house.broker.end_next_with(End::Deadline);
    let answered = house.say("sh -c 'sleep 1000'");
    assert_eq!(answered.exit, Some(124));
    assert!(answered.err().starts_with("doorward: ended at its deadline"), "{answered:?}");
}

#[test]
fn a_sandbox_that_cannot_be_built_is_no_exit_of_the_command() {
    let house = House::new();
    house
        .broker
        .end_next_with(End::SpawnFailed { step: "16 landlock".into(), error: "not supported".into() });
    let answered = house.say("sh -c 'echo x'");
    answered.assert_refused(125, "spawn_failed");
    assert!(answered.err().contains("16 landlock"), "{answered:?}");
    assert!(house.say("runs 1").out().contains(" 125 "));
}

#[test]
fn a_broker_that_goes_away_fails_what_runs() {
    let house = House::new();
    let mut session = house.send("sh -c 'echo begun; sleep 1000'");
    expect_stdout(&mut session, b"begun\n");
    house.broker.stop();
    let answered = listen(&mut session);
    assert_eq!(answered.exit, Some(125));
    assert!(answered.err().contains("broker_unavailable"), "{answered:?}");
    assert!(house.say("runs 1").out().contains("cut off"));
}

#[test]
fn a_broker_that_refuses_is_believed() {
    let house = House::new();
    assert_eq!(house.say("whoami").exit, Some(0));
    house.broker.refuse_with(Some("policy_changed"));
    house.say("sh -c 'echo x'").assert_refused(126, "policy_changed");
    assert!(house.say("runs 1").out().contains("refused"));
}

#[test]
fn a_process_that_keeps_the_pipe_open_does_not_keep_the_session() {
    let house = House::new();
    // The stand-in's own child ends; its child lives on with both pipes, which a real sandbox would not let.
    let answered = house.say("sh -c 'setsid sleep 30 & echo $!'");
    assert_eq!(answered.exit, Some(0));
    let left = rustix::process::Pid::from_raw(answered.out().trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
}
