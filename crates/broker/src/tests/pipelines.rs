//! Pipelines: what flows between stages, how they end together, and that all of a pipeline runs or nothing.

use super::served::{self, House, Peer, stage};
use super::support::root;
use doorward_wire::broker::{End, FromBroker, Stage, StageErr, StageOut, ToBroker};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

const POLICY: &str = r#"
version = 1
[worker.hermes]
user = "no-such-login-account"
roles = ["look"]
[worker.hermes.limits]
lines = { concurrent = 2, seconds = 30 }
[role.look]
about = "For tests."
[[role.look.command]]
run = "sh -c {script:/.*/}"
[[role.look.command]]
run = "yes"
[[role.look.command]]
run = "sleep {seconds:0..1000}"
[[role.look.command]]
run = "sleep 1001"
seconds = 1
[[role.look.command]]
run = "no-such-program-here"
"#;

fn house() -> House {
    served::house(POLICY, (0, 0), (4242, 4242))
}

const DONE: End = End::Exited { code: 0 };

/// What a pipeline gave: stdout, stderr, ends.
type Gave = (String, String, Vec<End>);

fn run(peer: &mut Peer, stages: Vec<Stage>) -> Gave {
    let (request, out, err) = peer.run_stages(stages);
    peer.started();
    let (out, err) = (text(out), text(err));
    let ends = peer.ends();
    peer.send(&ToBroker::Output { request, bytes: 0, truncated: false }, &[]);
    (out, err, ends)
}

fn text(mut pipe: std::io::PipeReader) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text
}

fn kinds(log: &[String], kind: &str) -> Vec<serde_json::Value> {
    let records = log.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    records.filter(|record| record["kind"] == kind).collect()
}

#[test]
fn what_a_stage_writes_the_next_one_reads_and_each_ends_by_itself() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    let stages = vec![
        stage(&["sh", "-c", "printf 'b\\na\\nc\\n'; exit 3"]),
        stage(&["sort"]),
        stage(&["head", "-n", "2"]),
    ];
    let gave = run(&mut peer, stages);
    assert_eq!(gave, ("a\nb\n".into(), String::new(), vec![End::Exited { code: 3 }, DONE, DONE]));
}

#[test]
fn a_writer_that_nobody_reads_any_more_ends_by_its_signal() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    let (out, _, ends) = run(&mut peer, vec![stage(&["yes"]), stage(&["head", "-n", "1"])]);
    assert_eq!((out.as_str(), ends), ("y\n", vec![End::Signaled { signal: 13 }, DONE]));
}

#[test]
fn what_needs_more_than_a_sorts_usual_memory_is_sorted() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    let stages =
        vec![stage(&["sh", "-c", "seq 3000000 -1 1"]), stage(&["sort", "-n"]), stage(&["tail", "-n", "1"])];
    assert_eq!(run(&mut peer, stages), ("3000000\n".into(), String::new(), vec![DONE; 3]));
}

#[test]
fn the_first_stage_reads_what_is_fed() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    let ((mut out, stdout), (stdin, mut feed)) = (std::io::pipe().unwrap(), std::io::pipe().unwrap());
    let mut message = peer.ask(vec![stage(&["cat"]), stage(&["sort"])]);
    if let ToBroker::Run { stdin, .. } = &mut message {
        *stdin = true;
    }
    peer.send(&message, &[stdout.as_fd(), stdout.as_fd(), stdin.as_fd()]);
    drop((stdout, stdin));
    peer.started();
    feed.write_all(b"2\n1\n").unwrap();
    drop(feed);
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), peer.ends()), ("1\n2\n", vec![DONE, DONE]));
}

/// A stage with redirections, and what they are in `sh`.
const REDIRECTIONS: [(StageOut, StageErr, &str); 6] = [
    (StageOut::Next, StageErr::Line, ""),
    (StageOut::Next, StageErr::Null, "2>/dev/null"),
    (StageOut::Next, StageErr::Next, "2>&1"),
    (StageOut::Null, StageErr::Line, ">/dev/null"),
    (StageOut::Null, StageErr::Null, ">/dev/null 2>&1"),
    (StageOut::Null, StageErr::Next, "2>&1 >/dev/null"),
];

#[test]
fn redirections_lead_where_sh_leads_them() {
    if !root() {
        return;
    }
    const SAYS: &str = "cat; echo o; echo e >&2";
    let house = house();
    let mut peer = house.gateway();
    for (first_out, first_err, first) in REDIRECTIONS {
        for (last_out, last_err, last) in REDIRECTIONS {
            let with = |out, err| Stage { out, err, ..stage(&["sh", "-c", SAYS]) };
            let gave = run(&mut peer, vec![with(first_out, first_err), with(last_out, last_err)]);
            let line = format!("sh -c '{SAYS}' {first} | sh -c '{SAYS}' {last}");
            let sh = std::process::Command::new("sh")
                .args(["-c", &line])
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap();
            // Two stages write to one stderr in any order.
            let sorted = |text: &str| {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            let [expected_out, expected_err] =
                [&sh.stdout, &sh.stderr].map(|bytes| sorted(std::str::from_utf8(bytes).unwrap()));
            assert_eq!((sorted(&gave.0), sorted(&gave.1)), (expected_out, expected_err), "{line}");
        }
    }
}

#[test]
fn every_stage_has_its_own_intent_and_outcome() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    let first = Stage { err: StageErr::Null, ..stage(&["sh", "-c", "exit 4"]) };
    let (request, _out, _err) = peer.run_stages(vec![first, stage(&["sort"]), stage(&["cat"])]);
    let FromBroker::Started { stages, .. } = peer.next() else { panic!() };
    let rules: Vec<&str> = stages.iter().map(|stage| stage.rule.as_str()).collect();
    assert_eq!(rules, ["look#1", "built-in", "built-in"]);
    assert_eq!(peer.ends(), [End::Exited { code: 4 }, DONE, DONE]);
    peer.send(&ToBroker::Output { request: request.clone(), bytes: 77, truncated: true }, &[]);
    let log = house.log(3);
    let (intents, outcomes) = (kinds(&log, "intent"), kinds(&log, "outcome"));
    assert_eq!((intents.len(), outcomes.len()), (3, 3), "{log:#?}");
    for (at, (intent, argv)) in
        intents.iter().zip([["sh", "-c", "exit 4"].as_slice(), &["sort"], &["cat"]]).enumerate()
    {
        let seq = &intent["seq"];
        assert_eq!((seq, &intent["rule"]), (&stages[at].seq.into(), &stages[at].rule.clone().into()));
        assert_eq!((&intent["argv"], &intent["request"]), (&argv.into(), &request.0.clone().into()));
        assert_eq!(
            (&intent["operation"]["op"], &intent["operation"]["stage"], &intent["operation"]["of"]),
            (&"command".into(), &(at + 1).into(), &3.into())
        );
        assert_eq!(intent["operation"]["err"] == "null", at == 0, "{intent}");
        let outcome = outcomes.iter().find(|outcome| outcome["intent"] == *seq).unwrap();
        assert_eq!(outcome["outcome"]["run"], "RUN1");
        assert_eq!(outcome["outcome"]["exit"], if at == 0 { 4 } else { 0 });
        assert_eq!(outcome["outcome"]["bytes"] == 77, at == 2, "{outcome}");
    }
}

#[test]
fn when_one_stage_is_refused_none_runs() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    for (refused, reason) in [
        (&["rm", "x"][..], "not_in_policy"),
        (&["no-such-program-here"], "unavailable"),
        (&[], "bad_request"),
    ] {
        let stages = vec![stage(&["sh", "-c", "echo ran >&2"]), stage(refused), stage(&["cat"])];
        let (_, out, err) = peer.run_stages(stages);
        assert_eq!(peer.refused().0, reason);
        assert_eq!((text(out), text(err)), (String::new(), String::new()));
    }
    let log = house.log(0);
    let intents = kinds(&log, "intent");
    assert_eq!(intents.len(), 3, "{log:#?}");
    for intent in intents {
        assert_eq!(
            (&intent["verdict"], &intent["operation"]["stage"]),
            (&"deny".into(), &2.into()),
            "{intent}"
        );
    }
}

#[test]
fn a_pipeline_has_a_bound_and_no_empty_one_runs() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    let most = doorward_wire::broker::MAX_STAGES;
    for (count, fits) in [(0, false), (most, true), (most + 1, false)] {
        let _pipes = peer.run_stages(vec![stage(&["cat"]); count]);
        if fits {
            peer.started();
            assert_eq!(peer.ends(), vec![DONE; count]);
        } else {
            assert_eq!(peer.refused().0, "bad_request", "{count}");
        }
    }
}

#[test]
fn a_stage_at_its_deadline_ends_alone_and_the_others_then_as_in_sh() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    let (out, _, ends) = run(
        &mut peer,
        vec![
            stage(&["sh", "-c", "echo first"]),
            stage(&["sleep", "1001"]),
            stage(&["sh", "-c", "cat; echo last"]),
        ],
    );
    assert_eq!((out.as_str(), ends), ("last\n", vec![DONE, End::Deadline, DONE]));
}

#[test]
fn a_cancel_ends_all_stages_and_one_pipeline_takes_one_place() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    let sleeps = || {
        vec![
            stage(&["sleep", "905"]),
            stage(&["sh", "-c", "trap '' TERM; sleep 905"]),
            stage(&["sleep", "905"]),
        ]
    };
    let (first, ..) = peer.run_stages(sleeps());
    peer.started();
    let (second, ..) = peer.run_stages(sleeps());
    peer.started();
    let _third = peer.run(&["cat"]);
    assert_eq!(peer.refused().0, "rate_limited");
    for request in [first, second] {
        peer.send(&ToBroker::Cancel { request, why: "test".into() }, &[]);
        assert_eq!(peer.ends(), vec![End::Cancelled { why: "test".into() }; 3]);
    }
    assert_eq!(run(&mut peer, vec![stage(&["cat"])]).2, [DONE]);
}

#[test]
fn when_a_stage_cannot_be_started_the_others_are_ended_and_all_is_told() {
    if !root() {
        return;
    }
    // Resolved and judged like any program, and refused by the kernel.
    let dir = tempfile::tempdir_in("/usr/local").unwrap();
    let broken = dir.path().join("broken");
    std::fs::write(&broken, "\x7fELF").unwrap();
    for path in [dir.path(), &broken] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let broken = broken.to_str().unwrap();
    let policy = format!("{POLICY}\n[[role.look.command]]\nrun = \"{broken}\"\n");
    let house = served::house(&policy, (0, 0), (4242, 4242));
    let mut peer = house.gateway();
    let stages = vec![stage(&["sleep", "906"]), stage(&[broken]), stage(&["sleep", "906"])];
    let (_, out, err) = peer.run_stages(stages);
    peer.started();
    let ends = peer.ends();
    let cancelled = End::Cancelled { why: "another stage could not be started".into() };
    assert_eq!((&ends[0], &ends[2]), (&cancelled, &cancelled));
    assert!(matches!(&ends[1], End::SpawnFailed { step, .. } if step == "18 exec"), "{ends:?}");
    assert_eq!((text(out), text(err)), (String::new(), String::new()));
    peer.send(
        &ToBroker::Output { request: doorward_wire::broker::RequestId::new(), bytes: 0, truncated: false },
        &[],
    );
    drop(peer);
    let outcomes = kinds(&house.log(3), "outcome");
    let hows: Vec<&str> =
        outcomes.iter().map(|outcome| outcome["outcome"]["how"].as_str().unwrap()).collect();
    assert_eq!(hows, ["cancelled", "spawn_failed", "cancelled"]);
}

#[test]
fn pipelines_leave_no_descriptor_and_no_process() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let one =
        |peer: &mut Peer| run(peer, vec![stage(&["yes"]), stage(&["cat"]), stage(&["head", "-n", "1"])]);
    one(&mut peer);
    let before = open();
    for _ in 0..200 {
        assert_eq!(one(&mut peer).0, "y\n");
    }
    let until = Instant::now() + Duration::from_secs(10);
    while open() > before || children() > 0 {
        assert!(Instant::now() < until, "{} descriptors, then {}; {} children", before, open(), children());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Processes of this one, also zombies.
fn children() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let of =
        |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
    tasks.map(|task| of(task.unwrap()).split_whitespace().count()).sum()
}

#[test]
fn without_a_record_for_every_stage_none_runs() {
    if !root() {
        return;
    }
    let house = house();
    let mut peer = house.gateway();
    house.broker.audit.close().unwrap();
    let (_, out, err) = peer.run_stages(vec![stage(&["sh", "-c", "echo ran >&2"]), stage(&["cat"])]);
    assert_eq!(peer.refused().0, "audit_unavailable");
    assert_eq!((text(out), text(err)), (String::new(), String::new()));
}

#[test]
fn when_the_record_of_one_stage_cannot_be_written_none_runs_and_the_others_records_say_so() {
    if !root() {
        return;
    }
    // Each `a` becomes `[redacted]`, and each `e` of that again: the second record is too long for the log.
    let house = served::house(&format!("{POLICY}\n[runs]\nredact = ['a', 'e']\n"), (0, 0), (4242, 4242));
    let mut peer = house.gateway();
    let long = "a".repeat(200 << 10);
    let stages = vec![stage(&["sh", "-c", "echo ran >&2"]), stage(&["sh", "-c", &long]), stage(&["cat"])];
    let (_, out, err) = peer.run_stages(stages);
    assert_eq!(peer.refused().0, "audit_unavailable");
    assert_eq!((text(out), text(err)), (String::new(), String::new()));
    let log = house.log(2);
    let hows: Vec<_> =
        kinds(&log, "outcome").iter().map(|outcome| outcome["outcome"]["how"].clone()).collect();
    assert_eq!(hows, ["cancelled", "cancelled"], "{log:#?}");
}
