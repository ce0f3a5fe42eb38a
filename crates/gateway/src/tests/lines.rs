//! What a line is answered, and what is recorded of it.

use super::house::{House, POLICY, listen};
use base64::Engine;
use doorward_wire::broker::{Asker, Decision, Stage, ToBroker};

fn intent_of(house: &House, wanted: impl Fn(&Decision) -> bool) -> (Asker, Decision, ToBroker) {
    let message = house.broker.wait_for(|message| match message {
        ToBroker::Intent { decision, .. } => wanted(decision),
        _ => false,
    });
    let ToBroker::Intent { asker, decision, .. } = message.clone() else { panic!("no Intent") };
    (asker, decision, message)
}

#[test]
fn an_empty_line_is_greeted_with_what_the_worker_may_do() {
    let house = House::new();
    for line in ["", "   "] {
        let answered = house.say(line);
        assert_eq!(answered.exit, Some(0));
        for part in [
            "You are worker 'w'",
            "What the tests need.",
            "cat /proc/uptime",
            "docker ps|logs",
            "runs show ID",
        ] {
            assert!(answered.out().contains(part), "{part} is not in {}", answered.out());
        }
    }
}

#[test]
fn a_command_gives_its_own_output_and_exit_code() {
    let house = House::new();
    let answered = house.say("sh -c 'echo one; echo two >&2; exit 7'");
    assert_eq!(
        (answered.out().as_str(), answered.err().as_str(), answered.exit),
        ("one\n", "two\n", Some(7))
    );
    let ToBroker::Run { asker, stages, stdin, run, request, .. } =
        house.broker.wait_for(|message| matches!(message, ToBroker::Run { .. }))
    else {
        panic!("no Run")
    };
    assert_eq!(
        stages,
        [Stage::plain(["sh", "-c", "echo one; echo two >&2; exit 7"].map(str::to_owned).to_vec())]
    );
    assert_eq!((asker.worker.as_str(), asker.way.as_str(), stdin), ("w", "line", false));
    assert_eq!((asker.key.as_deref(), asker.source.as_deref()), (Some("SHA256:key"), Some("192.0.2.1")));
    assert_eq!(run, request.0);
    let told = house.broker.wait_for(|message| matches!(message, ToBroker::Output { .. }));
    assert_eq!(told, ToBroker::Output { request, bytes: 8, truncated: false });
}

#[test]
fn leading_sudo_is_dropped_before_the_line_is_judged() {
    let house = House::new();
    assert_eq!(house.say("sudo sh -c 'echo x'").out(), "x\n");
}

#[test]
fn a_command_that_a_signal_ended_exits_with_128_and_its_number() {
    let house = House::new();
    assert_eq!(house.say("sh -c 'kill -9 $$'").exit, Some(137));
}

#[test]
fn a_refusal_is_recorded_before_it_is_told_and_says_what_is_allowed() {
    let house = House::new();
    let answered = house.say("cat /etc/shadow");
    answered.assert_refused(126, "not_in_policy");
    assert!(answered.err().contains("doorward: allowed: "), "{answered:?}");
    let heard = house.broker.heard();
    assert!(!heard.iter().any(|message| matches!(message, ToBroker::Run { .. })));
    let (asker, decision, message) = intent_of(&house, |decision| !decision.allow);
    assert_eq!((asker.worker.as_str(), decision.reason.as_deref()), ("w", Some("not_in_policy")));
    let ToBroker::Intent { argv, .. } = message else { panic!("no Intent") };
    assert_eq!(argv.unwrap(), ["cat", "/etc/shadow"]);
}

#[test]
fn a_refusal_that_cannot_be_recorded_is_told_as_that() {
    let house = House::new();
    house.broker.refuse_with(Some("audit_unavailable"));
    house.say("cat /etc/shadow").assert_refused(126, "audit_unavailable");
    house.say("sh -c 'echo x'").assert_refused(126, "audit_unavailable");
    house.say("docker system dial-stdio").assert_refused(126, "audit_unavailable");
    house.broker.refuse_with(None);
    assert_eq!(house.say("sh -c 'echo x'").out(), "x\n");
}

#[test]
fn bytes_that_are_no_text_are_refused_and_recorded_as_they_came() {
    let house = House::new();
    let line = b"cat \xff\xfe";
    house.say(line).assert_refused(126, "bad_encoding");
    let (_, _, message) = intent_of(&house, |decision| !decision.allow);
    let ToBroker::Intent { argv, line_base64, .. } = message else { panic!("no Intent") };
    let recorded = base64::engine::general_purpose::STANDARD.decode(line_base64.unwrap()).unwrap();
    assert_eq!((argv, recorded.as_slice()), (None, line.as_slice()));
}

#[test]
fn of_a_line_that_is_not_read_the_begin_is_recorded_with_its_length_and_digest() {
    let house = House::new();
    let sha256 = |line: &[u8]| {
        use sha2::Digest;
        sha2::Sha256::digest(line).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let lines = [
        (vec![b'x'; 100_000], "too_large"),
        ([vec![b'y'; 5000], vec![0xff]].concat(), "bad_encoding"),
        ([vec![b'z'; 3000], b" &".to_vec()].concat(), "construct"),
    ];
    for (line, reason) in lines {
        house.say(&line).assert_refused(126, reason);
        let (_, _, message) = intent_of(&house, |decision| decision.reason.as_deref() == Some(reason));
        let ToBroker::Intent { operation, line_base64, .. } = message else { panic!("no Intent") };
        let recorded = base64::engine::general_purpose::STANDARD.decode(line_base64.unwrap()).unwrap();
        assert_eq!(recorded, line[..1024], "{reason}");
        assert_eq!(
            (&operation["line_bytes"], &operation["line_sha256"]),
            (&line.len().into(), &sha256(&line).into())
        );
        let listed = house.say("runs 1").out();
        assert!(listed.lines().nth(1).unwrap().len() < 600, "{listed}");
    }
    let secret = [b"cat $(x) pass'word'=hunter2 ".to_vec(), vec![b'x'; 2000]].concat();
    house.say(&secret);
    let (_, _, message) = intent_of(&house, |decision| {
        decision.message.as_deref().is_some_and(|message| message.contains("not kept"))
    });
    let ToBroker::Intent { operation, line_base64, .. } = message else { panic!("no Intent") };
    let recorded = base64::engine::general_purpose::STANDARD.decode(line_base64.unwrap()).unwrap();
    assert!(recorded.starts_with(b"cat $(x) [redacted] x") && recorded.len() == 1024);
    assert!(operation["line_sha256"].is_null(), "a digest helps to guess a secret: {operation}");
}

#[test]
fn a_line_of_any_length_is_answered() {
    let house = House::new();
    for length in [17 * 1024, 120 * 1024, 400 * 1024, 1024 * 1024] {
        let answered = house.say(vec![b'x'; length]);
        answered.assert_refused(126, "too_large");
    }
}

#[test]
fn a_shell_construct_is_refused_by_name() {
    let house = House::new();
    house.say("cat /proc/uptime & id").assert_refused(126, "construct");
}

#[test]
fn lines_over_the_minutes_limit_are_refused_with_when_to_come_again() {
    let house = House::with_policy(&POLICY.replace("per_minute = 10000", "per_minute = 3"));
    for _ in 0..3 {
        assert_eq!(house.say("whoami").exit, Some(0));
    }
    let answered = house.say("whoami");
    answered.assert_refused(126, "rate_limited");
    assert!(answered.err().contains("try again in "), "{answered:?}");
    assert!(house.say("docker system dial-stdio").dial.is_some(), "connections are counted apart");
}

#[test]
fn dial_stdio_is_recorded_and_leads_to_the_workers_own_socket() {
    let house = House::new();
    let answered = house.say("docker system dial-stdio");
    assert_eq!(answered.dial.as_deref(), Some("/run/doorward/workers/w/docker.sock"));
    let (_, decision, message) = intent_of(&house, |decision| decision.allow);
    let ToBroker::Intent { operation, .. } = message else { panic!("no Intent") };
    assert_eq!((operation["op"].as_str(), decision.rule.as_deref()), (Some("dial"), Some("tests.docker")));
}

#[test]
fn dial_stdio_is_refused_without_a_docker_role() {
    let (without, _) = POLICY.split_once("[role.tests.docker]").unwrap();
    let house = House::with_policy(without);
    house.say("docker system dial-stdio").assert_refused(126, "not_in_policy");
    House::new().say("docker system dial-stdio x").assert_refused(126, "bad_request");
}

#[test]
fn a_docker_verb_of_no_role_is_refused_early() {
    let house = House::new();
    house.say("docker cp a b").assert_refused(126, "verb_not_allowed");
    house.say("docker push a").assert_refused(126, "verb_not_allowed");
}

#[test]
fn words_that_come_later_say_so() {
    let house = House::new();
    for line in ["bench list", "bench ollama --model x"] {
        house.say(line).assert_refused(126, "not_yet");
    }
}

#[test]
fn words_used_otherwise_are_refused_with_their_usage() {
    let house = House::new();
    for (line, wrong, usage) in [
        ("explain cat", "'explain' takes a line, after '--'", "explain [--json] -- LINE"),
        ("submit cat", "'submit' takes a line, after '--'", "submit -- LINE"),
        ("runs all of them", "'all' is no word of 'runs'", "runs [COUNT]  |  runs show ID"),
        ("runs --nonsense", "'--nonsense' is no word of 'runs'", "runs [COUNT]"),
        ("submit", "'submit' takes a line, after '--'", "submit -- LINE"),
        ("runs 0", "'runs' takes one number, from 1 to 1000", "runs [COUNT]"),
        ("runs show", "'runs show' takes one id", "runs show ID"),
        ("runs wait X --timeout soon", "'soon' is no length of time", "runs wait ID [--timeout 120s]"),
        ("runs export --format xml", "'xml' is no format: json, csv or tar", "runs export [ID…]"),
        ("whoami now", "'whoami' takes no words, and 'now' is one", "whoami"),
    ] {
        let answered = house.say(line);
        answered.assert_refused(2, "bad_request");
        let told = answered.err();
        assert!(told.contains(wrong) && told.contains(&format!("allowed: {usage}")), "{told}");
    }
}

#[test]
fn help_with_words_shows_what_begins_with_them() {
    let house = House::new();
    let cat = house.say("help cat").out();
    assert!(cat.contains("cat /proc/uptime") && !cat.contains("sh -c"), "{cat}");
    let docker = house.say("help docker").out();
    assert!(docker.contains("docker logs") && docker.contains("help docker run"), "{docker}");
    assert!(house.say("help docker run").out().contains("127.0.0.1:20000..20009"));
    assert!(docker.contains("docker build") && !docker.contains("docker compose"), "{docker}");
    assert!(house.say("help runs").out().contains("runs show ID"));
    for asked in ["help sudo docker run", "help sudo -n -p '' docker run"] {
        assert_eq!(house.say(asked).out(), house.say("help docker run").out(), "{asked}");
    }
    for asked in ["help sudo", "help sudo -n", "help sudo -u root docker run"] {
        assert!(house.say(asked).out().starts_with("sudo is dropped"), "{asked}");
    }
    let nothing = house.say("help nothing");
    assert_eq!((nothing.exit, nothing.out().as_str()), (Some(2), ""));
    assert!(
        nothing.err().starts_with("doorward: nothing that you may do begins with 'nothing'"),
        "{nothing:?}"
    );
}

#[test]
fn whoami_tells_worker_roles_and_limits() {
    let house = House::new();
    let out = house.say("whoami").out();
    for part in ["worker   w", "roles    tests", "key      SHA256:key", "0 of 4 lines", "1 MiB"] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
}

#[test]
fn what_only_shows_something_is_answered_without_a_broker_and_what_acts_is_not() {
    let house = House::new();
    assert_eq!(house.say("whoami").exit, Some(0));
    house.broker.stop();
    house.say("sh -c 'echo x'").assert_refused(125, "broker_unavailable");
    house.say("cat /etc/shadow").assert_refused(125, "broker_unavailable");
    let help = house.say("help");
    assert_eq!(help.exit, Some(0));
    assert!(help.err().contains("broker_unavailable") && help.out().contains("cat /proc/uptime"), "{help:?}");
}

#[test]
fn the_gateway_serves_again_when_the_broker_is_back_with_another_policy() {
    let house = House::new();
    assert_eq!(house.say("cat /proc/uptime").exit, Some(0));
    house.broker.stop();
    house.broker.set_terms(|terms| terms.policy = POLICY.replace("cat /proc/uptime", "cat /proc/version"));
    std::fs::remove_file(house.file("gateway.sock")).unwrap();
    house.broker.listen();
    let mut answered = listen(&mut house.send("cat /proc/version"));
    // The new socket stands a moment before the gateway has read the welcome that comes with it.
    while answered.exit.is_none() {
        answered = listen(&mut house.send("cat /proc/version"));
    }
    assert_eq!(answered.exit, Some(0), "{answered:?}");
    house.say("cat /proc/uptime").assert_refused(126, "not_in_policy");
}
