//! What the backends of agents send.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_line::{Agent, MAX_AGENT, Shell, agent, read};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::LazyLock;
use support::properties;

/// What a real Hermes sent, and what it is; the file says where it comes from.
static HERMES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("data/hermes.json")).unwrap());

const HOME: &str = "/home/ai-worker";

fn cases() -> impl Iterator<Item = (&'static str, &'static Value)> {
    HERMES["cases"].as_array().unwrap().iter().map(|case| (case["sent"].as_str().unwrap(), &case["is"]))
}

fn expected(is: &Value) -> Option<Agent> {
    let text = |name: &str| is[name].as_str().unwrap().to_owned();
    let shell = || Shell { marker: text("marker"), cwd: text("cwd") };
    Some(match is["step"].as_str().unwrap() {
        "line" => return None,
        "home" => Agent::Home,
        "folders" => Agent::Folders,
        "removal" => Agent::Removal,
        "upload" => Agent::Upload,
        "download" => Agent::Download,
        "probe" => Agent::Probe,
        "snapshot" => Agent::Snapshot(shell()),
        "wrapped" => Agent::Wrapped { line: text("line"), shell: shell() },
        "background" => Agent::Background { line: text("command"), shell: shell() },
        other => panic!("{other}"),
    })
}

#[test]
fn all_that_hermes_sends_is_recognised_and_taken_apart() {
    for (sent, is) in cases() {
        assert_eq!(agent(sent.as_bytes(), HOME), expected(is), "{sent}");
        if is["step"] == "line" {
            assert!(read(sent.as_bytes()).is_ok(), "{sent}");
        }
    }
}

#[test]
fn the_closing_is_what_the_script_would_print() {
    let shell = Shell { marker: "0123456789ab".into(), cwd: "/a b".into() };
    assert_eq!(shell.closing(), "\n__HERMES_CWD_0123456789ab__/a b__HERMES_CWD_0123456789ab__\n");
}

#[test]
fn only_the_agents_own_folder_is_its_own() {
    for line in [
        "mkdir -p /home/ai-worker/.hermes /etc",
        "mkdir -p /home/ai-worker/.hermes/../x",
        "mkdir -p /home/ai-worker/.hermesx",
        "mkdir -p /home/other/.hermes",
        "mkdir -p ",
        "mkdir -p",
        "mkdir /home/ai-worker/.hermes",
        "rm -f /etc/passwd",
        "rm -rf /home/ai-worker/.hermes",
        "rm -f /home/ai-worker/.hermes/a  /home/ai-worker/.hermes/b",
        "rm -f /home/ai-worker/.hermes/a; id",
        "rm -f '/home/ai-worker/.hermes/a'",
        "tar xf - -C /",
        "tar xf - -C /home/ai-worker/.hermes/x",
        "tar cf - -C / etc",
        "echo $HOME ",
        "bash -c 'true'",
    ] {
        assert_eq!(agent(line.as_bytes(), HOME), None, "{line:?}");
    }
}

#[test]
fn other_scripts_for_bash_are_lines_like_any_other() {
    let wrapped = cases().find(|(_, is)| is["line"] == "docker ps" && is["cwd"] == HOME).unwrap().0;
    let is = |line: &str| agent(line.as_bytes(), HOME);
    assert!(matches!(is(wrapped), Some(Agent::Wrapped { .. })));
    for (from, to) in [
        ("bash -c ", "bash  -c "),
        ("bash -c ", "bash -lc "),
        ("bash -c ", "sh -c "),
        ("umask 077", "umask 077; id"),
        ("\numask 077", "\nid\numask 077"),
        ("__hermes_ec\'", "__hermes_ec; id\'"),
        ("$(pwd -P)", "$(id)"),
        ("/tmp/hermes-snap-", "/etc/hermes-snap-"),
        (" || exit 126", " || id"),
        (" || exit 126", "; id || exit 126"),
        ("docker ps", "docker ps'\"'\"'; id; '\"'\"'"),
    ] {
        assert!(wrapped.contains(from), "{from:?}");
        assert_eq!(is(&wrapped.replace(from, to)), None, "{from:?} as {to:?}");
    }
    assert_eq!(is(&format!("{wrapped}; id")), None);
    assert_eq!(is(&format!("{wrapped}\n")), None);
    let long = |length| wrapped.replace("docker ps", &"x".repeat(length));
    let room = MAX_AGENT - wrapped.len();
    assert!(matches!(is(&long(room)), Some(Agent::Wrapped { .. })));
    assert_eq!(is(&long(room + 100)), None);
}

#[test]
fn a_script_of_another_version_is_refused_with_what_is_known() {
    let wrapped = cases().find(|(_, is)| is["line"] == "docker ps" && is["cwd"] == HOME).unwrap().0;
    let snapshot = cases().find(|(_, is)| is["step"] == "snapshot").unwrap().0;
    for sent in [
        wrapped.replace("umask 077", "umask 077; id"),
        wrapped.replace("__HERMES_CWD_", "__HERMES_PWD_"),
        wrapped.replace("bash -c ", "bash -lc "),
        wrapped.replace("/tmp/hermes-snap-", "/var/tmp/hermes-snap-"),
        wrapped.replace("docker ps", &"x".repeat(MAX_AGENT)),
        snapshot.replace("set +u", "set -u"),
        format!("{snapshot}; id"),
    ] {
        assert_eq!(agent(sent.as_bytes(), HOME), None, "{sent:.300}");
        let refusal = read(sent.as_bytes()).unwrap_err();
        assert!(refusal.message.contains("Hermes' SSH backend"), "{refusal:?}");
        assert!(refusal.nearest.is_some_and(|nearest| nearest.contains("hermes-agent 0.19")), "{sent:.300}");
    }
    assert!(!read(b"bash -c 'echo $x'").unwrap_err().message.contains("Hermes"));
}

#[test]
fn what_would_hide_something_is_no_working_folder() {
    let wrapped = cases().find(|(_, is)| is["step"] == "wrapped" && is["cwd"] == "/srv/a b").unwrap().0;
    assert!(agent(wrapped.as_bytes(), HOME).is_some());
    assert_eq!(agent(wrapped.replace("/srv/a b", "/srv/a\u{1b}b").as_bytes(), HOME), None);
}

/// What bash gives to `eval` when the script is really run.
fn evaluated(sent: &str) -> String {
    let instead = "eval() { printf %s \"$1\"; exit; }; source() { :; }; builtin() { :; }";
    let script = sent.strip_prefix("bash -l -c ").or_else(|| sent.strip_prefix("bash -c ")).unwrap();
    let run = format!("{instead}; export -f eval source builtin; bash -c {script}");
    let out = std::process::Command::new("bash").args(["-c", &run]).output().unwrap();
    assert!(out.status.success(), "{sent}: {out:?}");
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn the_line_inside_is_what_bash_would_run() {
    let mut count = 0;
    for (sent, _) in cases() {
        if let Some(Agent::Wrapped { line, .. }) = agent(sent.as_bytes(), HOME) {
            assert_eq!(line, evaluated(sent));
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A wrapper with something changed either is none, or differs just in what was changed: what bash would
    /// run is what was found.
    #[test]
    fn a_changed_script_is_never_taken_for_another(
        which in any::<proptest::sample::Index>(),
        place in any::<proptest::sample::Index>(),
        change in prop_oneof![
            "[ -~\n]".prop_map(Some), Just(Some("'".to_owned())), Just(Some("\\".to_owned())),
            Just(Some("ä".to_owned())), Just(None),
        ],
        inserts in any::<bool>(),
    ) {
        let cases: Vec<_> = cases().filter(|(sent, _)| sent.len() < 4000).collect();
        let mut text: Vec<char> = which.get(&cases).0.chars().collect();
        let at = place.index(text.len());
        if !inserts {
            text.remove(at);
        }
        text.splice(at..at, change.unwrap_or_default().chars());
        let text: String = text.into_iter().collect();
        match agent(text.as_bytes(), HOME) {
            Some(Agent::Wrapped { line, .. }) => prop_assert_eq!(line, evaluated(&text), "{:?}", text),
            Some(Agent::Background { line, .. }) => prop_assert!(text.contains('&') && read(line.as_bytes()).is_ok() || text.contains("nohup")),
            Some(_) | None => {}
        }
    }

    #[test]
    fn any_bytes_are_looked_at(bytes in proptest::collection::vec(any::<u8>(), 0..200), shell in any::<bool>()) {
        let begun = if shell { &b"bash -c '"[..] } else { b"mkdir -p " };
        properties::of_agent(&[begun, &bytes].concat());
    }

    #[test]
    fn any_command_comes_out_of_a_wrapper_as_it_was_put_in(command in prop_oneof![".{0,60}", "['\"\\\\&{} a\n]{0,30}"]) {
        properties::of_wrapped(&command);
    }
}
