//! Hermes' own SSH backend, as its package on PyPI has it, against a house: `hermes_driver.py` imports it and does
//! what it is asked here.

use crate::host::{alive, processes, root, wait_until};
use crate::house::{House, Plan};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Stands in every file that the agent would upload, and must be nowhere on the host afterwards.
const CANARY: &str = "kanarienvogel-7f3a9c";

/// The agent's package, where `./test` puts it: beside the build.
fn package() -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_doorward"));
    let folder = program.ancestors().nth(2).unwrap().join("hermes");
    assert!(
        folder.join("tools/environments/ssh.py").exists(),
        "no agent's package: call ./test, which fetches it"
    );
    folder
}

/// A running agent, connected to a house.
struct Hermes {
    driver: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    connected: Value,
    /// The folder of its connections' sockets.
    sockets: String,
}

impl Hermes {
    /// Connects as the house's worker, with skills and a credential file to upload.
    fn connect(house: &House) -> Hermes {
        let home = house.dir.join("client/hermes");
        furnish(&home);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/door/hermes_driver.py");
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-I", script]).arg(package());
        command.env("HERMES_HOME", &home).env("TMPDIR", house.dir.join("client/t")).env("PATH", path(house));
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut driver = command.spawn().unwrap();
        let (asks, answers) = (driver.stdin.take().unwrap(), BufReader::new(driver.stdout.take().unwrap()));
        let sockets = house.dir.join("client/t/hermes-ssh").display().to_string();
        let mut hermes = Hermes { driver, asks, answers, connected: Value::Null, sockets };
        let key = house.dir.join("client/key");
        hermes.connected = hermes.ask(&json!({
            "do": "connect", "host": "127.0.0.1", "port": house.port, "user": house.worker, "key": key,
        }));
        hermes
    }

    fn ask(&mut self, ask: &Value) -> Value {
        writeln!(self.asks, "{ask}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("the driver ended at {ask}: {line:?}"))
    }

    /// What the agent's model would be shown for a command: output and status, without a trace of the wrapping.
    #[track_caller]
    fn execute(&mut self, command: &str) -> (String, i64) {
        let answer = self.ask(&json!({"do": "execute", "command": command}));
        let output = answer["output"].as_str().unwrap().to_owned();
        assert!(!output.contains("__HERMES"), "{command}: {output}");
        assert_eq!(answer["cwd"], self.connected["cwd"], "{command}: the working directory is kept");
        assert_eq!(answer["warnings"], json!([]), "{command}");
        (output, answer["returncode"].as_i64().unwrap())
    }

    /// The command's output; it must have succeeded.
    #[track_caller]
    fn output(&mut self, command: &str) -> String {
        let (output, code) = self.execute(command);
        assert_eq!(code, 0, "{command}: {output}");
        output
    }

    /// The refusal that the model is shown: it begins with the reason.
    #[track_caller]
    fn refused(&mut self, command: &str, reason: &str) -> String {
        let (output, code) = self.execute(command);
        assert_eq!(code, 126, "{command}: {output}");
        let begins = format!("doorward: refused ({reason}): ");
        assert!(output.starts_with(&begins), "{command}: {output}");
        output
    }
}

impl Drop for Hermes {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        // Its ssh keeps one connection open for commands to come.
        for pid in processes(&[&self.sockets]) {
            root("kill", &["-TERM", &pid.to_string()]);
        }
    }
}

/// A home of the agent's with what it uploads: skills, a cached document, a credential file that its configuration
/// names.
fn furnish(home: &Path) {
    for (path, text) in [
        ("skills/weather/SKILL.md", format!("---\nname: weather\n---\n{CANARY}\n")),
        ("skills/weather/scripts/größe mit leerzeichen.py", format!("print({CANARY:?})\n").repeat(20_000)),
        ("cache/documents/plan.txt", CANARY.to_owned()),
        ("google_token.json", format!("{{\"token\": {CANARY:?}}}")),
        ("config.yaml", "terminal:\n  credential_files: [google_token.json]\n".to_owned()),
    ] {
        let path = home.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// A search path whose `ssh` keeps known hosts in the house: the agent accepts a new key by itself.
fn path(house: &House) -> String {
    let bin = house.dir.join("client/hermes-bin");
    for folder in [&bin, &house.dir.join("client/t")] {
        fs::create_dir_all(folder).unwrap();
    }
    let script = format!(
        "#!/bin/sh\nexec /usr/bin/ssh -F none -o UserKnownHostsFile={}/hermes_known \"$@\"\n",
        house.dir.join("client").display()
    );
    fs::write(bin.join("ssh"), script).unwrap();
    fs::set_permissions(bin.join("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/bin:/bin", bin.display())
}

/// A house whose worker may do what an agent does all day.
fn house() -> House {
    House::new(Plan::default().with_sleep())
}

#[test]
fn hermes_connects_works_and_is_refused_as_on_any_host() {
    let mut house = house();
    let (image, name) = (house.image(), format!("logs-{}", house.worker));
    let script = "'for n in 1 2 3; do echo line $n; done; echo last >&2; sleep 600'";
    house.ssh(&format!("docker run -d --name {name} {image} sh -c {script}")).worked();
    let mut hermes = Hermes::connect(&house);
    assert_eq!(hermes.connected["warnings"], json!([]), "{}", hermes.connected);
    assert_eq!(hermes.connected["ready"], true, "{}", hermes.connected);
    assert_eq!(hermes.connected["home"], json!(format!("/home/{}", house.worker)));

    assert!(hermes.output("docker ps").contains(&name));
    let both = hermes.output(&format!("docker logs {name} 2>&1 | tail -50 && docker ps"));
    assert!(both.contains("line 3") && both.contains("last") && both.contains("CONTAINER ID"), "{both}");
    assert!(hermes.output("sudo iptables -S").contains("-P INPUT"));
    assert_eq!(hermes.output("echo -n 'no newline at the end'"), "no newline at the end");
    assert_eq!(hermes.output("echo \"it's\" '\"quoted\"' größe ✓"), "it's \"quoted\" größe ✓\n");
    assert_eq!(hermes.output("echo one\necho 'two'\n\n"), "one\ntwo\n");

    assert_eq!(hermes.execute("false"), (String::new(), 1));
    assert_eq!(hermes.execute("true && false || false").1, 1);
    assert_eq!(hermes.execute("docker logs surely-not-there >/dev/null 2>&1"), (String::new(), 1));

    assert!(hermes.refused("cat /etc/shadow", "not_in_policy").contains("/proc/net/tcp"));
    hermes.refused("docker exec x sh", "verb_not_allowed");
    assert!(hermes.refused("echo $(id)", "construct").contains("$("));
    hermes.refused("cd /tmp && ls", "construct");
    hermes.refused("echo 'two\nlines'", "bad_encoding");
    assert_eq!(hermes.output("echo still here"), "still here\n");
}

#[test]
fn what_hermes_uploads_is_counted_and_kept_nowhere() {
    let house = house();
    let mut hermes = Hermes::connect(&house);
    assert_eq!(hermes.connected["warnings"], json!([]), "{}", hermes.connected);
    assert_eq!(hermes.output("echo hello"), "hello\n");
    let cleanup = hermes.ask(&json!({"do": "cleanup"}));
    assert_eq!(cleanup["warnings"], json!([]), "what was uploaded is asked back without a complaint");

    let records = house.records();
    let upload = records
        .iter()
        .find(|record| record["kind"] == "intent" && record["operation"]["step"] == "upload")
        .unwrap_or_else(|| panic!("the upload has no record"));
    assert_eq!((&upload["verdict"], &upload["operation"]["agent"]), (&json!("allow"), &json!("hermes")));
    let outcome = records
        .iter()
        .find(|record| record["kind"] == "outcome" && record["request"] == upload["request"])
        .unwrap_or_else(|| panic!("the upload has no outcome"));
    assert!(outcome["outcome"]["bytes"].as_u64().is_some_and(|bytes| bytes > 300_000), "{outcome}");

    for folder in ["state", "run", "home"] {
        let found = root("grep", &["-rla", CANARY, &house.dir.join(folder).display().to_string()]);
        assert_eq!((found.code, found.stdout.as_str()), (1, ""), "{found:#?}");
    }
    house.operator(&["audit", "verify"]).worked();
    let runs = hermes.output("runs");
    assert!(runs.contains("echo hello") && !runs.contains("tar "), "its own steps are no runs: {runs}");
}

#[test]
fn what_hermes_would_leave_running_is_refused_with_the_hint_to_submit() {
    let house = house();
    let mut hermes = Hermes::connect(&house);
    let answer = hermes.ask(&json!({"do": "background", "command": "sleep 300"}));
    assert_eq!((&answer["exited"], &answer["exit_code"]), (&json!(true), &json!(126)), "{answer}");
    let output = answer["output"].as_str().unwrap();
    assert!(output.starts_with("doorward: refused ("), "{output}");
    assert!(output.contains("submit -- 'sleep 300'"), "{output}");
    hermes.refused("sleep 300 &", "construct");
    assert!(processes(&["sleep", "300", ""]).is_empty());
}

#[test]
fn when_hermes_gives_up_on_a_command_it_ends_on_the_host() {
    let house = house();
    let seconds = format!("{}", 600_000 + std::process::id() % 300_000);
    let mut hermes = Hermes::connect(&house);
    let answer = hermes.ask(&json!({"do": "execute", "command": format!("sleep {seconds}"), "timeout": 2}));
    assert_eq!(answer["returncode"], 124, "{answer}");
    wait_until("the command is gone", Duration::from_secs(3), || {
        processes(&["sleep", &seconds]).into_iter().all(|pid| !alive(pid)).then_some(())
    });
    let ran = house
        .records()
        .iter()
        .any(|record| record["kind"] == "intent" && record["argv"][1] == json!(seconds));
    assert!(ran, "it ran before");
    assert_eq!(hermes.output("echo and on"), "and on\n");
}
