use super::*;
use crate::line;
use crate::plan::judge_list;
use doorward_policy::{Bundle, Source, Verb};

/// A worker with every verb, each kind of rule, and values in every key of `run`.
const EVERYTHING: &str = r#"
version = 1
[worker.w]
user = "agent"
roles = ["host", "engine", "bare"]
[worker.idle]
user = "idle"
roles = []
[role.host]
about = "Looks."
[[role.host.command]]
run = "cat /proc/uptime"
[[role.host.command]]
run = "journalctl (-t kernel|-u {unit:a|b}) -n {lines:1..500}"
as = "root"
groups = ["adm"]
caps = ["net_admin"]
network = "none"
seconds = 7
output = "1MiB"
[role.engine]
about = "Runs."
[role.engine.docker]
verbs = VERBS
containers = ["own", "web-*"]
images = ["a*b", "busybox:*"]
networks = ["own", "egress"]
volumes = ["own"]
[role.engine.docker.run]
gpus = "all"
devices = ["/dev/dri"]
binds = [{ host = "/srv/models", at = "/models", mode = "ro" }]
ports = ["127.0.0.1:20000-20009"]
memory = "1GiB"
cpus = 1.5
pids = 9
shm = "64MiB"
tmpfs = "1GiB"
ulimits = { nofile = 65536, memlock = -1 }
users = ["1000"]
count = 8
restart = ["on-failure"]
[role.engine.docker.run.always]
no_new_privileges = true
cap_drop = ["NET_RAW"]
[role.engine.docker.exec]
web-1 = ["ls {what:name}"]
[role.bare]
about = "Only runs."
[role.bare.docker]
verbs = ["run"]
images = ["alpine:3"]
"#;

fn policy() -> Policy {
    let verbs: Vec<_> = Verb::ALL.iter().map(|(_, words)| format!("\"{words}\"")).collect();
    let text = EVERYTHING.replace("VERBS", &format!("[{}]", verbs.join(", ")));
    let bundle = Bundle { files: vec![Source { path: "/p.toml".into(), text }] };
    Policy::load(&bundle).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn say(line: &str) -> String {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    told(&policy(), "w", &words)
}

/// What is told, on stdout or on stderr.
fn told(policy: &Policy, worker: &str, words: &[String]) -> String {
    help(policy, worker, words).unwrap_or_else(|nothing| nothing)
}

#[test]
fn every_row_of_every_table_has_help() {
    let words = WORDS.iter().map(|word| word.name.to_owned());
    let filters = FILTERS.iter().map(|filter| filter.name.to_owned());
    let topics = TOPICS.iter().map(|(name, _)| (*name).to_owned());
    let verbs = Verb::ALL.iter().map(|(_, words)| format!("docker {words}"));
    for line in words.chain(filters).chain(topics).chain(verbs) {
        let text = say(&line);
        assert!(!text.contains("nothing that you may do") && text.len() > 20, "{line}: {text}");
    }
    for (verb, words) in Verb::ALL {
        let text = say(&format!("docker {words}"));
        let row = verbs::VERBS.iter().find(|row| row.verb == *verb).expect(words);
        assert_eq!(text.contains(row.about), verb.in_force(), "{words}: {text}");
        assert_eq!(text.starts_with("Refused"), !verb.in_force(), "{words}: {text}");
    }
}

#[test]
fn every_example_that_is_shown_is_allowed() {
    let policy = policy();
    let filters = FILTERS.iter().map(|filter| filter.name.to_owned());
    let verbs = Verb::ALL.iter().map(|(_, words)| format!("docker {words}"));
    let mut seen = 0;
    for line in filters.chain(verbs).chain(["line".to_owned()]) {
        for example in say(&line).lines().filter_map(|line| line.trim().strip_prefix("Example: ")) {
            assert_allowed(&policy, example);
            seen += 1;
        }
    }
    assert_eq!(seen, FILTERS.len() + 4, "each filter, one pull, a run of each role, and a line");
}

fn assert_allowed(policy: &Policy, line: &str) {
    let list = line::read(line.as_bytes()).expect(line).expect(line);
    assert!(judge_list(policy, "w", &list).is_ok(), "{line}");
}

#[test]
fn a_rule_is_shown_with_how_it_runs() {
    for line in ["journalctl", "journalctl -u a", "journalctl -t kernel -n 5"] {
        let text = say(line);
        for part in ["host: Looks.", "as root", "net_admin", "adm", "no network", "7 s", "1 MiB"] {
            assert!(text.contains(part), "{line}: {part} is not in {text}");
        }
        assert!(!text.contains("uptime"), "{text}");
    }
    assert!(say("journalctl -u c").contains("nothing that you may do"));
}

#[test]
fn a_rule_and_a_filter_of_one_program_are_both_shown() {
    let text = say("cat");
    assert!(
        text.contains("cat /proc/uptime") && text.contains("stdin only") && text.contains("--number"),
        "{text}"
    );
}

#[test]
fn a_run_shows_all_that_a_container_may_ask_for() {
    let text = say("docker run");
    for part in [
        "busybox:*",
        "-p 127.0.0.1:20000..20009:PORT",
        "-v /srv/models:/models:ro",
        "--gpus all",
        "--device /dev/dri",
        "--memory up to 1 GiB",
        "--cpus up to 1.5",
        "--pids-limit up to 9",
        "--shm-size up to 64 MiB",
        "--tmpfs PATH, 1 GiB",
        "--ulimit memlock=N without limit, --ulimit nofile=N up to 65536",
        "--user 1000",
        "--restart no, --restart on-failure",
        "none: no -i",
        "no-new-privileges, --cap-drop NET_RAW",
        "8 containers",
        "the engine's bridge",
        "-v NAME:PATH, your own\n",
        "Example: docker run --rm -p 127.0.0.1:20000:80 -v /srv/models:/models:ro --gpus all --user 1000 busybox:latest",
        "bare: docker run",
        "Example: docker run --rm alpine:3",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(say("docker container run"), text);
    assert_eq!(say("docker run --privileged x"), text);
}

#[test]
fn words_that_docker_refuses_are_answered_with_why() {
    let text = say("docker cp");
    assert!(text.contains("takes files out of containers"), "{text}");
    assert!(say("docker compose up").contains("on your side"), "{}", say("docker compose up"));
    assert!(say("docker exec").contains("docker exec web-1 ls {what:name}"), "{}", say("docker exec"));
    assert!(say("docker logs").contains("your own, web-*"), "{}", say("docker logs"));
    assert!(told(&policy(), "idle", &["docker".into()]).contains("None of your roles"));
    assert!(told(&policy(), "idle", &["docker".into(), "ps".into()]).contains("none of your roles"));
}

#[test]
fn the_overview_shows_nothing_that_would_be_refused() {
    let text = say("");
    for word in WORDS {
        let shown = text.contains(word.about);
        assert_eq!(shown, word.does != Does::Later, "{}", word.name);
    }
    assert!(text.contains("grep head tail") && text.contains("cat /proc/uptime"), "{text}");
    assert!(greeting(&policy(), "w").ends_with(&text));
}

#[test]
fn each_usage_of_a_word_has_its_own_help() {
    for word in WORDS.iter().filter(|word| word.does != Does::Later) {
        for usage in word.usage {
            let begin: Vec<&str> = usage
                .split(' ')
                .take_while(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
                .collect();
            assert!(say(&begin.join(" ")).contains(usage), "{usage}");
        }
    }
    let wait = say("runs wait");
    assert!(!wait.contains("runs show") && wait.contains("newest first"), "{wait}");
}

#[test]
fn a_group_of_docker_commands_shows_only_its_own() {
    let text = say("docker network");
    assert!(text.contains("docker network ls") && text.contains("networks    your own"), "{text}");
    assert!(
        !text.contains("docker ps") && !text.contains("docker volume") && !text.contains("docker run"),
        "{text}"
    );
    assert!(!text.contains("docker network rm"), "{text}");
    let text = say("docker volume");
    assert!(
        text.contains("docker volume prune")
            && text.contains("docker volume ls")
            && !text.contains("docker network"),
        "{text}"
    );
    assert!(say("docker container").contains("docker run") && !say("docker container").contains("pull"));
    let nothing = help(&policy(), "idle", &["docker".into(), "network".into()]).unwrap_err();
    assert!(nothing.starts_with("none of your roles has a command of 'docker network'"), "{nothing}");
}
