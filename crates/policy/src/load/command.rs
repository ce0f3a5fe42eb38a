//! `[[role.NAME.command]]`.

use super::Findings;
use super::file::{At, Entry, File};
use super::host::{is_account, is_folder_path};
use super::known::{CAPABILITIES, OPEN_PROGRAMS, STRONG_CAPABILITIES, STRONG_GROUPS};
use crate::judge::CommandIndex;
use crate::nearest::did_you_mean;
use crate::pattern::is_beneath;
use crate::{CommandRule, How, Identity, Network, Notice, Pattern};
use std::collections::BTreeSet;

/// The rules of a role; one that does not compile is told and left out.
pub(super) fn read_all(
    role: &str,
    entry: Entry<'_>,
    engine_socket: &str,
    findings: &mut Findings,
) -> Vec<CommandRule> {
    let rows = entry.rows("command").into_iter().enumerate();
    rows.filter_map(|(index, row)| {
        let id = format!("{role}#{}", index.saturating_add(1));
        read(id, row, engine_socket, findings)
    })
    .collect()
}

fn read(id: String, entry: Entry<'_>, engine_socket: &str, findings: &mut Findings) -> Option<CommandRule> {
    let how = how(entry, engine_socket, findings);
    let (usage, at) = entry.text("run")?;
    let pattern = compile(entry.file, (usage, at), findings)?;
    first_word(entry.file, &pattern, at, findings);
    examples(entry, &id, &pattern, findings);
    dangers(entry, &id, &pattern, &how, findings);
    Some(CommandRule { id, at: entry.file.location(at), usage: usage.trim().to_owned(), pattern, how })
}

/// Compiles a usage line and points into it on a mistake.
pub(super) fn compile(file: &File<'_>, (usage, at): At<&str>, findings: &mut Findings) -> Option<Pattern> {
    match Pattern::compile(usage) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let place = file.inside_text(at, error.offset, usage);
            findings.error_at(place, format!("this is not a usage line: {}", error.message));
            None
        }
    }
}

fn first_word(file: &File<'_>, pattern: &Pattern, at: usize, findings: &mut Findings) {
    let word = pattern.first_word();
    let name = word.rsplit('/').next().unwrap_or_default();
    if word.contains('/') && !is_folder_path(word) {
        findings
            .error(file, at, format!("`{word}` is neither a program's name nor a clean absolute path"))
            .help("a bare name is looked for in the fixed search path");
    } else if name == "docker" {
        findings
            .error(file, at, "docker is not granted by a command rule")
            .help("list verbs in `[role.NAME.docker]`: they hold for every way to the engine");
    } else if name == "sudo" {
        findings
            .error(file, at, "sudo is not part of a rule: a leading `sudo` of a request is dropped")
            .help("begin with the program, and say in `as` or `caps` what it needs");
    }
}

fn how(entry: Entry<'_>, engine_socket: &str, findings: &mut Findings) -> How {
    How {
        identity: identity(entry, findings),
        groups: groups(entry, findings),
        caps: caps(entry, findings),
        read: paths(entry, "read", findings),
        sockets: sockets(entry, engine_socket, findings),
        network: network(entry, findings),
        seconds: entry.seconds("seconds"),
        output: entry.size("output"),
        raw: entry.boolean("raw").unwrap_or(false),
    }
}

fn identity(entry: Entry<'_>, findings: &mut Findings) -> Identity {
    match entry.text("as") {
        None => Identity::Worker,
        Some(("root", _)) => Identity::Root,
        Some((account, at)) => {
            if !is_account(account) {
                findings.error(entry.file, at, format!("`{account}` is not an account name"));
            }
            Identity::User(account.to_owned())
        }
    }
}

fn groups(entry: Entry<'_>, findings: &mut Findings) -> Vec<String> {
    let groups = entry.texts("groups");
    for (group, at) in &groups {
        if !is_account(group) {
            findings.error(entry.file, *at, format!("`{group}` is not a group name"));
        } else if STRONG_GROUPS.contains(group) {
            findings.notice(entry.file, *at, format!("danger: the group `{group}` is as good as root"));
        }
    }
    groups.into_iter().map(|(group, _)| group.to_owned()).collect()
}

fn caps(entry: Entry<'_>, findings: &mut Findings) -> BTreeSet<String> {
    let caps = entry.texts("caps");
    for (cap, at) in caps.iter().filter(|(cap, _)| !CAPABILITIES.contains(cap)) {
        let plain = cap.to_ascii_lowercase();
        let plain = plain.strip_prefix("cap_").unwrap_or(&plain);
        let help = did_you_mean(plain, CAPABILITIES.iter().copied(), || {
            "capabilities are written in small letters without `cap_`, like `net_admin`".into()
        });
        findings.error(entry.file, *at, format!("there is no capability `{cap}`")).help(help);
    }
    caps.into_iter().map(|(cap, _)| cap.to_owned()).collect()
}

fn paths(entry: Entry<'_>, key: &str, findings: &mut Findings) -> Vec<String> {
    let paths = entry.texts(key);
    for (path, at) in paths.iter().filter(|(path, _)| !is_folder_path(path)) {
        findings
            .error(entry.file, *at, format!("`{path}` is not a clean absolute path"))
            .help("write it from `/`, without `.`, `..`, `//` or a last `/`; `/` itself cannot be granted");
    }
    paths.into_iter().map(|(path, _)| path.to_owned()).collect()
}

/// The engine's and doorward's own sockets are never among them: they would undo every other rule.
fn sockets(entry: Entry<'_>, engine_socket: &str, findings: &mut Findings) -> Vec<String> {
    const CLOSED: &[&str] = &[
        "/var/run/docker.sock",
        "/run/docker.sock",
        "/run/doorward",
        "/var/run/doorward",
        "/run/containerd",
        "/run/podman",
        "/run/dbus",
        "/run/systemd/private",
    ];
    for (path, at) in entry.texts("sockets") {
        let closed = std::iter::once(&engine_socket).chain(CLOSED);
        if closed.into_iter().any(|closed| is_beneath(path, closed) || is_beneath(closed, path)) {
            findings
                .error(entry.file, at, format!("`{path}` may not be given to a command"))
                .help("whoever reaches it owns the host; docker is granted in `[role.NAME.docker]`");
        }
    }
    paths(entry, "sockets", findings)
}

fn network(entry: Entry<'_>, findings: &mut Findings) -> Network {
    match entry.text("network") {
        None | Some(("audit", _)) => Network::Audit,
        Some(("none", _)) => Network::None,
        Some(("host", at)) => {
            findings.notice(
                entry.file,
                at,
                "danger: this command reaches the network and the host's services",
            );
            Network::Host
        }
        Some((other, at)) => {
            findings
                .error(entry.file, at, format!("`network` is not `{other}`"))
                .help("it is `audit`, `none` or `host`");
            Network::Audit
        }
    }
}

/// The policy's own tests.
fn examples(entry: Entry<'_>, id: &str, pattern: &Pattern, findings: &mut Findings) {
    for (key, wanted) in [("allow", true), ("deny", false)] {
        for (line, at) in entry.texts(key) {
            let Some(words) = words(line) else {
                findings.error(entry.file, at, "this example has a quote that is not closed");
                continue;
            };
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            if pattern.matches(&words) == wanted {
                continue;
            }
            let told = if wanted {
                findings.error(entry.file, at, format!("the rule {id} does not allow its example `{line}`"))
            } else {
                findings.error(
                    entry.file,
                    at,
                    format!("the rule {id} allows `{line}`, which it should refuse"),
                )
            };
            told.help(format!("the rule is `{}`", pattern.usage()));
        }
    }
}

/// Splits an example at blanks; quotes keep blanks together. `None` when a quote stays open.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

fn dangers(entry: Entry<'_>, id: &str, pattern: &Pattern, how: &How, findings: &mut Findings) {
    let at = entry.key_at("run");
    let open = pattern.open_values();
    if how.identity == Identity::Root && !open.is_empty() {
        let message =
            format!("danger: {id} runs as root with words that the worker chooses: {}", open.join(", "));
        findings.notice(entry.file, at, message);
    }
    let strong: Vec<&str> =
        how.caps.iter().map(String::as_str).filter(|cap| STRONG_CAPABILITIES.contains(cap)).collect();
    if !strong.is_empty() && !pattern.is_fixed() {
        let message = format!(
            "danger: {id} has {} and is not a fixed line: see that no word of it names a file",
            strong.join(", ")
        );
        findings.notice(entry.file, at, message);
    }
    let program = pattern.first_word().rsplit('/').next().unwrap_or_default();
    if OPEN_PROGRAMS.contains(&program) && !pattern.is_fixed() {
        let message = format!("danger: {id}: `{program}` can run or write whatever its words say");
        findings.notice(entry.file, at, message);
    }
}

/// Tells rules that can never be the one that allows, because an earlier one allows the same line.
pub(super) fn tell_shadowed(rules: &[CommandRule], index: &CommandIndex, findings: &mut Findings) {
    for rule in rules.iter().filter(|rule| rule.pattern.is_fixed()) {
        let words: Vec<&str> = rule.pattern.literals().collect();
        let winner = index.find(rules, &words);
        if let Some(winner) = winner.filter(|winner| winner.id != rule.id) {
            let message = format!("{} is never used: {} allows the same line before it", rule.id, winner.id);
            findings.notices.push(Notice { at: rule.at.clone(), message });
        }
    }
}
