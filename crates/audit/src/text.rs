//! Records for people: one line each, for any terminal.

use crate::json::is_active;
use crate::record::{Entry, Kind, Outcome, Record, Verdict};
use base64::Engine;
use std::fmt::Write;

/// Longest shown form of what was asked, in characters.
const WHAT: usize = 200;

/// `time  seq  worker  verdict  what  why  result`, columns separated by two blanks. Whatever a terminal would
/// act on is escaped.
pub fn render(record: &Record) -> String {
    let entry = &record.entry;
    let mut line = format!(
        "{}  {:>6}  {:<12}  {:<7}",
        clean(&record.time),
        record.seq,
        clean(entry.worker.as_deref().unwrap_or("-")),
        verdict(entry),
    );
    for part in [what(entry), why(entry), entry.outcome.as_ref().map(result).unwrap_or_default()] {
        if !part.is_empty() {
            line.push_str("  ");
            line.push_str(&part);
        }
    }
    line
}

fn verdict(entry: &Entry) -> &'static str {
    match (entry.verdict, entry.kind) {
        (Some(Verdict::Allow), _) => "allow",
        (Some(Verdict::Deny), _) => "deny",
        (None, Kind::Outcome) => "done",
        (None, kind) => kind.word(),
    }
}

fn what(entry: &Entry) -> String {
    let whole = if let Some(argv) = &entry.argv {
        words(argv)
    } else if let Some(http) = &entry.http {
        format!("{} {}", clean(&http.method), clean(&http.target))
    } else if let Some(line) = &entry.line_base64 {
        let bytes = base64::engine::general_purpose::STANDARD.decode(line).unwrap_or_default();
        format!("\"{}\"", bytes.escape_ascii())
    } else if let Some(intent) = entry.intent {
        format!("#{intent}")
    } else {
        entry
            .operation
            .as_ref()
            .or(entry.detail.as_ref())
            .map(|data| clean(&data.to_string()))
            .unwrap_or_default()
    };
    match whole.char_indices().nth(WHAT) {
        Some((at, _)) => format!("{}…", whole.get(..at).unwrap_or_default()),
        None => whole,
    }
}

fn why(entry: &Entry) -> String {
    let rule = entry.rule.as_deref().map(|rule| format!("[{}]", clean(rule)));
    let reason = entry.reason.as_deref().map(|reason| match &entry.message {
        Some(message) => format!("{}: {}", clean(reason), clean(message)),
        None => clean(reason),
    });
    match (entry.verdict, rule, reason, &entry.message) {
        (Some(Verdict::Deny), _, Some(reason), _) => reason,
        (_, Some(rule), ..) => rule,
        (_, None, Some(reason), _) => reason,
        (_, None, None, Some(message)) => clean(message),
        (_, None, None, None) => String::new(),
    }
}

fn result(outcome: &Outcome) -> String {
    let mut text = clean(&outcome.how);
    let numbers = [("exit", outcome.exit), ("signal", outcome.signal), ("HTTP", outcome.status)];
    for (name, number) in numbers {
        if let Some(number) = number {
            // Writing to a String cannot fail.
            let _ = write!(text, " {name} {number}");
        }
    }
    let _ = write!(text, ", {} ms, {} bytes", outcome.millis, outcome.bytes);
    if outcome.truncated {
        text.push_str(" (cut)");
    }
    for (name, part) in [("run", &outcome.run), ("error:", &outcome.error)] {
        if let Some(part) = part {
            let _ = write!(text, ", {name} {}", clean(part));
        }
    }
    text
}

/// Words as one could type them; those that need it are in single quotes.
fn words(argv: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_@%+=:,./-".contains(c);
    let quoted = argv.iter().map(|word| match word.is_empty() || !word.chars().all(plain) {
        true => format!("'{}'", clean(&word.replace('\'', "'\\''"))),
        false => word.clone(),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_active(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}
