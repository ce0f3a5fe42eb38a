//! Filters: each does its work on what it reads, and nothing that is run like one does anything else.

use super::support::{House, Ran, house, how, root_with};
use doorward_wire::broker::End;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;

/// Programs with words, what they read, and what they must write.
const WORK: &[(&[&str], &str, &str)] = &[
    (&["cat"], "a\nb\n", "a\nb\n"),
    (&["cut", "-d", ",", "-f", "2"], "a,b\n", "b\n"),
    (&["echo", "a"], "", "a\n"),
    (&["false"], "", ""),
    (&["grep", "-E", "^b.*é$"], "a\nblé\n", "blé\n"),
    (&["grep", "-P", "^(?=b)"], "a\nb\n", "b\n"),
    (&["head", "-n", "1"], "a\nb\n", "a\n"),
    (&["jq", "-c", ".a"], "{\"a\": [1, \"é\"]}\n", "[1,\"é\"]\n"),
    (&["sort", "-n", "-r"], "9\n10\n", "10\n9\n"),
    (&["sort", "-R"], "9\n", "9\n"),
    (&["tail", "-n", "1"], "a\nb\n", "b\n"),
    (&["tr", "a-z", "A-Z"], "ab\n", "AB\n"),
    (&["true"], "", ""),
    (&["uniq", "-c"], "a\na\n", "      2 a\n"),
    (&["wc", "-m"], "é\n", "2\n"),
];

fn fed(text: &[u8]) -> OwnedFd {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text).unwrap();
    file.rewind().unwrap();
    file.into()
}

#[test]
fn every_filter_does_its_work() {
    if !root_with(&["/usr/bin/jq"]) {
        return;
    }
    let house = house();
    for (words, reads, writes) in WORK {
        let ran = house.filter(words, fed(reads.as_bytes()));
        let code = u8::from(words[0] == "false");
        assert_eq!((ran.end, ran.out.as_str()), (End::Exited { code }, *writes), "{words:?}: {}", ran.err);
    }
    for filter in doorward_policy::FILTERS {
        assert!(
            WORK.iter().any(|(words, ..)| words[0] == filter.name),
            "{} is not in the table",
            filter.name
        );
    }
}

#[test]
fn a_filter_uses_threads_and_much_input() {
    if !root_with(&[]) {
        return;
    }
    let mut text = Vec::new();
    for number in (0..400_000_u32).rev() {
        writeln!(text, "{number:06}").unwrap();
    }
    let ran = house().filter(&["sort", "--parallel=4"], fed(&text));
    assert!(ran.ok() && ran.err.is_empty(), "{ran:?}");
    assert!(ran.out.starts_with("000000\n000001\n") && ran.out.len() == text.len());
}

/// A script of perl's own functions, which needs no file but its library.
fn perl(house: &House, script: &str) -> Ran {
    house.filter(&["perl"], fed(format!("$| = 1; print \"tried\\n\"; {script}").as_bytes()))
}

/// Each attempt prints `SUCCEEDED` when it does; and whether it does for a command.
const ATTEMPTS: &[(&str, bool, &str)] = &[
    (
        "read a file",
        true,
        "for ('/etc/passwd', '/etc/hostname', '/etc/ld.so.cache', '/proc/self/environ', '/proc/self/status', '/sys/kernel/uevent_seqnum', '/usr/bin/perl', '/usr/share/common-licenses/GPL-3', '/dev/null', '/dev/zero') { open(my $f, '<', $_) and print \"SUCCEEDED $_\\n\" }",
    ),
    (
        "write a file",
        true,
        "for ('/x', '/tmp/x', '/dev/shm/x', '/dev/null', '/usr/lib/x', '/var/tmp/x') { open(my $f, '>', $_) and print \"SUCCEEDED $_\\n\" }",
    ),
    ("make a folder", false, "for ('/x', '/tmp', '/usr/lib/x') { mkdir($_) and print \"SUCCEEDED $_\\n\" }"),
    (
        "list a folder",
        true,
        "for ('/', '/usr', '/usr/share', '/usr/bin', '/etc', '/proc', '/home', '/var', '/run', '.') { opendir(my $d, $_) and print \"SUCCEEDED $_\\n\" }",
    ),
    (
        "see a file",
        true,
        "for ('/etc', '/etc/passwd', '/home', '/root', '/var', '/run', '/tmp', '/proc', '/sys', '/dev', '/usr/bin', '/usr/share') { -e $_ and print \"SUCCEEDED $_\\n\" }",
    ),
    (
        "make a socket",
        true,
        "for my $d (1, 2, 10, 16, 17, 40) { for my $t (1, 2, 3) { socket(my $s, $d, $t, 0) and print \"SUCCEEDED $d $t\\n\" } } socketpair(my $a, my $b, 1, 1, 0) and print 'SUCCEEDED pair'",
    ),
    ("fork", true, "my $p = fork; print 'SUCCEEDED' if defined $p;"),
    (
        "execute",
        true,
        "for ('/bin/sh', '/usr/bin/id', '/usr/lib/git-core/git', '/lib64/ld-linux-x86-64.so.2') { no warnings; exec { $_ } $_, '-c', 'echo SUCCEEDED' }",
    ),
    ("signal", true, "for my $p (1, -1, getppid(), $$) { kill(0, $p) and print \"SUCCEEDED $p\\n\" }"),
];

#[test]
fn what_runs_as_a_filter_reaches_nothing() {
    if !root_with(&["/usr/bin/perl"]) {
        return;
    }
    let house = house();
    for (what, commands_do, script) in ATTEMPTS {
        let ran = house.run(&how(), &["perl", "-e", script]);
        assert_eq!(ran.out.contains("SUCCEEDED"), *commands_do, "{what}, as a command: {ran:?}");
        let ran = perl(&house, script);
        assert!(ran.out.contains("tried"), "{what}: the attempt did not run: {ran:?}");
        assert!(!ran.out.contains("SUCCEEDED"), "{what}: {ran:?}");
    }
}

/// Raw calls, by their numbers on this architecture.
#[cfg(target_arch = "x86_64")]
#[test]
fn raw_calls_of_a_filter_start_nothing_and_touch_no_process() {
    if !root_with(&["/usr/bin/perl"]) {
        return;
    }
    let house = house();
    let null = "my $n = 0; ";
    for (what, call) in [
        ("clone", "syscall(56, 17, 0, 0, 0, 0)"),
        ("clone into a user namespace", "syscall(56, 0x10000011, 0, 0, 0, 0)"),
        ("clone3", "syscall(435, 0, 0)"),
        ("vfork", "syscall(58)"),
        ("unshare", "syscall(272, 0x10000000)"),
        ("ptrace", "syscall(101, 0, 0, 0, 0)"),
        ("memfd_create", "syscall(319, my $name = 'x', 0)"),
        ("execveat", "syscall(322, -100, my $path = '/bin/sh', 0, 0, 0)"),
        ("process_vm_readv", "syscall(310, 1, 0, 0, 0, 0, 0)"),
        ("io_uring_setup", "syscall(425, 1, 0)"),
        ("shmget", "syscall(29, 0, 4096, 01600)"),
    ] {
        let ran = perl(&house, &format!("{null}my $r = {call}; print $r >= 0 ? 'SUCCEEDED' : 'refused'"));
        assert_eq!(ran.out, "tried\nrefused", "{what}: {ran:?}");
    }
    // Another program under the number that its own was opened by.
    let script = "open(my $f, '<', '/usr/lib/x86_64-linux-gnu/libc.so.6') or die; \
                  print syscall(33, fileno($f), 5) == 5 ? \"placed\\n\" : \"not placed\\n\"; \
                  syscall(322, 5, my $empty = '', 0, 0, 0x1000); print 0 + $!";
    assert_eq!(perl(&house, script).out, format!("tried\nplaced\n{}", libc::EACCES));
}

#[test]
fn a_sort_that_does_not_fit_in_its_memory_says_so_and_writes_nothing() {
    if !root_with(&[]) {
        return;
    }
    let text = vec![b"0123456789abcde\n".as_slice(); 2 << 20].concat();
    let ran = house().filter(&["sort", "-S", "4M"], fed(&text));
    assert!(matches!(ran.end, End::Exited { code: 2 }) && ran.out.is_empty(), "{:?} {}", ran.end, ran.err);
    assert!(ran.err.contains("temporary file"), "{}", ran.err);
}
