//! Saved runs: what is kept of a line, and who sees it.

use super::fake_broker::SOON;
use super::house::{House, POLICY, expect_stdout};
use doorward_wire::broker::ToBroker;
use doorward_wire::session::Operator;
use std::io::{Read, Write};

fn show(house: &House, id: &str) -> super::house::Answered {
    house.say(format!("runs show {id}"))
}

#[test]
fn every_line_is_listed_newest_first_and_built_in_words_are_not() {
    let house = House::new();
    assert!(house.say("runs").out().contains("(no runs yet)"));
    house.say("sh -c 'echo first'");
    house.say("cat /etc/shadow");
    house.say("sh -c 'exit 3'");
    // Right or wrong, alone or not: words are recorded, and are no runs.
    for line in [
        "whoami",
        "whoami now",
        "runs foo",
        "runs show NONE",
        "help nothing",
        "bench x",
        "submit",
        "whoami | runs",
        "explain -- cat /etc/shadow; whoami",
        "submit -- help; runs foo",
    ] {
        house.say(line);
    }
    let refused = |word: &str| {
        let is = |message: &ToBroker| match message {
            ToBroker::Intent { decision, operation, .. } => !decision.allow && operation["word"] == word,
            _ => false,
        };
        house.broker.heard().iter().filter(|message| is(message)).count()
    };
    assert_eq!((refused("whoami"), refused("runs")), (1, 2));
    let listed = house.say("runs").out();
    let lines: Vec<_> = listed.lines().skip(1).collect();
    assert_eq!(lines.len(), 3, "{listed}");
    assert!(lines[0].contains("exit 3") && lines[0].contains("  3  "), "{listed}");
    assert!(lines[1].contains("refused") && lines[1].ends_with("cat /etc/shadow"), "{listed}");
    assert!(lines[2].contains("echo first") && lines[2].contains("  0  "), "{listed}");
    assert_eq!(house.say("runs 1").out().lines().count(), 2);
}

#[test]
fn a_long_line_is_cut_in_the_list_and_whole_when_shown() {
    let house = House::new();
    let line = format!("cat {}", "x".repeat(3000));
    house.say(&line).assert_refused(126, "not_in_policy");
    assert!(house.say("runs").out().len() < 1000);
    assert!(show(&house, &house.newest_run()).err().contains(&line));
}

#[test]
fn a_saved_output_comes_back_on_the_streams_it_came_from() {
    let house = House::new();
    house.say("sh -c 'echo one; echo two >&2; echo three; exit 5'");
    let id = house.newest_run();
    for name in [id.clone(), id.to_lowercase(), id.get(..20).unwrap().to_owned()] {
        let shown = show(&house, &name);
        assert_eq!((shown.out().as_str(), shown.exit), ("one\nthree\n", Some(0)));
        assert!(shown.err().contains(&format!("doorward: run {id}")), "{}", shown.err());
        assert!(shown.err().contains("exit 5") && shown.err().ends_with("two\n"), "{}", shown.err());
    }
}

#[test]
fn a_run_that_is_not_one_is_refused() {
    let house = House::new();
    house.say("sh -c 'echo one'");
    house.say("sh -c 'echo two'");
    // Ids begin with their time: these two share their first characters.
    let first = house.newest_run().get(..3).unwrap().to_owned();
    for name in ["ZZZZ", "../../etc/passwd", "%", "''", &first] {
        show(&house, name).assert_refused(126, "object_not_allowed");
    }
}

#[test]
fn a_worker_sees_its_own_runs_and_the_operator_all() {
    let mut house = House::new();
    house.say("sh -c 'echo mine'");
    let id = house.newest_run();
    house.close();
    house.broker.set_terms(|terms| terms.worker = "other".into());
    house.open();
    assert!(house.say("runs").out().contains("(no runs yet)"));
    show(&house, &id).assert_refused(126, "object_not_allowed");
    let nope = house.ask(Operator::Runs { words: vec!["show".into(), "nope".into()] });
    assert!(
        nope.err().contains("no run begins with 'nope'") && nope.err().contains("'doorward runs'"),
        "{nope:?}"
    );
    let listed = house.ask(Operator::Runs { words: Vec::new() }).out();
    assert!(listed.contains("echo mine") && listed.contains("WORKER"), "{listed}");
    let shown = house.ask(Operator::Runs { words: vec!["show".into(), id] });
    assert_eq!(shown.out(), "mine\n");
}

#[test]
fn secrets_are_not_saved_though_the_worker_sees_them_live() {
    let house = House::new();
    // The secret is written in two pieces, so that it comes in two chunks.
    let rest = house.file("rest");
    std::fs::write(&rest, "word: hunter2 kept\n").unwrap();
    let script = format!("printf pass; sleep 0.1; cat {}; echo password=hunter3 >&2", rest.display());
    let live = house.say(format!("sh -c '{script}'"));
    assert!(live.out().contains("hunter2") && live.err().contains("hunter3"), "{live:?}");
    let shown = show(&house, &house.newest_run());
    assert_eq!(shown.out(), "[redacted] kept\n");
    assert!(!shown.err().contains("hunter"), "{}", shown.err());
    assert!(!house.say("runs").out().contains("hunter"));
    let files = [house.state_dir().join("runs/runs.db"), house.state_dir().join("runs/runs.db-wal")];
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"hunter"), "{} holds it", file.display());
    }
}

#[test]
fn a_refused_line_is_saved_without_its_secret() {
    let house = House::new();
    house.say("cat password=hunter2").assert_refused(126, "not_in_policy");
    assert!(house.say("runs").out().contains("cat [redacted]"));
    let shown = show(&house, &house.newest_run());
    assert!(shown.err().contains("not_in_policy") && !shown.err().contains("hunter2"), "{shown:?}");
}

#[test]
fn a_run_that_the_last_gateway_left_running_is_cut_off() {
    let mut house = House::new();
    house.say("sh -c 'echo kept'");
    let id = house.newest_run();
    house.close();
    let database = rusqlite::Connection::open(house.state_dir().join("runs/runs.db")).unwrap();
    database.execute("UPDATE runs SET state = 'running', ended = NULL, exit = NULL", []).unwrap();
    drop(database);
    house.open();
    assert!(house.say("runs").out().contains("cut off"));
    assert_eq!(show(&house, &id).out(), "kept\n");
}

#[test]
fn the_output_of_a_command_that_still_runs_is_shown_so_far() {
    let house = House::new();
    let mut session = house.send("sh -c 'echo begun; sleep 1000'");
    expect_stdout(&mut session, b"begun\n");
    let id = house.newest_run();
    let mut shown = show(&house, &id);
    let since = std::time::Instant::now();
    while shown.out().is_empty() && since.elapsed() < SOON {
        shown = show(&house, &id);
    }
    assert_eq!(shown.out(), "begun\n");
    assert!(shown.err().contains("has not ended"), "{}", shown.err());
}

#[test]
fn a_gateway_that_stops_marks_what_runs_as_cut_off() {
    let mut house = House::new();
    let mut session = house.send("sh -c 'echo begun; sleep 1000'");
    expect_stdout(&mut session, b"begun\n");
    house.close();
    house.broker.wait_until_idle();
    drop(session);
    house.open();
    assert!(house.say("runs").out().contains("cut off"));
}

#[test]
fn a_run_that_cannot_be_saved_is_not_run_and_what_needs_no_saving_works() {
    let mut house = House::closed(POLICY);
    std::fs::create_dir_all(house.state_dir().join("runs/runs.db")).unwrap();
    house.open();
    house.say("sh -c 'echo x'").assert_refused(125, "internal");
    house.broker.wait_for(|message| {
        matches!(message, ToBroker::Intent { decision, .. } if decision.reason.as_deref() == Some("internal"))
    });
    assert_eq!(house.say("help").exit, Some(0));
    assert!(house.say("docker system dial-stdio").dial.is_some());
    house.say("runs").assert_refused(125, "internal");
    std::fs::remove_dir(house.state_dir().join("runs/runs.db")).unwrap();
    assert_eq!(house.say("sh -c 'echo saved again'").out(), "saved again\n");
}

#[test]
fn output_that_cannot_be_saved_still_reaches_the_session_which_is_told() {
    let house = House::new();
    house.say("sh -c 'echo x'");
    let (folder, away) = (house.state_dir().join("runs"), house.state_dir().join("away"));
    std::fs::rename(&folder, &away).unwrap();
    let answered = house.say("sh -c 'echo live; exit 4'");
    assert_eq!((answered.out().as_str(), answered.exit), ("live\n", Some(4)));
    assert!(answered.err().contains("could not be saved whole"), "{answered:?}");
    std::fs::rename(&away, &folder).unwrap();
    assert!(show(&house, &house.newest_run()).err().contains("not whole"));
}

#[test]
fn a_long_output_is_shown_whole() {
    let house = House::new();
    let live = house.say("sh -c 'seq 1 100000'");
    let shown = show(&house, &house.newest_run());
    assert_eq!(shown.stdout, live.stdout);
    assert_eq!(shown.out().lines().count(), 100_000);
}

/// Most memory that this process has had since the last reset, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn a_large_output_is_shown_without_being_held_in_memory() {
    const PIECES: usize = 512;
    let house = House::new();
    house.say("sh -c true");
    let id = house.newest_run();
    let file = std::fs::File::create(house.state_dir().join(format!("runs/{id}.zst"))).unwrap();
    let mut encoder = zstd::Encoder::new(file, 1).unwrap();
    let piece = [&[1_u8, 0, 2, 0, 0][..], &vec![b'x'; 128 * 1024]].concat();
    (0..PIECES).for_each(|_| encoder.write_all(&piece).unwrap());
    encoder.finish().unwrap();

    let mut session = house.send(format!("runs show {id}"));
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, mut came, mut buffer) = (peak(), 0_u64, vec![0; 64 * 1024]);
    loop {
        match session.read(&mut buffer).unwrap() {
            0 => break,
            count => came += u64::try_from(count).unwrap(),
        }
    }
    assert!(came > 64 << 20, "{came} bytes came");
    let grown = peak() - before;
    assert!(grown < 16 << 20, "{grown} bytes of memory for it");
}

#[test]
fn quoting_hides_no_secret_from_what_is_saved() {
    let mut house = House::new();
    for line in [
        "echo pass'word'=hunter2",
        "echo a; echo \"PASS\"WORD=hunter2 | cat",
        "echo --pass\\word hunter2",
        "echo pass\\\nword=hunter2",
        "cat PASSWORD=one\\ hunter2",
        "cat pass'word=one hunter2'",
        "cat pass'word'=hunter2",
        "cat pass'word'=hunter2 &",
        "cat --password hunter2",
        "sh -c \"echo pass'word'=hunter2; exit 3\"",
        "submit -- \"echo pass'word'=hunter2\"",
        "submit -- cat \"pass'word'=hunter2\"",
        "bash -c 'echo pass\"word\"=hunter2'",
    ] {
        house.say(line);
    }
    let listed = house.say("runs export --format csv").out();
    assert!(listed.contains("[redacted]") && !listed.contains("hunter2"), "{listed}");
    house.close();
    for file in std::fs::read_dir(house.state_dir().join("runs")).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{}", path.display());
    }
}
