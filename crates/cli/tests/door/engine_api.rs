//! The Engine API from the worker's side: `docker -H ssh://worker`, and raw HTTP over `dial-stdio`.

use crate::host::{root, wait_until};
use crate::house::{House, Plan};
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

/// One raw request over `docker system dial-stdio`; the whole answer.
fn raw(house: &House, method: &str, target: &str, body: &str) -> String {
    let mut child = house
        .ssh_command(&["docker system dial-stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned()
}

#[test]
fn the_docker_command_works_over_ssh_as_it_works_on_the_host() {
    let mut house = House::plain();
    let (image, name) = (house.image(), format!("api-{}", house.worker));
    house.docker(&["version"]).worked();
    let hello = house.docker(&["run", "--rm", &image, "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((hello.code, hello.stdout.as_str(), hello.stderr.as_str()), (7, "out\n", "err\n"));
    house.docker(&["run", "-d", "--name", &name, &image, "sh", "-c", "echo started; sleep 600"]).worked();
    assert!(house.docker(&["ps", "--format", "{{.Names}}"]).worked().stdout.lines().any(|line| line == name));
    assert_eq!(house.docker(&["logs", &name]).worked().stdout, "started\n");
    assert_eq!(house.docker(&["inspect", "-f", "{{.State.Status}}", &name]).worked().stdout, "running\n");
    house.docker(&["stop", "-t", "1", &name]).worked();
    house.docker(&["start", &name]).worked();
    house.docker(&["restart", "-t", "1", &name]).worked();
    house.docker(&["rm", "-f", &name]).worked();
}

#[test]
fn own_networks_are_made_over_the_api_and_carry_traffic_between_own_containers() {
    let mut house = House::plain();
    let (image, network, server) =
        (house.image(), format!("net-{}", house.worker), format!("srv-{}", house.worker));
    house.docker(&["network", "create", "--internal", &network]).worked();
    house
        .docker(&[
            "run",
            "-d",
            "--name",
            &server,
            "--network",
            &network,
            &image,
            "httpd",
            "-f",
            "-p",
            "8080",
            "-h",
            "/bin",
        ])
        .worked();
    let url = format!("http://{server}:8080/busybox");
    let script = format!(
        "n=0; until wget -q -O /dev/null {url}; do n=$((n+1)); [ $n -lt 50 ] || exit 1; sleep 0.1; done; echo fetched"
    );
    let client = house.docker(&["run", "--rm", "--network", &network, &image, "sh", "-c", &script]).worked();
    assert_eq!(client.stdout, "fetched\n");
    house.docker(&["rm", "-f", &server]).worked();
    house.docker(&["network", "rm", &network]).worked();
}

#[test]
fn what_a_container_may_not_ask_for_is_refused_and_never_created() {
    let mut house = House::plain();
    let image = house.image();
    for (words, reason) in [
        (&["-v", "/:/h"][..], "field_not_allowed"),
        (&["--mount", "type=bind,src=/,dst=/h"], "field_not_allowed"),
        (&["-v", "/var/run/docker.sock:/s"], "field_not_allowed"),
        (&["--privileged"], "field_not_allowed"),
        (&["--cap-add", "SYS_ADMIN"], "field_not_allowed"),
        (&["--pid", "host"], "field_not_allowed"),
        (&["--ipc", "host"], "field_not_allowed"),
        (&["--uts", "host"], "field_not_allowed"),
        (&["--userns", "host"], "field_not_allowed"),
        (&["--security-opt", "seccomp=unconfined"], "field_not_allowed"),
        (&["--device", "/dev/mem"], "field_not_allowed"),
        (&["--cgroup-parent", "/"], "field_not_allowed"),
        (&["--sysctl", "net.ipv4.ip_forward=1"], "field_not_allowed"),
        (&["--volume-driver", "elsewhere"], "field_not_allowed"),
        (&["--runtime", "runc2"], "field_not_allowed"),
        (&["-p", "8080:80"], "field_not_allowed"),
    ] {
        let name = format!("no-{}", house.worker);
        let words = [&["run", "--rm", "--name", &name], words, &[&image, "true"]].concat();
        let said = house.docker(&words);
        assert_ne!(said.code, 0, "{words:?}: {said:#?}");
        assert!(said.stderr.contains(&format!("doorward: refused ({reason}): ")), "{words:?}: {said:#?}");
        assert_ne!(root("docker", &["inspect", &name]).code, 0, "{words:?} was created");
    }
    // Not with `--rm`, which the docker command itself does not take beside it.
    let name = format!("no-{}", house.worker);
    let always = house.docker(&["run", "-d", "--name", &name, "--restart", "always", &image, "true"]);
    always.refused_by_socket("field_not_allowed");
    for network in ["host", "bridge", "container:x"] {
        house.docker(&["run", "--rm", "--network", network, &image, "true"]).refused_somehow();
    }
    house
        .docker(&["run", "--rm", "docker.io/library/postgres:16", "true"])
        .refused_by_socket("image_not_allowed");
}

#[test]
fn a_raw_request_is_judged_like_the_docker_command() {
    let mut house = House::plain();
    let image = house.image();
    let create = |body: &str| raw(&house, "POST", "/v1.41/containers/create", body);
    let privileged = create(&format!(r#"{{"Image":"{image}","HostConfig":{{"Privileged":true}}}}"#));
    assert!(privileged.starts_with("HTTP/1.1 403 "), "{privileged}");
    assert!(privileged.contains("refused (field_not_allowed)"), "{privileged}");
    for body in [
        format!(r#"{{"Image":"{image}","hostconfig":{{"Privileged":true}}}}"#),
        format!(r#"{{"Image":"{image}","HostConfig":{{"privileged":true}}}}"#),
        format!(r#"{{"Image":"{image}","HostConfig":{{"Privileged":false,"Privileged":true}}}}"#),
        format!(r#"{{"Image":"{image}","Privileged":true}}"#),
        format!(r#"{{"Image":"{image}"}} {{"HostConfig":{{"Privileged":true}}}}"#),
        format!(r#"{{"Image":"{image}","Labels":{{"doorward.worker":"somebody"}}}}"#),
        "not json".to_owned(),
        String::new(),
    ] {
        let answer = create(&body);
        assert!(answer.starts_with("HTTP/1.1 4"), "{body}: {answer}");
        assert!(answer.contains("doorward: refused ("), "{body}: {answer}");
    }
    for (method, target) in [
        ("POST", "/v1.41/commit?container=x"),
        ("GET", "/v1.41/containers/x/archive?path=/etc/shadow"),
        ("GET", "/v1.41/containers/x/export"),
        ("GET", "/v1.41/containers/x/attach/ws?stream=1"),
        ("POST", "/v1.41/build?remote=http://192.0.2.1/x"),
        ("POST", "/grpc"),
        ("POST", "/session"),
        ("GET", "/v1.41/no/such/endpoint"),
        ("GET", "/v1.12/containers/json"),
        ("POST", "/v1.41/swarm/init"),
        ("GET", "/v1.41/containers/../info"),
        ("GET", "//v1.41/containers/json"),
    ] {
        let answer = raw(&house, method, target, "");
        assert!(
            answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 501"),
            "{method} {target}: {answer}"
        );
        assert!(answer.contains("doorward: refused ("), "{method} {target}: {answer}");
    }
    assert!(raw(&house, "GET", "/_ping", "").starts_with("HTTP/1.1 200 "));
}

#[test]
fn other_peoples_containers_are_not_there() {
    let mut house = House::plain();
    let (image, foreign) = (house.image(), format!("foreign-{}", house.worker));
    root("docker", &["run", "-d", "--name", &foreign, "-e", "TOKEN=geheim", &image, "sleep", "600"]).worked();
    let seen = house.docker(&["ps", "-a", "--format", "{{.Names}}"]);
    let asked: Vec<_> = ["inspect", "logs", "stop", "start", "rm"]
        .iter()
        .map(|verb| house.docker(&[verb, &foreign]))
        .collect();
    let absent = house.docker(&["logs", "surely-not-there"]);
    root("docker", &["rm", "-f", &foreign]).worked();
    assert!(!seen.worked().stdout.contains(&foreign));
    for said in &asked {
        assert_ne!(said.code, 0, "{said:#?}");
        assert!(!said.stdout.contains("geheim"), "{said:#?}");
    }
    assert_eq!(
        asked[1].stderr.replace(&foreign, "X"),
        absent.stderr.replace("surely-not-there", "X"),
        "same answer as for none"
    );
}

#[test]
fn only_the_commands_of_the_roles_table_are_executed_in_a_container() {
    let plan = Plan::default().with_role(
        "[role.extra]\nabout = \"One command inside.\"\n[role.extra.docker]\nverbs = [\"ps\"]\ncontainers = [\"own\"]\n\
         [role.extra.docker.exec]\nbox-WORKER = [\"echo {word:name}\"]\n",
    );
    let mut house = House::new(plan);
    let (image, name) = (house.image(), format!("box-{}", house.worker));
    house.ssh(&format!("docker run -d --name {name} {image} sleep 600")).worked();
    assert_eq!(house.ssh(&format!("docker exec {name} echo hello")).worked().stdout, "hello\n");
    assert_eq!(house.docker(&["exec", &name, "echo", "hello"]).worked().stdout, "hello\n");
    for words in [&["sh"][..], &["echo", "a", "b"], &["echo", "-e"], &["cat", "/etc/passwd"]] {
        house.docker(&[&["exec", &name], words].concat()).refused_somehow();
        house.ssh(&format!("docker exec {name} {}", words.join(" "))).refused_somehow();
    }
    house.docker(&["exec", "--privileged", &name, "echo", "hello"]).refused_somehow();
    house.docker(&["exec", "-u", "0", &name, "echo", "hello"]).refused_somehow();
    house.docker(&["exec", "-e", "LD_PRELOAD=x", &name, "echo", "hello"]).refused_somehow();
}

#[test]
fn ctrl_c_on_a_foreground_run_ends_the_container() {
    let mut house = House::plain();
    let (image, name) = (house.image(), format!("fg-{}", house.worker));
    let script = "trap 'exit 3' INT; echo ready; while :; do sleep 0.1; done";
    let mut command = house.docker_command(&["run", "--rm", "--name", &name, &image, "sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let running = || (root("docker", &["logs", &name]).stdout.contains("ready")).then_some(());
    wait_until("the container runs", Duration::from_secs(20), running);
    root("kill", &["-INT", &child.id().to_string()]).worked();
    child.wait().unwrap();
    wait_until("it is gone", Duration::from_secs(20), || {
        (root("docker", &["inspect", &name]).code != 0).then_some(())
    });
}
