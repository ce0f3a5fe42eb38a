//! Prunes, df and events of a worker, through the proxy, on the real engine: what is not its own stays.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;
use support::bench::{Bench, engine, engine_lines, text};
use support::http::Answer;

/// Objects of somebody else that an unlimited prune would take; gone when dropped.
struct Victim {
    name: String,
}

impl Victim {
    fn new(bench: &Bench) -> Victim {
        let name = bench.name("victim");
        let label = "doorward.worker=somebody-else";
        assert!(
            engine(&["create", "--name", &name, "--label", label, &bench.image, "true"]).status.success()
        );
        assert!(engine(&["network", "create", "--label", label, &name]).status.success());
        assert!(engine(&["volume", "create", "--label", label, &name]).status.success());
        Victim { name }
    }

    fn is_there(&self) -> bool {
        ["container", "network", "volume"]
            .iter()
            .all(|kind| engine(&[kind, "inspect", &self.name]).status.success())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        for kind in ["container", "network", "volume"] {
            drop(engine(&[kind, "rm", &self.name]));
        }
    }
}

fn litter(bench: &Bench) {
    bench.ok(&["create", "--name", &bench.name("c"), &bench.image, "true"]);
    bench.ok(&["network", "create", &bench.name("n")]);
    bench.ok(&["volume", "create", &bench.name("v")]);
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The engine prunes one kind of object at a time, and answers everybody else with these words.
const BUSY: &str = "a prune operation is already running";

/// Does it again while a prune that somebody else asked for is in its way.
fn undisturbed<T>(mut act: impl FnMut() -> T, busy: impl Fn(&T) -> bool) -> T {
    for _ in 0..200 {
        let answer = act();
        if !busy(&answer) {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{BUSY}, again and again")
}

fn prune(bench: &Bench, target: &str) -> Answer {
    undisturbed(|| bench.ask("POST", target, ""), |answer| text(&answer.body).contains(BUSY))
}

#[test]
fn prunes_take_what_is_own_and_leave_what_is_not() {
    let bench = Bench::start();
    let victim = Victim::new(&bench);
    litter(&bench);
    for kind in ["container", "network", "volume", "image"] {
        let pruned = undisturbed(
            || bench.docker(&[kind, "prune", "-f"]).output().unwrap(),
            |output| text(&output.stderr).contains(BUSY),
        );
        assert!(pruned.status.success(), "{kind}: {}", text(&pruned.stderr));
    }
    let label = format!("label=doorward.worker={}", bench.worker);
    for list in [&["ps", "-aq"][..], &["network", "ls", "-q"], &["volume", "ls", "-q"]] {
        assert_eq!(engine_lines(&[list, &["--filter", &label]].concat()), [""; 0], "{list:?}");
    }
    assert!(victim.is_there());
    assert!(engine(&["image", "inspect", &bench.image]).status.success());
}

#[test]
fn no_filter_makes_a_prune_wider() {
    let bench = Bench::start();
    let victim = Victim::new(&bench);
    litter(&bench);
    let own = format!("doorward.worker={}", bench.worker);
    for filters in [
        json!({"label": ["doorward.worker=somebody-else"]}),
        json!({"label": {"doorward.worker=somebody-else": true}}),
        json!({"label!": [own]}),
        json!({"label!": ["doorward.worker"]}),
        json!({"label": ["doorward.worker"], "label!": [own]}),
    ] {
        for kind in ["containers", "networks", "volumes", "images"] {
            let target = format!("/v1.41/{kind}/prune?filters={}", encoded(&filters.to_string()));
            let answer = prune(&bench, &target);
            assert_eq!(answer.status, 200, "{filters} {}", text(&answer.body));
        }
    }
    assert!(victim.is_there());
    let form = format!("filters={}", encoded(r#"{"label":["doorward.worker=somebody-else"]}"#));
    let length = form.len();
    let request = format!(
        "POST /v1.41/containers/prune HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
    );
    assert_eq!(support::http::say(&bench.socket(), request.as_bytes()).status, 400);
    assert!(victim.is_there());
    // Filters do narrow: nothing of the worker's own bears such a label.
    let label = format!("label={own}");
    assert_eq!(engine_lines(&["ps", "-aq", "--filter", &label]).len(), 1);
    let narrowed =
        prune(&bench, &format!("/v1.41/containers/prune?filters={}", encoded(r#"{"label":["a=b"]}"#)));
    assert_eq!(narrowed.status, 200);
    assert_eq!(engine_lines(&["ps", "-aq", "--filter", &label]).len(), 1);
}

#[test]
fn df_shows_own_objects_alone() {
    let bench = Bench::start();
    let victim = Victim::new(&bench);
    litter(&bench);
    let answer = bench.ask("GET", "/v1.41/system/df", "");
    let shown = answer.json();
    assert!(!text(&answer.body).contains(&victim.name), "{shown}");
    let count = |list: &str| shown[list].as_array().unwrap().len();
    assert_eq!((count("Images"), count("Containers"), count("Volumes"), count("BuildCache")), (1, 1, 1, 0));
    assert_eq!(shown["LayersSize"], shown["Images"][0]["Size"]);
    let table = bench.ok(&["system", "df", "--format", "{{.Type}} {{.TotalCount}}"]);
    assert!(table.contains("Containers 1") && table.contains("Local Volumes 1"), "{table}");
    bench.ok(&["system", "df", "-v"]);
}

#[test]
fn events_come_as_they_happen_and_tell_nothing_of_others() {
    let bench = Bench::start();
    let mut cli = bench.docker(&["events", "--format", "{{json .}}"]).stdout(Stdio::piped()).spawn().unwrap();
    bench.broker.intent(|intent| intent.allow && intent.durable && intent.target.contains("/events"));
    let victim = bench.name("victim");
    assert!(engine(&["run", "-d", "--name", &victim, &bench.image, "sleep", "600"]).status.success());
    assert!(engine(&["exec", &victim, "echo", "s3cret"]).status.success());
    let name = bench.name("c");
    let mut lines = BufReader::new(cli.stdout.take().unwrap()).lines();
    let id = bench.ok(&["run", "-d", "--name", &name, &bench.image, "true"]);
    let mut seen: Vec<Value> = Vec::new();
    while seen.last().is_none_or(|event| event["Action"] != json!("die")) {
        seen.push(serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap());
    }
    let actions: Vec<&str> = seen.iter().map(|event| event["Action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["create", "start", "die"]);
    for event in &seen {
        assert_eq!(event["Actor"]["ID"], json!(id));
        assert_eq!(event["Actor"]["Attributes"]["name"], json!(name));
    }
    assert_eq!(seen[2]["Actor"]["Attributes"]["exitCode"], json!("0"));
    cli.kill().unwrap();
    cli.wait().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let until = (now + 1).to_string();
    let past = bench.ok(&["events", "--since", "1m", "--until", &until, "--filter", "event=die"]);
    assert_eq!(past.lines().count(), 1, "{past}");
    assert!(past.contains(&name) && !past.contains(&victim), "{past}");
    drop(engine(&["rm", "-f", &victim]));
}
