//! `[role.NAME.docker]`.

use super::command::compile;
use super::file::{At, Entry, texts};
use super::known::ENGINE_NETWORKS;
use super::{Findings, run};
use crate::nearest::did_you_mean;
use crate::{DockerRole, ExecRule, Glob, Selector, Verb};
use std::collections::{BTreeMap, BTreeSet};

/// Reads the docker part of a role.
pub(super) fn read(role: &str, entry: Entry<'_>, engine_socket: &str, findings: &mut Findings) -> DockerRole {
    let exec = exec(role, entry, findings);
    let mut verbs = verbs(entry, findings);
    verbs.remove(&Verb::Exec);
    if !exec.is_empty() {
        verbs.insert(Verb::Exec);
    }
    let (networks, egress) = networks(entry, findings);
    let images = globs(entry, "images", findings);
    if verbs.contains(&Verb::Run) && images.is_empty() {
        findings.notice(
            entry.file,
            entry.key_at("verbs"),
            "`run` is granted, but `images` names none to run",
        );
    }
    let projects = projects(entry, findings);
    if verbs.contains(&Verb::Compose) && projects.is_empty() {
        findings.notice(
            entry.file,
            entry.key_at("verbs"),
            "`compose` is granted, but `projects` names none to use it for",
        );
    }
    if let Some(table) =
        entry.table("run").filter(|_| !verbs.contains(&Verb::Run) && !verbs.contains(&Verb::Compose))
    {
        findings.notice(
            entry.file,
            table.at,
            "this allows nothing: neither `run` nor `compose` is among the verbs",
        );
    }
    DockerRole {
        role: role.to_owned(),
        at: entry.file.location(entry.at),
        containers: selectors(entry, "containers", findings),
        images,
        tags: globs(entry, "tags", findings),
        volumes: selectors(entry, "volumes", findings),
        networks,
        egress,
        projects,
        run: entry.table("run").map(|run| run::read(run, engine_socket, findings)).unwrap_or_default(),
        exec,
        verbs,
    }
}

fn verbs(entry: Entry<'_>, findings: &mut Findings) -> BTreeSet<Verb> {
    let mut verbs = BTreeSet::new();
    for (words, at) in entry.texts("verbs") {
        match Verb::named(words) {
            Some(Verb::Exec) if entry.table("exec").is_none() => findings.notice(
                entry.file,
                at,
                "`exec` alone grants nothing: list usage lines by container in `[role.NAME.docker.exec]`",
            ),
            Some(verb) => {
                if !verb.in_force() {
                    findings.notice(
                        entry.file,
                        at,
                        format!("the verb `{verb}` is not yet in force: it is refused"),
                    );
                }
                if !verbs.insert(verb) {
                    findings.notice(entry.file, at, format!("the verb `{verb}` is listed twice"));
                }
            }
            None if let Some((_, why)) = Verb::NEVER.iter().find(|(never, _)| *never == words) => {
                findings
                    .error(entry.file, at, format!("the verb `{words}` cannot be granted: {why}"))
                    .help("leave it out");
            }
            None => {
                let help = did_you_mean(words, Verb::ALL.iter().map(|(_, known)| *known), || {
                    "verbs are the docker command's words, like `ps` or `network ls`".into()
                });
                findings.error(entry.file, at, format!("there is no verb `{words}`")).help(help);
            }
        }
    }
    verbs
}

/// A name or image pattern: what Docker allows in one, and `*`.
fn glob(entry: Entry<'_>, (text, at): At<&str>, findings: &mut Findings) -> Option<Glob> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "*_.-/:@".contains(c);
    if text.is_empty() || text.len() > 255 || !text.chars().all(fits) {
        findings
            .error(entry.file, at, format!("`{text}` is not a name or a name with `*`"))
            .help("letters, digits and `_.-/:@`; `*` stands for any characters");
        return None;
    }
    Some(Glob(text.to_owned()))
}

fn globs(entry: Entry<'_>, key: &str, findings: &mut Findings) -> Vec<Glob> {
    let texts = entry.texts(key);
    for (_, at) in texts.iter().filter(|(text, _)| *text == "*") {
        findings.notice(entry.file, *at, format!("danger: `{key} = [\"*\"]` allows every name"));
    }
    texts.into_iter().filter_map(|text| glob(entry, text, findings)).collect()
}

/// Patterns of compose's project names, which are in lower case.
fn projects(entry: Entry<'_>, findings: &mut Findings) -> Vec<Glob> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "*_-".contains(c);
    for (text, at) in entry.texts("projects") {
        if !text.chars().all(fits) {
            findings
                .error(entry.file, at, format!("`{text}` can match no compose project"))
                .help("their names are `[a-z0-9][a-z0-9_-]*`; `*` stands for any characters");
        }
    }
    globs(entry, "projects", findings)
}

fn selector(entry: Entry<'_>, (text, at): At<&str>, findings: &mut Findings) -> Option<Selector> {
    if text == "own" {
        return Some(Selector::Own);
    }
    if text.contains(['/', ':', '@']) {
        findings
            .error(entry.file, at, format!("`{text}` is not a name"))
            .help("write `own`, or a name like `ollama-*`");
        return None;
    }
    glob(entry, (text, at), findings).map(Selector::Named)
}

fn selectors(entry: Entry<'_>, key: &str, findings: &mut Findings) -> Vec<Selector> {
    if !entry.has(key) {
        return vec![Selector::Own];
    }
    let texts = entry.texts(key);
    for (_, at) in texts.iter().filter(|(text, _)| *text == "*") {
        let message = format!("danger: `{key}` with `*` reaches every one that no other worker owns");
        findings.notice(entry.file, *at, message);
    }
    texts.into_iter().filter_map(|text| selector(entry, text, findings)).collect()
}

/// The networks, and whether `egress` is among them.
fn networks(entry: Entry<'_>, findings: &mut Findings) -> (Vec<Selector>, bool) {
    if !entry.has("networks") {
        return (vec![Selector::Own], false);
    }
    let mut egress = false;
    let mut selectors = Vec::new();
    for (text, at) in entry.texts("networks") {
        if text == "egress" {
            egress = true;
            findings.notice(
                entry.file,
                at,
                "danger: containers with egress reach the host's own services on the bridge address, and the \
                 host's networks",
            );
        } else if let Some(Selector::Named(glob)) =
            selector(entry, (text, at), findings).inspect(|selector| selectors.push(selector.clone()))
            && let Some(special) = ENGINE_NETWORKS.iter().find(|special| glob.matches(special))
        {
            findings
                .error(entry.file, at, format!("`{text}` names the engine's own network `{special}`"))
                .help("write `egress` for the default bridge; the host's own network is never granted");
        }
    }
    (selectors, egress)
}

fn exec(role: &str, entry: Entry<'_>, findings: &mut Findings) -> BTreeMap<String, Vec<ExecRule>> {
    let mut table = BTreeMap::new();
    for ((container, at), value) in entry.table("exec").map(|exec| exec.pairs()).unwrap_or_default() {
        selector(entry, (container, at), findings);
        let mut rules = Vec::new();
        for (index, (usage, at)) in texts(value).into_iter().enumerate() {
            let id = format!("{role}.exec.{container}#{}", index.saturating_add(1));
            let Some(pattern) = compile(entry.file, (usage, at), findings) else { continue };
            rules.push(ExecRule { id, usage: usage.trim().to_owned(), pattern });
        }
        if rules.is_empty() {
            findings.notice(
                entry.file,
                at,
                format!("nothing may be executed in `{container}`: the list is empty"),
            );
        } else {
            table.insert(container.to_owned(), rules);
        }
    }
    table
}
