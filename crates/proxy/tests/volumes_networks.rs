//! Volumes and networks of a worker, through the proxy, on the real engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use serde_json::{Value, json};
use support::bench::{Bench, engine, engine_lines, text};

fn inspected(kind: &str, name: &str) -> Value {
    let output = engine(&[kind, "inspect", name]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).unwrap()[0].clone()
}

#[test]
fn a_volume_lives_from_create_to_rm() {
    let bench = Bench::start();
    let name = bench.name("vol");
    assert_eq!(bench.ok(&["volume", "create", "--label", "purpose=bench", &name]), name);
    let made = inspected("volume", &name);
    assert_eq!(made["Labels"], json!({"doorward.worker": bench.worker, "purpose": "bench"}));
    assert_eq!((&made["Driver"], &made["Options"]), (&json!("local"), &Value::Null));
    assert_eq!(bench.ok(&["volume", "create", &name]), name, "it is the worker's already");
    let unnamed = bench.ok(&["volume", "create"]);
    assert_eq!(inspected("volume", &unnamed)["Labels"]["doorward.worker"], json!(bench.worker));
    let mut listed: Vec<String> = bench.ok(&["volume", "ls", "-q"]).lines().map(str::to_owned).collect();
    listed.sort();
    let mut want = [name.clone(), unnamed.clone()];
    want.sort();
    assert_eq!(listed, want);
    bench.ok(&[
        "run",
        "--rm",
        "-v",
        &format!("{name}:/data"),
        &bench.image,
        "sh",
        "-c",
        "echo kept > /data/x",
    ]);
    let read = bench.ok(&["run", "--rm", "-v", &format!("{name}:/data"), &bench.image, "cat", "/data/x"]);
    assert_eq!(read, "kept");
    bench.ok(&["volume", "rm", &name, &unnamed]);
    assert!(!engine(&["volume", "inspect", &name]).status.success());
    let create = bench.broker.intent(|intent| intent.target.ends_with("/volumes/create"));
    assert!(create.allow && create.durable, "{create:?}");
}

#[test]
fn a_volume_that_a_container_names_is_the_workers_from_the_beginning() {
    let bench = Bench::start();
    for (name, words) in [
        (bench.name("v"), ["-v".to_owned(), format!("{}:/data", bench.name("v"))]),
        (bench.name("m"), ["--mount".to_owned(), format!("type=volume,src={},dst=/data", bench.name("m"))]),
    ] {
        bench.ok(&["run", "--rm", &words[0], &words[1], &bench.image, "true"]);
        assert_eq!(inspected("volume", &name)["Labels"], json!({"doorward.worker": bench.worker}));
    }
}

#[test]
fn a_volume_of_somebody_else_is_neither_used_nor_taken_over_nor_removed() {
    let bench = Bench::start();
    let theirs = bench.name("theirs");
    let made = engine(&["volume", "create", "--label", "doorward.worker=somebody-else", &theirs]);
    assert!(made.status.success());
    let bound = bench.name("bound");
    let device = ["--opt", "type=none", "--opt", "o=bind", "--opt", "device=/etc"];
    let label = format!("doorward.worker={}", bench.worker);
    let words = [&["volume", "create", "--label", &label][..], &device, &[&bound]].concat();
    assert!(engine(&words).status.success());
    for name in [&theirs, &bound] {
        assert!(bench.refused(&["volume", "create", name]).contains("name_not_allowed"));
        let bind = format!("{name}:/data");
        let told = bench.refused(&["run", "--rm", "-v", &bind, &bench.image, "ls", "/data"]);
        assert!(told.contains("object_not_allowed"), "{told}");
    }
    assert!(bench.refused(&["volume", "rm", &theirs]).contains("no such volume"));
    assert!(engine(&["volume", "inspect", &theirs]).status.success(), "it is still there");
    assert_eq!(inspected("volume", &theirs)["Labels"]["doorward.worker"], json!("somebody-else"));
    drop(engine(&["volume", "rm", &theirs, &bound]));
}

#[test]
fn own_volumes_are_counted_also_when_many_are_made_at_once() {
    let bench = Bench::with("count = 2");
    let asked: Vec<_> = (0..12)
        .map(|number| {
            let (socket, name) = (bench.socket(), bench.name(&format!("q{number}")));
            std::thread::spawn(move || {
                let body = json!({"Name": name}).to_string();
                support::http::ask(&socket, "POST", "/v1.41/volumes/create", &body).status
            })
        })
        .collect();
    let mut statuses: Vec<u16> = asked.into_iter().map(|asked| asked.join().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [[201; 8].as_slice(), &[409; 4]].concat());
    let label = format!("label=doorward.worker={}", bench.worker);
    assert_eq!(engine_lines(&["volume", "ls", "-q", "--filter", &label]).len(), 8);
}

#[test]
fn a_volume_without_a_name_is_the_workers_own_and_goes_with_its_container() {
    let bench = Bench::start();
    let name = bench.name("c");
    let label = format!("label=doorward.worker={}", bench.worker);
    let volumes = || engine_lines(&["volume", "ls", "-q", "--filter", &label]);
    let run = || {
        let script = "echo kept > /data/x; sleep 600";
        bench.ok(&["run", "-d", "--name", &name, "-v", "/data", &bench.image, "sh", "-c", script]);
        let [volume] = volumes().try_into().unwrap();
        assert_eq!(volume.len(), 64, "{volume}");
        volume
    };
    let volume = run();
    // What takes the container's place, as compose makes it, keeps what was written.
    let kept = ["run", "--rm", "-v", &format!("{volume}:/data"), &bench.image, "sh", "-c"];
    let read = "until cat /data/x; do sleep 0.1; done 2>/dev/null";
    assert_eq!(bench.ok(&[&kept[..], &[read]].concat()), "kept");
    assert_eq!(volumes(), [volume], "it was the first container's");
    bench.ok(&["restart", "-t", "0", &name]);
    bench.ok(&["rm", "-fv", &name]);
    assert_eq!(volumes(), Vec::<String>::new());
    let volume = run();
    bench.ok(&["rm", "-f", &name]);
    assert_eq!(volumes(), std::slice::from_ref(&volume), "it stays, and is the worker's to remove");
    bench.ok(&["volume", "rm", &volume]);
    assert_eq!(volumes(), Vec::<String>::new());
}

#[test]
fn own_containers_join_and_leave_own_networks_while_they_run() {
    let bench = Bench::start();
    let (first, second, name) = (bench.name("n1"), bench.name("n2"), bench.name("c"));
    bench.ok(&["network", "create", &first]);
    bench.ok(&["network", "create", &second]);
    bench.ok(&["run", "-d", "--name", &name, "--network", &first, &bench.image, "sleep", "600"]);
    bench.ok(&["network", "connect", "--alias", "db", &second, &name]);
    let networks = || inspected("container", &name)["NetworkSettings"]["Networks"].clone();
    let aliases = networks()[&second]["Aliases"].clone();
    assert!(aliases.as_array().unwrap().contains(&json!("db")), "{aliases}");
    bench.ok(&["restart", "-t", "0", &name]);
    bench.ok(&["network", "disconnect", &first, &name]);
    assert_eq!(networks().as_object().unwrap().keys().collect::<Vec<_>>(), [&second]);
}

#[test]
fn nobody_elses_network_or_container_is_joined_or_parted() {
    let bench = Bench::start();
    let (own, theirs, name) = (bench.name("own"), bench.name("theirs"), bench.name("c"));
    bench.ok(&["network", "create", &own]);
    assert!(engine(&["network", "create", &theirs]).status.success());
    bench.ok(&["run", "-d", "--name", &name, "--network", &own, &bench.image, "sleep", "600"]);
    let victim = bench.name("victim");
    let made = engine(&["run", "-d", "--name", &victim, "--network", &theirs, &bench.image, "sleep", "600"]);
    assert!(made.status.success());
    for (network, container, absent) in [
        (&theirs, &name, format!("network {theirs} not found")),
        (&own, &victim, format!("No such container: {victim}")),
        (&theirs, &victim, format!("network {theirs} not found")),
    ] {
        for what in ["connect", "disconnect"] {
            let told = bench.refused(&["network", what, network, container]);
            assert!(told.contains(&absent), "{what} {told}");
        }
    }
    for (container, network) in [(&victim, &theirs), (&name, &own)] {
        let found = inspected("container", container)["NetworkSettings"]["Networks"].clone();
        assert_eq!(found.as_object().unwrap().keys().collect::<Vec<_>>(), [network]);
    }
    assert!(bench.refused(&["network", "rm", &theirs]).contains(&format!("network {theirs} not found")));
    assert!(engine(&["network", "inspect", &theirs]).status.success());
}
