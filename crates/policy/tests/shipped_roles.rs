//! The roles that come with doorward load, pass their own examples, and are what they say.
#![allow(clippy::panic)]

use doorward_policy::{Bundle, Policy, Source, Verb};

const ROLES: &[(&str, &str)] = &[
    ("host-audit", include_str!("../../../roles/host-audit.toml")),
    ("docker-lifecycle", include_str!("../../../roles/docker-lifecycle.toml")),
    ("ollama-bench", include_str!("../../../roles/ollama-bench.toml")),
];

fn policy() -> Policy {
    let path = |name: &str| format!("/roles/{name}.toml");
    let includes: Vec<String> = ROLES.iter().map(|(name, _)| format!("\"{}\"", path(name))).collect();
    let names: Vec<String> = ROLES.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let main = format!(
        "version = 1\ninclude = [{}]\n[worker.w]\nuser = \"w\"\nroles = [{}]\n",
        includes.join(", "),
        names.join(", ")
    );
    let mut files = vec![Source { path: "/policy.toml".into(), text: main }];
    files.extend(ROLES.iter().map(|(name, text)| Source { path: path(name), text: (*text).into() }));
    Policy::load(&Bundle { files }).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

#[test]
fn they_load_together_and_their_examples_hold() {
    let policy = policy();
    for (name, _) in ROLES {
        assert!(policy.roles.contains_key(*name), "{name}");
    }
    // Notices about what is dangerous or dead: egress, and the models' parameters, are meant.
    let told: Vec<_> =
        policy.notices.iter().filter(|notice| !notice.message.contains("not yet in force")).collect();
    assert!(told.iter().all(|notice| notice.message.contains("egress")), "{told:#?}");
}

#[test]
fn only_the_benchmark_executes_in_containers() {
    let policy = policy();
    let with_exec: Vec<&str> = policy
        .docker_roles("w")
        .filter(|role| role.verbs.contains(&Verb::Exec))
        .map(|role| role.role.as_str())
        .collect();
    assert_eq!(with_exec, ["ollama-bench"]);
    let exec = |argv: &[&str]| policy.judge_exec("w", "ollama", None, argv).is_ok();
    assert!(exec(&["ollama", "run", "llama3.2:1b", "why is the sky blue?"]));
    assert!(exec(&["ollama", "pull", "hf.co/library/x"]));
    assert!(!exec(&["ollama", "run", "llama3.2:1b", "--insecure"]));
    assert!(!exec(&["sh", "-c", "ollama list"]));
}
