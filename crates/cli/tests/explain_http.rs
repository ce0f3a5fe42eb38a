//! `doorward explain --http`: its output and its exit codes. That its verdicts are the proxy's is shown in the
//! proxy's own tests.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// No engine is asked: what needs its facts is judged as if it held nothing.
const POLICY: &str = r#"version = 1
[engine]
socket = "/nowhere/docker.sock"
[worker.w]
user = "nobody"
roles = ["r"]
[role.r]
about = "What is explained."
[role.r.docker]
verbs = ["ps", "run", "inspect"]
containers = ["own"]
images = ["busybox:*"]
"#;

fn explain(words: &[&str], stdin: &[u8]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, POLICY).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.arg("explain").args(words).arg("--policy").arg(&policy);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end without having read a word.
    drop(child.stdin.take().unwrap().write_all(stdin));
    child.wait_with_output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn create(body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head = "POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[test]
fn each_request_of_the_bytes_has_a_line_and_one_refusal_is_the_exit_code() {
    let privileged = create(&json!({"Image": "busybox", "HostConfig": {"Privileged": true}}));
    let bytes = [b"GET /v1.41/containers/json HTTP/1.1\r\nHost: d\r\n\r\n", privileged.as_slice()].concat();
    let output = explain(&["--worker", "w", "--json", "--http", "-"], &bytes);
    assert_eq!(output.status.code(), Some(126));
    let lines = lines(&output);
    let first = &lines[0];
    assert_eq!((&first["verdict"], &first["rule"]), (&json!("allow"), &json!("r.docker.ps")));
    let second = lines[1].as_object().unwrap();
    let keys: Vec<_> = second.keys().map(String::as_str).collect();
    assert_eq!(keys, ["message", "nearest", "note", "path", "reason", "rule", "verdict"]);
    let told = ["verdict", "reason", "path", "rule"].map(|key| second[key].as_str().unwrap());
    assert_eq!(told, ["deny", "field_not_allowed", "HostConfig.Privileged", "r.docker"]);
    assert!(second["note"].as_str().unwrap().contains("the engine does not answer"));
    assert_eq!(lines.len(), 2);
}

#[test]
fn a_file_is_read_and_the_text_names_the_field() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("request");
    let mounts = json!([{"Type": "volume", "Source": "s", "Target": "/x",
        "VolumeOptions": {"DriverConfig": {"Name": "local", "Options": {"device": "/"}}}}]);
    std::fs::write(&file, create(&json!({"Image": "busybox", "HostConfig": {"Mounts": mounts}}))).unwrap();
    let output = explain(&["--worker", "w", "--http", file.to_str().unwrap()], b"");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("deny: (field_not_allowed): "), "{text}");
    assert!(text.contains("HostConfig.Mounts[0].VolumeOptions.DriverConfig"), "{text}");
    assert_eq!(output.status.code(), Some(126));
}

#[test]
fn what_is_allowed_ends_with_zero() {
    let output = explain(&["--worker", "w", "--http", "-"], b"HEAD /_ping HTTP/1.1\r\nHost: d\r\n\r\n");
    assert!(output.stdout.starts_with(b"allow: by always\n"), "{output:?}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_does_not_exist_is_told_in_the_engines_words() {
    let bytes = b"GET /v1.41/containers/nobody/json HTTP/1.1\r\nHost: d\r\n\r\n";
    let output = explain(&["--worker", "w", "--http", "-"], bytes);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("allow: answered with: No such container: nobody\n"), "{text}");
    let output = explain(&["--worker", "w", "--http", "-", "--json"], bytes);
    let line = lines(&output).remove(0);
    assert_eq!((&line["message"], &line["rule"]), (&json!("No such container: nobody"), &Value::Null));
}

#[test]
fn wrong_use_and_what_fails_are_told_apart_from_refusals() {
    for (words, code) in [
        (&["--worker", "w"][..], 2),
        (&["--worker", "w", "--http", "-", "--", "docker", "ps"], 2),
        (&["--worker", "w", "--http", "/nowhere/request"], 125),
        (&["--worker", "nobody", "--http", "-"], 125),
    ] {
        let output = explain(words, b"");
        assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{words:?}: {output:?}");
    }
}
