//! Compose as its users have it, version 2 and 1.29, over the worker's socket and over `ssh://`: a project of
//! twelve services comes up, is looked at, and goes, and nothing stays.

mod client;

use crate::host::{root, wait_until};
use crate::house::{House, Plan};
use client::{Client, Project, Way};
use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

const SERVICES: usize = 12;

/// Twelve services in two networks of their own, with a named volume, and two of them with an anonymous one.
fn services(image: &str) -> String {
    let mut text = String::from("services:\n");
    for n in 1..=SERVICES {
        let (network, volume) = match n % 3 {
            0 => ("[back]", "[shared:/shared]"),
            1 => ("[front]", "[]"),
            _ => ("[front, back]", "[/scratch]"),
        };
        text.push_str(&format!(
            "  s{n}:\n    image: {image}\n    command: sh -c 'echo hello from s{n}; exec sleep 600'\n    \
             stop_signal: SIGKILL\n    networks: {network}\n    volumes: {volume}\n"
        ));
    }
    text.push_str("networks: {front: {}, back: {}}\nvolumes: {shared: {}}\n");
    text
}

/// What the engine has of the project, by its own word: how many containers run, and how many containers,
/// networks and volumes there are.
fn at_the_engine(project: &str) -> [usize; 4] {
    let label = format!("label=com.docker.compose.project={project}");
    let count = |words: &[&str]| {
        let words = [words, &["-q", "--filter", &label]].concat();
        root("docker", &words).worked().stdout.lines().count()
    };
    [count(&["ps"]), count(&["ps", "-a"]), count(&["network", "ls"]), count(&["volume", "ls"])]
}

/// Follows the project's logs until each service has spoken.
fn followed(project: &Project<'_>) {
    let mut child = project
        .command(&["logs", "-f", "--no-color"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("compose starts");
    let mut output = child.stdout.take().unwrap();
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !(1..=SERVICES).all(|n| seen.contains(&format!("hello from s{n}\n"))) {
        let more = output.read(&mut buffer).unwrap();
        assert!(more > 0, "the logs ended before each service was heard: {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..more]));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A project's whole life.
fn lives(project: &Project<'_>) {
    project.run(&["up", "-d"]).worked();
    assert_eq!(at_the_engine(&project.name), [SERVICES, SERVICES, 2, 1]);
    let ps = project.run(&["ps"]).worked();
    assert!((1..=SERVICES).all(|n| ps.stdout.contains(&project.container(&format!("s{n}")))), "{ps:#?}");
    let logs = project.run(&["logs", "--no-color"]).worked();
    assert!((1..=SERVICES).all(|n| logs.stdout.contains(&format!("hello from s{n}\n"))), "{logs:#?}");
    followed(project);
    let started = |service: &str| {
        let name = project.container(service);
        root("docker", &["inspect", "-f", "{{.State.StartedAt}}", &name]).worked().stdout
    };
    let before = started("s4");
    project.run(&["restart", "-t", "0"]).worked();
    assert_ne!(started("s4"), before, "it was not restarted");
    project.run(&["down", "-v", "-t", "0"]).worked();
    assert_eq!(at_the_engine(&project.name), [0, 0, 0, 0]);
}

/// A house whose first words about a project are these.
fn house(plan: Plan) -> (House, String, String) {
    let mut house = House::new(plan);
    let image = house.image();
    let name = format!("lab-{}", house.worker);
    (house, services(&image), name)
}

#[test]
fn version_2_brings_up_twelve_services_over_the_socket() {
    let (house, services, name) = house(Plan::default());
    lives(&Project::new(&house, Client::V2, Way::Socket, &name, &services));
}

#[test]
fn version_2_brings_up_twelve_services_over_ssh() {
    let (house, services, name) = house(Plan::default());
    lives(&Project::new(&house, Client::V2, Way::Ssh, &name, &services));
}

#[test]
fn version_1_brings_up_twelve_services_over_the_socket() {
    let (house, services, name) = house(Plan::default());
    lives(&Project::new(&house, Client::V1, Way::Socket, &name, &services));
}

/// Against a bare engine, too, version 1 waits for ever over SSH for what it starts; it can look.
#[test]
fn version_1_looks_at_a_project_over_ssh() {
    let (house, services, name) = house(Plan::default());
    Project::new(&house, Client::V2, Way::Socket, &name, &services).run(&["up", "-d"]).worked();
    let ps = Project::new(&house, Client::V1, Way::Ssh, &name, &services).run(&["ps"]).worked();
    assert!(ps.stdout.contains(&format!("{name}-s1-1")), "{ps:#?}");
}

#[test]
fn a_service_made_anew_takes_its_anonymous_volume_over() {
    for client in [Client::V2, Client::V1] {
        let (house, _, name) = house(Plan::default());
        // Version 1 compares the network with its file, and the role has none but internal ones.
        let services = format!(
            "services:\n  one:\n    image: busybox:{}\n    command: sh -c 'echo x >>/kept/runs; wc -l </kept/runs; \
             exec sleep 600'\n    stop_signal: SIGKILL\n    volumes: [/kept]\nnetworks: {{default: {{internal: true}}}}\n",
            house.worker
        );
        let project = Project::new(&house, client, Way::Socket, &name, &services);
        project.run(&["up", "-d"]).worked();
        let container = project.container("one");
        let said = |line: &'static str| {
            wait_until("the service has spoken", Duration::from_secs(30), || {
                let logs = root("docker", &["logs", &container]);
                logs.stdout.contains(line).then_some(())
            });
        };
        said("1\n");
        project.run(&["up", "-d", "--force-recreate"]).worked();
        said("2\n");
        assert_eq!(at_the_engine(&name)[..3], [1, 1, 1]);
        project.run(&["down", "-v", "-t", "0"]).worked();
        assert_eq!(at_the_engine(&name), [0, 0, 0, 0]);
    }
}

/// What a service may not ask for: how the file says it, and what of the request is then refused.
const REFUSED: &[(&str, &str)] = &[
    ("privileged: true", "HostConfig.Privileged"),
    ("pid: host", "HostConfig.PidMode"),
    ("ipc: host", "HostConfig.IpcMode"),
    ("userns_mode: host", "HostConfig.UsernsMode"),
    ("network_mode: host", "HostConfig.NetworkMode"),
    ("cap_add: [SYS_ADMIN]", "HostConfig.CapAdd"),
    ("security_opt: ['seccomp:unconfined']", "HostConfig.SecurityOpt"),
    ("devices: ['/dev/kmsg:/dev/kmsg']", "HostConfig.Devices"),
    ("cgroup_parent: /", "HostConfig.CgroupParent"),
    ("volumes: ['/:/host']", "HostConfig."),
    ("volumes: ['/var/run/docker.sock:/s']", "HostConfig."),
    ("ports: ['0.0.0.0:20000:80']", "HostConfig.PortBindings"),
    ("ports: ['127.0.0.1:22:22']", "HostConfig.PortBindings"),
    ("sysctls: {net.ipv4.ip_forward: '1'}", "HostConfig.Sysctls"),
    ("labels: {doorward.worker: other}", "Labels"),
    ("labels: {traefik.enable: 'true'}", "Labels"),
    ("restart: always", "HostConfig.RestartPolicy"),
];

#[test]
fn a_service_that_asks_for_too_much_is_refused_by_name_field_and_rule_and_is_not_made() {
    let (house, _, name) = house(Plan::default());
    let image = format!("busybox:{}", house.worker);
    for (asked, field) in REFUSED {
        let services =
            format!("services:\n  one:\n    image: {image}\n    command: sleep 600\n    {asked}\n");
        let project = Project::new(&house, Client::V2, Way::Socket, &name, &services);
        let said = project.run(&["up", "-d"]);
        assert_ne!(said.code, 0, "{asked}: {said:#?}");
        for part in [project.container("one").as_str(), "doorward: refused (", field, "rule: "] {
            assert!(said.stderr.contains(part), "{asked} does not say {part}: {said:#?}");
        }
        project.run(&["down", "-v", "-t", "0"]).worked();
        assert_eq!(at_the_engine(&name), [0, 0, 0, 0], "{asked}");
    }
}
