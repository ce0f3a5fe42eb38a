//! The commands that rules are made for give what they give to the host's own root.

use super::support::{caps, host, house, how, root, root_with};
use doorward_policy::{How, Identity};
use std::collections::BTreeSet;

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn ss_names_every_listening_process_that_root_sees() {
    if !root() {
        return;
    }
    let _listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = _listener.local_addr().unwrap().port();
    let how = How { caps: caps(&["sys_ptrace", "dac_read_search"]), ..how() };
    let house = house();
    // Other tests open and close ports meanwhile: what both looks of root see must be seen in between.
    for _ in 0..5 {
        let before = lines(&host(&["ss", "-tlnp"]));
        let inside = house.run(&how, &["ss", "-tlnp"]);
        let after = lines(&host(&["ss", "-tlnp"]));
        assert!(inside.ok(), "{inside:?}");
        let inside = lines(&inside.out);
        let always: BTreeSet<_> = before.intersection(&after).cloned().collect();
        let ever: BTreeSet<_> = before.union(&after).cloned().collect();
        assert!(always.iter().any(|line| line.contains(&format!(":{port} ")) && line.contains("pid=")));
        if always.is_subset(&inside) && inside.is_subset(&ever) {
            return;
        }
    }
    panic!("ss inside never agreed with root's ss");
}

#[test]
fn iptables_prints_the_hosts_rules() {
    if !root() {
        return;
    }
    let how = How { caps: caps(&["net_admin"]), ..how() };
    let ran = house().run(&how, &["iptables", "-S"]);
    assert_eq!(lines(&ran.out), lines(&host(&["iptables", "-S"])), "{ran:?}");
    assert!(ran.out.contains("-P INPUT"), "{ran:?}");
}

#[test]
fn proc_net_tcp_is_the_hosts() {
    if !root() {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("0100007F:{:04X} 00000000:0000 0A", listener.local_addr().unwrap().port());
    let ran = house().run(&how(), &["cat", "/proc/net/tcp"]);
    assert!(ran.ok() && ran.out.contains(&port), "{ran:?}");
}

#[test]
fn sshd_prints_its_configuration_with_what_its_rule_reads() {
    if !root_with(&["/usr/sbin/sshd", "/run/sshd"]) {
        return;
    }
    let read = vec!["/etc/ssh".to_owned(), "/run/sshd".to_owned()];
    let how = How { caps: caps(&["dac_read_search"]), read, ..how() };
    let ran = house().run(&how, &["sshd", "-T"]);
    assert_eq!(lines(&ran.out), lines(&host(&["/usr/sbin/sshd", "-T"])), "{ran:?}");
}

#[test]
fn journalctl_runs_with_its_group() {
    if !root_with(&["/usr/bin/journalctl"]) {
        return;
    }
    let read = vec!["/var/log/journal".to_owned(), "/run/log/journal".to_owned()];
    let how = How { groups: vec!["systemd-journal".into()], read, ..how() };
    let ran = house().run(&how, &["journalctl", "-t", "kernel", "-n", "5"]);
    assert!(matches!(ran.end, doorward_wire::broker::End::Exited { code: 0 | 1 }), "{ran:?}");
    assert!(!ran.err.contains("ermission"), "{ran:?}");
}

#[test]
fn a_python_script_runs_through_its_interpreter_and_reaches_a_real_fail2ban_server() {
    if !root_with(&["/usr/bin/fail2ban-client"]) {
        return;
    }
    let server = Fail2ban::start().expect("a fail2ban server starts");
    let how = How { identity: Identity::Root, sockets: vec![server.socket()], ..how() };
    let house = house();
    let ran = house.run(&how, &["fail2ban-client", "-s", &server.socket(), "status"]);
    assert!(ran.ok() && ran.out.contains("Number of jail:"), "{ran:?}");
    let none = How { sockets: Vec::new(), ..how };
    let ran = house.run(&none, &["fail2ban-client", "-s", &server.socket(), "status"]);
    assert!(!ran.ok() && !ran.out.contains("Number of jail"), "{ran:?}");
}

/// A fail2ban server of this test's own, without jails.
struct Fail2ban {
    dir: tempfile::TempDir,
}

impl Fail2ban {
    fn start() -> Option<Fail2ban> {
        let dir = tempfile::Builder::new().prefix("doorward-f2b").tempdir_in("/run").ok()?;
        let config = dir.path().join("config");
        std::fs::create_dir(&config).ok()?;
        let at = |name: &str| dir.path().join(name).display().to_string();
        let text = format!(
            "[Definition]\nloglevel = INFO\nlogtarget = {}\nsyslogsocket = auto\nsocket = {}\npidfile = {}\n\
             dbfile = None\ndbmaxmatches = 10\ndbpurgeage = 1d\nallowipv6 = auto\n[Thread]\nstacksize = 0\n",
            at("log"),
            at("f2b.sock"),
            at("pid")
        );
        std::fs::write(config.join("fail2ban.conf"), text).ok()?;
        std::fs::write(config.join("jail.conf"), "[DEFAULT]\nenabled = false\n").ok()?;
        let server = Fail2ban { dir };
        server.client("start").then_some(server)
    }

    fn socket(&self) -> String {
        self.dir.path().join("f2b.sock").display().to_string()
    }

    fn client(&self, word: &str) -> bool {
        let config = self.dir.path().join("config").display().to_string();
        let pid = self.dir.path().join("pid").display().to_string();
        let output = std::process::Command::new("fail2ban-client")
            .args(["-c", &config, "-s", &self.socket(), "-p", &pid, word])
            .output();
        output.is_ok_and(|output| output.status.success())
    }
}

impl Drop for Fail2ban {
    fn drop(&mut self) {
        self.client("stop");
    }
}

#[test]
fn the_docker_command_reaches_the_workers_own_socket() {
    if !root_with(&["/usr/bin/docker"]) {
        return;
    }
    use std::io::{Read, Write};
    let dir = tempfile::Builder::new().prefix("doorward-docker").tempdir_in("/run").unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = dir.path().join("docker.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let engine = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut head = [0; 512];
        let length = socket.read(&mut head).unwrap();
        let _ = socket.write_all(b"HTTP/1.1 418 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        String::from_utf8_lossy(&head[..length]).into_owned()
    });
    let house = house();
    let how = crate::executor::docker(&path);
    let script = format!("DOCKER_HOST=unix://{} exec timeout 20 docker ps", path.display());
    let ran = house.sh(&how, &script);
    // Also when the command could not connect, the thread ends.
    let _ = std::os::unix::net::UnixStream::connect(&path);
    let head = engine.join().unwrap();
    assert!(head.contains("/_ping"), "{head:?} {ran:?}");
    let version = house.run(&how, &["docker", "--version"]);
    assert!(version.ok() && version.out.starts_with("Docker version"), "{version:?}");
}
