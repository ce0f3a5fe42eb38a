//! Without root: a user namespace where the host allows it.

use super::support::{caps, house, how};
use crate::executor::{self, Kind, PrepareError, Task};
use crate::plan::{Isolation, Streams};
use doorward_policy::How;
use doorward_wire::broker::End;
use std::os::unix::process::CommandExt;

/// The other tests of this file, run again by [`without_root_the_rest_of_this_file_holds`] as this account.
const NOBODY: u32 = 60_791;

fn not_root() -> bool {
    !rustix::process::geteuid().is_root()
}

#[test]
fn without_root_the_rest_of_this_file_holds() {
    if not_root() {
        return;
    }
    // The test binary's folder may be closed to others, so it is executed through a descriptor.
    let own = std::fs::File::open("/proc/self/exe").unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&own));
    rustix::io::fcntl_setfd(&own, rustix::io::FdFlags::empty()).unwrap();
    let mut command = std::process::Command::new(path);
    command.args(["tests::rootless", "--nocapture"]).current_dir("/").uid(NOBODY).gid(NOBODY);
    let output = command.env("TMPDIR", "/tmp").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("5 passed"), "{output:?}");
}

#[test]
fn a_command_is_shut_in_and_runs_as_the_same_account() {
    if !not_root() {
        return;
    }
    let house = house();
    let ran = house.sh(
        &how(),
        "id -u; grep -E '^(CapEff|NoNewPrivs)' /proc/self/status; echo x > /tmp/x || echo refused",
    );
    let own = rustix::process::geteuid().as_raw();
    assert_eq!(ran.out, format!("{own}\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\nrefused\n"), "{ran:?}");
    println!("isolation: {:?}", house.executor.isolation);
}

#[test]
fn a_filter_reads_its_stdin_and_no_file() {
    if !not_root() {
        return;
    }
    for isolation in [None, Some(Isolation::Bare)] {
        let mut house = house();
        house.executor.isolation = isolation.unwrap_or(house.executor.isolation);
        let (stdin, mut feed) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut feed, b"b\na\n").unwrap();
        drop(feed);
        let ran = house.filter(&["sort"], stdin.into());
        assert_eq!((ran.ok(), ran.out.as_str()), (true, "a\nb\n"), "{isolation:?}: {ran:?}");
        for path in ["/etc/passwd", "/proc/self/status", "/usr/share"] {
            let ran = house.filter(&["cat", path], std::fs::File::open("/dev/null").unwrap().into());
            assert!(!ran.ok() && ran.out.is_empty() && ran.err.contains(path), "{isolation:?}: {ran:?}");
        }
    }
}

#[test]
fn a_rule_that_needs_root_is_unavailable() {
    if !not_root() {
        return;
    }
    let house = house();
    let how = How { caps: caps(&["net_admin"]), ..how() };
    let null = || std::fs::File::open("/dev/null").unwrap().into();
    let streams = Streams { stdin: null(), stdout: null(), stderr: null() };
    let words = ["true".to_owned()];
    let program = executor::resolve("true").unwrap();
    let task = Task { kind: Kind::Command, how: &how, program, argv: &words, extra: &[], streams };
    let plan = house.executor.plan(&super::support::worker(), task);
    assert!(matches!(plan, Err(PrepareError::Unavailable(_))));
}

#[test]
fn without_namespaces_the_group_is_what_ends_a_command() {
    if !not_root() {
        return;
    }
    let mut house = house();
    house.executor.isolation = Isolation::Bare;
    let ran = house.sh(
        &how(),
        "setsid true || echo refused; (sleep 904 >/dev/null 2>&1 &); cat /etc/hostname >/dev/null && exit 3",
    );
    assert_eq!((ran.end, ran.out.as_str()), (End::Exited { code: 3 }, "refused\n"), "{}", ran.err);
}
