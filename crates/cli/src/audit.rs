//! `doorward audit`: what the log says, and whether it was left as it was written.

use crate::args::{Audit, AuditFilter};
use crate::exit::{BROKEN, FAILED, fail};
use doorward_audit::{Fault, FaultKind, ReadError, Reader, Shown, Verdict, Wanted, render, verify};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// How often `follow` looks for new records.
const POLL: Duration = Duration::from_millis(200);

/// Runs one of the audit commands over the log under `state_dir`.
pub(crate) fn run(state_dir: &Path, what: Option<Audit>) -> u8 {
    let folder = state_dir.join("audit");
    let what = what.unwrap_or(Audit::List { filter: AuditFilter::default(), newest: None });
    match what {
        Audit::List { filter, newest } => match (Reader::open(&folder, wanted(&filter)), newest) {
            (Ok(mut reader), Some(newest)) => show(since_then(reader.newest(newest), &filter), filter.json),
            (Ok(reader), None) => show(since_then(reader, &filter), filter.json),
            (Err(error), _) => fail(error),
        },
        Audit::Follow(filter) => match Reader::open(&folder, wanted(&filter)) {
            Ok(reader) => show(since_then(reader.follow(POLL), &filter), filter.json),
            Err(error) => fail(error),
        },
        Audit::Verify => check(&folder),
    }
}

fn wanted(filter: &AuditFilter) -> Wanted {
    let verdict = match filter.verdict.as_deref() {
        _ if filter.denied => Some(Verdict::Deny),
        Some("deny") => Some(Verdict::Deny),
        Some(_) => Some(Verdict::Allow),
        None => None,
    };
    Wanted { worker: filter.worker.clone(), verdict }
}

type Read = Result<Shown, ReadError>;

/// Those that are young enough, with what cannot be read among them.
fn since_then(records: impl IntoIterator<Item = Read>, filter: &AuditFilter) -> impl Iterator<Item = Read> {
    // As records have it: equally long, so that the order of texts is that of times.
    let since = filter.since.map(|since| format!("{since:.3}"));
    records.into_iter().filter(move |read| match (read, &since) {
        (Ok(shown), Some(since)) => shown.record.time >= *since,
        _ => true,
    })
}

/// Prints records until there are no more or nobody reads; what cannot be read is told and passed over.
fn show(records: impl Iterator<Item = Result<Shown, ReadError>>, json: bool) -> u8 {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut code = 0;
    for record in records {
        let line = match record {
            Ok(shown) if json => shown.line,
            Ok(shown) => render(&shown.record),
            Err(error) => {
                code = fail(&error);
                continue;
            }
        };
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            break;
        }
    }
    code
}

fn check(folder: &Path) -> u8 {
    match verify(folder) {
        Ok(whole) => {
            println!(
                "ok: {} records, {} to {}, last hash {}",
                whole.records, whole.first, whole.last, whole.last_hash
            );
            if whole.unfinished > 0 {
                println!("    and {} bytes of a record that is not yet whole", whole.unfinished);
            }
            0
        }
        // No folder to look into says nothing about the log.
        Err(Fault { segment, kind: FaultKind::Unreadable(error), .. }) if Path::new(&segment) == folder => {
            eprintln!("doorward: audit log {segment}: {error}");
            FAILED
        }
        Err(fault) => {
            eprintln!("doorward: the audit log does not verify: {fault}");
            BROKEN
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::since;

    fn shown(time: &str) -> Read {
        let line = format!(
            r#"{{"v":1,"seq":1,"time":"{time}","mono":1,"boot":"b","kind":"intent","prev":"{}"}}"#,
            "0".repeat(64)
        );
        Ok(Shown { record: serde_json::from_str(&line).unwrap(), line })
    }

    #[test]
    fn only_what_is_young_enough_is_listed() {
        let of = |text: &str| AuditFilter { since: Some(since(text).unwrap()), ..AuditFilter::default() };
        let all = || {
            ["2026-01-01T23:59:59.999Z", "2026-01-02T00:00:00.000Z", "2026-01-02T03:04:00.000Z"].map(shown)
        };
        let count = |text: &str| since_then(all(), &of(text)).count();
        assert_eq!(
            ["2026-01-02", "2026-01-02T03:04", "2026-01-02T04:04:00+01:00", "2026-01-03"].map(count),
            [2, 1, 1, 0]
        );
        let now = format!("{:.3}", jiff::Timestamp::now());
        assert_eq!(since_then([shown(&now), shown("2026-01-01T00:00:00.000Z")], &of("1h")).count(), 1);
        assert_eq!(since_then(all(), &AuditFilter::default()).count(), 3);
    }

    #[test]
    fn denied_is_the_verdict_deny() {
        let filter = |denied, verdict: Option<&str>| AuditFilter {
            denied,
            verdict: verdict.map(str::to_owned),
            ..AuditFilter::default()
        };
        assert_eq!(wanted(&filter(true, None)).verdict, Some(Verdict::Deny));
        assert_eq!(wanted(&filter(false, Some("deny"))).verdict, Some(Verdict::Deny));
        assert_eq!(wanted(&filter(false, Some("allow"))).verdict, Some(Verdict::Allow));
        assert_eq!(wanted(&filter(false, None)).verdict, None);
    }

    #[test]
    fn a_log_that_is_not_there_is_not_called_broken() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(check(&folder.path().join("audit")), FAILED);
        std::fs::write(folder.path().join("audit-00000000000000000001.jsonl"), "no record\n").unwrap();
        assert_eq!(check(folder.path()), BROKEN);
    }
}
