//! Host commands through `ssh` against what the host's own root gets at the same time.

use crate::host::{root, wait_until};
use crate::house::{House, Plan};
use crate::said::Said;
use std::collections::BTreeSet;
use std::time::Duration;

type Lines = BTreeSet<String>;

/// The lines that `pick` makes of an output.
fn lines(text: &str, pick: fn(&str) -> Option<String>) -> Lines {
    text.lines().filter_map(pick).collect()
}

/// The worker's answer lies between what root saw just before and just after: the host may change meanwhile,
/// other tests run on it.
#[track_caller]
fn same_as_root(house: &House, program: &str, arguments: &[&str], pick: fn(&str) -> Option<String>) {
    let before = lines(&root(program, arguments).worked().stdout, pick);
    let said = house.ssh(&format!("{program} {}", arguments.join(" "))).worked();
    let after = lines(&root(program, arguments).worked().stdout, pick);
    let worker = lines(&said.stdout, pick);
    let missing: Vec<&String> = before.intersection(&after).filter(|line| !worker.contains(*line)).collect();
    let invented: Vec<&String> =
        worker.iter().filter(|line| !before.contains(*line) && !after.contains(*line)).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "missing: {missing:#?}\ninvented: {invented:#?}\n{}",
        said.stderr
    );
    assert!(!worker.is_empty(), "nothing to compare: {said:#?}");
}

fn whole(line: &str) -> Option<String> {
    Some(line.trim_end().to_owned())
}

/// A socket's line with its processes, without the queue lengths in it.
fn socket(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    Some([*words.first()?, *words.get(3)?, words.get(5).copied().unwrap_or_default()].join(" "))
}

/// A chain or rule without its packet counters.
fn rule(line: &str) -> Option<String> {
    if let Some(chain) = line.strip_prefix("Chain ") {
        return Some(chain.split(' ').next()?.to_owned());
    }
    let words: Vec<&str> = line.split_whitespace().skip(2).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Address and inode of a listening socket in the kernel's table.
fn listening(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    (words.get(3) == Some(&"0A")).then(|| format!("{} {}", words[1], words[9]))
}

#[test]
fn ss_names_the_same_sockets_and_processes_as_for_root() {
    let house = House::plain();
    same_as_root(&house, "ss", &["-tlnp"], socket);
    let said = house.ssh("ss -tlnp").worked();
    let own = said.stdout.lines().find(|line| line.contains(&format!("127.0.0.1:{} ", house.port)));
    assert!(own.is_some_and(|line| line.contains("users:((\"sshd\"")), "process names are there: {said:#?}");
}

#[test]
fn the_firewall_looks_the_same_as_for_root() {
    let house = House::plain();
    same_as_root(&house, "iptables", &["-S"], whole);
    same_as_root(&house, "iptables", &["-L", "-n", "-v"], rule);
}

#[test]
fn the_kernels_socket_table_is_the_hosts_own() {
    let house = House::plain();
    same_as_root(&house, "cat", &["/proc/net/tcp"], listening);
}

#[test]
fn sshds_effective_configuration_is_what_root_sees() {
    let house = House::plain();
    // In order: without inet sockets the resolver lists a wildcard's two families the other way round.
    let sorted = |text: &str| text.lines().map(str::to_owned).collect::<Lines>();
    let (worker, own) = (house.ssh("sshd -T").worked(), root("sshd", &["-T"]).worked());
    assert_eq!(sorted(&worker.stdout), sorted(&own.stdout));
}

#[test]
fn fail2ban_answers_as_it_answers_root() {
    let house = House::plain();
    for arguments in [&["status"][..], &["status", "sshd"], &["get", "sshd", "banned"]] {
        let own = root("fail2ban-client", arguments).worked();
        assert_eq!(
            house.ssh(&format!("fail2ban-client {}", arguments.join(" "))).worked().stdout,
            own.stdout,
            "{arguments:?}"
        );
    }
}

#[test]
fn the_journal_is_the_hosts_own() {
    let house = House::plain();
    same_as_root(&house, "journalctl", &["-t", "kernel", "-n", "100"], whole);
    same_as_root(&house, "journalctl", &["-u", "fail2ban", "-n", "50"], whole);
}

#[test]
fn a_command_ends_within_three_seconds_of_its_workers_disconnect() {
    let house = House::new(Plan::default().with_role(
        "[role.extra]\nabout = \"Waits.\"\n[[role.extra.command]]\nrun = \"sleep {n:1..999999}\"\n",
    ));
    let seconds = format!("{}", 500_000 + std::process::id());
    let mut client = house.ssh_command(&[&format!("sleep {seconds}")]).spawn().unwrap();
    let running =
        || crate::host::processes(&["sleep", &seconds]).into_iter().find(|pid| is_program(*pid, "sleep"));
    let pid = wait_until("the command runs", Duration::from_secs(10), running);
    client.kill().unwrap();
    client.wait().unwrap();
    wait_until("the command is gone", Duration::from_secs(3), || (!crate::host::alive(pid)).then_some(()));
    wait_until("its end is recorded", Duration::from_secs(3), || {
        house
            .records()
            .iter()
            .any(|record| record["kind"] == "outcome" && record.to_string().contains("disconnect"))
            .then_some(())
    });
}

fn is_program(pid: u32, name: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name)
}

#[test]
fn exit_codes_and_signals_come_back_as_a_shell_would_tell_them() {
    let house = House::new(Plan::default().with_role(
        "[role.extra]\nabout = \"Ends in its own way.\"\n[[role.extra.command]]\nrun = \"false\"\n\
         [[role.extra.command]]\nrun = \"sleep 98765\"\nseconds = 1\n\
         [[role.extra.command]]\nrun = \"no-such-program-here\"\n",
    ));
    assert_eq!(house.ssh("false").code, 1);
    let deadline = house.ssh("sleep 98765");
    assert_eq!(deadline.code, 124, "{deadline:#?}");
    assert!(deadline.stderr.contains("doorward: "), "{deadline:#?}");
    house.ssh("no-such-program-here").refused("unavailable");
}

#[test]
fn every_line_is_a_run_whose_output_the_worker_can_fetch_later() {
    let house = House::plain();
    let first = house.ssh("sshd -T").worked();
    let _ = house.ssh("cat /etc/shadow").refused("not_in_policy");
    let list = house.ssh("runs").worked();
    let row = list
        .stdout
        .lines()
        .find(|line| line.contains("sshd -T"))
        .unwrap_or_else(|| panic!("no row: {list:#?}"));
    assert!(list.stdout.contains("cat /etc/shadow"), "refused lines are listed too: {list:#?}");
    let id = row
        .split_whitespace()
        .find(|word| word.len() >= 8 && word.chars().all(|c| c.is_ascii_alphanumeric()));
    let shown: Said = house.ssh(&format!("runs show {}", id.unwrap())).worked();
    assert_eq!(shown.stdout, first.stdout);
}
