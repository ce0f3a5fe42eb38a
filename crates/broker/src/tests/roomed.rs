//! Rooms are shared by commands and outlive them: what changes on the host meanwhile is hidden all the same,
//! and one command has nothing of another.

use super::support::{House, caps, house, house_hiding, how, root};
use doorward_policy::{How, Identity, Network};
use doorward_wire::broker::End;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

fn folder() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("doorward-room").tempdir_in("/run").unwrap();
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    dir
}

fn reading(dir: &Path) -> How {
    How { read: vec![dir.display().to_string()], caps: caps(&["dac_read_search"]), ..how() }
}

fn cat(house: &House, how: &How, path: &Path) -> String {
    house.run(how, &["cat", path.to_str().unwrap()]).out
}

#[test]
fn a_secret_that_is_replaced_or_made_after_the_first_command_is_hidden_from_the_next() {
    if !root() {
        return;
    }
    let dir = folder();
    let [old, new, plain] = ["old", "new", "plain"].map(|name| dir.path().join(name));
    fs::write(&old, "secret one").unwrap();
    fs::write(&plain, "plain").unwrap();
    let house = house_hiding(vec![old.clone(), new.clone()]);
    let how = reading(dir.path());
    assert_eq!((cat(&house, &how, &old), cat(&house, &how, &plain)), (String::new(), "plain".into()));
    // As `passwd` does it: the kernel takes the cover of the replaced file away everywhere.
    let made = dir.path().join("made");
    fs::write(&made, "secret two").unwrap();
    fs::rename(&made, &old).unwrap();
    assert_eq!(cat(&house, &how, &old), "");
    fs::write(&new, "secret three").unwrap();
    assert_eq!(cat(&house, &how, &new), "");
    fs::remove_file(&old).unwrap();
    fs::write(&old, "secret four").unwrap();
    assert_eq!((cat(&house, &how, &old), cat(&house, &how, &plain)), (String::new(), "plain".into()));
}

#[test]
fn a_socket_that_its_service_makes_anew_is_reached_by_the_next_command() {
    if !root() {
        return;
    }
    let dir = folder();
    let path = dir.path().join("service.sock");
    let house = house();
    let how = How { identity: Identity::Root, sockets: vec![path.display().to_string()], ..how() };
    let script = format!(
        "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('{}')\nprint('reached')",
        path.display()
    );
    for _ in 0..2 {
        let _ = fs::remove_file(&path);
        let _listener = UnixListener::bind(&path).unwrap();
        let ran = house.python(&how, &script);
        assert_eq!(ran.out, "reached\n", "{ran:?}");
    }
}

#[test]
fn nothing_of_the_hosts_mounts_is_left_in_a_commands_namespace() {
    if !root() {
        return;
    }
    let house = house();
    for how in [how(), How { network: Network::None, ..how() }, How { caps: caps(&["sys_ptrace"]), ..how() }]
    {
        let ran = house.sh(
            &how,
            "cut -d' ' -f5 /proc/self/mountinfo; echo --; cd /../../..; for way in / ../../../ /proc/self/root/../ /proc/self/cwd/ /proc/2/root/ /usr/../../; do \
             for name in boot opt srv mnt media sys lost+found var/lib run/docker.sock; do test -e $way$name && echo SUCCEEDED $way$name; done; \
             test -e ${way}usr || echo unseen $way; done",
        );
        let (mounts, rest) = ran.out.split_once("--\n").unwrap();
        let allowed = [
            "/usr",
            "/bin",
            "/sbin",
            "/lib",
            "/lib32",
            "/lib64",
            "/libx32",
            "/etc",
            "/nix/store",
            "/dev",
            "/proc",
        ];
        for mount in mounts.lines().filter(|mount| *mount != "/") {
            assert!(allowed.iter().any(|tree| mount.starts_with(tree)), "{mount} is mounted: {ran:?}");
        }
        // With the host's processes in view, no link of `/proc` is followed.
        assert!(mounts.lines().count() > 3 || how.caps.contains("sys_ptrace"), "{ran:?}");
        assert!(!rest.contains("SUCCEEDED"), "{ran:?}");
        assert!(!rest.contains("unseen / "), "{ran:?}");
    }
}

#[test]
fn commands_of_the_same_rule_at_the_same_time_do_not_see_each_other() {
    if !root() {
        return;
    }
    let house = house();
    let (mut plan, out, _err) = house.plan(&how(), &["sleep", "905"]);
    let sleeping = crate::spawn::spawn(&mut plan).unwrap();
    drop((plan, out));
    let ran = house.sh(&how(), "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; kill -9 -1; echo survived");
    assert!(!ran.out.contains("905"), "{ran:?}");
    let cancel = crate::supervise::Cancel::new().unwrap();
    let end = crate::supervise::wait(&sleeping, Duration::from_millis(200), &cancel);
    assert_eq!(end, End::Deadline, "it was ended by another command");
}
