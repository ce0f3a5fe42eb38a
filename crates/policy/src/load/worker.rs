//! `[worker.NAME]`.

use super::Findings;
use super::file::Entry;
use super::host::{is_account, is_network, is_table_name};
use super::known::KEY_TYPES;
use crate::nearest::did_you_mean;
use crate::{Limits, Role, Worker};
use std::collections::BTreeMap;

/// All workers of the main file, with their spawn uids.
pub(super) fn read_all(
    root: Entry<'_>,
    roles: &BTreeMap<String, Role>,
    findings: &mut Findings,
) -> BTreeMap<String, Worker> {
    let range = spawn_range(root, findings);
    let mut workers: BTreeMap<String, Worker> = BTreeMap::new();
    let mut places: Vec<(String, usize)> = Vec::new();
    for (index, (name, entry)) in root.tables("worker").into_iter().enumerate() {
        let worker = read(name, entry, spawn_uid(entry, name, index, range, findings), roles, findings);
        if let Some(other) =
            workers.values().find(|other| other.user == worker.user && !worker.user.is_empty())
        {
            let message = format!("the account `{}` is worker `{}`'s already", worker.user, other.name);
            findings
                .error(entry.file, entry.key_at("user"), message)
                .help("each worker has an account of its own");
        }
        if let Some(other) = workers.values().find(|other| other.spawn_uid == worker.spawn_uid) {
            let message =
                format!("worker `{name}` has the same spawn uid {} as `{}`", worker.spawn_uid, other.name);
            findings
                .error(entry.file, entry.key_at("spawn_uid"), message)
                .help("give one of them another `spawn_uid`");
        }
        places.push((name.to_owned(), entry.key_at("uids")));
        workers.insert(name.to_owned(), worker);
    }
    foreign_uids(root, &workers, &places, findings);
    workers
}

fn read(
    name: &str,
    entry: Entry<'_>,
    spawn_uid: u32,
    roles: &BTreeMap<String, Role>,
    findings: &mut Findings,
) -> Worker {
    if !is_table_name(name, 32) {
        findings
            .error(entry.file, entry.at, format!("`{name}` cannot name a worker"))
            .help("a worker's name is a small letter, then small letters, digits and `-`, at most 32");
    }
    let user = entry.text("user");
    if let Some((user, at)) = user.filter(|(user, _)| !is_account(user) || *user == "root") {
        findings
            .error(entry.file, at, format!("`{user}` cannot be a worker's account"))
            .help("name an account made for this worker; root would own the host already");
    }
    let uids: Vec<u32> =
        entry.wholes("uids").into_iter().filter_map(|(uid, _)| u32::try_from(uid).ok()).collect();
    if uids.contains(&0) {
        findings.notice(
            entry.file,
            entry.key_at("uids"),
            "uid 0 need not be listed: root may connect anyhow",
        );
    }
    Worker {
        name: name.to_owned(),
        at: entry.file.location(entry.at),
        user: user.map(|(user, _)| user.to_owned()).unwrap_or_default(),
        keys: keys(entry, findings),
        from: from(entry, findings),
        uids,
        roles: role_names(entry, roles, findings),
        spawn_uid,
        limits: entry.table("limits").map(limits).unwrap_or_default(),
    }
}

fn keys(entry: Entry<'_>, findings: &mut Findings) -> Vec<String> {
    let keys = entry.texts("keys");
    for (key, at) in &keys {
        let mut words = key.split_ascii_whitespace();
        let kind = words.next().is_some_and(|kind| KEY_TYPES.contains(&kind));
        let blob = words.next().is_some_and(|blob| {
            blob.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)) && blob.starts_with("AAAA")
        });
        if !kind || !blob || !crate::is_clean(key) {
            findings
                .error(entry.file, *at, "this is not an SSH public key")
                .help("write the line of the `.pub` file: `ssh-ed25519 AAAA… comment`, without options");
        }
    }
    keys.into_iter().map(|(key, _)| key.to_owned()).collect()
}

fn from(entry: Entry<'_>, findings: &mut Findings) -> Vec<String> {
    let from = entry.texts("from");
    for (text, at) in from.iter().filter(|(text, _)| !is_network(text)) {
        findings
            .error(entry.file, *at, format!("`{text}` is not an address"))
            .help("write `127.0.0.1/32`, `10.0.0.0/8` or `fd00::/8`");
    }
    from.into_iter().map(|(text, _)| text.to_owned()).collect()
}

fn role_names(entry: Entry<'_>, roles: &BTreeMap<String, Role>, findings: &mut Findings) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, at) in entry.texts("roles") {
        if !roles.contains_key(name) {
            let help = did_you_mean(name, roles.keys().map(String::as_str), || match roles.is_empty() {
                true => "write `[role.NAME]`, or `include` a file with roles".into(),
                false => format!("roles are: {}", roles.keys().cloned().collect::<Vec<_>>().join(", ")),
            });
            findings.error(entry.file, at, format!("there is no role `{name}`")).help(help);
        } else if names.iter().any(|known| known == name) {
            findings.error(entry.file, at, format!("the role `{name}` is listed twice"));
        } else {
            names.push(name.to_owned());
        }
    }
    names
}

fn limits(entry: Entry<'_>) -> Limits {
    let mut limits = Limits::default();
    let set = |target: &mut u32, table: &str, key: &str| {
        let given = entry.table(table).and_then(|table| table.whole(key));
        if let Some(value) = given.and_then(|(value, _)| u32::try_from(value).ok()) {
            *target = value;
        }
    };
    set(&mut limits.lines_concurrent, "lines", "concurrent");
    set(&mut limits.lines_per_minute, "lines", "per_minute");
    set(&mut limits.reads_concurrent, "reads", "concurrent");
    set(&mut limits.reads_per_minute, "reads", "per_minute");
    set(&mut limits.writes_concurrent, "writes", "concurrent");
    set(&mut limits.writes_per_minute, "writes", "per_minute");
    set(&mut limits.streams_concurrent, "streams", "concurrent");
    let lines = entry.table("lines");
    limits.lines_seconds = lines.and_then(|lines| lines.seconds("seconds")).unwrap_or(limits.lines_seconds);
    limits.lines_output = lines.and_then(|lines| lines.size("output")).unwrap_or(limits.lines_output);
    limits
}

/// First and last spawn uid.
fn spawn_range(root: Entry<'_>, findings: &mut Findings) -> (u32, u32) {
    const DEFAULT: (u32, u32) = (60706, 60799);
    let given = root.table("spawn").and_then(|spawn| Some((spawn.file, spawn.text("uids")?)));
    let Some((file, (text, at))) = given else { return DEFAULT };
    let parsed = text.split_once("..").and_then(|(first, last)| {
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        // 65534 is nobody and 65535 is -1 in 16 bits.
        let clear = first > 65535 || last < 65534;
        (first >= 1000 && first <= last && last < u32::MAX - 1 && clear).then_some((first, last))
    });
    parsed.unwrap_or_else(|| {
        findings
            .error(file, at, format!("`{text}` is not a range of spawn uids"))
            .help("write `60706..60799`: from 1000 up, and without 65534 and 65535");
        DEFAULT
    })
}

/// Its own number, or the range's start plus the worker's place in the file: adding a worker at the end
/// changes nobody's uid.
fn spawn_uid(entry: Entry<'_>, name: &str, index: usize, range: (u32, u32), findings: &mut Findings) -> u32 {
    if let Some(uid) = entry.whole("spawn_uid").and_then(|(uid, _)| u32::try_from(uid).ok()) {
        if matches!(uid, 65534 | 65535) {
            findings.error(
                entry.file,
                entry.key_at("spawn_uid"),
                format!("{uid} means `nobody`; choose another uid"),
            );
        }
        return uid;
    }
    let (first, last) = range;
    let uid = u32::try_from(index).ok().and_then(|index| first.checked_add(index)).unwrap_or(u32::MAX);
    if uid > last {
        findings
            .error(entry.file, entry.at, format!("there is no spawn uid left for worker `{name}`"))
            .help(format!("widen `[spawn] uids`, which is `{first}..{last}`, or give it a `spawn_uid`"));
    }
    uid
}

/// A peer that is let in to one worker's socket must not be another worker's command.
fn foreign_uids(
    root: Entry<'_>,
    workers: &BTreeMap<String, Worker>,
    places: &[(String, usize)],
    findings: &mut Findings,
) {
    for (name, at) in places {
        let Some(worker) = workers.get(name) else { continue };
        for other in workers.values().filter(|other| other.name != worker.name) {
            if worker.uids.contains(&other.spawn_uid) {
                let message = format!("uid {} is the spawn uid of worker `{}`", other.spawn_uid, other.name);
                findings
                    .error(root.file, *at, message)
                    .help(format!("`{}`'s commands could act as `{name}`: leave it out", other.name));
            }
            if other.name > worker.name && worker.uids.iter().any(|uid| other.uids.contains(uid)) {
                let message = format!(
                    "danger: a uid is listed for `{name}` and for `{}`: it may act as both",
                    other.name
                );
                findings.notice(root.file, *at, message);
            }
        }
    }
}
