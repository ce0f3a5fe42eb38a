//! Lines of several commands, from outside.

use crate::house::{House, Plan};
use crate::said::Said;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What `ssh worker LINE` is answered when it reads `input`.
fn fed(house: &House, line: &str, input: &[u8]) -> Said {
    let mut command = house.ssh_command(&[line]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_owned());
    let feeding = std::thread::spawn(move || {
        // Not every line reads to the end.
        let _ = stdin.write_all(&input);
    });
    let said = child.wait_with_output().unwrap().into();
    feeding.join().unwrap();
    said
}

/// The id of the newest run whose row holds these words.
fn run_of(house: &House, words: &str) -> String {
    let list = house.ssh("runs").worked();
    let row = list.stdout.lines().find(|line| line.contains(words));
    let id = row.and_then(|row| {
        row.split_whitespace().find(|word| word.len() >= 8 && word.chars().all(|c| c.is_ascii_alphanumeric()))
    });
    id.unwrap_or_else(|| panic!("no run of {words:?}: {list:#?}")).to_owned()
}

#[test]
fn the_logs_of_a_container_of_the_policy_are_cut_and_the_list_follows() {
    let mut house = House::plain();
    let (image, name) = (house.image(), format!("ollama-{}", house.worker));
    let script =
        "n=0; while [ $n -lt 100 ]; do n=$((n+1)); echo line $n; done; echo to stderr >&2; sleep 600";
    crate::host::root("docker", &["run", "-d", "--name", &name, &image, "sh", "-c", script]).worked();
    crate::host::wait_until("the container has said all", Duration::from_secs(20), || {
        let said = crate::host::root("docker", &["logs", &name]);
        (said.stdout.contains("line 100") && said.stderr.contains("to stderr")).then_some(())
    });
    let said = house.ssh(&format!("docker logs {name} 2>&1 | tail -50 && docker ps"));
    let errors = house.ssh(&format!("docker logs {name} 2>&1 >/dev/null | cat"));
    let counted = house.ssh(&format!("docker logs {name} 2>/dev/null | grep -c 'line 1' || docker ps"));
    let failed =
        house.ssh(&format!("docker logs no-{name} 2>&1 | cat && docker logs no-{name} || echo gone"));
    crate::host::root("docker", &["rm", "-f", &name]).worked();

    let said = said.worked();
    let logs: Vec<&str> = said.stdout.lines().take_while(|line| !line.starts_with("CONTAINER ID")).collect();
    assert_eq!(logs.len(), 50, "{said:#?}");
    assert!(logs.contains(&"line 100"), "{said:#?}");
    assert!(said.stdout.contains(&name), "{said:#?}");
    assert_eq!(errors.worked().stdout, "to stderr\n");
    assert_eq!(counted.worked().stdout, "12\n");
    let failed = failed.worked();
    assert!(failed.stdout.starts_with("Error") && failed.stdout.ends_with("gone\n"), "{failed:#?}");
}

#[test]
fn each_stages_status_is_in_the_run_and_each_has_its_records() {
    let house = House::plain();
    let line = "cat /proc/net/tcp | grep -c no-such-address | tr 0 x; false || sshd -T >/dev/null";
    assert_eq!(house.ssh(line).worked().stdout, "x\n");
    let shown = house.ssh(&format!("runs show {}", run_of(&house, "no-such-address"))).worked();
    let all = format!("{}{}", shown.stdout, shown.stderr);
    for stage in ["cat /proc/net/tcp", "grep -c no-such-address", "tr 0 x", "false", "sshd -T"] {
        assert!(all.contains(stage), "{stage}: {shown:#?}");
    }
    let records = house.records();
    let exit = |program: &str| {
        let intent = records.iter().find(|it| it["kind"] == "intent" && it["argv"][0] == program);
        let intent = intent.unwrap_or_else(|| panic!("no intent of {program}"));
        assert_eq!(intent["verdict"], "allow", "{intent}");
        let outcome = records.iter().find(|it| it["kind"] == "outcome" && it["intent"] == intent["seq"]);
        outcome.unwrap_or_else(|| panic!("no outcome of {program}"))["outcome"]["exit"].as_i64().unwrap()
    };
    assert_eq!(["cat", "grep", "tr", "false", "sshd"].map(exit), [0, 1, 0, 1, 0]);
    house.operator(&["audit", "verify"]).worked();
}

#[test]
fn a_line_with_one_refused_command_runs_none_of_it_and_says_which() {
    let house = House::plain();
    let before = house.records().len();
    for (line, reason, named) in [
        ("cat /proc/net/tcp | sh", "not_in_policy", "sh"),
        ("cat /proc/net/tcp && id", "not_in_policy", "id"),
        ("sshd -T; cat /etc/shadow", "not_in_policy", "/proc/net/tcp"),
        ("cat /proc/net/tcp | grep -f /etc/shadow", "not_in_policy", "-f"),
        ("cat /proc/net/tcp | sort -o /tmp/doorward-test-sorted", "not_in_policy", "-o"),
        ("cat /proc/net/tcp | head /etc/passwd", "not_in_policy", "stdin"),
        ("cat /proc/net/tcp > /tmp/doorward-test-out", "construct", ">"),
        ("cat < /etc/shadow", "construct", "<"),
        ("cat /proc/net/tcp & id", "construct", "submit"),
        ("cat /proc/net/tcp |& cat", "construct", "2>&1 |"),
        ("echo $(cat /proc/net/tcp)", "construct", "$("),
        ("echo `id`", "construct", "`"),
        ("(cat /proc/net/tcp)", "construct", "("),
        ("for i in 1 2; do docker ps; done", "construct", "for"),
        ("cd /tmp; cat /proc/net/tcp", "construct", "cd"),
        ("cat /proc/net/tcp | | wc", "bad_request", "column"),
        ("cat /proc/net/tcp &&", "bad_request", "column"),
    ] {
        let said = house.ssh(line).refused(reason);
        assert!(said.stderr.contains(named), "{line} should name {named}: {said:#?}");
    }
    let records = house.records();
    let ran = records[before..].iter().find(|it| it["kind"] == "intent" && it["verdict"] == "allow");
    assert_eq!(ran, None, "nothing ran");
    assert!(!std::path::Path::new("/tmp/doorward-test-out").exists());
    assert!(!std::path::Path::new("/tmp/doorward-test-sorted").exists());
}

#[test]
fn a_filter_reads_what_the_client_sends() {
    let house = House::plain();
    let numbers: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    let sevens = (1..=100_000).filter(|number| number.to_string().contains('7')).count();
    assert_eq!(fed(&house, "grep 7 | wc -l", numbers.as_bytes()).worked().stdout, format!("{sevens}\n"));
    assert_eq!(fed(&house, "cat", numbers.as_bytes()).worked().stdout, numbers);
    assert_eq!(fed(&house, "head -2", numbers.as_bytes()).worked().stdout, "1\n2\n");
    assert_eq!(
        fed(&house, "sort -rn | head -1 && echo done", numbers.as_bytes()).worked().stdout,
        "100000\ndone\n"
    );
    assert_eq!(fed(&house, "wc -c", b"").worked().stdout, "0\n");
    assert_eq!(
        fed(&house, "cat /proc/net/tcp | wc -c && cat", b"the rest").worked().stdout.lines().last(),
        Some("the rest")
    );
}

/// The session as sshd starts it, so that its stdin can be anything.
fn session(house: &House, line: &str) -> Command {
    let mut command = Command::new(house.dir.join("bin/doorward"));
    command.args(["-c", &house.forced_command()]).env_clear().env("SSH_ORIGINAL_COMMAND", line);
    command.current_dir("/").uid(house.uid).gid(65534).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn a_line_ends_when_it_ends_whatever_its_stdin_is() {
    let house = House::plain();
    let ends = |mut command: Command, expected: &str| {
        let begun = Instant::now();
        let said = Said::from(command.spawn().unwrap().wait_with_output().unwrap()).worked();
        assert_eq!(said.stdout, expected);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    };
    for (line, expected) in
        [("echo one", "one\n"), ("head -c 3", "yes"), ("grep -q yes && echo found", "found\n")]
    {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"yes\nyes\n").unwrap();
        let mut command = session(&house, line);
        command.stdin(reader);
        ends(command, expected);
        drop(writer); // open until here: nobody waits for its end
    }
    let mut endless = session(&house, "head -c 3");
    endless.stdin(std::fs::File::open("/dev/zero").unwrap());
    ends(endless, "");
    let mut nothing = session(&house, "wc -c");
    nothing.stdin(Stdio::null());
    ends(nothing, "0\n");
    let mut closed = Command::new("/bin/sh");
    let program = house.dir.join("bin/doorward").display().to_string();
    closed.args(["-c", "exec \"$0\" \"$@\" <&-", &program, "-c", &house.forced_command()]);
    closed.env_clear().env("SSH_ORIGINAL_COMMAND", "wc -c").uid(house.uid).gid(65534).stdout(Stdio::piped());
    ends(closed, "0\n");
}

#[test]
fn a_line_that_reads_nothing_leaves_its_stdin_to_the_next() {
    let house = House::plain();
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"first\nsecond\n").unwrap();
    drop(writer);
    for line in ["cat /proc/net/tcp", "docker ps", "whoami", "echo x | cat", "cat /etc/shadow"] {
        let mut command = session(&house, line);
        command.stdin(reader.try_clone().unwrap());
        command.spawn().unwrap().wait_with_output().unwrap();
    }
    let mut command = session(&house, "cat");
    command.stdin(reader);
    let said = Said::from(command.spawn().unwrap().wait_with_output().unwrap()).worked();
    assert_eq!(said.stdout, "first\nsecond\n");
}

#[test]
fn a_disconnect_ends_every_stage() {
    let house = House::new(Plan::default().with_sleep());
    let (first, second) =
        (format!("{}", 300_000 + std::process::id()), format!("{}", 400_000 + std::process::id()));
    let mut client = house.ssh_command(&[&format!("sleep {first} | sleep {second}")]).spawn().unwrap();
    let running =
        |seconds: &str| crate::host::processes(&["sleep", seconds, ""]).into_iter().any(crate::host::alive);
    crate::host::wait_until("both stages run", Duration::from_secs(10), || {
        (running(&first) && running(&second)).then_some(())
    });
    client.kill().unwrap();
    client.wait().unwrap();
    crate::host::wait_until("both are gone", Duration::from_secs(3), || {
        (!running(&first) && !running(&second)).then_some(())
    });
}
