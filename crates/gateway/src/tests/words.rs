//! Built-in words among other commands.

use super::house::{House, POLICY, most_memory};
use super::lists::{runs, stages};
use doorward_wire::broker::ToBroker;
use std::io::Write;

#[test]
fn a_word_may_begin_a_pipeline() {
    let house = House::new();
    let answered = house.say("help | grep uptime");
    assert_eq!((answered.out().trim(), answered.exit), ("cat /proc/uptime", Some(0)));
    let answered = house.say("whoami | grep nothing || whoami | cut -c 1-6 | head -n 1");
    assert_eq!((answered.out().as_str(), answered.exit), ("worker\n", Some(0)));
    house.say("sh -c 'echo one; echo error; echo error >&2'");
    let id = house.newest_run();
    let found = house.say(format!("runs show {id} | grep -c error"));
    assert_eq!(found.out(), "1\n");
    assert!(found.err().contains("line: sh -c") && found.err().ends_with("error\n"), "{found:?}");
    assert_eq!(house.say(format!("runs show {id} 2>/dev/null | cat")).err(), "");
    let both = house.say(format!("runs show {id} 2>&1 | cat"));
    assert!(both.out().starts_with("doorward: run ") && both.err().is_empty(), "{both:?}");
}

#[test]
fn a_word_in_a_list_is_part_of_its_run() {
    let house = House::new();
    let answered = house.say("sh -c 'echo a' && whoami; help >/dev/null; runs show NONE || sh -c 'echo b'");
    assert!(
        answered.out().starts_with("a\nworker   w\n") && answered.out().ends_with("\nb\n"),
        "{answered:?}"
    );
    assert!(answered.err().starts_with("doorward: refused (object_not_allowed)"), "{answered:?}");
    let id = house.newest_run();
    assert_eq!(house.say("runs").out().lines().count(), 2);
    assert_eq!(house.say(format!("runs show {id}")).stdout, answered.stdout);
    let kept: Vec<_> = stages(&house).into_iter().map(|(_, exit, _)| exit).collect();
    assert_eq!(kept, [Some(0), Some(0), Some(0), Some(126), Some(0)]);
    let whoami = house.broker.wait_for(|message| match message {
        ToBroker::Intent { operation, .. } => operation["word"] == "whoami",
        _ => false,
    });
    let ToBroker::Intent { operation, request, .. } = whoami else { panic!("no Intent") };
    assert_eq!(operation["run"], id.as_str());
    assert_ne!(request.0, id);
}

#[test]
fn a_list_of_words_is_no_run() {
    let house = House::new();
    let answered = house.say("runs show NONE || whoami && help help");
    assert_eq!(answered.exit, Some(0));
    assert!(answered.out().contains("worker   w") && answered.out().contains("help [WORDS]"), "{answered:?}");
    assert!(answered.err().contains("object_not_allowed"));
    assert_eq!(runs(&house).len(), 0);
    assert!(house.say("runs").out().contains("(no runs yet)"));
}

#[test]
fn a_word_that_nobody_reads_ends_as_a_command_would() {
    let house = House::with_policy(&POLICY.replace("\"1MiB\"", "\"64MiB\""));
    house.say("sh -c 'seq 1 100000'");
    let id = house.newest_run();
    let answered = house.say(format!("runs show {id} | head -n 1"));
    assert_eq!((answered.out().as_str(), answered.exit), ("1\n", Some(0)));
    let kept = stages(&house);
    assert_eq!((kept[0].1, kept[0].2.as_str()), (Some(141), "signaled"));
}

#[test]
fn a_word_in_a_run_is_cut_at_the_runs_limit_with_the_mark_that_commands_get() {
    let house = House::new();
    let id = saved_64_mib(&house);
    let before = most_memory();
    for (line, first) in [
        (format!("sh -c 'echo first' && runs show {id} 2>/dev/null; sh -c 'echo never'"), "first\n"),
        (format!("runs show {id} 2>&1 | sh -c 'cat; sleep 60'; sh -c 'echo never'"), "doorward: run "),
    ] {
        let answered = house.say(&line);
        assert_eq!((answered.exit, answered.stdout.len()), (Some(143), 1 << 20), "{line}");
        assert!(answered.out().starts_with(first), "{line}");
        assert!(answered.err().ends_with("doorward: output cut at 1 MiB\n"), "{line}: {}", answered.err());
        let shown = house.say(format!("runs show {}", house.newest_run()));
        assert_eq!(shown.stdout.len(), 1 << 20, "what is saved is cut as well");
        assert!(shown.err().contains("(output_limit)"), "{}", shown.err());
    }
    assert!(stages(&house).iter().any(|(line, exit, _)| line.contains("never") && exit.is_none()));
    let grown = most_memory() - before;
    assert!(grown < 16 * 1024, "{grown} KiB more for 1 MiB of 64");
}

#[test]
fn a_line_of_only_words_shows_a_saved_output_whole() {
    let house = House::new();
    let id = saved_64_mib(&house);
    let answered = house.say(format!("whoami >/dev/null; runs show {id}"));
    assert_eq!((answered.exit, answered.stdout.len()), (Some(0), 64 << 20));
}

#[test]
fn a_saved_output_of_64_mib_goes_into_a_pipe_in_constant_memory() {
    let house = House::new();
    let id = saved_64_mib(&house);
    let before = most_memory();
    let answered = house.say(format!("runs show {id} | wc -c"));
    assert_eq!(answered.out(), "67108864\n");
    let grown = most_memory() - before;
    assert!(grown < 16 * 1024, "{grown} KiB more for 64 MiB");
}

#[test]
fn a_session_that_goes_away_ends_a_word_that_feeds_a_command() {
    let house = House::with_policy(&POLICY.replace("\"1MiB\"", "\"64MiB\""));
    house.say("sh -c 'seq 1 100000'");
    let id = house.newest_run();
    let session = house.send(format!("runs show {id} | sh -c 'sleep 1000'"));
    house.broker.wait_for(
        |message| matches!(message, ToBroker::Run { stages, .. } if stages[0].argv[2] == "sleep 1000"),
    );
    drop(session);
    house.broker.wait_for(|message| matches!(message, ToBroker::Cancel { why, .. } if why == "disconnect"));
    house.broker.wait_until_idle();
    while house.say("runs 1").out().contains("running") {}
}

/// The id of a run whose saved output has 64 MiB.
fn saved_64_mib(house: &House) -> String {
    house.say("sh -c 'echo x'");
    // As the store would have written it: pieces of stdout with their lengths.
    let piece = [&[1_u8][..], &65536_u32.to_be_bytes(), &[b'x'; 65536]].concat();
    let id = house.newest_run();
    let path = house.state_dir().join("runs").join(format!("{id}.zst"));
    let mut file = zstd::Encoder::new(std::fs::File::create(path).unwrap(), 1).unwrap();
    (0..1024).for_each(|_| file.write_all(&piece).unwrap());
    file.finish().unwrap();
    id
}
