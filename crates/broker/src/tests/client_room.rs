//! What the docker client, which opens any path that its words name, finds of the host.

use super::support::{house, root};
use crate::executor;
use doorward_policy::{How, Identity};
use std::path::Path;

fn nowhere() -> How {
    executor::docker(Path::new("/nonexistent"))
}

/// Files and folders that every Linux host has, or that would tell which host it is.
const OF_THE_HOST: [&str; 16] = [
    "/proc/cmdline",
    "/proc/version",
    "/proc/mounts",
    "/proc/self/mountinfo",
    "/proc/self/cgroup",
    "/proc/net/tcp",
    "/proc/sys/kernel/hostname",
    "/sys/kernel/notes",
    "/usr/lib/os-release",
    "/usr/share/doc",
    "/usr/bin/env",
    "/etc/os-release",
    "/etc/passwd",
    "/root",
    "/root/x",
    "/home",
];

#[test]
fn the_docker_clients_own_words_open_no_file_of_the_host() {
    if !root() || executor::resolve("docker").is_err() {
        return;
    }
    let house = house();
    for path in OF_THE_HOST {
        for words in [
            ["docker", "run", "--env-file", path, "image"],
            ["docker", "run", "--label-file", path, "image"],
            ["docker", "run", "--security-opt", &format!("seccomp={path}"), "image"],
        ] {
            let ran = house.run(&nowhere(), &words);
            let refused = ["no such file", "not a directory"];
            assert!(refused.iter().any(|why| ran.err.contains(why)), "{words:?}: {ran:?}");
        }
    }
    let ran = house.run(&nowhere(), &["docker", "--help"]);
    assert!(ran.ok(), "{ran:?}");
}

#[test]
fn nothing_but_the_libraries_of_the_program_is_in_the_docker_clients_room() {
    if !root() {
        return;
    }
    let house = house();
    for path in OF_THE_HOST {
        let ran = house.client(&nowhere(), &["cat", path]);
        assert!(!ran.ok() && ran.out.is_empty(), "{path}: {ran:?}");
    }
    // Listing is not allowed where nothing can be read: what is there is tried by name.
    let ran =
        house.client(&nowhere(), &["ls", "-d", "/", "/dev/null", "/usr/lib", "/usr/bin", "/etc", "/root"]);
    assert!(ran.out.contains("/dev/null\n"), "{ran:?}");
    for absent in ["/usr/bin", "/etc", "/root"] {
        assert!(!ran.out.lines().any(|line| line == absent), "{absent}: {ran:?}");
    }
}

#[test]
fn each_run_of_the_docker_client_has_a_small_folder_of_its_own_to_write_to() {
    if !root() {
        return;
    }
    let house = house();
    let made = house.client(&nowhere(), &["mktemp", "-d"]);
    assert!(made.out.starts_with("/tmp/"), "{made:?}");
    let left = house.client(&nowhere(), &["ls", "-A", "/tmp"]);
    assert_eq!((left.out.as_str(), left.err.as_str()), ("", ""), "{left:?}");
    let full = house.client(&nowhere(), &["dd", "if=/dev/zero", "of=/tmp/x", "bs=1M", "count=2"]);
    assert!(full.err.contains("No space left"), "{full:?}");
    for elsewhere in ["/", "/run", "/var"] {
        let refused = house.client(&nowhere(), &["mktemp", "-p", elsewhere]);
        assert_eq!(refused.out, "", "{refused:?}");
        assert!(refused.err.contains("mktemp: failed"), "{refused:?}");
    }
}

#[test]
fn the_docker_client_works_with_the_real_engine_from_its_room() {
    let socket = Path::new("/var/run/docker.sock");
    if !root() || !socket.exists() || executor::resolve("docker").is_err() {
        return;
    }
    // As root, since nobody else may speak with the engine itself.
    let how = How { identity: Identity::Root, ..executor::docker(socket) };
    let house = house();
    let name = format!("doorward-client-room-{}", std::process::id());
    let _removed = Removed(&name);
    import(&name);
    let ran = house.run(
        &how,
        &[
            "docker",
            "run",
            "--network",
            "none",
            "--name",
            &name,
            "-e",
            "A=told",
            &name,
            "sh",
            "-c",
            "echo $A",
        ],
    );
    assert!(ran.ok() && ran.out == "told\n", "{ran:?}");
    let ran = house.run(&how, &["docker", "ps", "-a", "--format", "{{.Names}}"]);
    assert!(ran.ok() && ran.out.lines().any(|line| line == name), "{ran:?}");
    let ran = house.run(&how, &["docker", "logs", "--timestamps", &name]);
    assert!(ran.ok() && ran.out.ends_with("told\n"), "{ran:?}");
    let ran = house.run(&how, &["docker", "compose", "version"]);
    assert!(!ran.ok(), "no plugin is in the room: {ran:?}");
}

/// A static busybox as an image.
fn import(name: &str) {
    let script = "set -eu; tree=$(mktemp -d); trap 'rm -r \"$tree\"' EXIT; mkdir \"$tree/bin\"; \
                  cp /bin/busybox \"$tree/bin/\"; ln -s busybox \"$tree/bin/sh\"; \
                  tar -c -C \"$tree\" . | docker import -c 'ENV PATH=/bin' - \"$1\"";
    let made = std::process::Command::new("sh").args(["-c", script, "sh", name]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
}

/// A container and an image that go also when the test fails.
struct Removed<'n>(&'n str);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        for words in [["rm", "-f", self.0], ["rmi", "-f", self.0]] {
            let _ = std::process::Command::new("docker").args(words).output();
        }
    }
}
