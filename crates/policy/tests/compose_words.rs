//! The words of `docker compose …` on a line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

use doorward_policy::{Bundle, DockerWords, Policy, Reason, Refusal, Source, Verb};

fn policy(projects: &str) -> Policy {
    let text = format!(
        "version = 1\n[worker.w]\nuser = \"w\"\nroles = [\"r\"]\n[role.r]\nabout = \"A.\"\n\
         [role.r.docker]\nverbs = [\"compose\"]\nprojects = [{projects}]\n"
    );
    let file = Source { path: "/policy.toml".into(), text };
    Policy::load(&Bundle { files: vec![file] }).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn judge(line: &str) -> Result<DockerWords, Refusal> {
    let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
    policy("\"lab-*\", \"bench\"").judge_docker_words("w", &argv)
}

#[test]
fn words_that_need_no_file_are_compose_on_a_project_of_the_role() {
    for line in [
        "docker compose ls",
        "docker compose ls -a --format json",
        "docker compose version",
        "docker compose --help",
        "docker compose",
        "docker compose -p lab-1 ps -a",
        "docker compose -plab-1 ps",
        "docker compose -p=lab-1 ps",
        "docker compose --project-name lab-1 ps",
        "docker compose --project-name=lab-1 --ansi never ps",
        "docker compose --progress plain -p bench down -v --timeout 1",
        "docker compose -p lab-1 logs -f --tail 10 web",
        "docker compose -p lab-1 stop -t 1",
        "docker compose -p lab-1 start",
        "docker compose -p lab-1 restart web",
        "docker compose -p lab-1 kill -s TERM web",
        "docker compose -p lab-1 pause",
        "docker compose -p lab-1 unpause",
        "docker compose -p lab-1 rm -fsv",
        "docker compose -p lab-1 port web 80",
        "docker compose -p lab-1 top",
        "docker compose -p lab-1 images",
        "docker compose -p lab-1 wait web",
        "docker compose -p lab-1 ps --help",
    ] {
        let expected = DockerWords::Verb { verb: Verb::Compose, rule: "r.docker".into() };
        assert_eq!(judge(line), Ok(expected), "{line}");
    }
}

#[test]
fn what_needs_a_file_or_another_project_is_refused_with_what_to_do_instead() {
    use Reason::{FieldNotAllowed, ObjectNotAllowed, VerbNotAllowed};
    for (line, reason, path) in [
        ("docker compose ps", FieldNotAllowed, Some("word 3")),
        ("docker compose --ansi never logs", FieldNotAllowed, Some("word 5")),
        ("docker compose -p prod stop", ObjectNotAllowed, None),
        ("docker compose -p benchx stop", ObjectNotAllowed, None),
        ("docker compose -p lab-X stop", ObjectNotAllowed, None),
        ("docker compose -p lab-1 -p prod stop", FieldNotAllowed, Some("word 5")),
        ("docker compose -p", VerbNotAllowed, None),
        ("docker compose -p lab-1", VerbNotAllowed, None),
        ("docker compose --help=false -p lab-1", VerbNotAllowed, None),
        ("docker compose -f - up -d", FieldNotAllowed, Some("word 3")),
        ("docker compose -f- up -d", FieldNotAllowed, Some("word 3")),
        ("docker compose -f=/etc/shadow config", FieldNotAllowed, Some("word 3")),
        ("docker compose --file=/etc/shadow config", FieldNotAllowed, Some("word 3")),
        ("docker compose -p lab-1 -f /tmp/x.yml up", FieldNotAllowed, Some("word 5")),
        ("docker compose --env-file /root/.env config --environment", FieldNotAllowed, Some("word 3")),
        ("docker compose --project-directory /etc ps", FieldNotAllowed, Some("word 3")),
        ("docker compose --workdir /etc ps", FieldNotAllowed, Some("word 3")),
        ("docker compose -vf x ps", FieldNotAllowed, Some("word 3")),
        ("docker compose --unheard-of x ps", FieldNotAllowed, Some("word 3")),
        ("docker compose -p lab-1 up -d", VerbNotAllowed, Some("word 5")),
        ("docker compose -p lab-1 exec web sh", VerbNotAllowed, Some("word 5")),
        ("docker compose -p lab-1 cp web:/x /etc/cron.d/x", VerbNotAllowed, Some("word 5")),
        ("docker compose -p lab-1 run --env-from-file /root/.env web env", VerbNotAllowed, Some("word 5")),
        ("docker compose -p lab-1 export -o /etc/x web", VerbNotAllowed, Some("word 5")),
        ("docker compose -p lab-1 bridge convert -o /etc", VerbNotAllowed, Some("word 5")),
        ("docker compose -p lab-1 publish evil/app --with-env -y", VerbNotAllowed, Some("word 5")),
        ("docker compose -p lab-1 push", VerbNotAllowed, Some("word 5")),
        ("docker compose -p lab-1 build", VerbNotAllowed, Some("word 5")),
        ("docker compose -p lab-1 config", VerbNotAllowed, Some("word 5")),
        ("docker compose -p lab-1 scale web=10000", VerbNotAllowed, Some("word 5")),
        ("docker compose -p lab-1 alpha viz", VerbNotAllowed, Some("word 5")),
        ("docker compose -p lab-1 watch", VerbNotAllowed, Some("word 5")),
        ("docker compose -p lab-1 attach web", VerbNotAllowed, Some("word 5")),
        ("docker compose -p lab-1 commit web x", VerbNotAllowed, Some("word 5")),
        ("docker compose -p lab-1 frobnicate", VerbNotAllowed, Some("word 5")),
    ] {
        let refusal = judge(line).expect_err(line);
        assert_eq!((refusal.reason, refusal.path.as_deref()), (reason, path), "{line}: {refusal}");
        assert!(refusal.nearest.is_some() || line.contains("-p prod"), "{line} has no hint: {refusal}");
    }
}

#[test]
fn the_hint_is_a_line_that_is_allowed_or_says_where_to_go() {
    let nearest = |line| judge(line).expect_err(line).nearest.unwrap_or_default();
    assert_eq!(nearest("docker compose logs"), "docker compose -p lab-*|bench logs");
    assert_eq!(nearest("docker compose -p lab-1 lgos"), "docker compose -p lab-*|bench logs");
    let own_side = "docker compose on your side, with DOCKER_HOST=ssh://USER@HOST";
    assert_eq!(nearest("docker compose -p lab-1 up"), own_side);
    assert_eq!(nearest("docker compose -f x up"), own_side);
    let argv = ["docker", "compose", "-p", "x", "ps"].map(str::to_owned);
    let none = policy("").judge_docker_words("w", &argv).expect_err("no projects");
    assert_eq!(none.nearest.as_deref(), Some("nothing: your roles have no projects"));
}

#[test]
fn a_pattern_that_no_project_can_match_is_an_error() {
    for pattern in ["Lab-*", "lab.*", "lab/x", "lab:1"] {
        let text = format!(
            "version = 1\n[role.r]\nabout = \"A.\"\n[role.r.docker]\nverbs = [\"compose\"]\nprojects = [\"{pattern}\"]\n"
        );
        let file = Source { path: "/policy.toml".into(), text };
        let errors = Policy::load(&Bundle { files: vec![file] }).map(|_| ()).expect_err(pattern);
        assert!(format!("{errors:?}").contains("can match no compose project"), "{pattern}: {errors:?}");
    }
}
