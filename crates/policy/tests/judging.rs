//! Verdicts on words, under a policy with every key.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails may panic")]

use doorward_policy::{Bundle, DockerWords, Policy, Reason, Refusal, Source, Verb};

fn policy() -> Policy {
    let file = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
    let bundle = Bundle {
        files: vec![
            file("/policy.toml", include_str!("data/whole.toml")),
            file("/roles/host-audit.toml", include_str!("data/host-audit.toml")),
        ],
    };
    Policy::load(&bundle).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn refused(line: &str) -> Refusal {
    policy().judge_argv("hermes", &words(line)).map(|grant| grant.rule.id.clone()).expect_err(line)
}

fn docker(line: &str) -> Result<DockerWords, Refusal> {
    policy().judge_docker_words("hermes", &words(line))
}

#[test]
fn lines_of_the_policy_are_allowed_by_their_rule() {
    for (line, rule) in [
        ("iptables -L -n -v", "host-audit#1"),
        ("fail2ban-client status", "host-audit#2"),
        ("fail2ban-client status sshd", "host-audit#2"),
        ("journalctl -t kernel -n 100", "host-audit#3"),
        ("journalctl -u firewall -n 50", "host-audit#3"),
        ("/usr/bin/ss -tlnp", "host-audit#4"),
    ] {
        let policy = policy();
        let grant =
            policy.judge_argv("hermes", &words(line)).unwrap_or_else(|refusal| panic!("{line}: {refusal}"));
        assert_eq!(grant.rule.id, rule, "{line}");
    }
}

#[test]
fn a_refusal_names_the_word_and_the_nearest_rule() {
    for (line, path, nearest) in [
        (
            "journalctl -t kernel -n 501",
            "word 5",
            "journalctl (-t kernel|-u {unit:fail2ban|firewall}) -n {lines:1..500}",
        ),
        ("ss -F /etc/shadow", "word 2", "ss -tlnp"),
        ("iptables -L -n -v -t nat", "word 5", "iptables -L -n -v"),
        ("iptables -L -n", "word 4", "iptables -L -n -v"),
        ("iptable -S", "word 1", "iptables -L -n -v"),
        ("fail2ban-client status -c /tmp/x", "word 3", "fail2ban-client status [{jail:name}]"),
    ] {
        let refusal = refused(line);
        assert_eq!(
            (refusal.reason, refusal.path.as_deref(), refusal.nearest.as_deref()),
            (Reason::NotInPolicy, Some(path), Some(nearest)),
            "{line}: {refusal}"
        );
    }
}

#[test]
fn a_program_elsewhere_is_not_the_program_of_the_rule() {
    for line in ["/tmp/ss -tlnp", "./ss -tlnp", "/usr/bin/../bin/ss -tlnp", "//usr/bin/ss -tlnp", "/ss -tlnp"]
    {
        assert_eq!(refused(line).path.as_deref(), Some("word 1"), "{line}");
    }
}

#[test]
fn words_are_never_joined() {
    let argv = vec!["journalctl".to_owned(), "-t kernel -n 100".to_owned()];
    assert!(policy().judge_argv("hermes", &argv).is_err());
    let argv = vec!["fail2ban-client".to_owned(), "status".to_owned(), "sshd\nx".to_owned()];
    let refusal = policy().judge_argv("hermes", &argv).map(|_| ()).expect_err("newline");
    assert_eq!((refusal.reason, refusal.path.as_deref()), (Reason::BadEncoding, Some("word 3")));
}

#[test]
fn strangers_and_empty_lines_are_refused() {
    let reason = |worker: &str, argv: &[String]| {
        policy().judge_argv(worker, argv).map(|_| ()).map_err(|refusal| refusal.reason)
    };
    assert_eq!(reason("nobody", &words("ss -tlnp")), Err(Reason::UnknownWorker));
    assert_eq!(reason("hermes", &[]), Err(Reason::BadRequest));
    assert_eq!(reason("hermes", &words("")), Err(Reason::BadRequest));
}

#[test]
fn docker_words_come_to_their_verb() {
    for (line, verb) in [
        ("docker ps -a", Verb::Ps),
        ("docker container ls", Verb::Ps),
        ("docker image ls", Verb::Images),
        ("docker network ls", Verb::NetworkLs),
        ("docker volume ls -q", Verb::VolumeLs),
        ("docker run --rm busybox:1 true", Verb::Run),
        ("docker network inspect x", Verb::Inspect),
        ("docker exec ollama ollama list", Verb::Exec),
        ("docker exec -i ollama ollama run llama3", Verb::Exec),
        ("docker run -v /:/h busybox:1", Verb::Run),
        ("docker kill x", Verb::Kill),
        ("docker network prune", Verb::Prune),
        ("docker run busybox:1 grep --env-file /x", Verb::Run),
    ] {
        match docker(line) {
            Ok(DockerWords::Verb { verb: found, .. }) => assert_eq!(found, verb, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
    for line in [
        "docker",
        "docker --help",
        "docker --version",
        "docker run --help",
        "docker network",
        "docker help network ls",
    ] {
        assert_eq!(docker(line), Ok(DockerWords::Help), "{line}");
    }
    assert_eq!(docker("docker system dial-stdio"), Ok(DockerWords::Dial));
}

#[test]
fn a_word_with_a_blank_is_one_word() {
    for argv in
        [&["docker", "network ls"][..], &["docker", "system df", "-v"], &["docker", "system dial-stdio"]]
    {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let refusal = policy().judge_docker_words("hermes", &argv).expect_err("two words in one");
        assert_eq!(refusal.reason, Reason::VerbNotAllowed, "{argv:?}");
    }
}

#[test]
fn docker_words_are_refused_with_their_reason() {
    use Reason::{FieldNotAllowed, NotInPolicy, NotYet, VerbNotAllowed};
    for (line, reason) in [
        ("docker -H tcp://x ps", FieldNotAllowed),
        ("docker -Htcp://x ps", FieldNotAllowed),
        ("docker --host=tcp://x ps", FieldNotAllowed),
        ("docker --context other ps", FieldNotAllowed),
        ("docker -c other ps", FieldNotAllowed),
        ("docker --config /tmp/c ps", FieldNotAllowed),
        ("docker --tlsverify ps", FieldNotAllowed),
        ("docker -D ps", FieldNotAllowed),
        ("docker --debug exec x sh", FieldNotAllowed),
        ("docker --log-level debug ps", FieldNotAllowed),
        ("docker network rm x", VerbNotAllowed),
        ("docker volume create x", VerbNotAllowed),
        ("docker volume rm x", VerbNotAllowed),
        ("docker -v network create x", VerbNotAllowed),
        ("docker --version -H tcp://x ps", VerbNotAllowed),
        ("docker help -H tcp://x ps", VerbNotAllowed),
        ("docker --help --help=false create x", VerbNotAllowed),
        ("docker network --help --help=false create x", VerbNotAllowed),
        ("docker run --rm --env-file /proc/cmdline busybox:1 env", FieldNotAllowed),
        ("docker container run --env-file=/proc/cmdline busybox:1 env", FieldNotAllowed),
        ("docker cp a:/x -", VerbNotAllowed),
        ("docker network create x", VerbNotAllowed),
        ("docker create busybox:1", VerbNotAllowed),
        ("docker pause x", VerbNotAllowed),
        ("docker build .", FieldNotAllowed),
        ("docker buildx build .", VerbNotAllowed),
        ("docker compose ps", FieldNotAllowed),
        ("docker sp", VerbNotAllowed),
        ("docker exec ollama sh", NotInPolicy),
        ("docker exec db ls", NotInPolicy),
        ("docker exec -it ollama ollama list", FieldNotAllowed),
        ("docker exec --privileged ollama ollama list", FieldNotAllowed),
        ("docker exec -u 0 ollama ollama list", FieldNotAllowed),
    ] {
        let refusal = docker(line).expect_err(line);
        assert_eq!(refusal.reason, reason, "{line}: {refusal}");
        assert!(refusal.nearest.is_some() || reason == NotYet, "{line} has no hint: {refusal}");
    }
}

#[test]
fn what_a_refusal_calls_allowed_is_allowed() {
    let nearest = |line| docker(line).expect_err(line).nearest.unwrap_or_default();
    assert_eq!(nearest("docker stpo x"), "docker stop");
    // Near a verb that is not granted: the whole list instead.
    assert!(nearest("docker pausee x").starts_with("docker ps|"), "{}", nearest("docker pausee x"));
    assert_eq!(nearest("docker compsoe x"), "docker compose");
    assert_eq!(nearest("docker buidl -"), "docker build");
    let pause = nearest("docker pause x");
    assert!(pause.contains("|system df") && !pause.contains("|df"), "as docker writes it: {pause}");
    let network = nearest("docker network create x");
    assert!(network.contains("DOCKER_HOST=ssh://"), "the Engine API makes networks: {network}");
}

#[test]
fn a_tool_for_text_that_is_no_filter_is_answered_with_the_filters() {
    for line in ["awk {print}", "sed s/a/b/", "xargs rm"] {
        let refusal = policy().judge_stage("hermes", &words(line)).map(|_| ()).expect_err(line);
        assert!(refusal.nearest.is_some_and(|near| near.contains("grep, head, tail")), "{line}");
    }
    let refusal = policy().judge_stage("hermes", &words("frobnicate")).map(|_| ()).unwrap_err();
    assert_eq!(refusal.nearest, None);
}

#[test]
fn exec_never_reaches_what_another_worker_owns() {
    let policy = policy();
    let judge = |owner, argv: &[&str]| {
        policy.judge_exec("hermes", "ollama", owner, argv).map(|rule| rule.id.as_str())
    };
    assert_eq!(judge(None, &["ollama", "list"]), Ok("ollama-bench.exec.ollama#1"));
    assert_eq!(judge(Some("hermes"), &["ollama", "list"]), Ok("ollama-bench.exec.ollama#1"));
    assert!(judge(Some("other"), &["ollama", "list"]).is_err());
    assert!(judge(None, &["ollama", "list", "x"]).is_err());
    assert!(judge(None, &["sh"]).is_err());
    assert!(policy.judge_exec("hermes", "db", None, &["ollama", "list"]).is_err());
    assert!(policy.judge_exec("hermes", "db", Some("hermes"), &["ollama", "list"]).is_err());
}
