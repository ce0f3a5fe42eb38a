//! Every way to call the account's login shell: a session, a worker's line, and nothing else.

use crate::house::{House, Plan};
use std::process::{Command, Stdio};

#[test]
fn a_session_without_words_greets_and_ends() {
    let house = House::plain();
    let said = house.ssh("").worked();
    assert!(said.stdout.contains(&house.worker), "{said:#?}");
    assert!(said.stdout.contains("iptables -S"), "says what may be done: {said:#?}");
    assert!(said.stdout.contains("help"), "says where help is: {said:#?}");
}

#[test]
fn the_forced_command_runs_the_words_that_the_worker_sent() {
    let house = House::plain();
    let said = house.ssh("whoami").worked();
    assert!(said.stdout.contains(&house.worker), "{said:#?}");
}

#[test]
fn without_a_forced_command_the_words_are_a_line_and_never_a_subcommand() {
    let house = House::new(Plan { forced: false, ..Plan::default() });
    for words in [
        "id",
        "check /etc/shadow",
        "serve --help",
        "session --help",
        "audit list",
        "--help",
        "--version",
        "-c id",
    ] {
        let said = house.ssh(words);
        assert_ne!(said.code, 0, "{words}: {said:#?}");
        assert_eq!(said.stdout, "", "{words}: {said:#?}");
        assert!(said.stderr.starts_with("doorward: "), "{words}: {said:#?}");
    }
}

#[test]
fn dash_c_with_the_forced_words_is_a_session() {
    let house = House::plain();
    let forced = house.forced_command();
    for name in ["doorward", "-doorward", "sh"] {
        let said = house.shell(name, &["-c", &forced]).worked();
        assert!(said.stdout.contains(&house.worker), "{name}: {said:#?}");
    }
}

#[test]
fn dash_c_with_anything_else_is_a_line_that_no_shell_ever_sees() {
    let house = House::plain();
    let (dir, forced) = (house.dir.display().to_string(), house.forced_command());
    let lines = [
        "id".to_owned(),
        format!("{forced}; id"),
        format!("{forced} && id"),
        format!("{forced}\nid"),
        format!("{forced} --shell /bin/sh"),
        format!("{forced} --policy /tmp/policy.toml"),
        format!("{forced} $(id)"),
        format!("{dir}/bin/doorward audit list --state-dir {dir}/state"),
        format!("{dir}/bin/doorward check /etc/shadow"),
        format!("{dir}/bin/doorward broker"),
        "/bin/sh".to_owned(),
        "exec /bin/sh -i".to_owned(),
        "session".to_owned(),
    ];
    for line in &lines {
        let said = house.shell("doorward", &["-c", line]);
        assert_ne!(said.code, 0, "{line}: {said:#?}");
        assert!(!said.stdout.contains("uid="), "{line}: {said:#?}");
        assert!(!said.stderr.contains("root:"), "{line}: {said:#?}");
        assert!(said.stderr.starts_with("doorward: "), "{line}: {said:#?}");
    }
}

#[test]
fn the_worker_cannot_name_a_runtime_folder_that_is_not_doorwards() {
    let house = House::plain();
    let program = house.dir.join("bin/doorward").display().to_string();
    for folder in ["/tmp", "/dev/shm", "/no/such/folder", "/proc/self/cwd"] {
        let said = house.shell("doorward", &["-c", &format!("{program} session --runtime-dir {folder}")]);
        assert!(matches!(said.code, 125 | 126), "{folder}: {said:#?}");
        assert_eq!(said.stdout, "", "{folder}: {said:#?}");
        assert!(said.stderr.starts_with("doorward: "), "{folder}: {said:#?}");
    }
}

#[test]
fn other_arguments_of_a_shell_reach_nothing() {
    let house = House::plain();
    let forced = house.forced_command();
    let calls: [&[&str]; 12] = [
        &["-l"],
        &["-i"],
        &["--login"],
        &["-l", "-c", "id"],
        &["-lc", "id"],
        &["-i", "-c", "id"],
        &["-c"],
        &["-c", "id", "extra"],
        &["-c", &forced, "extra"],
        &["-s"],
        &["--rcfile", "/etc/shadow"],
        &["-"],
    ];
    for arguments in calls {
        for name in ["-doorward", "-sh"] {
            let said = house.shell(name, arguments);
            assert!(!said.stdout.contains("uid="), "{name} {arguments:?}: {said:#?}");
            assert!(!said.stderr.contains("root:"), "{name} {arguments:?}: {said:#?}");
            assert!(
                !said.stdout.contains("Usage"),
                "the operator's commands are not offered: {name} {arguments:?}: {said:#?}"
            );
        }
    }
}

#[test]
fn nothing_is_forwarded_and_no_terminal_is_given() {
    let house = House::plain();
    let config = house.dir.join("client/config").display().to_string();
    let ask = |arguments: &[&str]| -> crate::said::Said {
        let mut command = Command::new("/usr/bin/ssh");
        command.args(["-F", &config]).args(arguments).stdin(Stdio::null());
        command.output().unwrap().into()
    };
    let forwarded = ask(&["-W", "127.0.0.1:22", "worker"]);
    assert_ne!(forwarded.code, 0, "{forwarded:#?}");
    assert!(!forwarded.stdout.contains("SSH-2.0"), "{forwarded:#?}");
    let remote = ask(&["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22", "worker", "whoami"]);
    assert_ne!(remote.code, 0, "{remote:#?}");
    let terminal = ask(&["-tt", "worker", "env"]);
    assert_ne!(terminal.code, 0, "{terminal:#?}");
}

#[test]
fn what_the_worker_sets_in_the_environment_reaches_no_command() {
    let house = House::new(Plan::default().with_role(
        "[role.extra]\nabout = \"Shows what a command sees.\"\n[[role.extra.command]]\nrun = \"env\"\n",
    ));
    let config = house.dir.join("client/config").display().to_string();
    let mut command = Command::new("/usr/bin/ssh");
    command.args([
        "-F",
        &config,
        "-o",
        "SetEnv=LD_PRELOAD=/tmp/x.so PATH=/tmp LANG=de_DE DOCKER_HOST=tcp://192.0.2.1 FOO=bar",
    ]);
    let said =
        crate::said::Said::from(command.args(["worker", "env"]).stdin(Stdio::null()).output().unwrap())
            .worked();
    let mut names: Vec<&str> = said.stdout.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "LC_ALL", "PATH", "SYSTEMD_PAGER", "TERM", "TZ"], "{said:#?}");
    for fact in ["LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TERM=dumb", "TZ=UTC"] {
        assert!(said.stdout.lines().any(|line| line == fact), "{fact}: {said:#?}");
    }
    assert!(!said.stdout.contains("/tmp"), "{said:#?}");
}

#[test]
fn any_bytes_as_a_line_give_one_clear_refusal() {
    use std::os::unix::ffi::OsStrExt;
    let house = House::plain();
    let long = "a".repeat(20_000);
    let many = "ss ".repeat(100);
    let lines: [(&[u8], &str); 12] = [
        (b"docker ps\xff", "bad_encoding"),
        (b"docker ps \x1b[2J", "bad_encoding"),
        (b"docker ps \x01", "bad_encoding"),
        (long.as_bytes(), "too_large"),
        (many.as_bytes(), "too_large"),
        (b"docker ps & id", "construct"),
        (b"docker ps |& sh", "construct"),
        (b"docker ps && cd /", "construct"),
        (b"echo $(id)", "construct"),
        (b"echo `id`", "construct"),
        (b"docker ps > /tmp/doorward-test-out", "construct"),
        (b"docker ps 'unclosed", "bad_request"),
    ];
    for (bytes, reason) in lines {
        let mut command = house.ssh_command(&[]);
        let said = crate::said::Said::from(command.arg(std::ffi::OsStr::from_bytes(bytes)).output().unwrap());
        assert_eq!(said.code, 126, "{bytes:?}: {said:#?}");
        let begins = format!("doorward: refused ({reason}): ");
        assert!(said.stderr.starts_with(&begins), "{}: {said:#?}", String::from_utf8_lossy(bytes));
        assert_eq!(said.stdout, "");
    }
    house.ssh("whoami").worked();
}
