//! The roles that come with doorward load, pass their own examples, and are what they say.
#![allow(clippy::panic, reason = "a test that fails may panic")]

use doorward_policy::{Bundle, Identity, Network, Policy, Source, Verb};

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

#[test]
fn a_model_is_named_in_a_benchmark_command_as_ollama_names_it() {
    let policy = policy();
    for (line, allowed) in [
        ("ollama list", true),
        ("ollama run hf.co/someone/model-GGUF:Q4_K_M hello", true),
        ("ollama pull --insecure llama3.2:3b", false),
        ("ollama serve", false),
        ("ollama create x", false),
        ("ollama push llama3.2:3b", false),
    ] {
        let argv: Vec<&str> = line.split(' ').collect();
        assert_eq!(policy.judge_exec("w", "ollama", None, &argv).is_ok(), allowed, "{line}");
    }
}

#[test]
fn looking_at_the_host_needs_no_root_but_for_fail2bans_socket() {
    let policy = policy();
    for rule in policy.roles.get("host-audit").into_iter().flat_map(|role| &role.commands) {
        let root = rule.how.identity != Identity::Worker;
        assert_eq!(root, rule.usage.starts_with("fail2ban-client "), "{}", rule.usage);
        assert!(!root || rule.how.caps.is_empty(), "{}: root's name without root's capabilities", rule.usage);
        assert_eq!(rule.how.network, Network::Audit, "{}", rule.usage);
    }
}

#[test]
fn they_grant_only_these_programs_on_the_host() {
    let policy = policy();
    let rules = policy.roles.values().flat_map(|role| &role.commands);
    let mut programs: Vec<&str> = rules.filter_map(|rule| rule.usage.split(' ').next()).collect();
    programs.sort_unstable();
    programs.dedup();
    assert_eq!(programs, ["cat", "fail2ban-client", "iptables", "journalctl", "ss", "sshd"]);
}
