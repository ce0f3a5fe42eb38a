//! Unknown keys, missing keys and wrong types, told for a whole file at once from the key table.

use super::Findings;
use super::file::{self, Entry, File};
use super::keys::{self, Force, Key, Kind};
use crate::nearest::did_you_mean;
use toml::Spanned;
use toml::de::DeValue;

/// Checks a file against the key table; `main` is false for an included one.
pub(super) fn check(file: &File<'_>, main: bool, findings: &mut Findings) {
    table(file.root(), "", "", main, findings);
}

/// `path` is the table's place in the key table, `shown` the same with the operator's names.
fn table(entry: Entry<'_>, path: &str, shown: &str, main: bool, findings: &mut Findings) {
    for ((name, at), value) in entry.pairs() {
        let shown = join(shown, name);
        let Some((_, key)) = keys::beneath(path).find(|(known, _)| *known == name) else {
            unknown(entry, path, name, at, findings);
            continue;
        };
        if !main && !keys::may_be_included(key) {
            findings
                .error(entry.file, at, format!("`{shown}` may not stand in an included file"))
                .help("an included file holds roles; move this to the main file");
            continue;
        }
        if let Some(why) = not_here(key) {
            findings.notice(entry.file, at, format!("`{shown}` {why}"));
        }
        held(entry.file, key, &shown, value, at, main, findings);
    }
    for (name, key) in keys::beneath(path) {
        let missing = key.default.is_none() && !entry.has(name) && (main || !path.is_empty());
        if missing {
            let what = if shown.is_empty() { "the file".to_owned() } else { format!("`{shown}`") };
            let help = match path.is_empty() && entry.has("role") && !entry.has("worker") {
                true => ROLE_FILE.to_owned(),
                false => format!("add `{name} = …`: {}", key.about),
            };
            findings.error(entry.file, entry.at, format!("{what} has no `{name}`")).help(help);
        }
    }
}

/// What is said of a main file that looks like one of those that are included.
const ROLE_FILE: &str = "a file of roles is not a policy by itself: name it in the `include` of one, and check that; \
                         a policy begins with `version = 1`";

fn not_here(key: &Key) -> Option<&'static str> {
    match key.force {
        Force::Now => None,
        Force::Sshd => Some(
            "is not checked by doorward itself: sshd's configuration and authorized_keys must say the same",
        ),
    }
}

fn unknown(entry: Entry<'_>, path: &str, name: &str, at: usize, findings: &mut Findings) {
    let known: Vec<&str> =
        keys::beneath(path).map(|(known, _)| known).filter(|known| *known != "*").collect();
    let help = did_you_mean(name, known.iter().copied(), || format!("known here: {}", known.join(", ")));
    findings.error(entry.file, at, format!("unknown key `{name}`")).help(help);
}

/// Checks what a key holds.
fn held(
    file: &File<'_>,
    key: &Key,
    shown: &str,
    value: &Spanned<DeValue<'_>>,
    at: usize,
    main: bool,
    findings: &mut Findings,
) {
    let nested = Entry::of(file, value, at);
    match (key.kind, nested) {
        (Kind::Table, Some(entry)) => table(entry, key.path, shown, main, findings),
        (Kind::Names, Some(entry)) => {
            let Some(each) = keys::key(&format!("{}.*", key.path)) else { return };
            for ((name, at), value) in entry.pairs() {
                held(file, each, &join(shown, name), value, at, main, findings);
            }
        }
        (Kind::Rows, None) if file::array(value.get_ref()).is_some() => {
            for item in file::array(value.get_ref()).into_iter().flatten() {
                match Entry::of(file, item, item.span().start) {
                    Some(entry) => table(entry, key.path, shown, main, findings),
                    None => wrong(file, shown, item, "a table", findings),
                }
            }
        }
        (Kind::Texts, None) if file::array(value.get_ref()).is_some() => {
            for item in file::array(value.get_ref()).into_iter().flatten() {
                if file::text(item).is_none() {
                    wrong(file, shown, item, "a list of texts", findings);
                }
            }
        }
        (kind, _) if fits(kind, value) => {}
        (kind, _) => wrong(file, shown, value, &kind.words(), findings),
    }
}

/// Values that hold no keys.
fn fits(kind: Kind, value: &Spanned<DeValue<'_>>) -> bool {
    let inner = value.get_ref();
    let is_text = file::text(value);
    match kind {
        Kind::Text => is_text.is_some(),
        Kind::Bool => matches!(inner, DeValue::Boolean(_)),
        Kind::Whole(least, most) => file::whole(inner).is_some_and(|n| (least..=most).contains(&n)),
        Kind::Number => file::digits(inner).is_some(),
        Kind::Size => file::size(inner).is_some(),
        Kind::Duration | Kind::Seconds => file::seconds(inner).is_some(),
        Kind::Uids => file::array(inner).is_some_and(|items| items.iter().all(|item| is_uid(item.get_ref()))),
        Kind::Gpus => {
            is_text.is_some_and(|(text, _)| text == "all")
                || file::whole(inner).is_some_and(|n| (0..=1024).contains(&n))
        }
        Kind::Users => {
            is_text.is_some_and(|(text, _)| text == "any")
                || file::array(inner).is_some_and(|items| items.iter().all(|item| file::text(item).is_some()))
        }
        Kind::Texts | Kind::Table | Kind::Names | Kind::Rows => false,
    }
}

/// The last uid means "none" to the kernel.
fn is_uid(value: &DeValue<'_>) -> bool {
    file::whole(value).and_then(|uid| u32::try_from(uid).ok()).is_some_and(|uid| uid < u32::MAX)
}

fn wrong(file: &File<'_>, shown: &str, value: &Spanned<DeValue<'_>>, wanted: &str, findings: &mut Findings) {
    let given = match value.get_ref() {
        DeValue::String(text) => format!("the text {:?}", text.chars().take(40).collect::<String>()),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    };
    findings.error(file, value.span().start, format!("`{shown}` must be {wanted}, not {given}"));
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
