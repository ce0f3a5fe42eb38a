//! A worker's containers, looked into and changed through the proxy, on the real engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that fails may panic"
)]

mod support;

use serde_json::{Value, json};
use support::bench::{Bench, engine, text};

fn inspected(name: &str) -> Value {
    let output = engine(&["container", "inspect", name]);
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    list[0].clone()
}

fn running(bench: &Bench, suffix: &str, more: &[&str]) -> String {
    let name = bench.name(suffix);
    let words = [&["run", "-d", "--name", &name][..], more, &[&bench.image, "sleep", "600"]].concat();
    bench.ok(&words);
    name
}

#[test]
fn an_own_container_is_watched_held_and_let_go() {
    let bench = Bench::start();
    let name = running(&bench, "c", &[]);
    assert!(bench.ok(&["top", &name]).contains("sleep 600"));
    let columns = bench.ok(&["top", &name, "-eo", "pid,comm"]);
    assert!(columns.contains("PID") && !columns.contains("600"), "{columns}");
    let shown = bench.ok(&["stats", "--no-stream", "--format", "{{.Name}}", &name]);
    assert_eq!(shown, name);
    bench.ok(&["pause", &name]);
    assert_eq!(inspected(&name)["State"]["Paused"], json!(true));
    bench.ok(&["unpause", &name]);
    assert_eq!(inspected(&name)["State"]["Paused"], json!(false));
    bench.ok(&["kill", &name]);
    assert_eq!(inspected(&name)["State"]["Running"], json!(false));
}

#[test]
fn processes_do_not_show_what_they_were_given_in_their_environment() {
    let bench = Bench::start();
    let name = running(&bench, "c", &["-e", "TOKEN=hush-hush"]);
    assert!(
        text(&engine(&["top", &name, "auxe"]).stdout).contains("hush-hush"),
        "the engine itself would show it"
    );
    for arguments in [&["auxe"][..], &["-ef", "e"], &["axeww"], &["-eo", "pid,environ"]] {
        let told = bench.refused(&[&["top", name.as_str()][..], arguments].concat());
        assert!(told.contains("bad_request") && !told.contains("hush-hush"), "{told}");
    }
}

#[test]
fn a_stream_of_statistics_goes_on_until_the_worker_leaves() {
    use std::io::{BufRead, BufReader, Write};
    let bench = Bench::start();
    let name = running(&bench, "c", &[]);
    let mut stream = std::os::unix::net::UnixStream::connect(bench.socket()).unwrap();
    write!(stream, "GET /v1.41/containers/{name}/stats HTTP/1.1\r\nHost: d\r\n\r\n").unwrap();
    let samples = BufReader::new(stream).lines().map_while(Result::ok);
    let samples: Vec<String> = samples.filter(|line| line.contains("\"read\"")).take(2).collect();
    assert_eq!(samples.len(), 2);
}

#[test]
fn a_container_is_renamed_to_what_it_could_have_been_named() {
    let bench = Bench::start();
    let (name, other) = (running(&bench, "c", &[]), bench.name("d"));
    let id = inspected(&name)["Id"].as_str().unwrap().to_owned();
    bench.ok(&["rename", &name, &other]);
    assert_eq!(inspected(&id)["Name"], json!(format!("/{other}")));
    let victim = engine(&["create", "--name", &bench.name("victim"), &bench.image, "true"]);
    let victim = text(&victim.stdout).trim().to_owned();
    for taken in [&victim[..12], &victim[..3], &victim[..1]] {
        let told = bench.refused(&["rename", &other, taken]);
        assert!(told.contains("name_not_allowed"), "{told}");
        let told = bench.refused(&["create", "--name", taken, &bench.image, "true"]);
        assert!(told.contains("name_not_allowed"), "{told}");
    }
    assert_eq!(inspected(&id)["Name"], json!(format!("/{other}")));
    assert_eq!(inspected(&victim[..12])["Id"], json!(victim));
}

#[test]
fn a_container_of_the_operators_keeps_its_name_also_when_the_role_names_it() {
    let bench = Bench::start();
    let shared = bench.name("shared-1");
    assert!(engine(&["create", "--name", &shared, &bench.image, "true"]).status.success());
    let id = inspected(&shared)["Id"].as_str().unwrap().to_owned();
    for to in ["shared-2", "free"] {
        let told = bench.refused(&["rename", &shared, &bench.name(to)]);
        assert!(told.contains("object_not_allowed"), "{told}");
    }
    assert_eq!(inspected(&id)["Name"], json!(format!("/{shared}")));
}

#[test]
fn an_update_keeps_within_the_caps_and_the_engine_shows_it() {
    let bench = Bench::start();
    let name = running(&bench, "c", &["--memory", "128m"]);
    bench.ok(&["update", "--memory", "64m", "--cpus", "0.5", "--pids-limit", "-1", &name]);
    let host = inspected(&name)["HostConfig"].clone();
    assert_eq!(host["Memory"], json!(64 << 20));
    assert_eq!(host["NanoCpus"], json!(500_000_000));
    assert_eq!(host["PidsLimit"], json!(256), "no limit is the cap");
    for words in [
        &["--memory", "1g"][..],
        &["--memory-swap", "-1"],
        &["--pids-limit", "1000"],
        &["--restart", "always"],
        &["--cpu-quota", "1000"],
    ] {
        let told = bench.refused(&[&["update"][..], words, &[&name]].concat());
        assert!(told.contains("field_not_allowed"), "{told}");
    }
    assert_eq!(inspected(&name)["HostConfig"], host);
    bench.ok(&["restart", "-t", "0", &name]);
}

#[test]
fn nothing_of_somebody_elses_is_watched_held_renamed_or_updated() {
    let bench = Bench::start();
    let victim = bench.name("victim");
    assert!(
        engine(&["run", "-d", "--network", "none", "--name", &victim, &bench.image, "sleep", "600"])
            .status
            .success()
    );
    let before = inspected(&victim);
    let other = bench.name("x");
    for words in [
        &["top", &victim][..],
        &["stats", "--no-stream", &victim],
        &["pause", &victim],
        &["unpause", &victim],
        &["kill", &victim],
        &["rename", &victim, &other],
        &["update", "--memory", "64m", &victim],
    ] {
        let told = bench.refused(words);
        assert!(told.contains(&format!("No such container: {victim}")), "{words:?} {told}");
    }
    let after = inspected(&victim);
    for place in ["Name", "State", "HostConfig"] {
        assert_eq!(before[place], after[place]);
    }
}

#[test]
fn the_beginning_of_several_ids_is_as_unknown_as_that_of_none() {
    let bench = Bench::start();
    let mut firsts = std::collections::BTreeMap::<String, u32>::new();
    let prefix = loop {
        let made = text(
            &engine(&[
                "create",
                "--label",
                &format!("doorward.worker={}x", bench.worker),
                "--name",
                &bench.name(&format!("many{}", firsts.values().sum::<u32>())),
                &bench.image,
                "true",
            ])
            .stdout,
        );
        let first = made[..1].to_owned();
        *firsts.entry(first.clone()).or_default() += 1;
        if firsts[&first] == 2 {
            break first;
        }
    };
    let answer = bench.ask("GET", &format!("/v1.41/containers/{prefix}/json"), "");
    assert_eq!(
        (answer.status, answer.json()["message"].clone()),
        (404, json!(format!("No such container: {prefix}")))
    );
}
