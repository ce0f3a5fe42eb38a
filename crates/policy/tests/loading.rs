//! What a policy's author is told, compared with plain-text files. `UPDATE=1 cargo test` writes them anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

use doorward_policy::{Bind, Bundle, Gpus, Policy, PolicyError, Source, include_paths};
use std::path::{Path, PathBuf};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn load(text: &str) -> Result<Policy, Vec<PolicyError>> {
    let source = Source { path: "/etc/doorward/policy.toml".into(), text: text.into() };
    Policy::load(&Bundle { files: vec![source] })
}

fn same_as_file(path: &Path, found: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, found).unwrap();
    }
    let wanted = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, wanted, "{} differs", path.display());
}

fn mistakes(name: &str) {
    let path = data("mistakes").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let errors = load(&text).map(|_| ()).expect_err(name);
    let shown: Vec<String> = errors.iter().map(|error| error.render(&text)).collect();
    same_as_file(&path.with_extension("txt"), &(shown.join("\n\n") + "\n"));
}

#[test]
fn misspelt_names_are_pointed_at_with_what_was_meant() {
    mistakes("misspelt.toml");
}

#[test]
fn wrong_types_are_told_with_what_is_wanted() {
    mistakes("types.toml");
}

#[test]
fn bad_usage_lines_and_failing_examples_are_pointed_at() {
    mistakes("usage_lines.toml");
}

#[test]
fn what_would_hand_over_the_host_does_not_load() {
    mistakes("unsafe.toml");
}

#[test]
fn all_syntax_errors_are_told_at_once() {
    mistakes("syntax.toml");
}

#[test]
fn dangers_dead_rules_and_keys_not_yet_in_force_are_noticed() {
    let text = std::fs::read_to_string(data("notices.toml")).unwrap();
    let policy = load(&text).expect("it loads");
    let shown: Vec<String> =
        policy.notices.iter().map(|notice| format!("{}: {}", notice.at, notice.message)).collect();
    same_as_file(&data("notices.txt"), &(shown.join("\n") + "\n"));
}

#[test]
fn every_key_reaches_the_policy() {
    let file = |path: &str, name: &str| Source {
        path: path.into(),
        text: std::fs::read_to_string(data(name)).unwrap(),
    };
    let main = file("/policy.toml", "whole.toml");
    assert_eq!(include_paths(&main.text).unwrap(), ["/roles/host-audit.toml"]);
    let policy =
        Policy::load(&Bundle { files: vec![main, file("/roles/host-audit.toml", "host-audit.toml")] })
            .unwrap_or_else(|errors| panic!("{errors:#?}"));
    let worker = &policy.workers["hermes"];
    assert_eq!((worker.user.as_str(), worker.spawn_uid), ("ai-worker", 60706));
    assert_eq!(worker.limits, doorward_policy::Limits::default());
    let docker = policy.docker_roles("hermes").next().expect("a docker role");
    assert!(docker.egress);
    let run = &docker.run;
    assert_eq!(run.gpus, Gpus::All);
    assert_eq!(run.binds, [Bind { host: "/srv/models".into(), at: "/models".into(), writable: false }]);
    assert_eq!((run.memory, run.nano_cpus, run.pids), (Some(64 << 30), Some(8_000_000_000), Some(4096)));
    assert_eq!((run.shm, run.tmpfs, run.lifetime), (Some(8 << 30), Some(1 << 30), Some(86_400)));
    assert_eq!(run.ulimits.get("memlock"), Some(&-1));
    assert_eq!(run.restart, ["on-failure", "unless-stopped"]);
    assert_eq!((run.ports[1].first, run.ports[1].last), (20000, 20999));
    assert_eq!(docker.exec["ollama"].len(), 4);
    assert_eq!(policy.roles["host-audit"].commands[2].how.groups, ["systemd-journal"]);
    assert_eq!(policy.runs.redact("my token: abc"), "my [redacted]");
}

#[test]
fn an_include_must_be_there_and_holds_roles_only() {
    let files = |included: &str| Bundle {
        files: vec![
            Source { path: "/p".into(), text: "version = 1\ninclude = [\"/a\", \"/b\"]\n".into() },
            Source { path: "/a".into(), text: included.into() },
        ],
    };
    let told: Vec<String> = Policy::load(&files("[engine]\n[role.x]\n"))
        .map(|_| ())
        .expect_err("two mistakes")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with("/p:2:18: the included file `/b` is not there"), "{told:#?}");
    assert!(told[1].starts_with("/a:1:2: `engine` may not stand in an included file"), "{told:#?}");
    for bad in
        ["include = [\"a.toml\"]", "include = [\"/a/../b\"]", "include = [\"/a\", \"/a\"]", "include = ["]
    {
        assert!(include_paths(bad).is_err(), "{bad}");
    }
}

#[test]
fn spawn_uids_follow_the_order_in_the_file() {
    let policy = load(
        "version = 1\n[spawn]\nuids = \"2000..2002\"\n[worker.z]\nuser = \"z\"\nroles = []\n[worker.m]\nuser = \"m\"\n\
         spawn_uid = 3000\nroles = []\n[worker.a]\nuser = \"a\"\nroles = []\n",
    )
    .unwrap_or_else(|errors| panic!("{errors:#?}"));
    let uids: Vec<u32> = ["z", "m", "a"].iter().map(|name| policy.workers[*name].spawn_uid).collect();
    assert_eq!(uids, [2000, 3000, 2002]);
    let few = "version = 1\n[spawn]\nuids = \"2000..2000\"\n[worker.a]\nuser = \"a\"\nroles = []\n[worker.b]\nuser = \"b\"\nroles = []\n";
    let errors = load(few).map(|_| ()).expect_err("too few");
    assert!(errors[0].message.contains("no spawn uid left for worker `b`"), "{errors:#?}");
}

#[test]
fn ten_thousand_rules_find_the_same_rule() {
    let mut text = "version = 1\n[worker.w]\nuser = \"w\"\nroles = [\"many\"]\n".to_owned();
    for number in 0..10_000 {
        text += &format!("[[role.many.command]]\nrun = \"tool sub{number} [{{x:name}}]\"\n");
    }
    let policy = load(&text).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let grant = policy.judge_argv("w", &words("tool sub9999 y")).expect("allowed");
    assert_eq!(grant.rule.id, "many#10000");
    let refusal = policy.judge_argv("w", &words("tool sub9999 -y")).map(|_| ()).expect_err("refused");
    assert_eq!(refusal.nearest.as_deref(), Some("tool sub9999 [{x:name}]"));
}

#[test]
fn the_page_example_loads() {
    let page = include_str!("../../../docs/policy.md");
    let example =
        page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let files = vec![
        Source { path: "/etc/doorward/policy.toml".into(), text: example.into() },
        Source {
            path: "/etc/doorward/roles/host-audit.toml".into(),
            text: include_str!("../../../roles/host-audit.toml").into(),
        },
    ];
    let policy = Policy::load(&Bundle { files }).unwrap_or_else(|errors| panic!("{errors:#?}"));
    assert!(policy.notices.is_empty(), "{:#?}", policy.notices);
}

#[test]
fn a_file_of_roles_that_is_loaded_alone_is_told_where_it_belongs() {
    let errors = load("[role.r]\nabout = \"Looks.\"\n").map(|_| ()).unwrap_err();
    let help = errors[0].help.as_deref().unwrap_or_default();
    assert!(errors[0].message.contains("no `version`") && help.contains("`include`"), "{errors:?}");
    let errors = load("[worker.w]\nuser = \"w\"\nroles = []\n").map(|_| ()).unwrap_err();
    assert!(
        errors.iter().any(|error| error.help.as_deref().unwrap_or_default().contains("version = ")),
        "{errors:?}"
    );
    assert!(
        !errors.iter().any(|error| error.help.as_deref().unwrap_or_default().contains("`include`")),
        "{errors:?}"
    );
}

#[test]
fn verbs_that_no_policy_can_grant_are_told_as_such() {
    for verb in ["load", "import", "commit", "cp", "export"] {
        let text =
            format!("version = 1\n[role.x]\nabout = \"x\"\n[role.x.docker]\nverbs = [\"ps\", \"{verb}\"]\n");
        let errors = load(&text).map(|_| ()).expect_err(verb);
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(&format!("the verb `{verb}` cannot be granted: ")), "{told:?}");
    }
}
