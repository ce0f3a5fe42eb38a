//! What is said of docker.

use super::run;
use super::verbs::{Touches, VERBS, VerbHelp};
use doorward_policy::{DockerRole, DockerWords, Glob, Policy, Role, Selector, Verb};
use std::fmt::Write;

/// The docker lines of a role in the overview.
pub(super) fn usages(role: &Role, text: &mut String) {
    if let Some(docker) = &role.docker {
        let verbs: Vec<_> = in_force(docker).map(Verb::words).collect();
        let _ = writeln!(text, "  docker {}", verbs.join("|"));
        exec_lines(docker, text);
    }
}

/// `help docker` and `help docker WORDS`.
pub(super) fn help(policy: &Policy, worker: &str, words: &[String]) -> String {
    match words.first() {
        None => overview(policy, worker),
        Some(_) => words_help(policy, worker, words),
    }
}

fn overview(policy: &Policy, worker: &str) -> String {
    let mut text = String::new();
    for docker in policy.docker_roles(worker) {
        let _ = writeln!(text, "{}: docker, with the engine's socket judging each call", docker.role);
        for row in VERBS.iter().filter(|row| in_force(docker).any(|verb| verb == row.verb)) {
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
    let verb = match policy.judge_docker_words(worker, &argv) {
        Ok(DockerWords::Verb { verb, .. }) => Some(verb),
        Ok(DockerWords::Help | DockerWords::Dial) => return overview(policy, worker),
        // Words after the verb may be wrong; what is asked for is the verb's help.
        Err(refusal) => match named(words) {
            Some(verb) if granted(policy, worker, verb) => Some(verb),
            _ => return crate::refuse::worded(&refusal, "Refused", "Allowed"),
        },
    };
    let mut text = String::new();
    let rows = VERBS.iter().filter(|row| Some(row.verb) == verb);
    for (row, docker) in rows.flat_map(|row| policy.docker_roles(worker).map(move |docker| (row, docker))) {
        // The engine's version is told to everybody.
        if in_force(docker).any(|verb| verb == row.verb) || row.verb == Verb::Version {
            verb_help(row, docker, &mut text);
        }
    }
    text
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

pub(super) fn images(docker: &DockerRole) -> String {
    let images: Vec<_> = docker.images.iter().map(|glob| glob.0.as_str()).collect();
    if images.is_empty() { "none".into() } else { images.join(", ") }
}

pub(super) fn networks(docker: &DockerRole) -> String {
    let egress = if docker.egress { ", and the engine's bridge, which leads out" } else { "" };
    format!("{}{egress}", selectors(&docker.networks))
}

pub(super) fn selectors(list: &[Selector]) -> String {
    let names = list.iter().map(|selector| match selector {
        Selector::Own => "your own",
        Selector::Named(glob) => &glob.0,
    });
    let names: Vec<_> = names.collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// A name that a pattern for images matches, when it leaves no more open than the tag.
pub(super) fn concrete(glob: &Glob) -> Option<String> {
    let name = match glob.0.strip_suffix(":*") {
        Some(name) => format!("{name}:latest"),
        None => glob.0.clone(),
    };
    (!name.contains('*')).then_some(name)
}
