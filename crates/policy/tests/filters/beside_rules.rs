//! Filters beside a worker's own rules.

use super::words;
use doorward_policy::{Bundle, Policy, Reason, Refusal, Source, StageGrant};

const POLICY: &str = r#"
version = 1
[worker.w]
user = "w"
roles = ["r"]
[role.r]
about = "Files of its own."
[[role.r.command]]
run = "cat /proc/net/tcp"
[[role.r.command]]
run = "head -n {lines:1..5} /etc/hostname"
"#;

fn judge(argv: &[String]) -> Result<String, Refusal> {
    let bundle = Bundle { files: vec![Source { path: "/policy.toml".into(), text: POLICY.into() }] };
    let policy = Policy::load(&bundle).unwrap_or_else(|errors| panic!("{errors:#?}"));
    policy.judge_stage("w", argv).map(|grant| match grant {
        StageGrant::Rule(rule) => rule.id.clone(),
        StageGrant::Filter(filter) => filter.name.to_owned(),
    })
}

#[test]
fn a_rule_for_the_same_program_comes_first() {
    for (line, by) in [
        ("cat /proc/net/tcp", "r#1"),
        ("/usr/bin/cat /proc/net/tcp", "r#1"),
        ("head -n 3 /etc/hostname", "r#2"),
        ("head -n 3", "head"),
        ("cat", "cat"),
        ("/usr/bin/grep -i x", "grep"),
        ("/bin/grep -i x", "grep"),
    ] {
        assert_eq!(judge(&words(line)).unwrap_or_else(|refusal| panic!("{line}: {refusal}")), by, "{line}");
    }
}

#[test]
fn a_refusal_tells_why_and_what_a_rule_would_allow() {
    let refusal = judge(&words("cat /etc/shadow")).unwrap_err();
    assert!(refusal.message.contains("reads stdin only"), "{refusal}");
    assert_eq!(refusal.nearest.as_deref(), Some("cat /proc/net/tcp"));
    assert_eq!(refusal.rule.as_deref(), Some("r#1"));

    let refusal = judge(&words("wc -l /etc/shadow")).unwrap_err();
    assert_eq!(refusal.nearest.as_deref(), Some("wc [-l|-w|-c|-m|-L]"));
    assert_eq!(refusal.rule, None);
}

#[test]
fn a_program_elsewhere_is_no_filter() {
    for line in
        ["/tmp/grep x", "./grep x", "/usr/local/bin/grep x", "/usr/bin/../bin/grep x", "/grep x", "Grep x"]
    {
        assert_eq!(judge(&words(line)).unwrap_err().reason, Reason::NotInPolicy, "{line}");
    }
}

#[test]
fn hidden_characters_and_strangers_are_refused_before_filters() {
    let hidden = vec!["grep".to_owned(), "a\nb".to_owned()];
    assert_eq!(judge(&hidden).unwrap_err().reason, Reason::BadEncoding);
    let bundle = Bundle { files: vec![Source { path: "/policy.toml".into(), text: POLICY.into() }] };
    let refusal =
        Policy::load(&bundle).unwrap().judge_stage("stranger", &words("true")).map(|_| ()).unwrap_err();
    assert_eq!(refusal.reason, Reason::UnknownWorker);
}
