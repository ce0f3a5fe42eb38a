//! What is said of docker.

use super::objects::{concrete, images, networks, selectors};
use super::run;
use super::verbs::{OWN_OBJECTS, Touches, VERBS, VerbHelp};
use doorward_policy::{DockerRole, DockerWords, Policy, Role, Verb};
use std::fmt::Write;

/// The docker lines of a role in the overview.
pub(super) fn usages(role: &Role, text: &mut String) {
    if let Some(docker) = &role.docker {
        let verbs: Vec<_> = in_force(docker).map(Verb::command).collect();
        let _ = writeln!(text, "  docker {}", verbs.join("|"));
        exec_lines(docker, text);
    }
}

/// `help docker` and `help docker WORDS`.
pub(super) fn help(policy: &Policy, worker: &str, words: &[String]) -> Result<String, String> {
    match words {
        [] => Ok(overview(policy, worker)),
        [group] if Verb::is_group(group) => group_help(policy, worker, group),
        _ => Ok(words_help(policy, worker, words)),
    }
}

/// What is said of docker's commands that begin with a word like `network`.
fn group_help(policy: &Policy, worker: &str, group: &str) -> Result<String, String> {
    let verbs = Verb::of_group(group);
    let touched = match group {
        "container" => Touches::Containers,
        "image" => Touches::Images,
        "network" => Touches::Networks,
        "volume" => Touches::Volumes,
        _ => Touches::Nothing,
    };
    let mut text = String::new();
    for docker in policy.docker_roles(worker) {
        // Networks and volumes have rows of their own for what `run` and `prune` grant of them.
        let own = |row: &VerbHelp| row.usage.split(' ').next() == Some(group);
        let elsewhere = |verb| OWN_OBJECTS.iter().any(|row| own(row) && row.verb == verb);
        let rows = VERBS.iter().filter(|row| verbs.contains(&row.verb) && !elsewhere(row.verb));
        let rows = rows.chain(OWN_OBJECTS.iter().filter(|row| own(row)));
        let mut rows = rows.filter(|row| in_force(docker).any(|verb| verb == row.verb)).peekable();
        if rows.peek().is_none() {
            continue;
        }
        let _ = writeln!(text, "{}: docker {group}", docker.role);
        for row in rows {
            let _ = writeln!(text, "  {:<42} {}", format!("docker {}", row.usage), row.about);
        }
        objects(docker, touched, &mut text);
    }
    match text.is_empty() {
        true => Err(format!("none of your roles has a command of 'docker {group}'; 'help docker' shows all")),
        false => Ok(text),
    }
}

fn overview(policy: &Policy, worker: &str) -> String {
    let mut text = String::new();
    for docker in policy.docker_roles(worker) {
        let _ = writeln!(text, "{}: docker, with the engine's socket judging each call", docker.role);
        let rows = VERBS.iter().chain(OWN_OBJECTS);
        for row in rows.filter(|row| in_force(docker).any(|verb| verb == row.verb)) {
            let _ = writeln!(text, "  {:<42} {}", format!("docker {}", row.usage), row.about);
        }
        exec_lines(docker, &mut text);
        objects(docker, Touches::Everything, &mut text);
        if docker.verbs.contains(&Verb::Run) {
            text.push_str("  What a new container may ask for: help docker run\n");
        }
    }
    match policy.workers.get(worker) {
        Some(worker) if !text.is_empty() => {
            let _ = writeln!(text, "With your own docker client: DOCKER_HOST=ssh://{}@HOST", worker.user);
            text
        }
        _ => "None of your roles has docker. 'help' shows all that you may do.\n".into(),
    }
}

/// What is said of the words after `docker`: of their verb, or why they are refused.
fn words_help(policy: &Policy, worker: &str, words: &[String]) -> String {
    let argv: Vec<String> = std::iter::once("docker".to_owned()).chain(words.iter().cloned()).collect();
    let (verb, by) = match policy.judge_docker_words(worker, &argv) {
        Ok(DockerWords::Verb { verb, rule }) => (verb, rule),
        Ok(DockerWords::Help | DockerWords::Dial) => return overview(policy, worker),
        // Words after the verb may be wrong; what is asked for is the verb's help.
        Err(refusal) => match named(words) {
            Some(verb) if granted(policy, worker, verb) => (verb, String::new()),
            _ => return crate::refuse::worded(&refusal, "Refused", "Allowed"),
        },
    };
    let mut text = String::new();
    let own: Vec<_> = OWN_OBJECTS.iter().filter(|row| names(row, words)).collect();
    let rows = VERBS.iter().filter(|row| own.is_empty() && row.verb == verb).chain(own.iter().copied());
    for (row, docker) in rows.flat_map(|row| policy.docker_roles(worker).map(move |docker| (row, docker))) {
        // The engine's version is told to everybody, and some words are granted by another verb.
        let has = in_force(docker).any(|verb| verb == row.verb);
        if has || row.verb == Verb::Version || by == docker.rule() {
            verb_help(row, docker, &mut text);
        }
    }
    text
}

/// Whether these are the words of a row whose usage begins with two.
fn names(row: &VerbHelp, words: &[String]) -> bool {
    row.usage.split(' ').take(2).eq(words.iter().take(2).map(String::as_str))
}

fn verb_help(row: &VerbHelp, docker: &DockerRole, text: &mut String) {
    let _ = writeln!(text, "{}: docker {}\n      {}", docker.role, row.usage, row.about);
    match row.touches {
        Touches::Run => run::lines(docker, text),
        Touches::Exec => exec_lines(docker, text),
        touches => objects(docker, touches, text),
    }
    let example = match row.verb {
        Verb::Run => run::example(docker),
        Verb::Pull => docker.images.iter().find_map(concrete).map(|image| format!("docker pull {image}")),
        _ => None,
    };
    if let Some(example) = example {
        let _ = writeln!(text, "  Example: {example}");
    }
}

/// The verb that words name, as the policy or the docker command writes it.
fn named(words: &[String]) -> Option<Verb> {
    let two = words.get(..2).map(|two| two.join(" "));
    two.and_then(|two| Verb::named(&two)).or_else(|| words.first().and_then(|one| Verb::named(one)))
}

fn granted(policy: &Policy, worker: &str, verb: Verb) -> bool {
    policy.docker_roles(worker).any(|docker| in_force(docker).any(|known| known == verb))
}

/// What the role grants and this version can do: the rest would be refused.
fn in_force(docker: &DockerRole) -> impl Iterator<Item = Verb> {
    docker.verbs.iter().copied().filter(|verb| verb.in_force())
}

fn exec_lines(docker: &DockerRole, text: &mut String) {
    if !docker.verbs.contains(&Verb::Exec) {
        return;
    }
    for (container, rules) in &docker.exec {
        let container = if container == "own" { "CONTAINER" } else { container };
        for rule in rules {
            let _ = writeln!(text, "  docker exec {container} {}", rule.usage);
        }
    }
}

/// Whom a verb may touch.
fn objects(docker: &DockerRole, touches: Touches, text: &mut String) {
    let all = touches == Touches::Everything;
    let rows = [
        (Touches::Containers, "containers", selectors(&docker.containers)),
        (Touches::Images, "images", images(docker)),
        (Touches::Networks, "networks", networks(docker)),
        (Touches::Volumes, "volumes", selectors(&docker.volumes)),
    ];
    for (_, name, list) in rows.into_iter().filter(|(kind, ..)| all || *kind == touches) {
        let _ = writeln!(text, "  {name:<11} {list}");
    }
}
