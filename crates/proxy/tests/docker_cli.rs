//! The real docker CLI of a worker, through the proxy, on the real engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use support::bench::{Bench, engine, engine_lines, text};

#[test]
fn version_info_and_lists_print_as_on_the_engine_itself() {
    let bench = Bench::start();
    let version = |format: &str| bench.ok(&["version", "--format", format]);
    let own = engine_lines(&["version", "--format", "{{.Server.Version}} {{.Server.APIVersion}}"]);
    assert_eq!(vec![version("{{.Server.Version}} {{.Server.APIVersion}}")], own);
    assert!(bench.ok(&["version"]).contains("Server"));
    let info =
        engine_lines(&["info", "--format", "{{.ServerVersion}} {{.OSType}} {{.Architecture}} {{.NCPU}}"]);
    assert_eq!(
        vec![bench.ok(&["info", "--format", "{{.ServerVersion}} {{.OSType}} {{.Architecture}} {{.NCPU}}"])],
        info
    );
    assert_eq!(bench.ok(&["ps", "-aq"]), "");
    let images = bench.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert_eq!(images, bench.image);
    bench.ok(&["network", "ls"]);
    bench.ok(&["volume", "ls"]);
}

#[test]
fn a_foreground_run_gives_its_exit_code_and_keeps_its_streams_apart() {
    let bench = Bench::start();
    let script = "echo to-stdout; echo to-stderr >&2; exit 7";
    let output = bench.run(&["run", "--rm", &bench.image, "sh", "-c", script]);
    assert_eq!(
        (text(&output.stdout).as_str(), text(&output.stderr).as_str()),
        ("to-stdout\n", "to-stderr\n")
    );
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(
        engine_lines(&["ps", "-aq", "--filter", &format!("label=doorward.worker={}", bench.worker)]),
        [""; 0]
    );

    let create = bench.broker.intent(|intent| intent.target.contains("/containers/create"));
    assert!(create.allow && create.durable && create.body_sha256.is_some(), "{create:?}");
    assert_eq!(bench.broker.outcome(&create.request).status, 201);
    let attach = bench.broker.intent(|intent| intent.target.contains("/attach"));
    let attached = bench.broker.outcome(&attach.request);
    assert_eq!((attached.status, attached.truncated), (101, false), "{attached:?}");
    // Two frames of the engine's multiplexed stream: 8 bytes of head and 10 of text each.
    assert_eq!(attached.bytes, 36);
}

#[test]
fn ctrl_c_reaches_the_container_of_a_foreground_run() {
    let bench = Bench::start();
    let script = "trap 'echo bye; exit 3' INT; echo ready; while :; do sleep 0.1; done";
    let mut cli = bench
        .docker(&["run", "--rm", &bench.image, "sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(cli.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    let pid = rustix::process::Pid::from_child(&cli);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "bye");
    assert_eq!(cli.wait().unwrap().code(), Some(3));
    bench.broker.intent(|intent| intent.allow && intent.target.contains("/kill"));
}

#[test]
fn a_container_lives_from_run_to_rm() {
    let bench = Bench::start();
    let name = bench.name("life");
    let script = "trap 'exit 5' TERM; echo up; while :; do sleep 0.1; done";
    let id = bench.ok(&["run", "-d", "--name", &name, &bench.image, "sh", "-c", script]);
    assert_eq!(bench.ok(&["ps", "-q", "--no-trunc"]), id);
    assert_eq!(bench.ok(&["inspect", "--format", "{{.Id}}", &name]), id);
    let mut waiting = bench.docker(&["wait", &name]).stdout(Stdio::piped()).spawn().unwrap();
    bench.broker.intent(|intent| intent.allow && intent.target.contains("/wait"));
    bench.ok(&["stop", &name]);
    let mut code = String::new();
    waiting.stdout.take().unwrap().read_to_string(&mut code).unwrap();
    waiting.wait().unwrap();
    assert_eq!(code.trim(), "5");
    bench.ok(&["start", &name]);
    bench.ok(&["restart", &name]);
    assert_eq!(bench.ok(&["inspect", "--format", "{{.State.Running}}", &name]), "true");
    assert!(bench.ok(&["logs", &name]).starts_with("up"));
    bench.ok(&["rm", "-f", &name]);
    assert_eq!(bench.ok(&["ps", "-aq"]), "");
    assert!(bench.refused(&["inspect", &name]).contains("No such object"));
}

#[test]
fn followed_logs_come_while_the_container_runs() {
    let bench = Bench::start();
    let name = bench.name("logs");
    let script = "echo first; while ! [ -e /tmp/go ]; do sleep 0.05; done; echo second";
    bench.ok(&["run", "-d", "--name", &name, &bench.image, "sh", "-c", script]);
    let mut cli = bench.docker(&["logs", "-f", &name]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(cli.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "first");
    assert!(engine(&["exec", &name, "sh", "-c", ": > /tmp/go"]).status.success());
    assert_eq!(lines.next().unwrap().unwrap(), "second");
    assert!(cli.wait().unwrap().success());
    let logs = bench.broker.intent(|intent| intent.target.contains("/logs"));
    let ended = bench.broker.outcome(&logs.request);
    assert_eq!((ended.status, ended.truncated, ended.error), (200, false, None));
}

#[test]
fn containers_meet_on_a_network_of_their_worker() {
    let bench = Bench::start();
    let network = bench.name("net");
    bench.ok(&["network", "create", "--internal", &network]);
    assert!(bench.ok(&["network", "ls", "--format", "{{.Name}}"]).lines().any(|name| name == network));
    let labels =
        engine_lines(&["network", "inspect", "--format", "{{json .Labels}} {{.Internal}}", &network]);
    assert_eq!(labels, [format!("{{\"doorward.worker\":\"{}\"}} true", bench.worker)]);
    bench.ok(&["run", "--rm", "--network", &network, &bench.image, "true"]);
    bench.ok(&["network", "rm", &network]);
}

#[test]
fn exec_runs_what_the_table_names_and_nothing_else() {
    let bench = Bench::with(
        "[role.bench.docker.exec]\n\"WORKER-exec\" = [\"echo {word:name}\", \"sh -c 'exit 4'\"]\n",
    );
    let name = bench.name("exec");
    bench.ok(&["run", "-d", "--name", &name, &bench.image, "sleep", "600"]);
    assert_eq!(bench.ok(&["exec", &name, "echo", "hello"]), "hello");
    let exec =
        bench.broker.intent(|intent| intent.target.contains("/start") && intent.target.contains("/exec/"));
    assert!(exec.allow && exec.durable, "{exec:?}");
    for words in
        [&["exec", &name, "id"][..], &["exec", &name, "sh"], &["exec", "--privileged", &name, "echo", "a"]]
    {
        assert!(bench.refused(words).contains("doorward: refused"), "{words:?}");
    }
}

#[test]
fn what_is_not_the_workers_is_as_if_it_were_not_there() {
    let bench = Bench::start();
    let name = bench.name("foreign");
    let made = engine(&["run", "-d", "--network", "none", "--name", &name, &bench.image, "sleep", "600"]);
    assert!(made.status.success());
    assert_eq!(bench.ok(&["ps", "-aq"]), "");
    for words in [
        &["inspect", "--type", "container", &name][..],
        &["logs", &name],
        &["stop", &name],
        &["rm", &name],
        &["start", &name],
    ] {
        let told = bench.refused(words);
        assert!(told.contains(&format!("No such container: {name}")), "{words:?}: {told}");
    }
    let running = engine_lines(&["inspect", "--format", "{{.State.Running}}", &name]);
    assert_eq!(running, ["true"], "nothing happened to it");
    let stop = bench.broker.intent(|intent| intent.target.contains("/stop"));
    assert_eq!((stop.allow, stop.reason.as_deref()), (false, Some("object_not_allowed")));
}

#[test]
fn what_would_own_the_host_is_refused_with_words_and_leaves_nothing() {
    let bench = Bench::start();
    let image = bench.image.clone();
    let cases: &[&[&str]] = &[
        &["run", "-v", "/:/h", &image, "true"],
        &["run", "--privileged", &image, "true"],
        &["run", "--pid", "host", &image, "true"],
        &["run", "--network", "host", &image, "true"],
        &["run", "--cap-add", "SYS_ADMIN", &image, "true"],
        &["run", "--device", "/dev/mem", &image, "true"],
        &["run", "--security-opt", "seccomp=unconfined", &image, "true"],
        &["run", "--mount", "type=bind,src=/,dst=/h", &image, "true"],
        &["run", "-p", "80:80", &image, "true"],
    ];
    for words in cases {
        let told = bench.refused(words);
        assert!(told.contains("doorward: refused ("), "{words:?}: {told}");
    }
    for words in [
        &["pull", "busybox"][..],
        &["run", "busybox", "true"],
        &["push", &bench.image],
        &["volume", "create", "-d", "x", "y"],
    ] {
        assert!(bench.refused(words).contains("doorward: refused ("), "{words:?}");
    }
    let denials = bench.broker.intents().into_iter().filter(|intent| !intent.allow).count();
    assert!(denials >= cases.len() + 4, "each is recorded: {denials}");
    assert_eq!(bench.ok(&["ps", "-aq"]), "");
}

#[test]
fn an_allowed_pull_tells_the_engines_own_error() {
    let bench = Bench::start();
    let told = bench.refused(&["pull", "library-of-nobody/nothing:1"]);
    assert!(!told.contains("doorward"), "{told}");
    let pull = bench.broker.intent(|intent| intent.target.contains("/images/create"));
    assert!(pull.allow && pull.durable, "{pull:?}");
    bench.broker.outcome(&pull.request);
}

#[test]
fn stdin_reaches_the_container_and_its_end_too_and_is_told_in_the_record() {
    let bench = Bench::with("stdin = true");
    let mut cli = bench
        .docker(&["run", "-i", "--rm", &bench.image, "wc", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    cli.stdin.take().unwrap().write_all(&[b'x'; 100_000]).unwrap();
    let output = cli.wait_with_output().unwrap();
    assert_eq!((text(&output.stdout).trim(), output.status.code()), ("100000", Some(0)));
    let attach = bench.broker.intent(|intent| intent.target.contains("/attach"));
    let told = bench.broker.outcome(&attach.request).error.unwrap();
    assert!(told.starts_with("stdin: 100000 bytes, sha256 "), "{told}");
}

#[test]
fn without_the_policys_leave_there_is_no_stdin() {
    let bench = Bench::start();
    let told = bench.refused(&["run", "-i", "--rm", &bench.image, "cat"]);
    assert!(told.contains("doorward: refused ("), "{told}");
}
