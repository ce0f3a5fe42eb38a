//! What is not a worker's is answered as if it did not exist, and errors tell nothing of the host, on the real
//! engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_engine::{Access, Body, ENDPOINTS, Endpoint};
use serde_json::{Value, json};
use support::bench::{Bench, engine, text};

/// The id of what the engine makes with these words, without a worker.
fn made(words: &[&str]) -> String {
    let output = engine(words);
    assert!(output.status.success(), "{words:?} {}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

/// What the worker is told, the name taken out.
fn told(bench: &Bench, row: &Endpoint, name: &str) -> (u16, String) {
    let path = row.path.replace("{id}", name).replace("{name}", name);
    let query =
        if row.path.ends_with("/rename") { format!("?name={}", bench.name("new")) } else { String::new() };
    let body = match row.path {
        _ if row.body == Body::None => String::new(),
        path if path.ends_with("connect") => json!({"Container": name}).to_string(),
        path if path.ends_with("/exec") => json!({"Cmd": ["true"]}).to_string(),
        _ => "{}".to_owned(),
    };
    let answer = bench.ask(row.method, &format!("/v1.41{path}{query}"), &body);
    let message = answer.json()["message"].as_str().unwrap_or_default().replace(name, "NAME");
    (answer.status, message)
}

#[test]
fn objects_of_others_are_told_like_those_that_do_not_exist() {
    let bench = Bench::with("[role.bench.docker.exec]\nown = [\"true\"]\n");
    let (theirs, operators, label) =
        (bench.name("theirs"), bench.name("operators"), "doorward.worker=somebody-else");
    let mut containers = vec![theirs.clone(), operators.clone()];
    for (name, label) in [(&theirs, label), (&operators, "a=b")] {
        let id = made(&[
            "run",
            "-d",
            "--network",
            "none",
            "--label",
            label,
            "--name",
            name,
            &bench.image,
            "sleep",
            "600",
        ]);
        containers.extend([id[..12].to_owned(), id]);
    }
    let mut networks = vec![theirs.clone(), operators.clone()];
    for (name, label) in [(&theirs, label), (&operators, "a=b")] {
        let id = made(&["network", "create", "--internal", "--label", label, name]);
        networks.extend([id[..12].to_owned(), id]);
    }
    for (name, label) in [(&theirs, label), (&operators, "a=b")] {
        made(&["volume", "create", "--label", label, name]);
    }
    let volumes = [theirs.clone(), operators.clone()];
    let image = format!("{}/theirs:1", bench.worker);
    made(&["commit", "-c", "LABEL doorward.worker=somebody-else", &theirs, &image]);
    let execs = [exec_of(&theirs)];
    let (nothing, no_id) = (bench.name("nothing"), "e".repeat(64));
    let mut asked = 0;
    for row in ENDPOINTS.iter().filter(|row| matches!(row.access, Access::Granted(_))) {
        let (objects, absent): (&[String], &str) = match row.path {
            path if path.starts_with("/containers/{id}") => (&containers, &nothing),
            path if path.starts_with("/networks/{id}") => (&networks, &nothing),
            path if path.starts_with("/volumes/{name}") => (&volumes, &nothing),
            path if path.starts_with("/images/{name}") => (std::slice::from_ref(&image), "nothing/at-all:1"),
            path if path.starts_with("/exec/{id}") => (&execs, &no_id),
            _ => continue,
        };
        let wanted = told(&bench, row, absent);
        assert_eq!(wanted.0, 404, "{} {} {wanted:?}", row.method, row.path);
        for object in objects {
            asked += 1;
            assert_eq!(told(&bench, row, object), wanted, "{} {} {object}", row.method, row.path);
        }
    }
    drop(engine(&["volume", "rm", &theirs, &operators]));
    drop(engine(&["rm", "-f", &theirs, &operators]));
    drop(engine(&["volume", "rm", &theirs, &operators]));
    drop(engine(&["rmi", &image]));
    assert!(asked > 100, "{asked}");
}

/// An exec that the engine made for somebody else.
fn exec_of(container: &str) -> String {
    let body = json!({"Cmd": ["true"]}).to_string();
    let target = format!("/v1.41/containers/{container}/exec");
    let socket = std::path::Path::new(support::bench::ENGINE);
    let answer: Value = support::http::ask(socket, "POST", &target, &body).json();
    answer["Id"].as_str().unwrap().to_owned()
}

#[test]
fn errors_of_the_engine_name_nothing_of_the_host() {
    let bench = Bench::start();
    let (net, vol, user) = (bench.name("n"), bench.name("v"), bench.name("user"));
    bench.ok(&["network", "create", &net]);
    bench.ok(&[
        "run",
        "-d",
        "--name",
        &user,
        "--network",
        &net,
        "-v",
        &format!("{vol}:/data"),
        &bench.image,
        "sleep",
        "600",
    ]);
    let used = format!("{}/own:1", bench.worker);
    made(&["commit", "-c", &format!("LABEL doorward.worker={}", bench.worker), &user, &used]);
    let holder = bench.name("holder");
    made(&["create", "--name", &holder, &used, "true"]);
    let mut seen = Vec::new();
    for words in [
        &["run", "--rm", &bench.image, "/no/such/command"][..],
        &["run", "--rm", "--user", "nobody-at-all", &bench.image, "true"],
        &["run", "--rm", "-v", "/bin/busybox/x", &bench.image, "true"],
        &["run", "--rm", "--workdir", "/bin/busybox/x", &bench.image, "true"],
        &["run", "--rm", "--memory", "1m", &bench.image, "true"],
        &["network", "rm", &net],
        &["volume", "rm", &vol],
        &["rm", &user],
        &["rmi", &used],
        &["update", "--memory", "1m", &user],
        &["run", "--rm", "--name", &user, &bench.image, "true"],
    ] {
        let told = bench.refused(words);
        for host in ["/var/lib", "/run/", "/sys/fs", "/proc/self", "overlay2", "/tmp/"] {
            assert!(!told.contains(host), "{words:?} {told}");
        }
        seen.push(told);
    }
    let holder_id = made(&["inspect", "-f", "{{.Id}}", &holder]);
    assert!(!seen.iter().any(|told| told.contains(&holder_id[..12])), "{seen:?}");
    drop(engine(&["rm", "-f", &holder]));
    drop(engine(&["rmi", &used]));
}
