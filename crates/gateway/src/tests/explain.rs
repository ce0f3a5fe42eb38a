//! `explain`: the verdict on a line and on each of its commands, without doing anything.

use super::house::House;
use doorward_wire::broker::ToBroker;
use serde_json::Value;

fn facts(house: &House, line: &str) -> Value {
    serde_json::from_str(&house.say(line).out()).unwrap()
}

#[test]
fn explain_gives_the_verdict_and_runs_nothing() {
    let house = House::new();
    let allowed = house.say("explain -- cat /proc/uptime");
    assert_eq!((allowed.exit, allowed.out().as_str()), (Some(0), "allow: by tests#2\n  cat /proc/uptime\n"));
    let denied = house.say("explain -- 'cat /etc/shadow'");
    assert!(denied.out().starts_with("deny: (not_in_policy)"), "{denied:?}");
    assert!(house.say("explain -- 'cat /proc/uptime & id'").out().starts_with("deny: (construct)"));
    let docker = house.say("explain -- docker ps -a");
    assert!(
        docker.out().starts_with("allow so far: by tests.docker\n  only its words were judged"),
        "{docker:?}"
    );
    let help = house.say("explain -- docker run --help");
    assert!(help.out().starts_with("allow: by tests.docker\n"), "{help:?}");
    assert!(!house.broker.heard().iter().any(|message| matches!(message, ToBroker::Run { .. })));
}

#[test]
fn what_stands_behind_explain_is_never_run() {
    let house = House::new();
    for line in [
        "explain -- docker ps && cat /proc/uptime",
        "explain -- cat /etc/shadow || cat /proc/uptime",
        "explain -- docker ps; whoami",
        "cat /proc/uptime; explain -- docker ps",
        "explain -- docker ps | cat /proc/uptime",
        "explain -- docker ps | grep allow | sh -c cat",
        "explain -- docker ps | head -1 && cat /proc/uptime",
    ] {
        let refused = house.say(line);
        refused.assert_refused(126, "bad_request");
        assert!(refused.err().contains("explain -- 'A && B'"), "{line}: {refused:?}");
        assert!(refused.err().contains(r#"ssh HOST "explain -- 'A && B'""#), "{line}: {refused:?}");
    }
    assert_eq!(house.say("explain -- docker ps | grep -c allow | cat").out(), "1\n");
    let ran = |message: &ToBroker| match message {
        ToBroker::Run { stages, .. } => {
            stages.iter().any(|stage| !["grep", "cat"].contains(&&*stage.argv[0]))
        }
        _ => false,
    };
    assert!(!house.broker.heard().iter().any(ran));
}

#[test]
fn explain_gives_the_same_facts_as_data() {
    let house = House::new();
    let allowed = facts(&house, "explain --json -- cat /proc/uptime");
    assert_eq!((allowed["verdict"].as_str(), allowed["rule"].as_str()), (Some("allow"), Some("tests#2")));
    let denied = facts(&house, "explain --json -- cat /etc/shadow");
    assert_eq!(
        (denied["verdict"].as_str(), denied["reason"].as_str()),
        (Some("deny"), Some("not_in_policy"))
    );
    assert!(denied["nearest"].is_string());
}

#[test]
fn data_tells_when_only_the_words_were_judged() {
    let house = House::new();
    for (line, verdict, judged) in [
        ("docker run --privileged busybox id", "allow", "words"),
        ("docker run --help", "allow", "whole"),
        ("docker cp a b", "deny", "whole"),
        ("cat /proc/uptime", "allow", "whole"),
        ("'docker ps | wc -l'", "allow", "words"),
        ("'cat /proc/uptime | wc -l'", "allow", "whole"),
    ] {
        let told = facts(&house, &format!("explain --json -- {line}"));
        assert_eq!((&told["verdict"], &told["judged"]), (&verdict.into(), &judged.into()), "{line}: {told}");
    }
}

#[test]
fn explain_tells_each_command_of_a_line_with_what_allows_it() {
    let house = House::new();
    let told = house.say("explain -- 'sh -c date 2>/dev/null | grep -c 1 && docker ps; whoami'").out();
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines[0], "allow so far: all 4 commands, by tests#1, built-in, tests.docker");
    let each = [
        ("command 1: sh -c date 2>/dev/null", "  allow: by tests#1", "    sh -c {script:/.+/}"),
        ("command 2: grep -c 1", "  allow: by built-in", "    Lines that match"),
        ("command 3: docker ps", "  allow so far: by tests.docker", "    only its words were judged"),
        ("command 4: whoami", "  allow: by built-in", "    Which worker you are"),
    ];
    for (at, (command, rule, note)) in each.into_iter().enumerate() {
        let told = &lines[1 + 3 * at..4 + 3 * at];
        assert_eq!(told[..2], [command, rule]);
        assert!(told[2].starts_with(note), "{told:?}");
    }
    assert_eq!(lines.len(), 13, "{told}");
}

#[test]
fn explain_names_the_command_that_refuses_a_line_and_judges_the_others() {
    let house = House::new();
    let told = house.say("explain -- 'cat /proc/uptime; cat /etc/shadow; docker cp a b'").out();
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines[0], "deny: command 2 of 3 is refused, so none of them would run");
    assert_eq!(lines[1..4], ["command 1: cat /proc/uptime", "  allow: by tests#2", "    cat /proc/uptime"]);
    assert_eq!(lines[4], "command 2: cat /etc/shadow");
    assert!(lines[5].starts_with("  deny: (not_in_policy): "), "{told}");
    assert!(lines[6].starts_with("    allowed: "), "{told}");
    assert!(told.contains("command 3: docker cp a b\n  deny: (verb_not_allowed): "), "{told}");
    let misplaced = house.say("explain -- 'cat /proc/uptime | whoami'").out();
    assert!(misplaced.contains("command 2: whoami\n  deny: (bad_request): "), "{misplaced}");
}

#[test]
fn explain_tells_each_command_as_data_when_there_are_several() {
    let house = House::new();
    let allowed = facts(&house, "explain --json -- 'cat /proc/uptime | wc -l'");
    assert_eq!((&allowed["verdict"], &allowed["rule"]), (&"allow".into(), &"tests#2, built-in".into()));
    assert_eq!(allowed["commands"][0]["line"], "cat /proc/uptime");
    assert_eq!(allowed["commands"][0]["rule"], "tests#2");
    assert_eq!(allowed["commands"][0]["message"], "cat /proc/uptime");
    assert_eq!((&allowed["commands"][1]["line"], &allowed["commands"][2]), (&"wc -l".into(), &Value::Null));

    let denied = facts(&house, "explain --json -- 'cat /proc/uptime && cat /etc/shadow'");
    assert_eq!((&denied["verdict"], &denied["reason"]), (&"deny".into(), &"not_in_policy".into()));
    assert!(denied["message"].as_str().unwrap().starts_with("command 2: "), "{denied}");
    assert!(denied["nearest"].is_string(), "{denied}");
    let verdicts = [0, 1].map(|at| denied["commands"][at]["verdict"].clone());
    assert_eq!(verdicts, ["allow", "deny"]);

    let single = facts(&house, "explain --json -- cat /proc/uptime");
    let keys: Vec<_> = single.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["judged", "message", "nearest", "reason", "rule", "verdict"]);
    assert_eq!(facts(&house, "explain --json -- 'a & b'")["commands"], Value::Null, "what cannot be read");
}
