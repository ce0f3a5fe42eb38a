//! The shipped roles as an operator would use them: they load, with their own examples, and grant what they say.
#![allow(clippy::unwrap_used, clippy::panic)] // a test crate

use doorward_policy::{Bundle, Policy, Source};

const ROLES: [(&str, &str); 3] = [
    ("host-audit", include_str!("../../../roles/host-audit.toml")),
    ("docker-lifecycle", include_str!("../../../roles/docker-lifecycle.toml")),
    ("ollama-bench", include_str!("../../../roles/ollama-bench.toml")),
];

fn policy() -> Policy {
    let path = |name: &str| format!("/usr/share/doorward/roles/{name}.toml");
    let quoted =
        |list: Vec<String>| list.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ");
    let main = format!(
        "version = 1\ninclude = [{}]\n[worker.hermes]\nuser = \"ai-worker\"\nroles = [{}]\n",
        quoted(ROLES.iter().map(|(name, _)| path(name)).collect()),
        quoted(ROLES.iter().map(|(name, _)| (*name).to_owned()).collect()),
    );
    let mut files = vec![Source { path: "/etc/doorward/policy.toml".into(), text: main }];
    files.extend(ROLES.iter().map(|(name, text)| Source { path: path(name), text: (*text).to_owned() }));
    let bundle = Bundle { files };
    Policy::load(&bundle).unwrap_or_else(|errors| {
        panic!(
            "{}",
            errors.iter().map(|error| format!("{}: {}\n", error.at, error.message)).collect::<String>()
        )
    })
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn the_shipped_roles_load_together_and_their_examples_hold() {
    let policy = policy();
    assert_eq!(policy.roles.len(), 3);
    for (name, role) in &policy.roles {
        assert!(!role.about.is_empty(), "{name} says what it is for");
    }
}

#[test]
fn looking_at_the_host_needs_no_root_but_for_fail2bans_socket() {
    let policy = policy();
    let audit = policy.roles.get("host-audit").unwrap();
    for rule in &audit.commands {
        let root = rule.how.identity != doorward_policy::Identity::Worker;
        assert_eq!(root, rule.usage.starts_with("fail2ban-client "), "{}", rule.usage);
        assert_eq!(rule.how.network, doorward_policy::Network::Audit, "{}", rule.usage);
        assert!(!root || rule.how.caps.is_empty(), "{}: root's name without root's capabilities", rule.usage);
    }
}

#[test]
fn a_model_is_named_in_a_benchmark_command_as_ollama_names_it() {
    let policy = policy();
    for (line, allowed) in [
        ("ollama list", true),
        ("ollama run llama3.2:3b hello", true),
        ("ollama run hf.co/someone/model-GGUF:Q4_K_M hello", true),
        ("ollama pull llama3.2:3b", true),
        ("ollama run --insecure llama3.2:3b", false),
        ("ollama serve", false),
        ("ollama create x", false),
        ("ollama push llama3.2:3b", false),
        ("sh", false),
    ] {
        let argv = words(line);
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        assert_eq!(policy.judge_exec("hermes", "ollama", None, &argv).is_ok(), allowed, "{line}");
    }
}

#[test]
fn the_roles_grant_only_these_programs_on_the_host() {
    let policy = policy();
    let mut programs: Vec<&str> = policy
        .roles
        .values()
        .flat_map(|role| &role.commands)
        .filter_map(|rule| rule.usage.split(' ').next())
        .collect();
    programs.sort_unstable();
    programs.dedup();
    assert_eq!(programs, ["cat", "fail2ban-client", "iptables", "journalctl", "ss", "sshd"]);
    for line in ["docker ps", "sudo ss -tlnp", "sh", "bash -c id"] {
        assert!(policy.judge_argv("hermes", &words(line)).is_err(), "{line} is no command of a rule");
    }
}
