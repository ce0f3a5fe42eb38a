//! What a command inside the sandbox tries, and that it fails at each.

use super::support::{House, Ran, SPAWN_UID, caps, house, house_hiding, how, root};
use doorward_policy::{How, Identity, Network};
use doorward_wire::broker::End;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

/// Every kind of rule that a policy can have: plain, as root, with the capability to read everything, and
/// with the one that sees processes.
fn kinds() -> Vec<(&'static str, How)> {
    vec![
        ("worker", how()),
        ("root", How { identity: Identity::Root, ..how() }),
        ("dac_read_search", How { caps: caps(&["dac_read_search"]), ..how() }),
        ("sys_ptrace", How { caps: caps(&["sys_ptrace", "dac_read_search"]), ..how() }),
    ]
}

/// The script fails for every kind of rule; it must print `tried` so that a broken script is no success.
fn fails_everywhere(house: &House, what: &str, run: impl Fn(&House, &How) -> Ran) {
    for (kind, how) in kinds() {
        let ran = run(house, &how);
        assert!(ran.out.contains("tried"), "{what} as {kind}: the attempt did not run: {ran:?}");
        assert!(!ran.out.contains("SUCCEEDED"), "{what} as {kind} succeeded: {ran:?}");
    }
}

#[test]
fn a_command_runs_as_the_spawn_account_with_nothing() {
    if !root() {
        return;
    }
    let ran =
        house().sh(&how(), "id -u; id -G; pwd; umask; env | sort; grep -E '^(Cap|NoNew)' /proc/self/status");
    let zero = "0000000000000000";
    let expected = format!(
        "{SPAWN_UID}\n{SPAWN_UID}\n/\n0077\nHOME=/nonexistent\nLANG=C.UTF-8\nLC_ALL=C.UTF-8\n\
         PATH=/run/current-system/sw/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/\nSYSTEMD_PAGER=cat\nTERM=dumb\nTZ=UTC\n\
         CapInh:\t{zero}\nCapPrm:\t{zero}\nCapEff:\t{zero}\nCapBnd:\t{zero}\nCapAmb:\t{zero}\nNoNewPrivs:\t1\n"
    );
    assert_eq!(ran.out, expected, "{ran:?}");
}

#[test]
fn a_rules_capabilities_are_all_that_a_command_has_also_as_root() {
    if !root() {
        return;
    }
    let house = house();
    for identity in [Identity::Worker, Identity::Root] {
        let how = How { identity, caps: caps(&["net_admin"]), ..how() };
        let ran = house.sh(&how, "grep ^Cap /proc/self/status | cut -f2 | sort -u");
        assert_eq!(ran.out, "0000000000001000\n", "{ran:?}");
    }
    let ran = house
        .sh(&How { identity: Identity::Root, ..how() }, "grep ^Cap /proc/self/status | cut -f2 | sort -u");
    assert_eq!(ran.out, "0000000000000000\n", "{ran:?}");
}

#[test]
fn a_command_is_the_first_to_go_when_memory_ends() {
    if !root() {
        return;
    }
    let ran = house().run(&how(), &["cat", "/proc/self/oom_score_adj"]);
    assert_eq!(ran.out, "1000\n", "{ran:?}");
}

#[test]
fn secrets_cannot_be_read() {
    if !root() {
        return;
    }
    let script = "echo tried; for f in /etc/shadow /etc/gshadow /etc/shadow- /etc/sudoers /etc/ssh/ssh_host_ed25519_key \
                  /proc/self/root/etc/shadow /proc/1/root/etc/shadow /proc/1/environ; do \
                  test -n \"$(cat $f 2>/dev/null)\" && echo SUCCEEDED $f; done; \
                  ls /etc/sudoers.d/* 2>/dev/null && echo SUCCEEDED sudoers.d";
    // With the capability to read everything, the environment of init's namesake on the host can be read by
    // a rule that sees processes: that is what the capability means, and why such a rule's words are fixed.
    let house = house();
    fails_everywhere(&house, "read", |house, how| {
        let seeing = how.caps.contains("sys_ptrace");
        house.sh(how, &if seeing { script.replace("/proc/1/environ", "") } else { script.to_owned() })
    });
}

/// A file in the host's `/etc` that goes with the test.
struct Secret(String);

impl Drop for Secret {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn what_only_root_reads_in_etc_is_read_by_no_command_whatever_its_name() {
    if !root() {
        return;
    }
    use std::os::unix::fs::OpenOptionsExt;
    let secret = Secret(format!("/etc/doorward-test-{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&secret.0).unwrap();
    std::io::Write::write_all(&mut file, b"secret").unwrap();
    let house = house();
    let script = format!(
        "echo tried; test -n \"$(cat /etc/passwd)\" || echo SUCCEEDED in hiding what everybody reads; \
         test -n \"$(cat {} 2>/dev/null)\" && echo SUCCEEDED; true",
        secret.0
    );
    fails_everywhere(&house, "read a root-only file in /etc", |house, how| house.sh(how, &script));
}

#[test]
fn nothing_can_be_written_or_made() {
    if !root() {
        return;
    }
    let house = house();
    fails_everywhere(&house, "write", |house, how| {
        house.sh(
            how,
            "echo tried; for d in / /tmp /var/tmp /dev /dev/shm /etc /usr /root /home /run /proc/sys/kernel /var; do \
             (echo x > $d/doorward-test) 2>/dev/null && echo SUCCEEDED $d; \
             mkdir $d/doorward-test-dir 2>/dev/null && echo SUCCEEDED dir $d; done; \
             (echo x >> /etc/passwd) 2>/dev/null && echo SUCCEEDED passwd; \
             chmod 777 /etc/passwd 2>/dev/null && echo SUCCEEDED chmod; \
             (echo 1 > /proc/sys/kernel/printk) 2>/dev/null && echo SUCCEEDED sysctl; \
             (echo b > /proc/sysrq-trigger) 2>/dev/null && echo SUCCEEDED sysrq; true",
        )
    });
    assert!(house.sh(&how(), "echo x > /dev/null").ok(), "/dev/null is there to be written to");
}

#[test]
fn inet_and_packet_sockets_cannot_be_made() {
    if !root() {
        return;
    }
    let script = "import socket\nprint('tried')\n\
        for d in (socket.AF_INET, socket.AF_INET6, socket.AF_PACKET, 40):\n\
        \x20for t in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):\n\
        \x20 try:\n\x20  socket.socket(d, t); print('SUCCEEDED', d, t)\n\x20 except OSError: pass\n";
    let house = house();
    fails_everywhere(&house, "socket", |house, how| house.python(how, script));
    let none = How { network: Network::None, ..how() };
    let ran = house.python(&none, &format!("{script}\nprint(open('/proc/net/dev').read())"));
    assert!(!ran.out.contains("SUCCEEDED") && !ran.out.contains("eth0"), "{ran:?}");
}

#[test]
fn the_engines_and_doorwards_sockets_are_not_there_and_a_rules_socket_is() {
    if !root() {
        return;
    }
    let dir = tempfile::Builder::new().prefix("doorward-test").tempdir_in("/run").unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (mine, other) = (dir.path().join("mine.sock"), dir.path().join("other.sock"));
    let _listeners = [&mine, &other].map(|path| {
        let listener = UnixListener::bind(path).unwrap();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        listener
    });
    let engine = "/var/run/docker.sock".to_owned();
    let house = house_hiding(vec![engine.clone().into(), dir.path().to_owned()]);
    let attempt = |paths: &[String]| {
        format!(
            "import socket\nprint('tried')\nfor p in {paths:?}:\n s = socket.socket(socket.AF_UNIX)\n try:\n  s.connect(p); print('SUCCEEDED', p)\n except OSError as e: print(e)\n"
        )
    };
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let paths = [engine, "/run/docker.sock".into(), text(&mine), text(&other)];
    fails_everywhere(&house, "connect", |house, how| house.python(how, &attempt(&paths)));
    let how = How { sockets: vec![text(&mine)], ..how() };
    let ran = house.python(&how, &attempt(&paths));
    assert!(ran.out.contains(&format!("SUCCEEDED {}", text(&mine))), "{ran:?}");
    assert_eq!(ran.out.matches("SUCCEEDED").count(), 1, "{ran:?}");
    let reading = How { read: vec!["/run".into()], ..how };
    let ran = house.python(&reading, &attempt(&paths[..2]));
    assert!(!ran.out.contains("SUCCEEDED"), "reading /run gave the engine's socket: {ran:?}");
}

#[test]
fn abstract_sockets_of_the_host_cannot_be_reached() {
    if !root() || crate::landlock::version() < 6 {
        return;
    }
    use std::os::linux::net::SocketAddrExt;
    let name = format!("doorward-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let script = format!(
        "import socket\nprint('tried')\ns = socket.socket(socket.AF_UNIX)\ntry:\n s.connect('\\0{name}'); print('SUCCEEDED')\nexcept OSError as e: print(e)\n"
    );
    let ran = house().python(&how(), &script);
    assert!(ran.out.contains("tried") && !ran.out.contains("SUCCEEDED"), "{ran:?}");
}

#[test]
fn setuid_programs_give_nothing() {
    if !root() {
        return;
    }
    let house = house();
    let ran =
        house.sh(&how(), "echo tried; su -c 'echo SUCCEEDED' root </dev/null; sudo -n echo SUCCEEDED; id -u");
    assert!(ran.out.starts_with("tried") && !ran.out.contains("SUCCEEDED"), "{ran:?}");
    assert!(ran.out.contains(&SPAWN_UID.to_string()), "{ran:?}");
}

#[test]
fn other_processes_are_not_seen_and_not_signalled() {
    if !root() {
        return;
    }
    let me = std::process::id();
    let ran = house()
        .sh(&how(), &format!("ls /proc | grep -c '^[0-9]*$'; kill -0 {me} && echo SUCCEEDED; echo $$"));
    let mut lines = ran.out.lines();
    assert!(lines.next().unwrap().parse::<u32>().unwrap() <= 4, "only its own: {ran:?}");
    assert_eq!(lines.next(), Some("2"), "the first after init: {ran:?}");
}

#[test]
fn namespaces_mounts_tracing_and_kernel_calls_are_refused() {
    if !root() {
        return;
    }
    // number of the call on x86_64, and its arguments; every one must fail, and none with success.
    let script = "import ctypes\nprint('tried')\nlibc = ctypes.CDLL(None, use_errno=True)\n\
        calls = {'ptrace': (101, 16, 1), 'mount': (165, b'none', b'/tmp', b'tmpfs', 0, 0), 'unshare user': (272, 0x10000000),\n\
        'unshare mount': (272, 0x20000), 'setns': (308, 0, 0), 'keyctl': (250, 0, -3, 1), 'bpf': (321, 0, 0, 0), 'perf': (298, 0, 0, -1, -1, 0),\n\
        'userfaultfd': (323, 0), 'io_uring': (425, 1, 0), 'reboot': (169, 0xfee1dead, 672274793, 0), 'module': (313, 0, b'', 0),\n\
        'process_vm_readv': (310, 1, 0, 0, 0, 0, 0), 'clone3': (435, 0, 0), 'clone user': (56, 0x10000011, 0, 0, 0, 0),\n\
        'open_by_handle_at': (304, 0, 0, 0), 'chroot': (161, b'/'), 'pivot_root': (155, b'.', b'.'), 'syslog': (103, 3, 0, 0)}\n\
        for name, call in calls.items():\n r = libc.syscall(*call)\n e = ctypes.get_errno()\n\
        \x20if r != -1 or e not in (1, 38): print('SUCCEEDED', name, r, e)\n";
    if cfg!(not(target_arch = "x86_64")) {
        return;
    }
    fails_everywhere(&house(), "call", |house, how| house.python(how, script));
}

#[test]
fn input_cannot_be_pushed_to_a_terminal() {
    if !root() {
        return;
    }
    let script = "import fcntl, os, termios\nprint('tried')\n\
        for fd in (0, 1, 2):\n\x20try:\n\x20 fcntl.ioctl(fd, termios.TIOCSTI, b'x'); print('SUCCEEDED')\n\x20except OSError as e:\n\x20 if e.errno != 1: print('SUCCEEDED in reaching', e)\n\
        for p in ('/dev/tty', '/dev/console', '/dev/ptmx'):\n\x20try:\n\x20 os.open(p, os.O_RDWR); print('SUCCEEDED', p)\n\x20except OSError: pass\n";
    fails_everywhere(&house(), "TIOCSTI", |house, how| house.python(how, script));
}

#[test]
fn nothing_outlives_its_deadline() {
    if !root() {
        return;
    }
    let marker = format!("86{}", std::process::id());
    let script = format!(
        "trap '' TERM; (setsid sh -c 'trap \"\" TERM; sleep {marker} & sleep {marker}' &) ; echo tried; sleep {marker}"
    );
    let began = Instant::now();
    let ran = house().run_for(&how(), &["sh", "-c", &script], Duration::from_millis(500));
    assert_eq!((ran.end, ran.out.as_str()), (End::Deadline, "tried\n"));
    assert!(began.elapsed() >= Duration::from_millis(500));
    assert!(!alive(&marker), "a process of the command is left");
}

#[test]
fn nothing_outlives_the_commands_own_end() {
    if !root() {
        return;
    }
    let marker = format!("87{}", std::process::id());
    let ran = house().sh(&how(), &format!("(setsid sleep {marker} >/dev/null 2>&1 &); exit 7"));
    assert_eq!(ran.end, End::Exited { code: 7 });
    assert!(!alive(&marker), "a process of the command is left");
}

#[test]
fn of_many_left_behind_none_is_alive_when_the_end_is_told() {
    if !root() {
        return;
    }
    let marker = format!("88{}", std::process::id());
    let house = house();
    let script = format!(
        "for i in 1 2 3 4 5 6 7 8; do (trap '' TERM; setsid sh -c 'sleep {marker} & sleep {marker}' >/dev/null 2>&1 &); done; exit 3"
    );
    for _ in 0..10 {
        let (mut plan, out, _err) = house.plan(&how(), &["sh", "-c", &script]);
        let child = crate::spawn::spawn(&mut plan).unwrap();
        drop((plan, out));
        let cancel = crate::supervise::Cancel::new().unwrap();
        let end = crate::supervise::wait(&child, Duration::from_secs(30), &cancel);
        // Before init itself is waited for.
        assert!(!alive(&marker), "a process of the command is left");
        assert_eq!(end, End::Exited { code: 3 });
        drop(child);
    }
}

fn alive(marker: &str) -> bool {
    let own = std::process::id().to_string();
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        entry.file_name() != *own
            && std::fs::read(entry.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).split('\0').any(|word| word == marker))
    })
}

#[test]
fn ends_are_told_apart() {
    if !root() {
        return;
    }
    let house = house();
    assert_eq!(house.sh(&how(), "exit 127").end, End::Exited { code: 127 });
    assert_eq!(house.sh(&how(), "kill -9 $$").end, End::Signaled { signal: 9 });
    assert_eq!(house.sh(&how(), "kill -PIPE $$").end, End::Signaled { signal: 13 });
}

#[test]
fn a_command_without_a_reader_ends_by_a_broken_pipe() {
    if !root() {
        return;
    }
    let house = house();
    let (mut plan, out, _err) = house.plan(&how(), &["yes"]);
    let child = crate::spawn::spawn(&mut plan).unwrap();
    drop((plan, out));
    let cancel = crate::supervise::Cancel::new().unwrap();
    let end = crate::supervise::wait(&child, Duration::from_secs(30), &cancel);
    assert!(matches!(end, End::Signaled { signal: 13 } | End::Exited { code: 1 }), "{end:?}");
}

#[test]
fn no_descriptor_of_the_broker_is_left_open_in_a_command() {
    if !root() {
        return;
    }
    // Without close-on-exec, as a careless library would open it.
    let careless =
        rustix::fs::open("/etc/shadow", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
    let ran = house().sh(&how(), "ls /proc/self/fd");
    drop(careless);
    assert_eq!(ran.out, "0\n1\n2\n3\n", "3 is the folder that ls reads: {ran:?}");
}

#[test]
fn a_process_cannot_take_the_hosts_memory() {
    if !root() {
        return;
    }
    let script = "import sys\nkept = bytearray(64 << 20)\nprint('tried')\n\
                  try:\n    more = bytearray(2 << 30)\n    print('SUCCEEDED')\nexcept MemoryError:\n    pass";
    fails_everywhere(&house(), "take memory", |house, how| house.python(how, script));
}
