//! Much at once.

use super::house::{House, POLICY, listen};
use doorward_wire::broker::ToBroker;
use std::time::Duration;

#[test]
fn a_session_that_does_not_read_stops_its_command_instead_of_filling_memory() {
    let house = House::with_policy(&POLICY.replace("\"1MiB\"", "\"64MiB\""));
    let progress = house.file("progress");
    let script = format!(
        "i=0; while [ $i -lt 512 ]; do head -c 65536 /dev/zero; printf x >> {}; i=$((i+1)); done",
        progress.display()
    );
    let mut session = house.send(format!("dash -c '{script}'"));
    // The command is stopped when its count stands still; a command that is not stopped counts to the end.
    let (mut before, mut same) = (0, 0);
    while same < 10 {
        std::thread::sleep(Duration::from_millis(50));
        let now = std::fs::metadata(&progress).map_or(0, |file| file.len());
        same = if now == before && now > 0 { same + 1 } else { 0 };
        before = now;
    }
    assert!(before < 64, "the command wrote {before} pieces of 64 KiB that nobody has read");
    let answered = listen(&mut session);
    assert_eq!((answered.stdout.len(), answered.exit), (512 * 65536, Some(0)));
}

#[test]
fn a_session_that_never_reads_is_given_up_after_its_command_ended() {
    let mut house = House::closed(&POLICY.replace("concurrent = 4", "concurrent = 1"));
    house.set_timing(|timing| timing.stalled = Duration::from_millis(300));
    house.open();
    let pid = house.file("pid");
    // Writes without end into a session that does not read, until it is killed.
    let session = house.send(format!("dash -c 'echo $$ > {}; exec cat /dev/zero'", pid.display()));
    let pid = loop {
        match std::fs::read_to_string(&pid).unwrap_or_default().trim().parse() {
            Ok(pid) => break rustix::process::Pid::from_raw(pid).unwrap(),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    std::thread::sleep(Duration::from_millis(200));
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    house.broker.wait_for(|message| matches!(message, ToBroker::Output { .. }));
    assert_eq!(house.say_when_free("sh -c 'echo next'").out(), "next\n");
    drop(session);
}

#[test]
fn two_hundred_lines_at_once_keep_the_limits_and_lose_nothing() {
    let house = House::new();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..200)
            .map(|number| {
                let house = &house;
                scope.spawn(move || (number, house.say(format!("sh -c 'echo {number}; sleep 0.02'"))))
            })
            .collect();
        sessions.into_iter().map(|session| session.join().unwrap()).collect()
    });
    let mut served = 0;
    for (number, answered) in answers {
        match answered.exit {
            Some(0) => {
                assert_eq!(answered.out(), format!("{number}\n"));
                served += 1;
            }
            _ => answered.assert_refused(126, "rate_limited"),
        }
    }
    assert!(served >= 4, "only {served} were served");
    assert!(house.broker.most_at_once() <= 4);
    let heard = house.broker.heard();
    let count = |wanted: &dyn Fn(&ToBroker) -> bool| heard.iter().filter(|message| wanted(message)).count();
    let refused = count(&|message| matches!(message, ToBroker::Intent { decision, .. } if !decision.allow));
    assert_eq!((count(&|message| matches!(message, ToBroker::Run { .. })), refused), (served, 200 - served));
    let listed = house.say("runs 1000").out();
    assert_eq!(listed.lines().filter(|line| line.contains("sh -c")).count(), 200);
    assert_eq!(listed.lines().filter(|line| line.contains(" refused ")).count(), 200 - served);
}

#[test]
fn a_flood_of_which_nothing_is_left_leaves_others_their_turn() {
    let house = House::with_policy(&POLICY.replace("\"1MiB\"", "\"64GiB\""));
    let noise = house.file("noise");
    std::fs::write(&noise, b"\x1bc".repeat(1 << 20)).unwrap();
    let flood = house.send(format!("sh -c 'while :; do cat {}; done'", noise.display()));
    house.broker.wait_for(|message| matches!(message, ToBroker::Run { .. }));
    for _ in 0..20 {
        assert_eq!(house.say("whoami").exit, Some(0));
    }
    drop(flood);
    house.broker.wait_until_idle();
}

#[test]
fn a_flood_of_which_nothing_is_left_ends_at_the_limit() {
    let house = House::new();
    let answered = house.say("sh -c 'while :; do printf \"\\033c\\033c\\033c\\033c\"; done'");
    assert_eq!((answered.out().as_str(), answered.exit), ("", Some(143)));
    assert_eq!(answered.err(), "doorward: output cut at 1 MiB\n");
}

#[test]
fn a_flood_of_one_run_does_not_keep_another_waiting() {
    let house = House::with_policy(&POLICY.replace("\"1MiB\"", "\"1GiB\""));
    let flood = house.send("dash -c 'while :; do head -c 65536 /dev/zero; done'");
    let mut reading = flood.try_clone().unwrap();
    let reader = std::thread::spawn(move || listen(&mut reading));
    house.broker.wait_for(|message| matches!(message, ToBroker::Run { .. }));
    for number in 0..20 {
        assert_eq!(house.say(format!("sh -c 'echo {number}'")).out(), format!("{number}\n"));
    }
    flood.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(reader.join().unwrap().exit, None);
    house.broker.wait_until_idle();
}
